//! The plane, or the operator, is killed in the middle of things.

use anyhow::ensure;
use axon_api::Phase;
use k8s_openapi::api::batch::v1::Job;
use kube::api::ListParams;
use serde_json::json;

use crate::world::{World, phase, result_of};

/// Pushes a branch of its own at each start, waits for the branch `go`, and then does its work.
const COUNTED: &str = "set -e
git push -q origin HEAD:refs/heads/start-$$-$(od -An -N8 -tx1 /dev/urandom | tr -d ' ')
until git ls-remote --exit-code origin refs/heads/go >/dev/null; do sleep 0.2; done
git -c user.name=A -c user.email=a@example.com commit -q --allow-empty -m done
git push -q origin HEAD";

pub(super) async fn a_run_survives_the_death_of_what_watches_it(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    world
        .task(
            "survivor",
            json!({"type": "shell", "prompt": COUNTED, "branch": "feature/x", "workspace": {"repo": repository.url}}),
        )
        .await?;
    world
        .wait_for("survivor", "Running", |task| phase(task) == Some(Phase::Running))
        .await?;
    world.plane().crash().await?;
    world.plane().recover().await?;
    // Once more, this time so that the agent ends while nobody watches.
    world.plane().crash().await?;
    repository.make_branch("go", "main").await?;
    repository.pushed("feature/x").await?;
    world.plane().recover().await?;
    let task = world.ended("survivor").await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(
        result_of(&task, "commit") == repository.commit("feature/x").await?.as_deref(),
        "{:?}",
        task.status
    );
    starts_once(&repository, 1).await
}

pub(super) async fn tasks_made_just_before_a_crash_run_once(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    repository.make_branch("go", "main").await?;
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        world
            .task(
                name,
                json!({"type": "shell", "prompt": COUNTED, "branch": format!("feature/{name}"), "workspace": {"repo": repository.url}}),
            )
            .await?;
    }
    for _ in 0..3 {
        world.plane().crash().await?;
        world.plane().recover().await?;
    }
    for name in names {
        let task = world.ended(name).await?;
        world.expect(&task, Phase::Succeeded).await?;
    }
    let jobs = world.api::<Job>().list(&ListParams::default()).await?;
    ensure!(jobs.items.len() == names.len(), "{} Jobs", jobs.items.len());
    starts_once(&repository, names.len()).await
}

async fn starts_once(repository: &crate::git::Repository, runs: usize) -> anyhow::Result<()> {
    let branches = repository.branches().await?;
    let starts = branches.iter().filter(|name| name.starts_with("start-")).count();
    ensure!(
        starts == runs,
        "{runs} runs were started {starts} times: {branches:?}"
    );
    Ok(())
}
