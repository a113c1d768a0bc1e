//! What a delivery is to one spawner, by its payload alone: whether it wants it, and what tells the
//! event from others.

use axon_api::repository;
use axon_api::sources::comment_policy::Authority;
use axon_api::sources::github::examined::{Examined, Known};
use axon_api::sources::github::webhook::{self as events, Delivery as Event, GitHubWebhook};
use axon_api::sources::webhook::{self as requests, GenericWebhook, Read, Request};
use serde_json::Value;

use super::listeners::RepositoryOf;

/// Whether a spawner wants a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Yes,
    /// Only a question to the forge, or a Workspace that is not there yet, can tell.
    Perhaps,
    /// Why not, as a fragment such as "is of the repository `a/b`".
    No(String),
}

/// Whether a spawner wants GitHub's event.
pub(super) fn github(spec: &GitHubWebhook, repository: &RepositoryOf, event: &Event<'_>) -> Wants {
    let is_known = spec.repository.is_some() || *repository != RepositoryOf::Unknown;
    let workspace = match repository {
        RepositoryOf::None => None,
        RepositoryOf::Url(url) => Some(owner_and_name(url)),
        // It may be of any, also of that of the event.
        RepositoryOf::Unknown => event
            .payload
            .pointer("/repository/full_name")
            .and_then(Value::as_str)
            .map(str::to_owned),
    };
    let authority = Authority::default();
    match events::candidate(spec, workspace.as_deref(), event, &Known::nothing(&authority)) {
        Examined::Match(_) if is_known => Wants::Yes,
        Examined::Match(_) | Examined::Ask(_) | Examined::Unknown(_) => Wants::Perhaps,
        Examined::NoMatch(why) => Wants::No(why),
    }
}

/// What a request is to a spawner of a generic webhook: what tells its event from others.
pub(super) fn generic(spec: &GenericWebhook, request: &Request<'_>) -> Result<String, NotTaken> {
    match requests::read(spec, request) {
        Read::Match(item) => match item.variables.get("ID").and_then(Value::as_str) {
            Some(id) => Ok(id.to_owned()),
            None => Err(NotTaken::Unwanted("has no ID".to_owned())),
        },
        Read::NoMatch(why) => Err(NotTaken::Unwanted(why)),
        Read::Unreadable(why) => Err(NotTaken::Unreadable(why)),
    }
}

/// Why a spawner does not take a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// Why it does not want it, as a fragment.
    Unwanted(String),
    /// Why it cannot be told from others, as a sentence for its sender.
    Unreadable(String),
}

/// `owner/name` of a repository's URL.
pub(super) fn owner_and_name(url: &str) -> String {
    let identity = repository::identity(url);
    let mut parts = identity.rsplitn(3, '/');
    let name = parts.next().unwrap_or_default();
    let owner = parts.next().unwrap_or_default();
    format!("{owner}/{name}")
}

/// Labels of the issue or pull request that an event is about.
pub(super) fn labels(payload: &Value) -> Vec<String> {
    let lists = ["/issue/labels", "/pull_request/labels", "/discussion/labels"];
    let labels = lists.iter().find_map(|list| payload.pointer(list)?.as_array());
    let names = labels.into_iter().flatten();
    names
        .filter_map(|label| label.get("name")?.as_str())
        .map(str::to_owned)
        .collect()
}
