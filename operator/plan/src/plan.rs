//! What was decided.

use std::time::Duration;

use axon_api::TaskStatus;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};

/// What to do for one Task, now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// To be done in this order; the first that fails ends the round. Each is idempotent alone.
    pub steps: Vec<Step>,
    /// What the status should be once the steps are done. [`Step::WriteStatus`] says when it is
    /// written; without that step it is as it should be already.
    pub status: TaskStatus,
    /// When to look again though nothing has changed.
    pub wake: Option<Duration>,
    /// One sentence on why this was decided, for the log.
    pub why: String,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Take the branch: create the Lease, or, when it has a resourceVersion, replace it. A Lease that
    /// is there or has changed ends the round as stale.
    TakeBranch(Box<Lease>),
    /// Free the branch: delete the Lease, with its UID and resourceVersion as preconditions.
    ReleaseBranch {
        lease: String,
        uid: String,
        resource_version: String,
    },
    /// Create the claim of a volume; one that is there already is as good.
    CreateClaim(Box<PersistentVolumeClaim>),
    /// Make a token of the GitHub App whose key `app_secret` has, for this one repository, and write
    /// it as `GITHUB_TOKEN` into the Secret `secret`, which is created or updated, owned by the Task
    /// and annotated with its expiry. A refusal ends the round, and the next one has it in
    /// [`crate::Observed::refused_token`].
    MakeToken {
        secret: String,
        app_secret: String,
        repository: String,
    },
    /// Create the Secret with the run description; one that is there already is as good.
    CreateRunSecret(Box<Secret>),
    /// Create the Job; one that is there already with our owner is as good. One with another owner
    /// ends the round, and the next one has it in [`crate::Observed::conflicting_job`].
    CreateJob(Box<Job>),
    /// Write [`Plan::status`], with the resourceVersion of the observed Task as precondition: a
    /// decision from stale state is refused by the server.
    WriteStatus,
    /// Take the start gate off this one pod, with its UID as precondition.
    RemoveStartGate { pod: String, uid: String },
    /// Delete this pod, with its UID as precondition.
    DeletePod { pod: String, uid: String },
    /// Delete this pod at once, with its UID as precondition, though its node is not heard from.
    ForceDeletePod { pod: String, uid: String },
    /// Delete this Job and what it owns, in the background, with its UID as precondition.
    DeleteJob { job: String, uid: String },
    /// Delete the Task, with its UID as precondition: its time to live is over.
    DeleteTask { uid: String },
    /// Write an event about the Task.
    Notify(Notice),
}

/// An event to write about the Task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub kind: NoticeKind,
    /// One word, such as `Succeeded`.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// The two types that Kubernetes' events have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    Normal,
    Warning,
}
