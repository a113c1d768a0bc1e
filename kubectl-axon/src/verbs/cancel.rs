//! `cancel`: ends Tasks and pipelines; what they did so far is kept.

use axon_api::labels;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::resources::{Kind, targets};
use crate::{complete, objects, output};

/// End tasks and pipelines; branch, commit and usage so far are kept
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon cancel my-task
  kubectl axon cancel taskpipeline/my-work

A task is Cancelled when its pod is gone. The pod of a node that is not heard from never goes:
--force gives it up. Its agent may still be running there, and may still push to the branch.")]
pub(crate) struct CancelArgs {
    /// Names of tasks, or of pipelines as `taskpipeline/NAME`
    #[arg(value_name = "TASK | taskpipeline/NAME", required = true, add = complete::tasks())]
    names: Vec<String>,

    /// Give up a pod whose node is not heard from; its agent may go on
    #[arg(long)]
    force: bool,
}

pub(crate) fn cancel(context: &Context, args: &CancelArgs) -> Result<Exit> {
    let targets = targets(&args.names)?;
    let kind = targets.kind;
    if !matches!(kind, Kind::Task | Kind::TaskPipeline) {
        return Err(Failure::new(format!(
            "{} cannot be cancelled: they do not run",
            kind.plural()
        )));
    }
    if targets.names.is_empty() {
        return Err(Failure::new(format!("no {} named", kind.singular())));
    }
    if args.force && kind != Kind::Task {
        return Err(
            Failure::new("--force is for tasks").hint("cancel the pipeline, and then its task with --force")
        );
    }
    cluster::block_on(async {
        let cluster = cluster::connect(context).await?;
        let mut exit = Exit::Success;
        for name in &targets.names {
            if let Err(failure) = cancel_one(&cluster, kind, name, args.force).await {
                if failure.is_silent() {
                    return Err(failure);
                }
                output::note(failure.render().trim_end());
                exit = Exit::Failure;
            }
        }
        Ok(exit)
    })
}

async fn cancel_one(cluster: &Cluster, kind: Kind, name: &str, is_forced: bool) -> Result<()> {
    let object = objects::get(cluster, kind, name).await?;
    let patch = match patch(&object, is_forced) {
        Ok(patch) => patch,
        Err(why) => {
            output::note(format!("{} `{name}` {why}", kind.singular()));
            return Ok(());
        }
    };
    if is_forced {
        output::note(format!(
            "warning: --force gives up the pod of task `{name}`: on a node that is not heard from its agent may still run and push"
        ));
    }
    objects::patch(cluster, kind, name, patch)
        .await
        .map_err(|error| Failure::api(&format!("cancel {} `{name}`", kind.singular()), &error))?;
    output::print(format!("{}/{name} cancelled\n", kind.with_group()))
}

/// The phases of Tasks and pipelines that have ended.
const FINAL: &[&str] = &["Succeeded", "Failed", "TimedOut", "Cancelled", "Complete"];

/// What to change of the object so that it ends, or why nothing is to be changed.
fn patch(object: &Value, is_forced: bool) -> Result<Value, String> {
    let phase = object["status"]["phase"].as_str().unwrap_or_default();
    if FINAL.contains(&phase) {
        return Err(format!("has ended already: it is {phase}"));
    }
    let is_cancelled = object["spec"]["cancel"] == true;
    let was_forced = object["metadata"]["annotations"][labels::FORCE] == "true";
    if is_cancelled && (was_forced || !is_forced) {
        return Err("is being cancelled already".to_owned());
    }
    // With the UID, an object that was made anew under the name meanwhile is not meant.
    let mut patch = json!({
        "metadata": { "uid": object["metadata"]["uid"] },
        "spec": { "cancel": true },
    });
    if is_forced {
        patch["metadata"]["annotations"] = json!({ labels::FORCE: "true" });
    }
    Ok(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(phase: &str, cancel: bool, annotations: &Value) -> Value {
        json!({
            "metadata": {"uid": "u", "annotations": annotations},
            "spec": {"cancel": cancel},
            "status": {"phase": phase},
        })
    }

    #[test]
    fn a_task_is_cancelled_once_and_may_be_forced_later() {
        let running = object("Running", false, &json!({}));
        assert_eq!(
            patch(&running, false),
            Ok(json!({"metadata": {"uid": "u"}, "spec": {"cancel": true}}))
        );
        let cancelled = object("Running", true, &json!({}));
        assert_eq!(
            patch(&cancelled, false),
            Err("is being cancelled already".to_owned())
        );
        assert_eq!(
            patch(&cancelled, true),
            Ok(json!({
                "metadata": {"uid": "u", "annotations": {"axon.io/force": "true"}},
                "spec": {"cancel": true},
            }))
        );
        let forced = object("Running", true, &json!({"axon.io/force": "true"}));
        assert!(patch(&forced, true).is_err());
    }

    #[test]
    fn what_has_ended_is_left_alone() {
        for phase in ["Succeeded", "Failed", "TimedOut", "Cancelled", "Complete"] {
            let why = patch(&object(phase, false, &json!({})), true).expect_err("ended");
            assert_eq!(why, format!("has ended already: it is {phase}"));
        }
    }
}
