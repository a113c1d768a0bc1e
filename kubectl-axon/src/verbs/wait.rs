//! `wait`: until objects are as one wants them, or Tasks and pipelines have ended.

use std::time::Duration;

use axon_api::Phase;
use clap::Args;
use futures::future::join_all;
use futures::{Stream, StreamExt};
use kube::api::DynamicObject;
use serde_json::Value;

use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::{self, Exit};
use crate::failure::{Failure, Result};
use crate::parts::seconds;
use crate::resources::{Kind, Targets, targets};
use crate::text::{one_line, without_hints};
use crate::watch::{self, Sighting};
use crate::{complete, invocation, objects, output};

/// Wait for tasks and pipelines to end, or for what --for says
#[derive(Args)]
#[command(after_help = format!("\
Examples:
  kubectl axon wait my-task                            # the exit code is the task's
  kubectl axon wait my-task --for=phase=Running --timeout 10m
  kubectl axon wait provider/gateway --for=condition=Ready
  kubectl axon wait task a b c --for=delete

{}", exit::HELP))]
pub(crate) struct WaitArgs {
    /// Kind, such as `taskpipeline`, and names; names alone are tasks
    #[arg(value_name = "KIND | NAME", required = true, add = complete::targets())]
    words: Vec<String>,

    /// condition=TYPE[=VALUE], phase=PHASE, create or delete; default: the end
    #[arg(long = "for", value_name = "WHAT", value_parser = Goal::parse)]
    goal: Option<Goal>,

    /// How long to wait, such as 30s or 1h; default: without limit
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Goal {
    /// The Task or pipeline has ended in whatever way.
    End,
    Condition {
        type_: String,
        status: String,
    },
    Phase(String),
    Create,
    Delete,
}

impl Goal {
    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=').unwrap_or((text, "")) {
            ("create", "") => Ok(Self::Create),
            ("delete", "") => Ok(Self::Delete),
            ("phase", phase) if !phase.is_empty() => Ok(Self::Phase(phase.to_owned())),
            ("condition", condition) if !condition.is_empty() => {
                let (type_, status) = condition.split_once('=').unwrap_or((condition, "True"));
                Ok(Self::Condition {
                    type_: type_.to_owned(),
                    status: status.to_owned(),
                })
            }
            _ => {
                Err("must be condition=TYPE, condition=TYPE=VALUE, phase=PHASE, create or delete".to_owned())
            }
        }
    }
}

/// How an object stands to what is waited for.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    NotYet,
    Met(Exit),
    /// It never will be.
    Never(Exit, String),
}

pub(crate) fn wait(context: &Context, args: &WaitArgs) -> Result<Exit> {
    let targets = targets(&args.words)?;
    let kind = targets.kind;
    if targets.names.is_empty() {
        return Err(
            Failure::new(format!("no {} named", kind.singular())).hint(format!(
                "{} lists them",
                invocation::command(&format!("get {}", kind.plural()))
            )),
        );
    }
    let goal = args.goal.clone().unwrap_or(Goal::End);
    if goal == Goal::End && !matches!(kind, Kind::Task | Kind::TaskPipeline) {
        return Err(Failure::new(format!("{} have no end to wait for", kind.plural()))
            .hint("say what to wait for with --for, such as --for=condition=Ready"));
    }
    let timeout = args
        .timeout
        .as_deref()
        .map(|text| seconds("--timeout", text))
        .transpose()?
        .map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or_default()));
    cluster::block_on(async {
        let cluster = cluster::connect(context).await?;
        tokio::select! {
            exit = all(&cluster, &targets, &goal, timeout) => exit,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
        }
    })
}

