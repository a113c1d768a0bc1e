//! What a delivery is to one spawner, by its payload alone: whether it wants it, and what tells the
//! event from others.

use axon_api::sources::github::webhook::GitHubWebhook;
use axon_api::sources::webhook::GenericWebhook;
use axon_api::sources::{Candidate, WorkItem};
use axon_api::{names, repository};
use serde_json::{Map, Value};

use super::delivery::Delivery;
use super::listeners::RepositoryOf;

/// IDs that are longer, in bytes, are kept as their digest.
const LONGEST_ID: usize = 256;

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
pub(super) fn github(spec: &GitHubWebhook, repository: &RepositoryOf, event: &str, payload: &Value) -> Wants {
    if !spec.events.iter().any(|wanted| wanted == event) {
        return Wants::No(format!("is the event `{event}`, which is not one of `events`"));
    }
    is_of_repository(spec, repository, payload)
}

/// Whether the event is of the repository that the spawner is for.
fn is_of_repository(spec: &GitHubWebhook, workspace: &RepositoryOf, payload: &Value) -> Wants {
    let wanted = match (spec.repository.as_deref(), workspace) {
        (Some("*"), _) => return Wants::Yes,
        (None, RepositoryOf::Unknown) => return Wants::Perhaps,
        (None, RepositoryOf::None) => return Wants::No("is of any repository".to_owned()),
        (Some(named), _) => named.to_owned(),
        (None, RepositoryOf::Url(url)) => owner_and_name(url),
    };
    let is = payload.pointer("/repository/full_name").and_then(Value::as_str);
    match is {
        Some(is) if is.eq_ignore_ascii_case(&wanted) => Wants::Yes,
        Some(is) => Wants::No(format!("is of the repository `{is}`")),
        None => Wants::No("is of no repository".to_owned()),
    }
}

/// `owner/name` of a repository's URL.
fn owner_and_name(url: &str) -> String {
    let identity = repository::identity(url);
    let mut parts = identity.rsplitn(3, '/');
    let name = parts.next().unwrap_or_default();
    let owner = parts.next().unwrap_or_default();
    format!("{owner}/{name}")
}

/// Labels of the issue or pull request that an event is about.
pub(super) fn labels(payload: &Value) -> Vec<String> {
    let lists = ["/issue/labels", "/pull_request/labels"];
    let labels = lists.iter().find_map(|list| payload.pointer(list)?.as_array());
    let names = labels.into_iter().flatten();
    names
        .filter_map(|label| label.get("name")?.as_str())
        .map(str::to_owned)
        .collect()
}

/// What tells the event of a generic webhook from others; an error is why the spawner does not want
/// it, as a fragment.
pub(super) fn generic(spec: &GenericWebhook, payload: &Value) -> Result<String, String> {
    let path = spec
        .field_mapping
        .get("id")
        .map(String::as_str)
        .unwrap_or_default();
    let pointer = path.trim_start_matches('$').replace('.', "/");
    let id = match payload.pointer(&pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(number @ Value::Number(_)) => number.to_string(),
        _ => return Err(format!("has nothing at `{path}`, which is its ID")),
    };
    Ok(if id.len() > LONGEST_ID {
        names::sha256(&id)
    } else {
        id
    })
}

/// The payload without what no template needs.
pub(super) fn trim(payload: &Value) -> Value {
    payload.clone()
}

/// What GitHub's event is for templates.
pub(super) fn github_item(candidate: &Candidate, delivery: &Delivery, payload: &Value) -> WorkItem {
    let mut variables = Map::new();
    variables.insert("ID".to_owned(), Value::from(candidate.id.as_str()));
    variables.insert("Event".to_owned(), Value::from(delivery.event.as_str()));
    variables.insert("Payload".to_owned(), payload.clone());
    WorkItem {
        candidate: candidate.clone(),
        variables,
        subject: None,
    }
}

/// What a generic webhook is for templates.
pub(super) fn generic_item(_: &GenericWebhook, candidate: &Candidate, payload: &Value) -> WorkItem {
    let mut variables = Map::new();
    variables.insert("ID".to_owned(), Value::from(candidate.id.as_str()));
    variables.insert("Payload".to_owned(), payload.clone());
    WorkItem {
        candidate: candidate.clone(),
        variables,
        subject: None,
    }
}
