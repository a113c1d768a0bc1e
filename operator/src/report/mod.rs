//! Tells issues and pull requests what became of the Tasks that were made for them.
//!
//! What is to be told is `axon_plan::report`'s decision. A round writes it to GitHub, and then notes in
//! the annotation `axon.io/reported` that it did. A crash in between has the next round find by its
//! marker what was written, so that each thing is written at least once and seen once.

mod hindrance;
mod place;
mod told;
mod write;

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axon_api::{Task, labels};
use axon_plan::report::{Report, report};
use axon_plan::{Notice, NoticeKind};
use k8s_openapi::jiff::Timestamp;
use kube::api::Patch;
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::sync::{Mutex as Turn, MutexGuard as HeldTurn};
use tokio::time::Instant;

use self::hindrance::Hindrance;
use self::told::Told;
use self::write::Times;
use crate::apply::{Applied, Applier, overtaken, patching};
use crate::failure::Answer;
use crate::forge::{For, Hub, Source, wait_for};
use crate::key::Key;
use crate::queue::Next;
use crate::work::work;
use crate::world::Loose;

/// Reports that are written at once.
const AT_ONCE: usize = 4;
/// How many issues are told apart by who waits for a turn.
const TURNS: usize = 16;
/// How long to wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How long to wait for the watch to catch up.
const CATCH_UP: Duration = Duration::from_millis(50);

/// Tells GitHub of Tasks.
pub struct Reporter {
    applier: Arc<Applier>,
    hub: Hub,
    /// Until when GitHub does not want to be asked, by [`Source::key`].
    barred: Mutex<HashMap<Key, Instant>>,
    /// One who looks for a comment and then writes it is alone with the issue: two Tasks may share a
    /// comment.
    turns: [Turn<()>; TURNS],
}

/// Reports on all Tasks that have changed, for ever.
pub async fn keep(reporter: Arc<Reporter>) -> anyhow::Error {
    let queue = reporter.applier.world.lock().errands().reports;
    let workers = (0..AT_ONCE).map(|_| {
        let reporter = Arc::clone(&reporter);
        work(Arc::clone(&queue), move |key| {
            let reporter = Arc::clone(&reporter);
            async move { reporter.round(&key).await }
        })
    });
    let workers: Vec<_> = workers.map(Box::pin).collect();
    futures::future::select_all(workers).await.0
}

impl Reporter {
    /// One that writes to the cluster with `applier`, and to GitHub with the credentials of `hub`.
    pub fn new(applier: Arc<Applier>, hub: Hub) -> Self {
        Self {
            applier,
            hub,
            barred: Mutex::default(),
            turns: std::array::from_fn(|_| Turn::default()),
        }
    }

    /// Does one round for the Task at `key`.
    pub async fn round(&self, key: &Key) -> Next {
        let Some(packed) = self.applier.world.lock().task(key) else {
            return Next::Wait(None);
        };
        let task = match packed.unpack() {
            Ok(task) => task,
            Err(error) => {
                tracing::warn!(task = %key, %error, "the Task cannot be read and is not reported on");
                return Next::Wait(None);
            }
        };
        let Some(report) = report(&task) else {
            return Next::Wait(None);
        };
        match self.attempt(key, &task, &report).await {
            Ok(next) => next,
            Err(hindrance) => {
                tracing::warn!(task = %key, error = hindrance.message, "a report failed and will be tried again");
                Next::Retry(AFTER_FAILURE)
            }
        }
    }

    /// Tells what is to be told, and notes it. What a person has to mend is told as an event and noted
    /// too: the Task is not kept for it.
    async fn attempt(&self, key: &Key, task: &Task, report: &Report) -> Result<Next, Hindrance> {
        let before = Told::of(task);
        let mut told = Told::next(&report.reported, &before);
        let mut errors = Vec::new();
        match self.source(key, task, &report.target).await {
            Ok(source) => {
                if let Some(left) = self.barred_for(&source) {
                    return Ok(Next::Wait(Some(left)));
                }
                match self.tell(&source, task, report, &mut told, &mut errors).await {
                    Ok(()) => {}
                    Err(hindrance) => match hindrance.wait {
                        Some(wait) => {
                            let wait = wait_for(wait, Timestamp::now());
                            self.bar(&source, wait);
                            return Ok(Next::Wait(Some(wait)));
                        }
                        None if hindrance.passes => return Err(hindrance),
                        None => errors.push(hindrance.message),
                    },
                }
            }
            Err(hindrance) if hindrance.passes => return Err(hindrance),
            Err(hindrance) => errors.push(hindrance.message),
        }
        told.note(&errors);
        if told.error != before.error && !errors.is_empty() {
            self.complain(task, &errors);
        }
        self.note(key, task, &told).await
    }