/// Waits for all objects at once. The first that did not go well gives the exit code.
async fn all(cluster: &Cluster, targets: &Targets, goal: &Goal, timeout: Option<Duration>) -> Result<Exit> {
    let waiting = targets.names.iter().map(|name| async move {
        let one = one(cluster, targets.kind, name, goal);
        let waited = match timeout {
            Some(timeout) => tokio::time::timeout(timeout, one).await,
            None => Ok(one.await),
        };
        waited.unwrap_or_else(|_| {
            output::note(format!(
                "error: timed out waiting for {} `{name}`",
                targets.kind.singular()
            ));
            Ok(Exit::WaitedTooLong)
        })
    });
    let mut exit = Exit::Success;
    for ended in join_all(waiting).await {
        let this = match ended {
            Ok(this) => this,
            Err(failure) if failure.is_silent() => return Err(failure),
            Err(failure) => {
                output::note(failure.render().trim_end());
                failure.exit()
            }
        };
        if exit == Exit::Success {
            exit = this;
        }
    }
    Ok(exit)
}

async fn one(cluster: &Cluster, kind: Kind, name: &str, goal: &Goal) -> Result<Exit> {
    let api = objects::api(cluster, kind);
    let sightings = Box::pin(watch::one(api, name));
    follow(sightings, cluster, kind, name, goal).await
}

async fn follow(
    mut sightings: impl Stream<Item = Result<Sighting<DynamicObject>>> + Unpin,
    cluster: &Cluster,
    kind: Kind,
    name: &str,
    goal: &Goal,
) -> Result<Exit> {
    let mut is_there = false;
    while let Some(sighting) = sightings.next().await {
        match sighting? {
            Sighting::Seen(object) => {
                is_there = true;
                let object = serde_json::to_value(*object).unwrap_or_default();
                match standing(&object, goal) {
                    Standing::NotYet => {}
                    Standing::Met(exit) => {
                        output::print(format!("{}/{name} {}\n", kind.with_group(), met(&object, goal)))?;
                        return Ok(exit);
                    }
                    Standing::Never(exit, why) => {
                        output::note(format!("error: {} `{name}` {why}", kind.singular()));
                        return Ok(exit);
                    }
                }
            }
            Sighting::Listed if !is_there => match goal {
                Goal::Delete => {
                    output::print(format!("{}/{name} condition met\n", kind.with_group()))?;
                    return Ok(Exit::Success);
                }
                Goal::Create => {}
                _ => return Err(objects::not_found(kind, name, &cluster.namespace)),
            },
            Sighting::Listed => {}
            Sighting::Gone(_) if *goal == Goal::Delete => {
                output::print(format!("{}/{name} condition met\n", kind.with_group()))?;
                return Ok(Exit::Success);
            }
            Sighting::Gone(_) => {
                output::note(format!(
                    "error: {} `{name}` was deleted while it was waited for",
                    kind.singular()
                ));
                return Ok(Exit::Deleted);
            }
            Sighting::Trouble(cause) => {
                output::note(format!("the server cannot be reached, trying again: {cause}"));
                cluster.revive().await;
            }
        }
    }
    Err(Failure::new(format!(
        "failed to watch {} `{name}`: the watch ended",
        kind.singular()
    )))
}

/// What is said of an object that is as it was waited for.
fn met(object: &Value, goal: &Goal) -> String {
    match goal {
        Goal::End => object["status"]["phase"].as_str().unwrap_or_default().to_owned(),
        _ => "condition met".to_owned(),
    }
}

