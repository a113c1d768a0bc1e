//! `spawner trigger`: has a spawner make a Task now, as the person asks who may change it.

use axon_api::sources::When;
use axon_api::sources::github::issues::IssueType;
use axon_api::{Task, TaskSpawner, labels, names};
use clap::Args;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use kube::api::ListParams;
use kube::runtime::watcher;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::given::called;
use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::{self, Exit};
use crate::failure::{Failure, Result};
use crate::parts::to_value;
use crate::progress::{self, Watched};
use crate::resources::{Kind, plain_name};
use crate::text::one_line;
use crate::watch::{self, Sighting};
use crate::{complete, inputs, invocation, objects, output};

/// Have a spawner make a task of one item now, whether it matches or has had one before
#[derive(Args)]
#[command(after_help = format!("\
Examples:
  kubectl axon spawner trigger fix-bugs 42 -w     # of issue 42
  kubectl axon spawner trigger review pull-7
  kubectl axon spawner trigger nightly            # a tick of this moment

maxConcurrency and maxTotalTasks hold for it too.

{}", exit::HELP))]
pub(super) struct TriggerArgs {
    /// Name of the spawner
    #[arg(value_name = "NAME", add = complete::spawners())]
    name: String,

    /// Number of the issue or pull request, or its key, such as `issue-42`; none for cron
    #[arg(value_name = "ITEM")]
    item: Option<String>,

    /// Take the place of an earlier request that is not dealt with yet
    #[arg(long)]
    force: bool,

    /// Follow the task to its end; the exit code is the task's
    #[arg(short, long)]
    watch: bool,
}

pub(super) fn trigger(context: &Context, args: &TriggerArgs) -> Result<Exit> {
    let name = plain_name(&args.name, Kind::TaskSpawner)?;
    cluster::block_on(async {
        let cluster = cluster::connect(context).await?;
        let spawner: TaskSpawner = objects::typed(&cluster, Kind::TaskSpawner, &name).await?;
        let key = key(&spawner.spec.when, args.item.as_deref())
            .map_err(|(why, hint)| Failure::new(format!("{} {why}", called(&spawner))).hint(hint))?;
        check(&spawner, args.force)?;
        let mut interrupt = signal(SignalKind::interrupt())
            .map_err(|error| Failure::new(format!("failed to listen for Ctrl-C: {error}")))?;
        let request = inputs::random_word();
        ask(&cluster, &spawner, &request, key.as_deref()).await?;
        output::print(format!("{}/{name} triggered\n", Kind::TaskSpawner.with_group()))?;
        if !args.watch {
            output::note(format!(
                "its tasks: {}",
                invocation::command(&format!("describe taskspawner {name}"))
            ));
            return Ok(Exit::Success);
        }
        follow(&cluster, &spawner, &request, &mut interrupt).await
    })
}

/// The key of the item that is meant; `None` for a tick. An error completes "spawner `x` ...", and
/// has a hint.
fn key(when: &When, item: Option<&str>) -> Result<Option<String>, (String, String)> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let kinds: &[&str] = match (&when.github_issues, &when.github_pull_requests, &when.cron) {
        (Some(issues), _, _) => match issues.types.as_slice() {
            [] | [IssueType::Issues] => &["issue"],
            [IssueType::Pulls] => &["pull"],
            _ => &["issue", "pull"],
        },
        (_, Some(_), _) => &["pull"],
        (_, _, Some(_)) if item.is_none() => return Ok(None),
        (_, _, Some(_)) => {
            let hint = "leave the item out: a tick of this moment is made".to_owned();
            return Err(("is a schedule, which has no items".to_owned(), hint));
        }
        _ => {
            let hint = "have the event sent again, or create the task with `run`".to_owned();
            return Err((
                "takes events, and those that are over are not kept".to_owned(),
                hint,
            ));
        }
    };
    let example = || format!("such as `{}-42`", kinds.first().copied().unwrap_or_default());
    let Some(item) = item else {
        return Err((
            "needs to be told the item".to_owned(),
            format!("name it, {}", example()),
        ));
    };
    let number = item.strip_prefix('#').unwrap_or(item);
    if is_number(number) {
        return match kinds {
            [kind] => Ok(Some(format!("{kind}-{number}"))),
            _ => Err((
                format!("has issues and pull requests, and `{item}` may be either"),
                format!("say issue-{number} or pull-{number}"),
            )),
        };
    }
    let parts = item.split_once('-');
    let is_key = parts.is_some_and(|(kind, number)| kinds.contains(&kind) && is_number(number));
    if is_key {
        return Ok(Some(item.to_owned()));
    }
    Err((
        format!("has no item `{item}`"),
        format!("name it by number or key, {}", example()),
    ))
}

