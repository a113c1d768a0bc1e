//! What sources find: candidates to decide about, and work items to write into templates.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value};

/// Something that matches a spawner's source now, as a decision needs it. Cheap to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Names the item among those of its spawner, for ever: `issue-42`, `pull-7`,
    /// `tick-20260207-0900`, `delivery-1f3a…`. Of `[-._a-zA-Z0-9]`, at most 100 characters.
    pub key: String,
    /// What the default name of a Task ends with, another for each key: `42`, `20260207-0900`,
    /// `issue-comment-0f1e2d3c4b5a`. Templates have it as `.ID`, except that events have there the number
    /// of their issue or pull request, or the ID that the sender gave them.
    pub id: String,
    /// Why it matches.
    pub cause: Cause,
    /// Its labels, for `priorityLabels`.
    pub labels: Vec<String>,
    /// When it came to be: the oldest goes first within one priority.
    pub created: Timestamp,
}

/// Why an item matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It passes the filters. Due once, and again after it was seen not to pass them.
    Match,
    /// It passes the filters, and this comment asks for work: by its ID, or for pull requests by a
    /// number that follows from its time ([`crate::comment_policy::Said::order`]). Either grows. Due
    /// for each newer one.
    Command { comment: u64 },
    /// It passes the filters, and this review (by its ID) is the newest that counts. Due for each
    /// newer one.
    Review { review: u64 },
    /// It happened: a tick, a delivery. Due once.
    Event,
    /// A person asked for it by name; the word is unique to the request.
    Manual { request: String },
}

/// Whether an item passes filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Match,
    /// It does not: why, as a fragment such as "has the label `wontfix`, which is excluded".
    NoMatch(String),
}

/// An item with all that templates may use.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkItem {
    pub candidate: Candidate,
    /// The dot of templates: `ID`, `Title`, `Payload` and so on.
    pub variables: Map<String, Value>,
    /// What to report to.
    pub subject: Option<Subject>,
}

/// What became of fetching an item.
#[derive(Clone, Debug, PartialEq)]
pub enum Fetched {
    Item(Box<WorkItem>),
    /// It does not match, or no longer: why, as a fragment such as "is closed".
    NoLonger(String),
}

/// The issue or pull request that an item is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub kind: SubjectKind,
    /// Base URL of the forge's API, such as `https://api.github.com`; absent means that of the
    /// workspace's repository.
    pub api_url: Option<String>,
    pub owner: String,
    pub repository: String,
    pub number: u64,
    /// Head commit of a pull request, for check runs.
    pub head_sha: Option<String>,
}

/// What a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    Issue,
    PullRequest,
}
