//! A person asks for a Task now.

use anyhow::ensure;
use axon_api::{TaskSpawner, labels};
use kube::ResourceExt as _;
use serde_json::json;

use super::{Forge, has_tasks, is_ready, spawner, spawner_is, tasks_of};
use crate::github::Issue;
use crate::world::World;

pub(in crate::scenarios) async fn a_person_can_ask_for_an_item_that_does_not_match(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    let issue = forge.repository().open_issue(Issue::new("a"));
    spawner(
        world,
        "fix",
        json!({"when": {"githubIssues": {"labels": ["bug"]}}}),
    )
    .await?;
    is_ready(world, "fix").await?;
    let name = format!("fix-{issue}");
    let item = format!("issue-{issue}");
    ask(world, "fix", &json!({"request": "r1", "item": item}).to_string()).await?;
    has_tasks(world, "fix", &[&name]).await?;
    // A wish that was granted is not granted once more.
    ask(world, "fix", &json!({"request": "r1", "item": item}).to_string()).await?;
    forge.polled().await?;
    has_tasks(world, "fix", &[&name]).await?;
    ask(world, "fix", &json!({"request": "r2", "item": item}).to_string()).await?;
    has_tasks(world, "fix", &[&name, &format!("{name}-2")]).await?;
    forge.was_asked_as_github_is()
}

pub(in crate::scenarios) async fn a_person_can_ask_for_a_tick_now(world: &World) -> anyhow::Result<()> {
    let spec = json!({
        "when": {"cron": {"schedule": "0 0 1 1 *"}},
        "taskTemplate": {"workspaceRef": null},
    });
    spawner(world, "yearly", spec).await?;
    is_ready(world, "yearly").await?;
    ask(world, "yearly", r#"{"request":"r1"}"#).await?;
    let tasks = tasks_of(world, "yearly").await?;
    ensure!(tasks.len() == 1, "{:?}", tasks.keys());
    Ok(())
}

/// Leaves a wish, and waits until it was dealt with.
async fn ask(world: &World, spawner: &str, wish: &str) -> anyhow::Result<()> {
    let annotation = format!("{}={wish}", labels::TRIGGER_REQUEST);
    let said = world
        .kubectl(&["annotate", "taskspawner", spawner, &annotation])
        .await?;
    said.expect(0, &["annotated"])?;
    let is_done = |spawner: &TaskSpawner| !spawner.annotations().contains_key(labels::TRIGGER_REQUEST);
    spawner_is(world, spawner, "the wish is dealt with", is_done).await?;
    Ok(())
}
