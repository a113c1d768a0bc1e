//! What was decided about a pipeline.

use std::time::Duration;

use axon_api::{Task, TaskPipelineStatus};

use super::kept::KeptRun;
use crate::plan::Notice;

/// What to do for one pipeline, now.
#[derive(Clone, Debug, Default)]
pub struct PipelinePlan {
    /// To be done in this order; the first that fails ends the round. Each is idempotent alone.
    pub steps: Vec<Step>,
    /// What the status should be once the steps are done. [`Step::WriteStatus`] says when it is
    /// written; without that step it is as it should be already.
    pub status: TaskPipelineStatus,
    /// When to look again though nothing has changed.
    pub wake: Option<Duration>,
    /// One sentence on why this was decided, for the log.
    pub why: String,
}

/// One thing to do for a pipeline.
#[derive(Clone, Debug)]
pub enum Step {
    /// Write [`PipelinePlan::status`], with the resourceVersion of what was observed as
    /// precondition.
    WriteStatus,
    /// Create the Task of the last run; one that is there already is looked at in the next round.
    CreateTask(Box<Task>),
    /// Set `spec.cancel` of this Task, with its UID as precondition.
    CancelTask { task: String, uid: String },
    /// Read the text that the pod's log ends with, add it to `run`, and keep all of it in a Secret
    /// of the pipeline ([`KeptRun::secret`]). One that is there already is as good. Without a pod
    /// there is no text.
    KeepRun {
        task: String,
        pod: Option<String>,
        run: Box<KeptRun>,
    },
    /// Write an event about the pipeline.
    Notify(Notice),
}
