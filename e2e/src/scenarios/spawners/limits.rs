//! How many Tasks there may be, and which come first.

use anyhow::ensure;
use axon_api::{Phase, TaskSpawner};
use serde_json::json;

use super::{Forge, WAITS_FOR_GO, has_condition, has_tasks, spawner, spawner_is};
use crate::github::Issue;
use crate::world::{World, phase};

pub(in crate::scenarios) async fn a_free_place_is_taken_at_once_by_the_most_important(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    let issue = |title, labels: &[&str]| {
        let issue = labels
            .iter()
            .fold(Issue::new(title), |issue, label| issue.label(label));
        forge.repository().open_issue(issue)
    };
    let (whenever, soon, now) = (issue("a", &[]), issue("b", &["soon"]), issue("c", &["now"]));
    let spec = json!({
        "when": {"githubIssues": {"priorityLabels": ["now", "soon"]}},
        // What frees a place is no poll.
        "pollInterval": "1h",
        "maxConcurrency": 1,
        "taskTemplate": {"promptTemplate": WAITS_FOR_GO},
    });
    spawner(world, "fix", spec).await?;
    let [first, second, third] = [now, soon, whenever].map(|number| format!("fix-{number}"));
    has_tasks(world, "fix", &[&first]).await?;
    let waits = |spawner: &TaskSpawner| {
        let status = spawner.status.as_ref();
        status.and_then(|status| status.waiting_items) == Some(2)
    };
    spawner_is(world, "fix", "two waiting items", waits).await?;
    ends(world, &first).await?;
    has_tasks(world, "fix", &[&second, &first]).await?;
    ends(world, &second).await?;
    has_tasks(world, "fix", &[&third, &second, &first]).await?;
    ensure!(forge.polls() == 1, "{} polls", forge.polls());
    forge.was_asked_as_github_is()
}

/// Ends a Task early.
async fn ends(world: &World, name: &str) -> anyhow::Result<()> {
    world
        .wait_for(name, "its start", |task| phase(task) == Some(Phase::Running))
        .await?;
    world.axon(&["cancel", name]).await?.expect(0, &[])?;
    let task = world.ended(name).await?;
    world.expect(&task, Phase::Cancelled).await
}

pub(in crate::scenarios) async fn no_more_tasks_are_made_than_in_all_are_allowed(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    let issues = ["a", "b", "c"].map(|title| forge.repository().open_issue(Issue::new(title)));
    let spec = json!({
        "when": {"githubIssues": {}},
        "maxTotalTasks": 2,
        "taskTemplate": {"ttlSecondsAfterFinished": 0},
    });
    spawner(world, "fix", spec).await?;
    has_condition(world, "fix", "MaxTotalTasksReached", "True", "LimitReached").await?;
    has_tasks(world, "fix", &[]).await?;
    forge.polled().await?;
    has_tasks(world, "fix", &[]).await?;
    let total = |spawner: &TaskSpawner| {
        let status = spawner.status.clone().unwrap_or_default();
        status.total_tasks_created == Some(2) && status.waiting_items == Some(1)
    };
    spawner_is(world, "fix", "two made and one waiting", total).await?;
    // More are allowed, and the one that waited is made.
    world
        .patch::<TaskSpawner>(
            "fix",
            json!({"spec": {"maxTotalTasks": 3, "taskTemplate": {"ttlSecondsAfterFinished": 3600}}}),
        )
        .await?;
    let [.., last] = issues;
    has_tasks(world, "fix", &[&format!("fix-{last}")]).await?;
    forge.was_asked_as_github_is()
}
