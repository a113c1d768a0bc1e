//! How runs end: by themselves, by their limits, by people.

use anyhow::ensure;
use axon_api::{Phase, Task};
use kube::api::DeleteParams;
use serde_json::json;

use crate::wait;
use crate::world::{PATIENCE, World, message_of, phase, reason_of, result_of};

/// Pushes the branch `started`, so that the test knows, and then does not end by itself.
const PUSH_AND_STAY: &str = "set -e
git -c user.name=A -c user.email=a@example.com commit -q --allow-empty -m started
git push -q origin HEAD
exec sleep 1000";

pub(super) async fn a_failing_agent_fails_the_task_with_its_exit_code(world: &World) -> anyhow::Result<()> {
    let task = world
        .run(
            "fail",
            json!({"type": "shell", "prompt": "echo so sad >&2; exit 3"}),
        )
        .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(
        task.status.as_ref().and_then(|status| status.exit_code) == Some(3),
        "{:?}",
        task.status
    );
    ensure!(
        reason_of(&task) == "AgentFailed" && message_of(&task).contains('3'),
        "{:?}",
        task.status
    );
    ensure!(world.output(&task).await?.contains("so sad"));
    Ok(())
}

pub(super) async fn an_agent_that_ignores_sigterm_is_ended_at_its_timeout(
    world: &World,
) -> anyhow::Result<()> {
    let stubborn = "trap '' TERM INT HUP; echo stays; while :; do sleep 1; done";
    let task = world
        .run(
            "stubborn",
            json!({"type": "shell", "prompt": stubborn, "timeout": "2s"}),
        )
        .await?;
    world.expect(&task, Phase::TimedOut).await?;
    ensure!(
        message_of(&task).contains("2s") || message_of(&task).contains("2 s"),
        "{:?}",
        task.status
    );
    ensure!(world.output(&task).await?.contains("stays"));
    no_process_of(world).await
}

pub(super) async fn a_cancelled_task_keeps_what_it_pushed(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    world
        .task(
            "long",
            json!({"type": "shell", "prompt": PUSH_AND_STAY, "branch": "started", "workspace": {"repo": repository.url}}),
        )
        .await?;
    repository.pushed("started").await?;
    world
        .patch::<Task>("long", json!({"spec": {"cancel": true}}))
        .await?;
    let task = world.ended("long").await?;
    world.expect(&task, Phase::Cancelled).await?;
    ensure!(
        result_of(&task, "commit") == repository.commit("started").await?.as_deref(),
        "{:?}",
        task.status
    );
    ensure!(result_of(&task, "branch") == Some("started"), "{:?}", task.status);
    no_process_of(world).await
}

pub(super) async fn a_waiting_task_can_be_cancelled(world: &World) -> anyhow::Result<()> {
    world
        .task(
            "waits",
            json!({"type": "shell", "prompt": "true", "workspaceRef": {"name": "never"}}),
        )
        .await?;
    world.waits_for("waits", "WorkspaceNotFound").await?;
    world
        .patch::<Task>("waits", json!({"spec": {"cancel": true}}))
        .await?;
    let task = world.ended("waits").await?;
    world.expect(&task, Phase::Cancelled).await
}

pub(super) async fn a_task_deleted_while_it_runs_leaves_nothing(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    world
        .task(
            "doomed",
            json!({
                "type": "shell",
                // Large enough to travel in a Secret, which must go too.
                "prompt": format!("{PUSH_AND_STAY}\n# {}", "x".repeat(100_000)),
                "branch": "started",
                "workspace": {"repo": repository.url},
            }),
        )
        .await?;
    repository.pushed("started").await?;
    world
        .wait_for("doomed", "Running", |task| phase(task) == Some(Phase::Running))
        .await?;
    world
        .api::<Task>()
        .delete("doomed", &DeleteParams::default())
        .await?;
    world.gone("doomed").await?;
    no_process_of(world).await
}

/// Waits until no process of this scenario's agents is left on this machine. Agents on a cluster
/// run in containers, which end with their pods.
async fn no_process_of(world: &World) -> anyhow::Result<()> {
    wait::until(PATIENCE, "the agent's processes to be gone", async || {
        Ok(world.plane().processes_with(&world.namespace)?.is_empty())
    })
    .await
}
