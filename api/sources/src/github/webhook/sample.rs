//! Events that tests start from: `testdata/github/EVENT.ACTION.json`.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::Delivery;

pub(super) const FILES: &[(&str, &str)] = &[
    (
        "issues.labeled",
        include_str!("../../../testdata/github/issues.labeled.json"),
    ),
    (
        "issue_comment.created",
        include_str!("../../../testdata/github/issue_comment.created.json"),
    ),
    (
        "issue_comment.created.pull",
        include_str!("../../../testdata/github/issue_comment.created.pull.json"),
    ),
    (
        "pull_request.opened",
        include_str!("../../../testdata/github/pull_request.opened.json"),
    ),
    (
        "pull_request_review.submitted",
        include_str!("../../../testdata/github/pull_request_review.submitted.json"),
    ),
    (
        "push.branch",
        include_str!("../../../testdata/github/push.branch.json"),
    ),
    ("push.tag", include_str!("../../../testdata/github/push.tag.json")),
    (
        "check_run.completed",
        include_str!("../../../testdata/github/check_run.completed.json"),
    ),
    (
        "create.branch",
        include_str!("../../../testdata/github/create.branch.json"),
    ),
    (
        "release.published",
        include_str!("../../../testdata/github/release.published.json"),
    ),
    (
        "workflow_run.completed",
        include_str!("../../../testdata/github/workflow_run.completed.json"),
    ),
];

pub(super) fn payload(name: &str) -> Value {
    let (_, text) = FILES.iter().find(|(file, _)| *file == name).expect(name);
    serde_json::from_str(text).expect("JSON")
}

pub(super) fn delivery<'a>(name: &'a str, payload: &'a Value) -> Delivery<'a> {
    Delivery {
        event: name.split('.').next().expect("an event"),
        id: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        received: "2026-02-07T09:00:00Z".parse::<Timestamp>().expect("a time"),
        payload,
    }
}
