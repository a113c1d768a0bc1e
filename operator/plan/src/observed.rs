//! Everything that a decision may look at.

use std::collections::{BTreeMap, BTreeSet};

use axon_api::{AgentConfig, AgentProvider, Phase, Task, TaskDefaults, Workspace};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;

use crate::settings::Settings;

/// A Task and all that bears on it, as last seen.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The moment for which to decide.
    pub now: Timestamp,
    pub settings: &'a Settings,
    pub task: &'a Task,
    /// Whether a TaskSpawner has let the Task start.
    pub admission: Admission,
    /// The namespace's TaskDefaults, the one named `default`.
    pub defaults: Found<'a, TaskDefaults>,
    /// The AgentProvider that `spec.providerRef` names, or else the defaults for the agent type.
    pub provider: Found<'a, AgentProvider>,
    /// The AgentConfigs that the Task names, in its order, each with its name.
    pub agent_configs: &'a [(&'a str, Found<'a, AgentConfig>)],
    /// The Workspace that `spec.workspaceRef` names.
    pub workspace: Found<'a, Workspace>,
    /// Every Secret that the Task needs, by name: those of [`crate::references::secrets`].
    pub secrets: &'a BTreeMap<String, Found<'a, SecretKeys>>,
    /// The Tasks that `spec.dependsOn` names, in its order.
    pub dependencies: &'a [Dependency],
    /// The names of a circle of dependencies that leads back to this Task, itself first and last.
    pub dependency_cycle: Option<&'a [String]>,
    /// Whether a Task that has not ended depends on this one and has not yet recorded in its
    /// status that it succeeded.
    pub is_awaited: bool,
    /// What is known of the branch, when the Task has a branch and a repository.
    pub branch: Option<&'a BranchSeen>,
    /// The Leases whose holder is this Task by its UID, also those of a repository that its
    /// Workspace does not name any more.
    pub held_branches: &'a [LeaseSeen],
    /// When the token expires that was made for this Task; `None` when there is none.
    pub token_expires: Option<Timestamp>,
    /// Why no token could be made for this Task, as the last round was told.
    pub refused_token: Option<&'a str>,
    /// The Jobs that this Task (by UID) controls.
    pub jobs: &'a [&'a Job],
    /// The pods that carry this Task's UID as a label.
    pub pods: &'a [&'a Pod],
    /// A Job that has the name of this Task's next Job and another owner, as the server said when
    /// it refused to create ours.
    pub conflicting_job: Option<&'a str>,
    /// Why the server refused to create this Task's next Job as invalid (its answer 422, or 403
    /// of an admission rule): the same Job would be refused again, so the Task fails with it.
    pub refused_job: Option<&'a str>,
}

/// Whether a TaskSpawner has let a Task start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// No TaskSpawner made it, so none has to let it start.
    #[default]
    NotSpawned,
    /// It may start: [`crate::spawner::SpawnerPlan::admitted`] has its UID.
    Admitted,
    /// It may not start yet, or it is not known whether it may.
    Held,
}

/// An object that the Task may name.
#[derive(Debug, Default)]
pub enum Found<'a, T> {
    /// The Task does not name one.
    #[default]
    NotNamed,
    /// It was looked for and is not there.
    Missing,
    /// It cannot be read as what it should be: why.
    Invalid(&'a str),
    /// It is there.
    Present(&'a T),
}

/// The keys of a Secret that have a value. The values never come here.
pub type SecretKeys = BTreeSet<String>;

/// A Task that another depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    pub name: String,
    /// `None` when there is no such Task.
    pub task: Option<DependencyTask>,
}

/// A Task that is there and on which another depends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DependencyTask {
    pub uid: String,
    /// Its phase; `None` when it has none yet.
    pub phase: Option<Phase>,
    /// What it produced, when it has succeeded.
    pub outputs: Vec<String>,
    pub results: BTreeMap<String, String>,
}

/// What is known of a branch of a repository, for one Task that wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchSeen {
    /// The Lease of the branch; `None` when it is free.
    pub lease: Option<LeaseSeen>,
    /// Of the Tasks that want the branch and could start: how many come before this one.
    pub place: usize,
    /// `namespace/name` of the one right before this one; `None` when it is the first.
    pub behind: Option<String>,
}

/// A Lease that keeps a branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseSeen {
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    /// UID of the Task that holds it.
    pub holder_uid: String,
    /// `namespace/name` of the Task that holds it.
    pub holder: String,
}
