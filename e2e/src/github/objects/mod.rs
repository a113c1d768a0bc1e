//! What the fake knows, as GitHub's API shows it.

mod checks;
mod hooks;
mod issues;
mod people;
mod pulls;
mod repositories;

pub(super) use self::checks::check_run;
pub(super) use self::hooks::{delivery, delivery_summary, hook};
pub(super) use self::issues::{comment, event, issue, label, timeline};
pub(super) use self::people::{app, private_user, user};
pub(super) use self::pulls::{file, pull_request, pull_request_summary, review, review_comment};
pub(super) use self::repositories::repository;

use serde_json::{Value, json};

use super::model::{RepositoryState, State};

/// A repository, and the state that it is in.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) state: &'a State,
    pub(super) repository: &'a RepositoryState,
}

impl View<'_> {
    /// The URL of something in the API of the repository.
    fn api(&self, path: &str) -> String {
        format!("{}/repos/{}{path}", self.state.base, self.repository.full_name())
    }

    /// The URL of something of the repository for people.
    fn web(&self, path: &str) -> String {
        format!("{}/{}{path}", self.state.base, self.repository.full_name())
    }

    fn user(&self, login: &str) -> Value {
        user(&self.state.base, login)
    }

    /// How someone stands to the repository, in GitHub's words.
    fn association(&self, login: &str) -> &'static str {
        let owner = &self.repository.owner;
        match self.repository.roles.get(login) {
            _ if login == owner => "OWNER",
            _ if self.state.is_member(owner, login) => "MEMBER",
            Some(role) if *role > super::Role::Read => "COLLABORATOR",
            _ => "NONE",
        }
    }
}

/// The id that the GraphQL API knows something by.
fn node_id(kind: &str, id: u64) -> String {
    format!("{kind}_{id:x}")
}

/// That nobody reacted.
fn reactions(url: &str) -> Value {
    json!({
        "url": format!("{url}/reactions"), "total_count": 0, "+1": 0, "-1": 0, "laugh": 0,
        "hooray": 0, "confused": 0, "heart": 0, "rocket": 0, "eyes": 0,
    })
}

/// A number that is the same for the same text in every run (FNV-1a, 32 bits).
fn number_of(text: &str) -> u64 {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    u64::from(hash >> 1)
}
