//! `axon-operator selftest`: a script runs as a Task on the cluster, from creation to Succeeded.

use std::time::Duration;

use anyhow::{Context as _, bail};
use axon_api::{Phase, Task, TaskStatus};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::time::Instant;

use crate::cli::SelftestOptions;
use crate::process::{client, install_tls};

/// How long to wait between two looks at the Task.
const LOOK: Duration = Duration::from_secs(1);

/// Runs the script, and deletes the Task when it has succeeded. One that has not stays for an hour, to be
/// looked at.
pub(crate) fn run(options: &SelftestOptions) -> anyhow::Result<String> {
    install_tls()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    runtime.block_on(selftest(options))
}

async fn selftest(options: &SelftestOptions) -> anyhow::Result<String> {
    let namespace = &options.namespace;
    let tasks: Api<Task> = Api::namespaced(client().await?, namespace);
    let began = Instant::now();
    let task = tasks.create(&PostParams::default(), &task()?).await;
    let task = task.with_context(|| format!("failed to create a Task in namespace `{namespace}`"))?;
    let name = task.name_any();
    let mut status = task.status.unwrap_or_default();
    while began.elapsed() < options.timeout && !status.phase.is_some_and(Phase::is_final) {
        tokio::time::sleep(LOOK).await;
        let task = tasks.get(&name).await;
        let task = task.with_context(|| format!("failed to get Task `{namespace}/{name}`"))?;
        status = task.status.unwrap_or_default();
    }
    if status.phase != Some(Phase::Succeeded) {
        bail!(
            "Task `{namespace}/{name}` has not succeeded in {} s: {}\nhint: kubectl describe task {name} -n {namespace}",
            began.elapsed().as_secs(),
            told(&status)
        );
    }
    let deleted = tasks.delete(&name, &DeleteParams::background()).await;
    deleted.with_context(|| format!("failed to delete Task `{namespace}/{name}`"))?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(format!("Task `{namespace}/{name}` succeeded in {seconds:.1} s\n"))
}

fn task() -> serde_json::Result<Task> {
    serde_json::from_value(json!({
        "apiVersion": "axon.io/v1alpha1",
        "kind": "Task",
        "metadata": { "generateName": "axon-selftest-" },
        "spec": {
            "type": "shell",
            "prompt": "echo it works",
            "credentials": { "type": "none" },
            "ttlSecondsAfterFinished": 3600,
        },
    }))
}

/// What a status says, for people.
fn told(status: &TaskStatus) -> String {
    let Some(phase) = status.phase else {
        return "no operator has looked at it".to_owned();
    };
    let words = [
        Some(format!("{phase:?}")),
        status.reason.clone(),
        status.message.clone(),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_is_one_and_says_all_that_it_needs() {
        let task = task().expect("a Task");
        assert_eq!(task.spec.type_.as_deref(), Some("shell"));
        assert!(
            task.spec.credentials.is_some(),
            "the namespace's defaults are not asked"
        );
    }

    #[test]
    fn what_happened_is_told_from_the_status() {
        assert_eq!(told(&TaskStatus::default()), "no operator has looked at it");
        let status = TaskStatus {
            phase: Some(Phase::Waiting),
            reason: Some("BranchTaken".to_owned()),
            message: Some("waits for its turn".to_owned()),
            ..TaskStatus::default()
        };
        assert_eq!(told(&status), "Waiting: BranchTaken: waits for its turn");
    }
}
