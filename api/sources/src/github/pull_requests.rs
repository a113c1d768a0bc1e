//! `githubPullRequests`: pull requests of a repository that match. Spec and filters.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::FilePatterns;
use super::issues::StateFilter;
use crate::comment_policy::CommentPolicy;
use crate::reporting::Reporting;

/// Pull requests of a GitHub repository that match all of these. The repository is that of the
/// template's workspace, unless repo names another.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.commentPolicy) && (has(self.triggerComment) || has(self.excludeComments)))").message("commentPolicy replaces triggerComment and excludeComments"))]
pub struct GitHubPullRequests {
    /// Repository as owner/name or URL, when it is not the workspace's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^[^\s]+$"))]
    pub repo: Option<String>,

    /// Labels that a pull request must have, all of them. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub labels: Vec<String>,

    /// Labels that a pull request must not have, none of them. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub exclude_labels: Vec<String>,

    /// open, closed or all. Absent means open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateFilter>,

    /// What the reviews of the head commit must come to: approved, changes_requested, or any, which
    /// is also none. With approved and changes_requested each newer review asks once more. Absent
    /// means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_state: Option<ReviewState>,

    /// Whether it must be a draft, or must be none. Absent means either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<bool>,

    /// User who must have opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub author: Option<String>,

    /// Users who must not have opened it. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 100)))]
    pub exclude_authors: Vec<String>,

    /// Branch that it must go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub base_branch: Option<String>,

    /// Which files must have changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_patterns: Option<FilePatterns>,

    /// Labels by which pull requests are taken first, the most important first. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub priority_labels: Vec<String>,

    /// The triggerComment of a commentPolicy that everybody may use. commentPolicy is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub trigger_comment: Option<String>,

    /// The excludeComments of a commentPolicy that everybody may use. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 1024)))]
    pub exclude_comments: Vec<String>,

    /// Which comments ask for work, and who may ask. Comments on lines and texts of reviews count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment_policy: Option<CommentPolicy>,

    /// What is reported back to the pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporting: Option<Reporting>,

    /// How often GitHub is asked, as a Go duration or whole seconds, at least 5s. Absent means
    /// spec.pollInterval, else 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 32),
        regex(pattern = r"^(([0-9]+(\.[0-9]+)?(ms|s|m|h))+|[0-9]+)$")
    )]
    pub poll_interval: Option<String>,
}

/// What reviews must come to.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename_all = "snake_case")]
pub enum ReviewState {
    Approved,
    ChangesRequested,
    #[default]
    Any,
}