fn standing(object: &Value, goal: &Goal) -> Standing {
    let status = &object["status"];
    let phase = status["phase"].as_str().unwrap_or_default();
    let ended = end_of(phase);
    let never = || match ended {
        None => Standing::NotYet,
        Some(exit) => {
            let message = without_hints(status["message"].as_str().unwrap_or_default()).0;
            let detail = if message.is_empty() {
                String::new()
            } else {
                format!(": {}", one_line(&message))
            };
            let exit = if exit == Exit::Success {
                Exit::Failure
            } else {
                exit
            };
            Standing::Never(exit, format!("has ended before that, it is {phase}{detail}"))
        }
    };
    match goal {
        Goal::End => ended.map_or(Standing::NotYet, Standing::Met),
        Goal::Create => Standing::Met(Exit::Success),
        Goal::Delete => Standing::NotYet,
        Goal::Phase(wanted) if phase.eq_ignore_ascii_case(wanted) => Standing::Met(Exit::Success),
        Goal::Phase(_) => never(),
        Goal::Condition {
            type_,
            status: wanted,
        } => {
            let generation = object["metadata"]["generation"].as_i64();
            let is_met = status["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|condition| {
                    let text = |key: &str| condition[key].as_str().unwrap_or_default();
                    let is_current = match (condition["observedGeneration"].as_i64(), generation) {
                        (Some(observed), Some(generation)) => observed >= generation,
                        _ => true,
                    };
                    is_current
                        && text("type").eq_ignore_ascii_case(type_)
                        && text("status").eq_ignore_ascii_case(wanted)
                });
            if is_met {
                Standing::Met(Exit::Success)
            } else {
                never()
            }
        }
    }
}

/// What an end in this phase makes of the program; `None` while there is no end.
fn end_of(phase: &str) -> Option<Exit> {
    match phase {
        "Complete" => Some(Exit::Success),
        _ => serde_json::from_value::<Phase>(Value::from(phase))
            .ok()
            .and_then(Exit::of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn goal(text: &str) -> Goal {
        Goal::parse(text).expect("a goal")
    }

    #[test]
    fn what_to_wait_for_is_read_as_kubectl_reads_it() {
        assert_eq!(goal("delete"), Goal::Delete);
        assert_eq!(goal("phase=Running"), Goal::Phase("Running".into()));
        assert_eq!(
            goal("condition=Ready"),
            Goal::Condition {
                type_: "Ready".into(),
                status: "True".into()
            }
        );
        assert_eq!(
            goal("condition=Ready=false"),
            Goal::Condition {
                type_: "Ready".into(),
                status: "false".into()
            }
        );
        for text in ["", "ready", "condition=", "phase", "delete=now", "jsonpath={.a}"] {
            assert!(Goal::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_end_gives_the_exit_code_of_its_phase() {
        for (phase, exit) in [
            ("Succeeded", Some(Exit::Success)),
            ("Failed", Some(Exit::Failure)),
            ("TimedOut", Some(Exit::TimedOut)),
            ("Cancelled", Some(Exit::Cancelled)),
            ("Complete", Some(Exit::Success)),
            ("Running", None),
            ("AwaitingApproval", None),
            ("", None),
        ] {
            let object = json!({"status": {"phase": phase}});
            let expected = exit.map_or(Standing::NotYet, Standing::Met);
            assert_eq!(standing(&object, &Goal::End), expected, "{phase}");
        }
    }

    #[test]
    fn a_phase_that_cannot_come_any_more_is_not_waited_for() {
        let failed = json!({"status": {"phase": "Failed", "message": "no\nhint: x"}});
        assert_eq!(
            standing(&failed, &goal("phase=Succeeded")),
            Standing::Never(Exit::Failure, "has ended before that, it is Failed: no".into())
        );
        assert_eq!(
            standing(&failed, &goal("phase=failed")),
            Standing::Met(Exit::Success)
        );
        let done = json!({"status": {"phase": "Succeeded"}});
        assert!(matches!(
            standing(&done, &goal("phase=Running")),
            Standing::Never(Exit::Failure, _)
        ));
    }

    #[test]
    fn a_condition_counts_when_it_is_of_the_current_spec() {
        let provider = |observed: i64| {
            json!({
                "metadata": {"generation": 2},
                "status": {"conditions": [
                    {"type": "Ready", "status": "True", "observedGeneration": observed},
                ]},
            })
        };
        let ready = goal("condition=ready");
        assert_eq!(standing(&provider(2), &ready), Standing::Met(Exit::Success));
        assert_eq!(standing(&provider(1), &ready), Standing::NotYet);
        assert_eq!(standing(&json!({}), &ready), Standing::NotYet);
    }
}
