//! Everything that a decision about a pipeline may look at.

use std::collections::BTreeMap;

use axon_api::{Task, TaskPipeline, Workspace};
use k8s_openapi::jiff::Timestamp;

use super::kept::Seen;
use crate::observed::Found;

/// A pipeline and all that bears on it, as last seen.
#[derive(Debug)]
pub struct PipelineObserved<'a> {
    /// The moment for which to decide.
    pub now: Timestamp,
    pub pipeline: &'a TaskPipeline,
    /// The Workspace that `spec.workspaceRef` names.
    pub workspace: Found<'a, Workspace>,
    /// Agent type of a Task that names none.
    pub default_type: &'a str,
    /// The Task of the last run that the status tells of. It is `Missing` only when the server said
    /// so after the status was read.
    pub task: Found<'a, Task>,
    /// What is kept of runs, by the name of their Task: of those that [`super::kept_tasks`] names.
    /// One that is not here is not kept.
    pub kept: &'a BTreeMap<String, Seen>,
    /// Why the server refused to create the Task of the last run, or to keep what a run ended with:
    /// the same object would be refused again.
    pub refused: Option<&'a str>,
}
