//! What the fake knows: repositories and what is in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::access::{App, Tokens};
use super::clock::Clock;
use super::hooks::Hook;
use super::limits::Limits;
use super::new::{ChangedFile, ReviewState, Role};
use super::packages::Reference;

#[derive(Debug)]
pub(super) struct State {
    /// Where the fake is, without a slash at the end.
    pub(super) base: String,
    pub(super) reference: Arc<Reference>,
    pub(super) clock: Clock,
    /// By the full name in lower case: GitHub takes names in any case.
    pub(super) repositories: BTreeMap<String, RepositoryState>,
    /// The roles of the members of a team, by organization and slug.
    pub(super) teams: BTreeMap<(String, String), BTreeMap<String, Role>>,
    pub(super) hooks: BTreeMap<u64, Hook>,
    pub(super) app: App,
    pub(super) tokens: Tokens,
    pub(super) limits: Limits,
    last_id: u64,
}

#[derive(Debug)]
pub(super) struct RepositoryState {
    pub(super) id: u64,
    pub(super) owner: String,
    pub(super) name: String,
    pub(super) private: bool,
    /// As the API shows it.
    pub(super) json: Value,
    pub(super) roles: BTreeMap<String, Role>,
    /// Issues and pull requests, which share their numbers.
    pub(super) items: BTreeMap<u64, Item>,
    pub(super) check_runs: Vec<CheckRun>,
    /// URL at which git finds it on another server; `None` when it cannot be cloned.
    pub(super) git: Option<String>,
}

/// An issue or a pull request.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: u64,
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) body: Option<String>,
    pub(super) author: String,
    pub(super) labels: Vec<String>,
    pub(super) assignees: Vec<String>,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) closed: Option<Timestamp>,
    pub(super) comments: Vec<Comment>,
    pub(super) events: Vec<Event>,
    pub(super) pull: Option<Pull>,
}

#[derive(Debug)]
pub(super) struct Pull {
    pub(super) head: String,
    pub(super) base: String,
    pub(super) sha: String,
    /// The owner of the repository that has the head; another than the base's for a fork.
    pub(super) head_owner: String,
    pub(super) draft: bool,
    pub(super) merged: Option<Timestamp>,
    pub(super) files: Vec<ChangedFile>,
    pub(super) reviews: Vec<Review>,
    pub(super) review_comments: Vec<ReviewComment>,
}

#[derive(Debug)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) author: String,
    pub(super) body: String,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: u64,
    pub(super) actor: String,
    pub(super) created: Timestamp,
    pub(super) what: Happened,
}

#[derive(Debug)]
pub(super) enum Happened {
    Labeled(String),
    Unlabeled(String),
    Closed,
    Reopened,
}

#[derive(Debug)]
pub(super) struct Review {
    pub(super) id: u64,
    pub(super) author: String,
    pub(super) state: ReviewState,
    pub(super) body: String,
    pub(super) sha: String,
    pub(super) submitted: Timestamp,
}

/// A comment on a line of a file.
#[derive(Debug)]
pub(super) struct ReviewComment {
    pub(super) id: u64,
    pub(super) review: u64,
    pub(super) author: String,
    pub(super) body: String,
    pub(super) path: String,
    pub(super) line: u64,
    pub(super) sha: String,
    pub(super) created: Timestamp,
}

#[derive(Debug)]
pub(super) struct CheckRun {
    pub(super) id: u64,
    pub(super) sha: String,
    /// What was sent, field by field, the later over the former.
    pub(super) sent: serde_json::Map<String, Value>,
    pub(super) started: Timestamp,
    pub(super) completed: Option<Timestamp>,
}

impl State {
    pub(super) fn new(base: String, reference: Arc<Reference>) -> Self {
        Self {
            base,
            reference,
            clock: Clock::new(),
            repositories: BTreeMap::new(),
            teams: BTreeMap::new(),
            hooks: BTreeMap::new(),
            app: App::default(),
            tokens: Tokens::default(),
            limits: Limits::default(),
            last_id: 1000,
        }
    }

    /// An id that nothing else has.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn repository(&self, full_name: &str) -> Option<&RepositoryState> {
        self.repositories.get(&full_name.to_lowercase())
    }

    pub(super) fn repository_mut(&mut self, full_name: &str) -> Option<&mut RepositoryState> {
        self.repositories.get_mut(&full_name.to_lowercase())
    }

    /// Whether someone is in a team of an organization.
    pub(super) fn is_member(&self, organization: &str, login: &str) -> bool {
        self.teams
            .iter()
            .any(|((of, _), members)| of == organization && members.contains_key(login))
    }
}

impl RepositoryState {
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// What someone may do here; `None` when no more than anyone.
    pub(super) fn role(&self, login: &str) -> Option<Role> {
        match self.roles.get(login) {
            Some(role) => Some(*role),
            None => (login == self.owner).then_some(Role::Admin),
        }
    }
}

impl Item {
    pub(super) fn state(&self) -> &'static str {
        if self.closed.is_some() { "closed" } else { "open" }
    }
}

impl CheckRun {
    /// What was last sent; a run that has come to a conclusion is completed.
    pub(super) fn status(&self) -> Value {
        match self.sent.get("status") {
            _ if self.sent.contains_key("conclusion") => "completed".into(),
            Some(status) => status.clone(),
            None => "queued".into(),
        }
    }
}
