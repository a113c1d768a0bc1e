//! What is known of issues, pull requests and what people said of them, read from GitHub's REST API
//! (<https://docs.github.com/en/rest>).

use k8s_openapi::jiff::Timestamp;

/// An issue, or a pull request as the list of issues has it, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueFacts {
    pub number: u64,
    pub is_pull_request: bool,
    pub is_open: bool,
    pub title: String,
    pub labels: Vec<String>,
    pub author: String,
    pub assignees: Vec<String>,
    /// Of pull requests only.
    pub is_draft: bool,
    pub url: String,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub closed: Option<Timestamp>,
}

/// What a pull request has beside what the list of issues tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullFacts {
    pub head_branch: String,
    pub head_sha: String,
    pub base_branch: String,
    /// `owner/name` of the repository that the head is in; `None` when that is gone.
    pub head_repository: Option<String>,
}

/// A comment, or the text of a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// GitHub's ID, which grows.
    pub id: u64,
    pub author: String,
    /// Whether the author is a bot or an App.
    pub is_bot: bool,
    pub body: String,
    pub url: String,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// A review of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    pub id: u64,
    pub author: String,
    pub is_bot: bool,
    pub state: ReviewVerdict,
    pub body: String,
    /// The commit that was reviewed.
    pub commit: String,
    pub submitted: Timestamp,
}

/// What a review came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewVerdict {
    Approved,
    ChangesRequested,
    /// Commented, dismissed or pending: it decides nothing.
    Neither,
}

/// A comment on a line of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineComment {
    pub comment: Comment,
    pub path: String,
    pub line: Option<u64>,
    /// The commit that it is about.
    pub commit: String,
}