    /// Writes comment and check run. What is refused for good is in `errors`, and the other one is
    /// written all the same; what may pass ends it.
    async fn tell(
        &self,
        source: &Source,
        task: &Task,
        report: &Report,
        told: &mut Told,
        errors: &mut Vec<String>,
    ) -> Result<(), Hindrance> {
        let repository = self.hub.repository(source, For::Reporting).await?;
        let target = &report.target;
        let place = format!("{}/{}#{}", target.owner, target.repo, target.number);
        if let Some(comment) = &report.comment {
            let _turn = self.turn(&comment.marker).await;
            let written = self.comment(source, &repository, target.number, comment, told.comment);
            match written.await {
                Ok(id) => told.comment = Some(id),
                Err(hindrance) if hindrance.passes => return Err(hindrance),
                Err(hindrance) => errors.push(hindrance.of(&format!("a comment to `{place}`")).message),
            }
        }
        if let Some(check) = &report.check {
            match write::check(&repository, check, times(task), told.check).await {
                Ok(id) => told.check = Some(id),
                Err(hindrance) if hindrance.passes => return Err(hindrance),
                Err(hindrance) => {
                    let what = format!("the check run `{}` of `{place}`", check.name);
                    errors.push(hindrance.of(&what).message);
                }
            }
        }
        Ok(())
    }

    /// Notes in the Task what was told.
    async fn note(&self, key: &Key, task: &Task, told: &Told) -> Result<Next, Hindrance> {
        let patch = json!({
            "metadata": {
                "uid": task.metadata.uid,
                "annotations": { labels::REPORTED: told.annotation() },
            },
        });
        self.applier.count("patch", "task");
        let tasks: Api<Loose<Task>> = Api::namespaced(self.applier.client.clone(), &key.namespace);
        match tasks.patch(&key.name, &patching(), &Patch::Merge(&patch)).await {
            Ok(written) => {
                let wakes = self.applier.world.lock().note_task(&written);
                for (task, urgency) in wakes {
                    self.applier.queue.wake(&task, urgency);
                }
                tracing::debug!(task = %key, phase = told.phase, "reported");
                Ok(Next::Wait(None))
            }
            Err(error) => match overtaken(error).map_err(Answer::from)? {
                // The Task is gone or another one, as the watch will tell.
                Applied::Stale => Ok(Next::Retry(CATCH_UP)),
                _ => Ok(Next::Wait(None)),
            },
        }
    }

    /// Tells people what could not be told.
    fn complain(&self, task: &Task, errors: &[String]) {
        let mut message = errors.join("\n");
        if !message.contains("hint: ") {
            message.push_str("\nhint: the credential of the workspace needs to write issues and pull requests; check runs can only be written by a GitHub App");
        }
        let notice = Notice {
            kind: NoticeKind::Warning,
            reason: "ReportFailed".to_owned(),
            message,
        };
        tracing::warn!(
            task = task.name_any(),
            error = errors.join("; "),
            "a report was given up"
        );
        self.applier.notices.write(task, &notice);
    }

    /// Waits until nobody else writes comments of this marker.
    async fn turn(&self, marker: &str) -> Option<HeldTurn<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        marker.hash(&mut hasher);
        let turn = usize::try_from(hasher.finish() % TURNS as u64).unwrap_or_default();
        Some(self.turns.get(turn)?.lock().await)
    }

    fn bar(&self, source: &Source, wait: Duration) {
        if let Some(until) = Instant::now().checked_add(wait) {
            self.bars().insert(source.key(), until);
        }
    }

    /// How long GitHub does not want to be asked.
    fn barred_for(&self, source: &Source) -> Option<Duration> {
        let now = Instant::now();
        let mut bars = self.bars();
        bars.retain(|_, until| *until > now);
        bars.get(&source.key()).map(|until| *until - now)
    }

    fn bars(&self) -> MutexGuard<'_, HashMap<Key, Instant>> {
        self.barred.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn times(task: &Task) -> Times {
    let status = task.status.as_ref();
    let created = task.metadata.creation_timestamp.as_ref();
    Times {
        started: created.map(|time| time.0),
        completed: status
            .and_then(|status| status.completion_time.as_ref())
            .map(|time| time.0),
    }
}
