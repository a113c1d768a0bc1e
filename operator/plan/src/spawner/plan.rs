//! What was decided about a spawner.

use std::time::Duration;

use axon_api::TaskSpawnerStatus;
use axon_api::sources::Candidate;

use super::memory::ShardWrite;
use crate::plan::Notice;

/// What to do for one spawner, now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpawnerPlan {
    /// To be done in this order; the first that fails or is stale ends the round. Each is idempotent
    /// alone.
    pub steps: Vec<Step>,
    /// What the status should be once the steps are done. [`Step::WriteStatus`] says when it is
    /// written; without that step it is as it should be already.
    pub status: TaskSpawnerStatus,
    /// UIDs of the Tasks that may start once the steps up to and including the status are done.
    pub admitted: Vec<String>,
    /// When to look again though nothing has changed.
    pub wake: Option<Duration>,
    /// One sentence on why this was decided, for the log.
    pub why: String,
}

/// One thing to do for a spawner.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Write one part of the memory, on the version that was observed.
    Remember(ShardWrite),
    /// Write [`SpawnerPlan::status`], on the version that was observed.
    WriteStatus,
    /// Fetch the item, draft its Task and create it. One that is there already with our owner, item
    /// and trigger is as good. The next round remembers it.
    Spawn(Spawn),
    /// Delete this Task, with its UID as precondition: it was made twice and never started.
    DeleteTask { task: String, uid: String },
    /// Set `spec.cancel` of this Task, with its UID as precondition.
    CancelTask { task: String, uid: String },
    /// The event with this key is dealt with: what kept it may go.
    Settle { key: String },
    /// Write an event about the spawner.
    Notify(Notice),
}

/// An item that is to become a Task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spawn {
    pub candidate: Candidate,
    /// What makes it due, such as `match-1`, `comment-123`, `tick`.
    pub trigger: String,
    /// What is put behind the name when the item had a Task before; empty the first time.
    pub suffix: String,
}