/// Whether a request would be dealt with.
fn check(spawner: &TaskSpawner, force: bool) -> Result<()> {
    let name = spawner.name_any();
    if spawner.is_suspended() {
        return Err(
            Failure::new(format!("{} is suspended, and makes no tasks", called(spawner))).hint(format!(
                "{} lets it make tasks again",
                invocation::command(&format!("resume taskspawner {name}"))
            )),
        );
    }
    let earlier = spawner.annotations().get(labels::TRIGGER_REQUEST);
    match earlier.filter(|_| !force) {
        None => Ok(()),
        Some(earlier) => Err(Failure::new(format!(
            "{} has a request that is not dealt with yet: {earlier}",
            called(spawner)
        ))
        .hint(format!(
            "{} says why; --force takes its place",
            invocation::command(&format!("describe taskspawner {name}"))
        ))),
    }
}

/// Writes the wish, unless the spawner was changed meanwhile.
async fn ask(cluster: &Cluster, spawner: &TaskSpawner, request: &str, item: Option<&str>) -> Result<()> {
    let mut wish = json!({ "request": request });
    if let Some(item) = item {
        wish["item"] = json!(item);
    }
    let patch = json!({ "metadata": {
        "uid": spawner.metadata.uid,
        "resourceVersion": spawner.metadata.resource_version,
        "annotations": { (labels::TRIGGER_REQUEST): wish.to_string() },
    }});
    let name = spawner.name_any();
    objects::patch(cluster, Kind::TaskSpawner, &name, patch)
        .await
        .map_err(|error| match error {
            kube::Error::Api(status) if status.code == 409 => {
                Failure::new(format!("{} was changed meanwhile", called(spawner))).hint("try again")
            }
            error => Failure::api(&format!("trigger taskspawner `{name}`"), &error),
        })
}

/// Follows the Task of a request from when it is there.
async fn follow(
    cluster: &Cluster,
    spawner: &TaskSpawner,
    request: &str,
    interrupt: &mut Signal,
) -> Result<Exit> {
    output::note("waiting for its task");
    let task = tokio::select! {
        task = made(cluster, spawner, request) => task?,
        _ = interrupt.recv() => {
            output::note("interrupted: the request stays");
            return Ok(Exit::Interrupted);
        }
    };
    output::note(format!("task `{}` created", task.name_any()));
    let watched: Vec<Watched> = Watched::of(&to_value(&task)?).into_iter().collect();
    progress::watch(cluster, interrupt, &watched, None).await
}

/// The Task that a request becomes.
async fn made(cluster: &Cluster, spawner: &TaskSpawner, request: &str) -> Result<Task> {
    let selector = format!("{}={}", labels::SPAWNER, names::label_value(&spawner.name_any()));
    let of_request = |task: &Task| is_of(task, spawner, request);
    let tasks = watch::objects(
        cluster.api::<Task>(),
        watcher::Config::default().labels(&selector),
    );
    let spawners = watch::one(cluster.api::<TaskSpawner>(), &spawner.name_any());
    let (mut tasks, mut spawners) = (Box::pin(tasks), Box::pin(spawners));
    loop {
        tokio::select! {
            seen = tasks.next() => match seen.transpose()? {
                Some(Sighting::Seen(task)) if of_request(&task) => return Ok(*task),
                Some(Sighting::Trouble(_)) => cluster.revive().await,
                Some(_) => {}
                None => return Err(Failure::new("the watch of the tasks has ended")),
            },
            seen = spawners.next() => match seen.transpose()? {
                Some(Sighting::Seen(seen)) if !asks(&seen, request) => {
                    // It is dealt with: its Task was there before the request was taken away.
                    let parameters = ListParams::default().labels(&selector);
                    let tasks = cluster.api::<Task>().list(&parameters).await;
                    let tasks = tasks.map_err(|error| Failure::api("list the tasks", &error))?;
                    if let Some(task) = tasks.items.into_iter().find(|task| of_request(task)) {
                        return Ok(task);
                    }
                    return Err(refused(cluster, spawner).await);
                }
                Some(Sighting::Gone(name)) => {
                    output::note(format!("error: taskspawner `{name}` was deleted"));
                    return Err(Failure::silent(Exit::Deleted));
                }
                Some(_) => {}
                None => return Err(Failure::new("the watch of the spawner has ended")),
            },
        }
    }
}

