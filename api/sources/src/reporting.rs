//! What is reported back to an issue or pull request: spec.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is reported back to the issue or pull request that a Task was made for.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reporting {
    /// Whether comments tell that a Task was accepted, has succeeded, failed or timed out. Absent
    /// means no, unless comments is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,

    /// How comments are written. Setting it switches them on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<CommentReporting>,

    /// Check runs on the head commit of pull requests. Setting it switches them on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<CheckReporting>,
}

/// How comments are written.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommentReporting {
    /// PerTask: one comment for each Task. Sticky: one for the spawner, which tells of its latest
    /// Task. Absent means PerTask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<CommentMode>,
}

/// How many comments there are.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommentMode {
    #[default]
    PerTask,
    Sticky,
}

/// Check runs.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReporting {
    /// Name of the check run. Absent means "Axon: " and the name of the spawner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub name: Option<String>,
}

impl Reporting {
    /// How comments are written; `None` when none are.
    pub fn comment_mode(&self) -> Option<CommentMode> {
        match (&self.comments, self.enabled) {
            (_, Some(false)) | (None, None) => None,
            (Some(comments), _) => Some(comments.mode.unwrap_or_default()),
            (None, Some(true)) => Some(CommentMode::PerTask),
        }
    }
}
