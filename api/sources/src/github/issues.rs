//! `githubIssues`: issues of a repository that match. Spec and filters.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::comment_policy::CommentPolicy;
use crate::reporting::Reporting;

/// Issues of a GitHub repository that match all of these. The repository is that of the template's
/// workspace, unless repo names another.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.commentPolicy) && (has(self.triggerComment) || has(self.excludeComments)))").message("commentPolicy replaces triggerComment and excludeComments"))]
#[x_kube(validation = Rule::new("!has(self.reporting) || !has(self.reporting.checks)").message("check runs are of pull requests, not of issues"))]
pub struct GitHubIssues {
    /// Repository as owner/name or URL, when it is not the workspace's own, such as the one that the
    /// workspace is a fork of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^[^\s]+$"))]
    pub repo: Option<String>,

    /// Labels that an issue must have, all of them. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub labels: Vec<String>,

    /// Labels that an issue must not have, none of them. Removing the last one queues it again. At
    /// most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub exclude_labels: Vec<String>,

    /// open, closed or all. Absent means open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateFilter>,

    /// issues, pulls or both. Absent means issues.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    pub types: Vec<IssueType>,

    /// Labels by which issues are taken first, the most important first. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub priority_labels: Vec<String>,

    /// User whom it must be assigned to, * for anybody, none for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub assignee: Option<String>,

    /// User who must have opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub author: Option<String>,

    /// Users who must not have opened it. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 100)))]
    pub exclude_authors: Vec<String>,

    /// The triggerComment of a commentPolicy that everybody may use. commentPolicy is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub trigger_comment: Option<String>,

    /// The excludeComments of a commentPolicy that everybody may use. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 1024)))]
    pub exclude_comments: Vec<String>,

    /// Which comments ask for work, and who may ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment_policy: Option<CommentPolicy>,

    /// What is reported back to the issue.
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

/// Which state an issue must have.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[schemars(rename_all = "lowercase")]
pub enum StateFilter {
    #[default]
    Open,
    Closed,
    All,
}

/// Issues, or pull requests as the list of issues has them.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[schemars(rename_all = "lowercase")]
pub enum IssueType {
    Issues,
    Pulls,
}
