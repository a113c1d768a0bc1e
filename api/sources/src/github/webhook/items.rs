//! What an event is for templates.

use serde_json::Value;

use super::Delivery;
use crate::github::examined::{Known, Need};
use crate::item::{Candidate, Subject, SubjectKind, WorkItem};
use crate::{text, variables};

/// An event as templates get it. All variables are always there, and empty when they do not apply.
/// `Payload` is the body with GitHub's own names; what a page hides is taken out of its texts too.
///
/// What is known of the pull request's branch and files is used, and nothing must be fetched for it,
/// but for the subject's head commit: without it there are no check runs.
pub fn item(delivery: &Delivery<'_>, known: &Known<'_>, candidate: Candidate) -> WorkItem {
    let number = delivery.number();
    let repository = delivery.repository();
    let (owner, name) = repository.split_once('/').unwrap_or_default();
    let id = match number {
        Some(number) => number.to_string(),
        None => candidate.id.clone(),
    };
    let of_pull = known.pull.filter(|_| delivery.is_of_pull_request());
    let or_of_pull = |own: &str, of_pull: Option<&str>| match of_pull {
        Some(text) if own.is_empty() => text.to_owned(),
        _ => own.to_owned(),
    };
    let branch = or_of_pull(delivery.branch(), of_pull.map(|pull| pull.head_branch.as_str()));
    let head_sha = or_of_pull(delivery.head_sha(), of_pull.map(|pull| pull.head_sha.as_str()));
    let files = delivery
        .pushed_files()
        .or_else(|| known.files.map(<[String]>::to_vec))
        .unwrap_or_default();
    let comment = |pointer: &str, of_review: &str| match delivery.text(pointer) {
        "" => delivery.text(of_review),
        text => text,
    };
    let mut payload = delivery.payload.clone();
    make_visible(&mut payload);
    let mut variables = variables::with([
        ("ID", id.into()),
        ("Number", number.unwrap_or_default().into()),
        ("Title", text::title(delivery.title()).into()),
        ("Body", text::body(delivery.body()).into()),
        ("URL", delivery.url().into()),
        ("Labels", text::visible(&delivery.labels().join(", ")).into()),
        ("Kind", "webhook".into()),
        ("Branch", branch.into()),
        ("ReviewState", delivery.text("/review/state").into()),
    ]);
    let of_events = [
        ("Event", delivery.event.into()),
        ("Action", delivery.action().into()),
        ("Sender", delivery.sender().into()),
        ("Ref", delivery.reference().into()),
        ("RefType", delivery.reference_type().into()),
        ("Tag", delivery.tag().into()),
        ("Repository", repository.into()),
        ("RepositoryOwner", owner.into()),
        ("RepositoryName", name.into()),
        ("ChangedFiles", text::body(&files.join("\n")).into()),
        (
            "CommentBody",
            text::body(comment("/comment/body", "/review/body")).into(),
        ),
        (
            "CommentURL",
            comment("/comment/html_url", "/review/html_url").into(),
        ),
        ("CheckName", text::title(delivery.check_name()).into()),
        ("Conclusion", delivery.conclusion().into()),
        ("CheckRunURL", delivery.text("/check_run/html_url").into()),
        (
            "CheckApp",
            text::title(delivery.text("/check_run/app/slug")).into(),
        ),
        ("HeadSHA", head_sha.as_str().into()),
        ("Payload", payload),
    ];
    for (name, value) in of_events {
        variables.insert(name.to_owned(), value);
    }
    let subject = number.map(|number| Subject {
        kind: if delivery.is_of_pull_request() {
            SubjectKind::PullRequest
        } else {
            SubjectKind::Issue
        },
        // Not what the payload says: the workspace's token goes there.
        api_url: None,
        owner: owner.to_owned(),
        repository: name.to_owned(),
        number,
        head_sha: Some(head_sha).filter(|sha| delivery.is_of_pull_request() && !sha.is_empty()),
    });
    WorkItem {
        candidate,
        variables,
        subject,
    }
}

/// What should be fetched for the variables of an event, beside what its filters need: a pull request
/// whose branch and head the payload has not.
pub fn wanted(delivery: &Delivery<'_>) -> Option<Need> {
    let is_lacking = delivery.branch().is_empty() || delivery.head_sha().is_empty();
    (delivery.is_of_pull_request() && is_lacking).then_some(Need::Pull)
}

/// Takes out of all texts what a page would not show. What is nested deeper than serde_json reads is
/// not there.
pub(crate) fn make_visible(value: &mut Value) {
    match value {
        Value::String(text) => *text = text::visible(text),
        Value::Array(values) => values.iter_mut().for_each(make_visible),
        Value::Object(fields) => fields.values_mut().for_each(make_visible),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
