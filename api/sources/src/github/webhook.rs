//! `githubWebhook`: events that GitHub sends. Spec, filters, and what an event is for templates.
//!
//! Templates have the body of the request as `.Payload`, with GitHub's own names, such as
//! `.Payload.issue.user.login`, and no others: names as a client library of some language spells them
//! (`.Payload.Issue.User.Login`) are not known.

mod event;
mod filters;
mod items;
#[cfg(test)]
mod sample;
mod trim;

pub use event::Delivery;
pub use filters::candidate;
pub(crate) use filters::hash;
pub(crate) use items::make_visible;
pub use items::{item, wanted};
pub use trim::trim;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::FilePatterns;
use crate::comment_policy::CommentPolicy;
use crate::reporting::Reporting;
use crate::secret::SecretReference;

/// Events that GitHub sends to /webhook/github of the operator's webhook address.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GitHubWebhook {
    /// Events to take, such as issues, issue_comment, pull_request, push or check_run.
    #[schemars(
        length(min = 1, max = 20),
        inner(length(min = 1, max = 64), regex(pattern = r"^[a-z_]+$"))
    )]
    pub events: Vec<String>,

    /// Repository as owner/name that the event must be of. Absent means that of the template's
    /// workspace; * means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^(\*|[^/\s]+/[^/\s]+)$"))]
    pub repository: Option<String>,

    /// Users whose events are not taken, such as the agent's own. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 100)))]
    pub exclude_authors: Vec<String>,

    /// What an event must be: one of these whose event is its own. Without one for its event, every
    /// event of that kind is taken. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub filters: Vec<EventFilter>,

    /// Labels by which waiting events are taken first, the most important first. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub priority_labels: Vec<String>,

    /// Who may ask: the sender of the event must be allowed. triggerComment and excludeComments are of
    /// comments; filters' bodyPattern says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment_policy: Option<CommentPolicy>,

    /// Secret of the same namespace whose key WEBHOOK_SECRET the events are signed with. Absent means
    /// the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,

    /// What is reported back to the issue or pull request of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporting: Option<Reporting>,
}

/// What an event must be; all that is set must hold.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventFilter {
    /// The event that this is for.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z_]+$"))]
    pub event: String,

    /// Its action, such as labeled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub action: Option<String>,

    /// Text that the body must have. bodyPattern is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub body_contains: Option<String>,

    /// Regular expression (RE2) that must be found in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub body_pattern: Option<String>,

    /// Regular expressions of which none may be found in the body. At most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(min = 1, max = 1024)))]
    pub exclude_body_patterns: Vec<String>,

    /// Labels that the issue or pull request must have, all of them. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub labels: Vec<String>,

    /// Labels that it must not have, none of them. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub exclude_labels: Vec<String>,

    /// State of the issue or pull request, such as open; of a review, such as approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub state: Option<String>,

    /// Branch as a glob: of a push the one that was pushed, of a pull request its head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub branch: Option<String>,

    /// Tag as a glob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub tag: Option<String>,

    /// Whether the pull request must be a draft, or must be none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<bool>,

    /// Whether the comment must be on an Issue or on a PullRequest. Absent or empty means either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment_on: Option<CommentOn>,

    /// User who must have sent the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub author: Option<String>,

    /// Users who must not have sent it. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 100)))]
    pub exclude_authors: Vec<String>,

    /// Which files must have changed, by a push or in the pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_patterns: Option<FilePatterns>,

    /// Conclusion of a check or workflow run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Conclusion>,

    /// Name of the check, as a glob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub check_name: Option<String>,
}

/// What a comment is on.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommentOn {
    Issue,
    PullRequest,
    #[default]
    #[serde(rename = "")]
    #[schemars(rename = "")]
    Either,
}

/// How a check ended.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename_all = "snake_case")]
pub enum Conclusion {
    Success,
    Failure,
    Cancelled,
    TimedOut,
    ActionRequired,
    Neutral,
    Skipped,
    Stale,
}
