//! Everything that a decision about a spawner may look at.

use std::collections::{BTreeMap, BTreeSet};

use axon_api::sources::Candidate;
use axon_api::{Phase, Task, TaskSpawner, Workspace, labels};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::memory::Memory;
use crate::observed::Found;

/// A spawner and all that bears on it, as last seen.
#[derive(Debug)]
pub struct SpawnerObserved<'a> {
    /// The moment for which to decide.
    pub now: Timestamp,
    pub spawner: &'a TaskSpawner,
    /// The Workspace that `spec.taskTemplate.workspaceRef` names.
    pub workspace: Found<'a, Workspace>,
    /// Agent type of a Task that names none.
    pub default_type: &'a str,
    /// What became of items before.
    pub memory: &'a Memory,
    pub source: SourceSeen<'a>,
    /// The Tasks that this spawner (by UID) controls, those included that the operator itself has
    /// just created.
    pub tasks: &'a [SpawnedTask],
    /// Tasks that are known to be gone, by [`axon_api::names::place`] of their UID: their deletion was
    /// seen, or the server was asked for all Tasks of the spawner after the spawner and its memory
    /// were read. It may name more than are of interest.
    pub gone: &'a BTreeSet<String>,
    /// Items that could not become a Task, by key: why. They are not tried again until the spawner's
    /// generation changes.
    pub refused: &'a BTreeMap<String, String>,
}

/// What the source had to say.
#[derive(Clone, Debug, Default)]
pub struct SourceSeen<'a> {
    /// When it was last heard from; `None` when it never was.
    pub heard: Option<Timestamp>,
    /// What matches: of a source that is polled, now; of events, what is pending; of cron, the ticks
    /// after `status.lastScheduleTime` that are to become Tasks.
    pub candidates: &'a [Candidate],
    /// Whether an item that is not among the candidates is known not to match. So it is for a
    /// complete listing, and not for events.
    pub absence_counts: bool,
    /// Keys, of those in memory, of items that are open though they do not match.
    pub open: BTreeSet<String>,
    /// Of cron: what else is known of its ticks.
    pub ticks: TicksSeen,
    /// What is wrong with it.
    pub trouble: Option<Trouble>,
    /// Whether events that come while the operator is down are found again; `None` for sources
    /// without events. The text says why not, or how.
    pub down_proof: Option<(bool, String)>,
}

/// What is known of the ticks of a schedule beside those that are to become Tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TicksSeen {
    /// The latest tick that has passed since `status.lastScheduleTime`, whatever becomes of it.
    pub passed: Option<Timestamp>,
    /// How many ticks since then are before the first candidate, and become no Task.
    pub missed: u64,
    /// The next tick.
    pub next: Option<Timestamp>,
}

/// What is wrong with a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// One word, such as `RepositoryNotFound`, `Unauthorized` or `RateLimited`.
    pub reason: &'static str,
    /// A sentence, with what to do.
    pub message: String,
    /// Whether it only slows the source, as a rate limit does.
    pub passes: bool,
}

/// A Task of a spawner.
#[expect(
    clippy::struct_excessive_bools,
    reason = "what is seen of a Task are facts that do not exclude one another"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpawnedTask {
    pub name: String,
    pub uid: String,
    pub phase: Option<Phase>,
    /// Key of its item, from its annotation.
    pub item: Option<String>,
    /// What made the item due, from its annotation.
    pub trigger: Option<String>,
    /// Which of its item's Tasks it is, counted from 1, from its annotation.
    pub run: Option<u32>,
    /// Whether a Job was ever recorded for it.
    pub has_started: bool,
    /// Whether it is to be cancelled.
    pub is_cancelled: bool,
    pub is_deleting: bool,
    /// Whether the server itself was asked for it in this round, after the spawner and its memory
    /// were read, so that it is not from a stale view.
    pub is_fresh: bool,
}

impl SpawnedTask {
    /// What a decision about a spawner looks at of a Task of it. It is not fresh.
    pub fn of(task: &Task) -> Self {
        let annotation = |key: &str| task.annotations().get(key).cloned();
        let attempts = task.status.as_ref().and_then(|status| status.attempts);
        Self {
            name: task.name_any(),
            uid: task.uid().unwrap_or_default(),
            phase: task.phase(),
            item: annotation(labels::ITEM),
            trigger: annotation(labels::TRIGGER),
            run: annotation(labels::ITEM_RUN).and_then(|run| run.parse().ok()),
            has_started: attempts.is_some_and(|attempts| attempts > 0),
            is_cancelled: task.spec.cancel == Some(true),
            is_deleting: task.metadata.deletion_timestamp.is_some(),
            is_fresh: false,
        }
    }

    /// Whether it has ended for good.
    pub fn is_finished(&self) -> bool {
        self.phase.is_some_and(Phase::is_final)
    }
}
