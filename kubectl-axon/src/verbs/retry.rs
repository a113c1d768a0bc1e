//! `retry`: makes a Task like one that has ended.

use std::collections::BTreeMap;

use axon_api::{Task, labels};
use clap::Args;
use kube::api::ListParams;
use kube::{ResourceExt, api::ObjectMeta};

use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::{self, Exit};
use crate::failure::{Failure, Result};
use crate::log::follow;
use crate::parts::{check_name, to_value};
use crate::resources::{Kind, plain_name};
use crate::run_objects::Wanted;
use crate::writing::{self, About, DryRun, WriteArgs};
use crate::{complete, invocation, objects, output};

/// Run a task that has ended once more, as a new task
#[derive(Args)]
#[command(after_help = format!("\
Examples:
  kubectl axon retry my-task -w          # makes my-task-retry-1
  kubectl axon retry my-task --name again

The new task has the same spec, and the annotation {} names the old one.

{}", labels::RETRY_OF, exit::HELP))]
pub(crate) struct RetryArgs {
    /// Name of the task
    #[arg(value_name = "TASK", add = complete::tasks())]
    task: String,

    /// Name of the new task; default: the old one's, -retry- and a number
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Follow the new task to its end; the exit code is the task's
    #[arg(short, long)]
    watch: bool,

    #[command(flatten)]
    write: WriteArgs,
}

pub(crate) fn retry(context: &Context, args: &RetryArgs) -> Result<Exit> {
    let name = plain_name(&args.task, Kind::Task)?;
    if let Some(new) = &args.name {
        check_name("task", new)?;
    }
    cluster::block_on(async {
        let cluster = cluster::connect(context).await?;
        let task = follow::task(&cluster, &name).await?;
        if !task.is_finished() {
            return Err(Failure::new(format!(
                "task `{name}` has not ended: it is {}",
                follow::describe(&task)
            ))
            .hint(format!(
                "{} ends it",
                invocation::command(&format!("cancel {name}"))
            )));
        }
        if task.labels().contains_key(labels::PIPELINE) {
            output::note(format!(
                "warning: task `{name}` is a step of a pipeline, which takes no notice of the new task"
            ));
        }
        let new = match &args.name {
            Some(new) => new.clone(),
            None => next_name(&name, &names(&cluster).await?),
        };
        let wanted = [Wanted::Create(to_value(&again(&task, &new))?)];
        if args.write.dry_run == Some(DryRun::Client) {
            writing::show_unsent(&wanted, args.write.output.as_ref())?;
            return Ok(Exit::Success);
        }
        super::run::create(context, &wanted, About::All, args.watch, &args.write).await
    })
}

async fn names(cluster: &Cluster) -> Result<Vec<String>> {
    let action = format!("list tasks in namespace `{}`", cluster.namespace);
    let tasks = objects::list(&objects::api(cluster, Kind::Task), ListParams::default(), &action).await?;
    Ok(tasks.iter().map(ResourceExt::name_any).collect())
}

/// The new Task: the old one's spec, labels of people, and sandbox.
fn again(task: &Task, name: &str) -> Task {
    let mut spec = task.spec.clone();
    spec.cancel = None;
    let own = |key: &str| key.contains("axon.io/") || key == labels::MANAGED_BY;
    let labels: BTreeMap<String, String> = task
        .labels()
        .iter()
        .filter(|(key, _)| !own(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let mut annotations = BTreeMap::from([(labels::RETRY_OF.to_owned(), task.name_any())]);
    if let Some(sandbox) = task.annotations().get(labels::SANDBOX) {
        annotations.insert(labels::SANDBOX.to_owned(), sandbox.clone());
    }
    let mut new = Task::new(name, spec);
    new.metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: task.namespace(),
        labels: (!labels.is_empty()).then_some(labels),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    };
    new
}

/// `NAME-retry-N` with the first number that is free behind all that were used. The retry of a
/// retry counts on.
fn next_name(name: &str, taken: &[String]) -> String {
    let number_of = |name: &str, base: &str| -> Option<u32> {
        name.strip_prefix(base)?.strip_prefix("-retry-")?.parse().ok()
    };
    let base = name
        .rsplit_once("-retry-")
        .filter(|(base, number)| !base.is_empty() && number.parse::<u32>().is_ok())
        .map_or(name, |(base, _)| base);
    // Room for the suffix in the 253 characters that a name may have.
    let base: String = base.chars().take(236).collect();
    let base = base.trim_end_matches(['-', '.']);
    let last = taken
        .iter()
        .filter_map(|taken| number_of(taken, base))
        .max()
        .unwrap_or_default();
    format!("{base}-retry-{}", last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn retries_are_counted() {
        let taken = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (name, names, new) in [
            ("a", &["a"][..], "a-retry-1"),
            ("a", &["a", "a-retry-1", "a-retry-3"], "a-retry-4"),
            ("a-retry-1", &["a-retry-1"], "a-retry-2"),
            ("a-retry-x", &[], "a-retry-x-retry-1"),
            ("a", &["ab-retry-7", "a-retry-x"], "a-retry-1"),
        ] {
            assert_eq!(next_name(name, &taken(names)), new);
        }
        let long = next_name(&"a".repeat(253), &[]);
        assert!(long.len() <= 253 && check_name("task", &long).is_ok());
    }

    #[test]
    fn the_new_task_is_like_the_old_one_but_not_cancelled() {
        let old: Task = serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "Task",
            "metadata": {
                "name": "t", "namespace": "n", "uid": "u",
                "labels": {"team": "a", "axon.io/pipeline": "p"},
                "annotations": {"axon.io/sandbox": "none", "axon.io/force": "true", "note": "x"},
                "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "x"}],
            },
            "spec": {"prompt": "x", "type": "shell", "branch": "b", "cancel": true},
            "status": {"phase": "Cancelled"},
        }))
        .expect("a task");
        assert_eq!(
            to_value(&again(&old, "t-retry-1")),
            Ok(json!({
                "apiVersion": "axon.io/v1alpha1", "kind": "Task",
                "metadata": {
                    "name": "t-retry-1", "namespace": "n",
                    "labels": {"team": "a"},
                    "annotations": {"axon.io/retry-of": "t", "axon.io/sandbox": "none"},
                },
                "spec": {"prompt": "x", "type": "shell", "branch": "b"},
            }))
        );
    }
}
