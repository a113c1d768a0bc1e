//! Issues, and pull requests as the list of issues has them.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use super::answer::Page;
use super::failure::Failure;
use super::wire::{User, login};
use super::{PER_PAGE, Question, Repository, segment};
use crate::github::facts::IssueFacts;

/// Which issues a listing has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Open,
    /// Closed ones too.
    All,
}

/// What to list: issues and pull requests, the one that changed last first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    pub scope: Scope,
    /// Only what changed at this moment or later.
    pub since: Option<Timestamp>,
}

/// An issue with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullIssue {
    pub facts: IssueFacts,
    /// Its text in Markdown; empty when it has none.
    pub body: String,
}

#[derive(Deserialize)]
struct IssueWire {
    number: u64,
    #[serde(default)]
    title: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    labels: Vec<LabelWire>,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    assignees: Option<Vec<User>>,
    #[serde(default)]
    draft: Option<bool>,
    #[serde(default)]
    html_url: String,
    #[serde(default)]
    pull_request: Option<PullMark>,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(default)]
    closed_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct FullIssueWire {
    #[serde(flatten)]
    issue: IssueWire,
    #[serde(default)]
    body: Option<String>,
}

/// That an issue is a pull request: what it holds is not needed.
#[derive(Deserialize)]
struct PullMark {}

/// A label is written as an object, or as its name alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum LabelWire {
    Name(String),
    Label {
        #[serde(default)]
        name: Option<String>,
    },
}

impl From<IssueWire> for IssueFacts {
    fn from(wire: IssueWire) -> Self {
        let labels = wire.labels.into_iter().filter_map(|label| match label {
            LabelWire::Name(name) => Some(name),
            LabelWire::Label { name } => name,
        });
        Self {
            number: wire.number,
            is_pull_request: wire.pull_request.is_some(),
            is_open: wire.state != "closed",
            title: wire.title,
            labels: labels.collect(),
            author: login(wire.user.as_ref()),
            assignees: wire
                .assignees
                .unwrap_or_default()
                .into_iter()
                .map(|user| user.login)
                .collect(),
            is_draft: wire.draft.unwrap_or(false),
            url: wire.html_url,
            created: wire.created_at,
            updated: wire.updated_at,
            closed: wire.closed_at,
        }
    }
}

impl Listing {
    fn query(self) -> String {
        let state = match self.scope {
            Scope::Open => "open",
            Scope::All => "all",
        };
        let since = self.since.map_or_else(String::new, |since| {
            format!("&since={}", segment(&since.to_string()))
        });
        format!("?state={state}&sort=updated&direction=desc&per_page={PER_PAGE}{since}")
    }
}

impl Repository {
    /// The first page of a listing of issues and pull requests; no items when `etag` is still its
    /// tag.
    pub async fn issues(&self, listing: Listing, etag: Option<&str>) -> Result<Page<IssueFacts>, Failure> {
        let url = self.url("/issues") + &listing.query();
        self.issues_at(url, etag).await
    }

    /// A further page of a listing of issues.
    pub async fn more_issues(&self, next: &str) -> Result<Page<IssueFacts>, Failure> {
        self.issues_at(next.to_owned(), None).await
    }

    async fn issues_at(&self, url: String, etag: Option<&str>) -> Result<Page<IssueFacts>, Failure> {
        let answer = self.ask(Question::get(url, "issues").unless(etag)).await?;
        answer.page::<IssueWire, _>(IssueFacts::from)
    }

    /// One issue or pull request, with its text.
    pub async fn issue(&self, number: u64) -> Result<FullIssue, Failure> {
        let url = self.url(&format!("/issues/{number}"));
        let wire: FullIssueWire = self.ask(Question::get(url, "issue")).await?.read()?;
        Ok(FullIssue {
            facts: wire.issue.into(),
            body: wire.body.unwrap_or_default(),
        })
    }
}
