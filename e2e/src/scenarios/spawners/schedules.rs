//! Ticks of a schedule.

use anyhow::{Context as _, ensure};
use axon_api::{Task, TaskSpawner, labels};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use serde_json::json;

use super::{spawner, spawner_is, tasks_of};
use crate::suite::say;
use crate::wait;
use crate::world::{PATIENCE, World};

/// How long before a tick the plane is killed.
const BEFORE: SignedDuration = SignedDuration::from_secs(2);

pub(in crate::scenarios) async fn a_tick_becomes_one_task_though_the_plane_is_killed(
    world: &World,
) -> anyhow::Result<()> {
    let spec = json!({
        "when": {"cron": {"schedule": "* * * * *"}},
        "taskTemplate": {"workspaceRef": null},
    });
    spawner(world, "tick", spec).await?;
    let next = |spawner: &TaskSpawner| spawner.status.as_ref()?.next_schedule_time.clone();
    let found = spawner_is(world, "tick", "the next tick", |spawner| next(spawner).is_some()).await?;
    let mut tick = next(&found).context("no next tick")?.0;
    if Timestamp::now() + BEFORE >= tick {
        // Too late for this one.
        tick += SignedDuration::from_mins(1);
    }
    passes(tick - BEFORE).await?;
    world.plane().crash().await?;
    // Nobody is there when it ticks.
    passes(tick).await?;
    world.plane().recover().await?;
    wait::until(PATIENCE, &format!("a Task of {tick}"), async || {
        Ok(!of_tick(world, tick).await?.is_empty())
    })
    .await?;
    world.plane().crash().await?;
    world.plane().recover().await?;
    let counted = |spawner: &TaskSpawner| {
        let status = spawner.status.as_ref();
        let last = status.and_then(|status| status.last_schedule_time.as_ref());
        last.is_some_and(|last| last.0 >= tick)
    };
    spawner_is(world, "tick", "the tick is counted", counted).await?;
    let tasks = of_tick(world, tick).await?;
    ensure!(tasks.len() == 1, "{} Tasks of {tick}", tasks.len());
    let all = tasks_of(world, "tick").await?;
    let status = world.api::<TaskSpawner>().get("tick").await?.status;
    say(&format!("{} Tasks of ticks: {:?}", all.len(), all.keys()));
    ensure!(
        status.is_some_and(|status| status.missed_ticks.unwrap_or_default() == 0),
        "a tick was missed"
    );
    Ok(())
}

/// Waits for a moment.
async fn passes(moment: Timestamp) -> anyhow::Result<()> {
    let what = format!("{moment}");
    wait::until(PATIENCE, &what, async || Ok(Timestamp::now() >= moment)).await
}

/// The Tasks of the tick at this time.
async fn of_tick(world: &World, tick: Timestamp) -> anyhow::Result<Vec<Task>> {
    let tasks = tasks_of(world, "tick").await?;
    let item = tick.strftime("tick-%Y%m%d-%H%M").to_string();
    let is_of = |task: &Task| task.annotations().get(labels::ITEM) == Some(&item);
    Ok(tasks.into_values().filter(is_of).collect())
}
