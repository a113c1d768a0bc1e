//! What was decided about a spawner.

use std::time::Duration;

use axon_api::TaskSpawnerStatus;
use axon_api::sources::Candidate;

use super::memory::ShardWrite;
use crate::plan::Notice;

/// What to do for one spawner, now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpawnerPlan {
    /// What has to be asked of the server before more can be decided. What the plan has beside it is
    /// good without the answer.
    pub ask: Ask,
    /// To be done in this order; the first that fails or is stale ends the round, but for a
    /// [`Step::Spawn`] whose item is refused. Each is idempotent alone.
    pub steps: Vec<Step>,
    /// What the status should be once the steps are done. [`Step::WriteStatus`] says when it is
    /// written; without that step it is as it should be already.
    pub status: TaskSpawnerStatus,
    /// UIDs of the Tasks that may start once the steps up to and including the status are done. Of
    /// another Task of the spawner's, nothing is to start.
    pub admitted: Vec<String>,
    /// When to look again though nothing has changed.
    pub wake: Option<Duration>,
    /// One sentence on why this was decided, for the log.
    pub why: String,
}

/// What has to be asked of the server, since a view of Tasks may be stale: decide again with the
/// answers. When `missing` is not empty, all Tasks of the spawner are to be listed from the server
/// (with a consistent read); otherwise getting each of `tasks` is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Names of Tasks that are wanted with [`super::SpawnedTask::is_fresh`]. One that is not there is
    /// to be left out of the Tasks, and put among the gone.
    pub tasks: Vec<String>,
    /// Places of Tasks that are not in view, and are wanted either among the Tasks or among the gone.
    pub missing: Vec<String>,
}

impl Ask {
    /// Whether nothing has to be asked.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.missing.is_empty()
    }
}

/// One thing to do for a spawner.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Write one part of the memory, on the version that was observed.
    Remember(ShardWrite),
    /// Write [`SpawnerPlan::status`], on the version that was observed.
    WriteStatus,
    /// Fetch the item, draft its Task ([`super::draft`]) and create it. One that is there already with
    /// our owner and item is as good, whatever its trigger: then the view was stale. Another of the
    /// name, and what [`super::draft`] or the server refuse for good, put the item among the refused.
    /// The next round remembers the Task.
    Spawn(Spawn),
    /// Delete this Task, with its UID as precondition: it was made twice and never started.
    DeleteTask { task: String, uid: String },
    /// Set `spec.cancel` of this Task, with its UID as precondition.
    CancelTask { task: String, uid: String },
    /// The event or request with this key is dealt with: what kept it may go. The annotation with a
    /// request goes only while it is still the one that was observed.
    Settle { key: String },
    /// Write an event about the spawner.
    Notify(Notice),
}

/// An item that is to become a Task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spawn {
    pub candidate: Candidate,
    /// What makes it due, such as `match-1`, `comment-123`, `event`.
    pub trigger: String,
    /// Which of its item's Tasks it is, counted from 1.
    pub run: u32,
    /// What is put behind the name when the item had a Task before; empty the first time.
    pub suffix: String,
}
