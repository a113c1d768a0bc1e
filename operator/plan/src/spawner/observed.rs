//! Everything that a decision about a spawner may look at.

use std::collections::{BTreeMap, BTreeSet};

use axon_api::sources::Candidate;
use axon_api::{Phase, TaskSpawner, Workspace};
use k8s_openapi::jiff::Timestamp;

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
    /// The Tasks that this spawner (by UID) controls.
    pub tasks: &'a [SpawnedTask],
    /// Items that could not become a Task, by key: why. They are not tried again until the spawner's
    /// generation changes.
    pub refused: &'a BTreeMap<String, String>,
}

/// What the source had to say.
#[derive(Clone, Debug, Default)]
pub struct SourceSeen<'a> {
    /// When it was last heard from; `None` when it never was.
    pub heard: Option<Timestamp>,
    /// What matches: of a source that is polled, now; of events, what is pending.
    pub candidates: &'a [Candidate],
    /// Whether an item that is not among the candidates is known not to match. So it is for a
    /// complete listing, and not for events.
    pub absence_counts: bool,
    /// Keys, of those in memory, of items that are open though they do not match.
    pub open: BTreeSet<String>,
    /// What is wrong with it.
    pub trouble: Option<Trouble>,
    /// Whether events that come while the operator is down are found again; `None` for sources
    /// without events. The text says why not, or how.
    pub down_proof: Option<(bool, String)>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpawnedTask {
    pub name: String,
    pub uid: String,
    pub phase: Option<Phase>,
    /// Key of its item, from its annotation.
    pub item: Option<String>,
    /// What made the item due, from its annotation.
    pub trigger: Option<String>,
    /// Whether a Job was ever recorded for it.
    pub has_started: bool,
    pub is_deleting: bool,
    /// Whether the server itself was asked for it in this round, so that it is not from a stale view.
    pub is_fresh: bool,
}
