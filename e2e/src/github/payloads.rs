//! Payloads of webhooks, made of what the fake knows.
//!
//! Format: <https://docs.github.com/en/webhooks/webhook-events-and-payloads>

use serde_json::{Value, json};

use super::model::Pull;
use super::objects::{self, View};

pub(super) fn issue(view: View<'_>, action: &str, number: u64, sender: &str) -> Value {
    let item = view.repository.item(number);
    let mut payload = envelope(view, action, sender);
    payload["issue"] = objects::issue(view, item);
    payload
}

pub(super) fn issue_labeled(view: View<'_>, number: u64, label: &str, sender: &str) -> Value {
    let mut payload = issue(view, "labeled", number, sender);
    payload["label"] = objects::label(view, label);
    payload
}

pub(super) fn issue_comment(view: View<'_>, number: u64, id: u64) -> Value {
    let item = view.repository.item(number);
    let comment = item
        .comments
        .iter()
        .find(|comment| comment.id == id)
        .unwrap_or_else(|| panic!("the test made no comment {id} on {number}"));
    let mut payload = issue(view, "created", number, &comment.author);
    payload["comment"] = objects::comment(view, item, comment);
    payload
}

pub(super) fn pull_request(view: View<'_>, action: &str, number: u64, sender: &str) -> Value {
    let item = view.repository.item(number);
    let mut payload = envelope(view, action, sender);
    payload["number"] = number.into();
    payload["pull_request"] = objects::pull_request(view, item, pull(view, number));
    if action == "synchronize" {
        payload["before"] = "0".repeat(40).into();
        payload["after"] = pull(view, number).sha.clone().into();
    }
    payload
}

pub(super) fn pull_request_labeled(view: View<'_>, number: u64, label: &str, sender: &str) -> Value {
    let mut payload = pull_request(view, "labeled", number, sender);
    payload["label"] = objects::label(view, label);
    payload
}

pub(super) fn review(view: View<'_>, number: u64, id: u64) -> Value {
    let item = view.repository.item(number);
    let pull = pull(view, number);
    let review = pull
        .reviews
        .iter()
        .find(|review| review.id == id)
        .unwrap_or_else(|| panic!("the test made no review {id} of {number}"));
    let mut payload = envelope(view, "submitted", &review.author);
    payload["pull_request"] = objects::pull_request_summary(view, item, pull);
    payload["review"] = objects::review(view, item, review);
    // Webhooks have the state in lower case, and the API does not.
    payload["review"]["state"] = review.state.name().to_lowercase().into();
    payload
}

fn pull(view: View<'_>, number: u64) -> &Pull {
    let pull = view.repository.item(number).pull.as_ref();
    pull.unwrap_or_else(|| panic!("{number} is an issue, and no pull request"))
}

/// What every payload of a repository has.
fn envelope(view: View<'_>, action: &str, sender: &str) -> Value {
    json!({
        "action": action,
        "repository": view.repository.json,
        "sender": objects::user(&view.state.base, sender),
        "installation": {"id": view.state.app.installation, "node_id": "I_1"},
    })
}