fn is_of(task: &Task, spawner: &TaskSpawner, request: &str) -> bool {
    let mut owners = task.owner_references().iter();
    let is_ours = owners.any(|owner| Some(&owner.uid) == spawner.metadata.uid.as_ref());
    let trigger = task.annotations().get(labels::TRIGGER);
    is_ours && trigger.is_some_and(|trigger| trigger.strip_prefix("manual-") == Some(request))
}

/// Whether the spawner still has this request.
fn asks(spawner: &TaskSpawner, request: &str) -> bool {
    let wish = spawner.annotations().get(labels::TRIGGER_REQUEST);
    wish.is_some_and(|wish| wish.contains(&format!("\"{request}\"")))
}

/// The request became no Task; an event of the spawner may say why.
async fn refused(cluster: &Cluster, spawner: &TaskSpawner) -> Failure {
    let failure = Failure::new(format!("{} made no task of it", called(spawner)));
    let uid = spawner.uid().unwrap_or_default();
    let parameters = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    let events = cluster.api::<Event>().list(&parameters).await;
    let mut events = events.map(|events| events.items).unwrap_or_default();
    events.retain(|event| event.reason.as_deref() == Some("ItemRefused"));
    events.sort_by_key(|event| event.last_timestamp.clone().map(|time| time.0));
    match events.pop().and_then(|event| event.message) {
        Some(message) => failure.hint(one_line(&message)),
        None => failure.hint(format!(
            "{} may say why",
            invocation::command(&format!("describe taskspawner {}", spawner.name_any()))
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(when: serde_json::Value, item: Option<&str>) -> Result<Option<String>, String> {
        let when: When = serde_json::from_value(when).expect("a source");
        key(&when, item).map_err(|(why, _)| why)
    }

    #[test]
    fn an_item_is_named_by_its_number_or_its_key() {
        let issues = json!({ "githubIssues": {} });
        let pulls = json!({ "githubPullRequests": {} });
        let only_pulls = json!({ "githubIssues": { "types": ["pulls"] } });
        let both = json!({ "githubIssues": { "types": ["issues", "pulls"] } });
        for (when, item, expected) in [
            (&issues, "42", "issue-42"),
            (&issues, "#42", "issue-42"),
            (&issues, "issue-42", "issue-42"),
            (&pulls, "7", "pull-7"),
            (&pulls, "pull-7", "pull-7"),
            (&only_pulls, "7", "pull-7"),
            (&both, "issue-7", "issue-7"),
            (&both, "pull-7", "pull-7"),
        ] {
            assert_eq!(
                key_of(when.clone(), Some(item)),
                Ok(Some(expected.to_owned())),
                "{when} {item}"
            );
        }
    }

    #[test]
    fn what_is_no_item_of_the_source_is_refused() {
        for (when, item, why) in [
            (json!({ "githubIssues": {} }), None, "needs to be told the item"),
            (
                json!({ "githubIssues": {} }),
                Some("pull-7"),
                "has no item `pull-7`",
            ),
            (json!({ "githubIssues": {} }), Some("bug"), "has no item `bug`"),
            (
                json!({ "githubIssues": { "types": ["issues", "pulls"] } }),
                Some("7"),
                "has issues and pull requests, and `7` may be either",
            ),
            (
                json!({ "cron": { "schedule": "@daily" } }),
                Some("1"),
                "is a schedule, which has no items",
            ),
            (
                json!({ "githubWebhook": { "events": ["issues"] } }),
                Some("1"),
                "takes events, and those that are over are not kept",
            ),
        ] {
            assert_eq!(key_of(when, item), Err(why.to_owned()), "{item:?}");
        }
        let tick = key_of(json!({ "cron": { "schedule": "@daily" } }), None);
        assert_eq!(tick, Ok(None), "a tick has no key");
    }
}
