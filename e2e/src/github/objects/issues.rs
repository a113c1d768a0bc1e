//! Issues, their comments, labels and history.

use k8s_openapi::jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{View, node_id, number_of, reactions, review};
use crate::github::model::{Comment, Event, Happened, Item};

/// An issue, or a pull request as an issue.
pub(crate) fn issue(view: View<'_>, item: &Item) -> Value {
    let number = item.number;
    let url = view.api(&format!("/issues/{number}"));
    let kind = if item.pull.is_some() { "pull" } else { "issues" };
    let assignees: Vec<Value> = item.assignees.iter().map(|login| view.user(login)).collect();
    let mut shown = json!({
        "id": item.id,
        "node_id": node_id("I", item.id),
        "url": url,
        "repository_url": view.api(""),
        "labels_url": format!("{url}/labels{{/name}}"),
        "comments_url": format!("{url}/comments"),
        "events_url": format!("{url}/events"),
        "timeline_url": format!("{url}/timeline"),
        "html_url": view.web(&format!("/{kind}/{number}")),
        "number": number,
        "state": item.state(),
        "state_reason": item.closed.map(|_| "completed"),
        "title": item.title,
        "body": item.body,
        "user": view.user(&item.author),
        "labels": labels(view, item),
        "assignee": assignees.first(),
        "assignees": assignees,
        "milestone": null,
        "locked": false,
        "active_lock_reason": null,
        "comments": item.comments.len(),
        "closed_at": item.closed.map(|time| time.to_string()),
        "created_at": item.created.to_string(),
        "updated_at": item.updated.to_string(),
        "author_association": view.association(&item.author),
        "performed_via_github_app": null,
        "reactions": reactions(&url),
    });
    if let Some(pull) = &item.pull {
        let web = view.web(&format!("/pull/{number}"));
        shown["draft"] = pull.draft.into();
        shown["pull_request"] = json!({
            "url": view.api(&format!("/pulls/{number}")),
            "html_url": web,
            "diff_url": format!("{web}.diff"),
            "patch_url": format!("{web}.patch"),
            "merged_at": pull.merged.map(|time| time.to_string()),
        });
    }
    shown
}

pub(super) fn labels(view: View<'_>, item: &Item) -> Vec<Value> {
    item.labels.iter().map(|name| label(view, name)).collect()
}

pub(crate) fn label(view: View<'_>, name: &str) -> Value {
    let id = number_of(name);
    let in_url = utf8_percent_encode(name, NON_ALPHANUMERIC);
    json!({
        "id": id,
        "node_id": node_id("LA", id),
        "url": view.api(&format!("/labels/{in_url}")),
        "name": name,
        "description": "",
        "color": "ededed",
        "default": false,
    })
}

pub(crate) fn comment(view: View<'_>, item: &Item, comment: &Comment) -> Value {
    let url = view.api(&format!("/issues/comments/{}", comment.id));
    let kind = if item.pull.is_some() { "pull" } else { "issues" };
    json!({
        "id": comment.id,
        "node_id": node_id("IC", comment.id),
        "url": url,
        "html_url": view.web(&format!("/{kind}/{}#issuecomment-{}", item.number, comment.id)),
        "issue_url": view.api(&format!("/issues/{}", item.number)),
        "user": view.user(&comment.author),
        "body": comment.body,
        "created_at": comment.created.to_string(),
        "updated_at": comment.updated.to_string(),
        "author_association": view.association(&comment.author),
        "performed_via_github_app": null,
        "reactions": reactions(&url),
    })
}

/// An event of the history of an issue.
pub(crate) fn event(view: View<'_>, event: &Event) -> Value {
    let mut shown = json!({
        "id": event.id,
        "node_id": node_id("E", event.id),
        "url": view.api(&format!("/issues/events/{}", event.id)),
        "actor": view.user(&event.actor),
        "event": match event.what {
            Happened::Labeled(_) => "labeled",
            Happened::Unlabeled(_) => "unlabeled",
            Happened::Closed => "closed",
            Happened::Reopened => "reopened",
        },
        "commit_id": null,
        "commit_url": null,
        "created_at": event.created.to_string(),
        "performed_via_github_app": null,
    });
    match &event.what {
        Happened::Labeled(name) | Happened::Unlabeled(name) => {
            shown["label"] = json!({"name": name, "color": "ededed"});
        }
        Happened::Closed | Happened::Reopened => shown["state_reason"] = Value::Null,
    }
    shown
}

/// All that happened to an issue: its events, comments and reviews, the oldest first.
pub(crate) fn timeline(view: View<'_>, item: &Item) -> Vec<Value> {
    let mut all: Vec<(Timestamp, Value)> = item
        .events
        .iter()
        .map(|one| (one.created, event(view, one)))
        .collect();
    for one in &item.comments {
        let mut shown = comment(view, item, one);
        shown["event"] = "commented".into();
        shown["actor"] = shown["user"].clone();
        all.push((one.created, shown));
    }
    for one in item.pull.iter().flat_map(|pull| &pull.reviews) {
        let mut shown = review(view, item, one);
        shown["event"] = "reviewed".into();
        all.push((one.submitted, shown));
    }
    all.sort_by_key(|(time, _)| *time);
    all.into_iter().map(|(_, shown)| shown).collect()
}
