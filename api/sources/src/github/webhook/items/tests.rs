use serde_json::json;

use super::*;
use crate::comment_policy::Authority;
use crate::github::sample::{owned, pull};
use crate::github::webhook::sample::{FILES, delivery, payload};
use crate::item::Cause;

fn candidate(delivery: &Delivery<'_>) -> Candidate {
    Candidate {
        key: "delivery-1".to_owned(),
        id: format!("{}-0123456789ab", delivery.event),
        cause: Cause::Event,
        labels: vec![],
        created: delivery.received,
    }
}

/// The variables of a sample that are not empty, but the payload.
fn variables(sample: &str, known: &Known<'_>) -> Value {
    let payload = payload(sample);
    let delivery = delivery(sample, &payload);
    let item = item(&delivery, known, candidate(&delivery));
    let filled = item
        .variables
        .into_iter()
        .filter(|(name, value)| name != "Payload" && *value != json!("") && *value != json!(0));
    Value::Object(filled.collect())
}

#[test]
fn an_issue_that_was_labelled() {
    let authority = Authority::default();
    assert_eq!(
        variables("issues.labeled", &Known::nothing(&authority)),
        json!({
            "Event": "issues", "Action": "labeled", "Sender": "ada", "Kind": "webhook",
            "Repository": "org/repo", "RepositoryOwner": "org", "RepositoryName": "repo",
            "ID": "42", "Number": 42, "Title": "Crash on start", "Body": "It crashes. \nHelp!", "Labels": "bug, p1",
            "URL": "https://github.com/org/repo/issues/42",
        })
    );
}

#[test]
fn a_comment_on_a_pull_request_with_what_was_fetched() {
    let authority = Authority::default();
    let (pull, files) = (pull(), owned(&["src/a.rs", "src/b.rs"]));
    let known = Known {
        pull: Some(&pull),
        files: Some(&files),
        ..Known::nothing(&authority)
    };
    assert_eq!(
        variables("issue_comment.created.pull", &known),
        json!({
            "Event": "issue_comment", "Action": "created", "Sender": "ada", "Kind": "webhook",
            "Repository": "org/repo", "RepositoryOwner": "org", "RepositoryName": "repo",
            "ID": "7", "Number": 7, "Title": "Fix the crash", "Body": "It crashes. \nHelp!", "Labels": "bug, p1",
            "URL": "https://github.com/org/repo/pull/7", "Branch": "fix/crash", "HeadSHA": "head",
            "CommentBody": "Please do.\n/axon", "CommentURL": "https://github.com/org/repo/pull/7#issuecomment-99",
            "ChangedFiles": "src/a.rs\nsrc/b.rs",
        })
    );
}

#[test]
fn a_push_a_tag_a_review_and_a_check() {
    let authority = Authority::default();
    let known = Known::nothing(&authority);
    for (sample, expected) in [
        (
            "push.branch",
            json!({
                "ID": "push-0123456789ab", "Ref": "refs/heads/release/1.2", "Branch": "release/1.2", "Title": "Tidy up",
                "Body": "Tidy up\n\nMore", "URL": "https://github.com/org/repo/compare/1...2",
                "ChangedFiles": "docs/old.md\nsrc/main.rs\nsrc/new.rs",
                "HeadSHA": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
            }),
        ),
        (
            "push.tag",
            json!({"Ref": "refs/tags/v1.2.0", "Tag": "v1.2.0", "Title": "refs/tags/v1.2.0"}),
        ),
        (
            "create.branch",
            json!({"Ref": "topic", "RefType": "branch", "Branch": "topic"}),
        ),
        (
            "pull_request_review.submitted",
            json!({
                "ID": "7", "Branch": "fix/crash", "ReviewState": "changes_requested", "CommentBody": "Please rename it.",
                "CommentURL": "https://github.com/org/repo/pull/7#pullrequestreview-77",
            }),
        ),
        (
            "check_run.completed",
            json!({
                "ID": "7", "Number": 7, "Branch": "fix/crash", "CheckName": "ci/unit", "Conclusion": "failure",
                "CheckRunURL": "https://github.com/org/repo/runs/4", "CheckApp": "github-actions",
                "HeadSHA": "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c", "Title": "ci/unit", "Body": "Two tests failed.",
            }),
        ),
        (
            "release.published",
            json!({"Tag": "v1.2.0", "Title": "Version 1.2", "Body": "What is new"}),
        ),
    ] {
        let variables = variables(sample, &known);
        for (name, value) in expected.as_object().expect("an object") {
            assert_eq!(variables.get(name), Some(value), "{sample} {name}");
        }
    }
}

#[test]
fn every_event_has_every_variable_and_its_payload_with_githubs_names() {
    let authority = Authority::default();
    let mut names: Option<Vec<String>> = None;
    for (sample, _) in FILES {
        let payload = payload(sample);
        let delivery = delivery(sample, &payload);
        let item = item(&delivery, &Known::nothing(&authority), candidate(&delivery));
        let here: Vec<String> = item.variables.keys().cloned().collect();
        assert_eq!(names.get_or_insert_with(|| here.clone()), &here, "{sample}");
        assert_eq!(
            item.variables["Payload"]["sender"]["login"],
            payload["sender"]["login"]
        );
    }
    let names = names.expect("samples");
    for name in crate::variables::NAMES {
        assert!(names.iter().any(|other| other == name), "{name}");
    }
}

#[test]
fn what_a_page_hides_is_not_in_the_payload_either() {
    let authority = Authority::default();
    let payload = payload("issues.labeled");
    assert!(
        payload.to_string().contains("rm -rf"),
        "the sample has something to hide"
    );
    let delivery = delivery("issues.labeled", &payload);
    let item = item(&delivery, &Known::nothing(&authority), candidate(&delivery));
    assert!(!Value::from(item.variables).to_string().contains("rm -rf"));
}

#[test]
fn issues_and_pull_requests_are_subjects_and_their_api_is_never_the_payloads() {
    let authority = Authority::default();
    for (sample, expected) in [
        ("issues.labeled", Some((SubjectKind::Issue, 42, None))),
        (
            "issue_comment.created.pull",
            Some((SubjectKind::PullRequest, 7, None)),
        ),
        (
            "check_run.completed",
            Some((
                SubjectKind::PullRequest,
                7,
                Some("0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c".to_owned()),
            )),
        ),
        ("push.branch", None),
        ("workflow_run.completed", None),
    ] {
        let payload = payload(sample);
        let delivery = delivery(sample, &payload);
        let subject = item(&delivery, &Known::nothing(&authority), candidate(&delivery)).subject;
        assert!(subject.as_ref().is_none_or(|subject| subject.api_url.is_none()));
        let found = subject.map(|subject| (subject.kind, subject.number, subject.head_sha));
        assert_eq!(found, expected, "{sample}");
    }
}

#[test]
fn the_pull_request_is_wanted_where_the_payload_has_no_branch() {
    for (sample, expected) in [
        ("issue_comment.created.pull", Some(Need::Pull)),
        ("issue_comment.created", None),
        ("pull_request.opened", None),
        ("check_run.completed", None),
        ("push.tag", None),
    ] {
        let payload = payload(sample);
        assert_eq!(wanted(&delivery(sample, &payload)), expected, "{sample}");
    }
}
