//! What a thousand spawners cost: the memory of the process that serves them, and how their polls are
//! spread over time.
//!
//! ```text
//! cargo bench -p axon-e2e --bench spawners
//! ```
//!
//! Half of the spawners have a schedule that does not tick, the others ask for issues of a hundred
//! repositories of the fake GitHub. The process is the embedded plane, or with `AXON_E2E_KUBECONFIG`
//! the operator of that cluster.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axon_api::{SpawnerPhase, TaskSpawner};
use axon_e2e::git::GitServer;
use axon_e2e::github::{Access, GitHub, Issue};
use axon_e2e::llm::Llm;
use axon_e2e::plane::{Plane, PlaneKind};
use axon_e2e::wait;
use axon_e2e::world::{Shared, World};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::ListParams;
use serde_json::json;

const SPAWNERS: usize = 1000;
const REPOSITORIES: usize = 100;
const ISSUES: usize = 10;
const TOKEN: &str = "bench-token";
/// How often each repository is asked for.
const INTERVAL: Duration = Duration::from_secs(30);
/// Requests in flight while objects are made.
const IN_FLIGHT: usize = 8;
const PATIENCE: Duration = Duration::from_mins(5);
/// Over how long the memory of a process at rest is looked at, and between two looks.
const REST: usize = 5;
const LOOK: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let kind = match std::env::var_os("AXON_E2E_KUBECONFIG") {
        Some(_) => PlaneKind::Cluster,
        None => PlaneKind::Embedded,
    };
    let plane = Plane::start(kind).await?;
    let host = plane.host()?;
    let shared = Arc::new(Shared {
        llm: Llm::start(host.address, &host.name).await?,
        git: GitServer::start(host.address, &host.name).await?,
        plane,
    });
    let github = GitHub::start(host.address).await?;
    for repository in 0..REPOSITORIES {
        let name = format!("acme/r{repository}");
        let issues = (0..ISSUES).map(|number| Issue::new(&format!("issue {number}")));
        github.create_repository(&name).open_issues(issues);
    }
    let world = World::new(Arc::clone(&shared), "bench-spawners").await?;
    let report = measure(&world, &github).await;
    shared.plane.end().await?;
    std::io::stdout().write_all(report?.as_bytes())?;
    Ok(())
}

async fn measure(world: &World, github: &GitHub) -> anyhow::Result<String> {
    // Who asks as nobody may ask 60 times an hour.
    github.grant(TOKEN, Access::installation());
    world.secret("token", "GITHUB_TOKEN", TOKEN).await?;
    for repository in 0..REPOSITORIES {
        let repo = github.repository_url(&format!("acme/r{repository}"));
        let spec = json!({"repo": repo, "secretRef": {"name": "token"}});
        world.workspace(&format!("r{repository}"), spec).await?;
    }
    let without = at_rest(world).await?;
    let made = futures::stream::iter(0..SPAWNERS)
        .map(|number| make(world, number))
        .buffer_unordered(IN_FLIGHT);
    made.try_for_each(|()| async { Ok(()) }).await?;
    wait::until(PATIENCE, "all spawners to run", async || {
        let spawners = world.api::<TaskSpawner>().list(&ListParams::default()).await?;
        let runs = |spawner: &&TaskSpawner| {
            let status = spawner.status.as_ref();
            status.and_then(|status| status.phase) == Some(SpawnerPhase::Running)
        };
        Ok(spawners.items.iter().filter(runs).count() == SPAWNERS)
    })
    .await?;
    let with = at_rest(world).await?;
    let grown = with.saturating_sub(without);
    github.forget_requests();
    let mut each_second = Vec::new();
    for _ in 0..INTERVAL.as_secs() {
        let before = github.count(|_| true);
        tokio::time::sleep(LOOK).await;
        each_second.push(github.count(|_| true) - before);
    }
    let asked: BTreeSet<String> = github
        .requests()
        .into_iter()
        .map(|request| request.path_and_query)
        .collect();
    let free = github.count(|request| request.status == 304);
    Ok(format!(
        "{SPAWNERS} spawners: {without} KiB without, {with} KiB with them, {:.1} KiB each\n\
         {REPOSITORIES} repositories in {} s: {} requests of {} kinds, {free} answered 304, at most {} in one second\n",
        f64::from(u32::try_from(grown)?) / f64::from(u32::try_from(SPAWNERS)?),
        INTERVAL.as_secs(),
        each_second.iter().sum::<usize>(),
        asked.len(),
        each_second.iter().max().context("no seconds")?,
    ))
}

async fn make(world: &World, number: usize) -> anyhow::Result<()> {
    let repository = number / 2 % REPOSITORIES;
    let when = if number.is_multiple_of(2) {
        json!({"cron": {"schedule": "0 0 29 2 *"}})
    } else {
        json!({"githubIssues": {"labels": ["nobody-has-it"]}})
    };
    let spec = json!({
        "when": when,
        "pollInterval": format!("{}s", INTERVAL.as_secs()),
        "taskTemplate": {
            "type": "claude-code",
            "promptTemplate": "Fix #{{.Number}}: {{.Title}}\n\n{{.Body}}",
            "branch": "axon-task-{{.Number}}",
            "workspaceRef": {"name": format!("r{repository}")},
        },
    });
    world
        .create::<TaskSpawner>(&format!("spawner-{number}"), json!({"spec": spec}))
        .await?;
    Ok(())
}

/// The least memory of the process over a few seconds, in KiB.
async fn at_rest(world: &World) -> anyhow::Result<u64> {
    let mut least = u64::MAX;
    for _ in 0..REST {
        tokio::time::sleep(LOOK).await;
        least = least.min(memory(world.plane().process().await?)?);
    }
    Ok(least)
}

/// The memory of a process in KiB.
fn memory(process: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("failed to read `{path}`"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.with_context(|| format!("failed to find `VmRSS` in `{path}`"))
}
