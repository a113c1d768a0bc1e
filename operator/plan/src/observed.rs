//! Everything that a decision may look at.

use std::collections::BTreeSet;

use axon_api::{Phase, Task, Workspace};
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
    /// The Workspace that `spec.workspaceRef` names.
    pub workspace: Found<'a, Workspace>,
    /// The Secret that `spec.credentials.secretRef` names.
    pub credentials: Found<'a, SecretKeys>,
    /// The Secret that the workspace's `secretRef` names.
    pub workspace_secret: Found<'a, SecretKeys>,
    /// The Tasks that `spec.dependsOn` names, in its order.
    pub dependencies: &'a [Dependency],
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
    /// Its phase; `None` inside when it has none yet, `None` outside when there is no such Task.
    pub phase: Option<Option<Phase>>,
}
