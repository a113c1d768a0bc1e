//! Many issues at once, and a plane that is killed again and again meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axon_api::{Phase, Task, labels};
use futures::StreamExt as _;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use kube::api::ListParams;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::json;

use super::{Forge, report, spawner};
use crate::github::Issue;
use crate::suite::say;
use crate::wait;
use crate::world::{World, phase};

/// How many issues; `AXON_E2E_MANY` says otherwise.
const ISSUES: usize = 90;
const PLACES: usize = 50;
const KILLS: usize = 10;

/// What a watch of the Tasks has seen.
#[derive(Default)]
struct Seen {
    tasks: BTreeMap<String, Known>,
    most_unfinished: usize,
    most_running: usize,
}

struct Known {
    item: String,
    uid: String,
    phase: Option<Phase>,
}

impl Seen {
    fn take_in(&mut self, event: Event<Task>) {
        if let Event::Apply(task) | Event::InitApply(task) = event {
            let known = Known {
                item: task.annotations().get(labels::ITEM).cloned().unwrap_or_default(),
                uid: task.uid().unwrap_or_default(),
                phase: phase(&task),
            };
            self.tasks.insert(task.name_any(), known);
        }
        let count = |counts: fn(Option<Phase>) -> bool| {
            self.tasks.values().filter(|known| counts(known.phase)).count()
        };
        let unfinished = count(|phase| !phase.is_some_and(Phase::is_final));
        let running = count(|phase| phase == Some(Phase::Running));
        self.most_unfinished = self.most_unfinished.max(unfinished);
        self.most_running = self.most_running.max(running);
    }

    fn finished(&self) -> usize {
        let is_final = |known: &&Known| known.phase.is_some_and(Phase::is_final);
        self.tasks.values().filter(is_final).count()
    }
}

pub(in crate::scenarios) async fn many_issues_become_a_task_each_though_the_plane_is_killed(
    world: &World,
) -> anyhow::Result<()> {
    let issues = match std::env::var("AXON_E2E_MANY") {
        Ok(number) => number.parse().context("AXON_E2E_MANY is no number")?,
        Err(_) => ISSUES,
    };
    let forge = Forge::new(world).await?;
    let new = (0..issues).map(|number| Issue::new(&format!("issue {number}")).label("bug"));
    let numbers = forge.repository().open_issues(new);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let watch = tokio::spawn(watch(world.clone(), Arc::clone(&seen)));
    let began = Instant::now();
    let spec = json!({
        "when": {"githubIssues": {"labels": ["bug"]}},
        "maxConcurrency": PLACES,
    });
    spawner(world, "fix", spec).await?;
    let finished = || seen.lock().unwrap_or_else(PoisonError::into_inner).finished();
    for kill in 1..=KILLS {
        let enough = issues * kill / (KILLS + 1);
        let what = format!("{enough} ended Tasks");
        let waited = wait::until(patience(issues), &what, async || Ok(finished() >= enough));
        if let Err(error) = waited.await {
            anyhow::bail!("{error:#}\n{}", report(world, "fix").await);
        }
        world.plane().crash().await?;
        world.plane().recover().await?;
        say(&format!(
            "kill {kill} of {KILLS} after {:.1} s, {} Tasks had ended",
            began.elapsed().as_secs_f64(),
            finished()
        ));
    }
    let waited = wait::until(patience(issues), "the end of all Tasks", async || {
        Ok(finished() >= issues)
    });
    if let Err(error) = waited.await {
        anyhow::bail!("{error:#}\n{}", report(world, "fix").await);
    }
    let took = began.elapsed();
    forge.polled().await?;
    watch.abort();
    judge(
        &seen.lock().unwrap_or_else(PoisonError::into_inner),
        &numbers,
        took,
    )?;
    let jobs = world.api::<Job>().list(&ListParams::default()).await?;
    ensure!(jobs.items.len() == issues, "{} Jobs", jobs.items.len());
    forge.was_asked_as_github_is()
}

/// Every issue has become one Task, made once, which has succeeded, and there were never too many.
fn judge(seen: &Seen, numbers: &[u64], took: Duration) -> anyhow::Result<()> {
    let issues = numbers.len();
    say(&format!(
        "{issues} issues, {KILLS} kills: all ended after {:.1} s, at most {} unfinished and {} running at once",
        took.as_secs_f64(),
        seen.most_unfinished,
        seen.most_running
    ));
    ensure!(seen.most_unfinished <= PLACES, "{} at once", seen.most_unfinished);
    let items: BTreeSet<&str> = seen.tasks.values().map(|known| known.item.as_str()).collect();
    let expected: BTreeSet<String> = numbers.iter().map(|number| format!("issue-{number}")).collect();
    ensure!(
        seen.tasks.len() == issues && items == expected.iter().map(String::as_str).collect(),
        "{} Tasks of {} issues",
        seen.tasks.len(),
        items.len()
    );
    let failed = seen
        .tasks
        .values()
        .filter(|known| known.phase != Some(Phase::Succeeded));
    ensure!(failed.count() == 0, "some Tasks did not succeed");
    let uids: BTreeSet<&str> = seen.tasks.values().map(|known| known.uid.as_str()).collect();
    ensure!(uids.len() == issues, "{} Tasks were made", uids.len());
    Ok(())
}

/// How long the next tenth of so many may take.
fn patience(issues: usize) -> Duration {
    Duration::from_mins(1) + Duration::from_millis(500) * u32::try_from(issues).unwrap_or(u32::MAX)
}

/// Watches the Tasks, again when the plane is gone meanwhile.
async fn watch(world: World, seen: Arc<Mutex<Seen>>) {
    let mut events = std::pin::pin!(watcher(world.api::<Task>(), watcher::Config::default()));
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => seen.lock().unwrap_or_else(PoisonError::into_inner).take_in(event),
            // The plane is not there; the watcher asks again at each look.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
