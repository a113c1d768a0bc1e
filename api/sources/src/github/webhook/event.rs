//! Where each kind of event has what filters and templates want
//! (<https://docs.github.com/en/webhooks/webhook-events-and-payloads>).

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// A request of GitHub's, whose signature was found right.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// `X-GitHub-Event`, such as `issues`.
    pub event: &'a str,
    /// `X-GitHub-Delivery`: the same when GitHub sends it again.
    pub id: &'a str,
    pub received: Timestamp,
    /// The body.
    pub payload: &'a Value,
}

/// The objects that runs of checks are in, by the event.
const RUNS: [&str; 4] = ["check_run", "check_suite", "workflow_run", "workflow_job"];

impl<'a> Delivery<'a> {
    /// The text at a JSON pointer; empty when there is none.
    pub(super) fn text(&self, pointer: &str) -> &'a str {
        self.payload
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn first_text<const N: usize>(&self, pointers: [&str; N]) -> &'a str {
        pointers
            .iter()
            .map(|pointer| self.text(pointer))
            .find(|text| !text.is_empty())
            .unwrap_or_default()
    }

    fn has(&self, pointer: &str) -> bool {
        self.payload
            .pointer(pointer)
            .is_some_and(|value| !value.is_null())
    }

    pub(super) fn action(&self) -> &'a str {
        self.text("/action")
    }

    /// Who made it happen.
    pub(super) fn sender(&self) -> &'a str {
        self.text("/sender/login")
    }

    /// `owner/name`.
    pub(super) fn repository(&self) -> &'a str {
        self.text("/repository/full_name")
    }

    /// The issue or pull request that it is about, as an object of the payload.
    pub(super) fn subject(&self) -> Option<&'a Value> {
        ["/pull_request", "/issue", "/discussion"]
            .iter()
            .find_map(|pointer| self.payload.pointer(pointer))
            .filter(|value| value.is_object())
    }

    fn in_subject(&self, pointer: &str) -> Option<&'a Value> {
        self.subject()?.pointer(pointer)
    }

    fn subject_text(&self, pointer: &str) -> &'a str {
        self.in_subject(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Number of the issue or pull request; of runs of checks, of the first pull request that they
    /// are for.
    pub(super) fn number(&self) -> Option<u64> {
        let of_run = || {
            RUNS.iter().find_map(|run| {
                self.payload
                    .pointer(&format!("/{run}/pull_requests/0/number"))
                    .and_then(Value::as_u64)
            })
        };
        self.in_subject("/number").and_then(Value::as_u64).or_else(of_run)
    }

    /// Whether what has the number is a pull request.
    pub(super) fn is_of_pull_request(&self) -> bool {
        let of_run = || {
            RUNS.iter()
                .any(|run| self.has(&format!("/{run}/pull_requests/0/number")))
        };
        self.has("/pull_request") || self.has("/issue/pull_request") || of_run()
    }

    /// Whether somebody commented.
    pub(super) fn is_comment(&self) -> bool {
        self.has("/comment/body")
    }

    pub(super) fn title(&self) -> &'a str {
        let title = self.subject_text("/title");
        if !title.is_empty() {
            return title;
        }
        let message = self.text("/head_commit/message");
        let of_push = message.lines().next().unwrap_or_default();
        if !of_push.is_empty() {
            return of_push;
        }
        self.first_text([
            "/release/name",
            "/release/tag_name",
            "/check_run/name",
            "/workflow_run/name",
            "/workflow_job/name",
            "/check_suite/app/name",
            "/context",
            "/ref",
        ])
    }

    /// The text of the issue, pull request or release; of a push, the message of its last commit.
    pub(super) fn body(&self) -> &'a str {
        let body = self.subject_text("/body");
        if body.is_empty() {
            self.first_text([
                "/release/body",
                "/head_commit/message",
                "/check_run/output/summary",
            ])
        } else {
            body
        }
    }

    /// The text that somebody wrote now: the comment or review, else the body.
    pub(super) fn said(&self) -> &'a str {
        if self.is_comment() {
            self.text("/comment/body")
        } else if self.has("/review") {
            self.text("/review/body")
        } else {
            self.body()
        }
    }

    pub(super) fn url(&self) -> &'a str {
        let url = self.subject_text("/html_url");
        if url.is_empty() {
            self.first_text([
                "/release/html_url",
                "/check_run/html_url",
                "/workflow_run/html_url",
                "/workflow_job/html_url",
                "/compare",
                "/target_url",
            ])
        } else {
            url
        }
    }

    /// Names of the labels of the issue or pull request.
    pub(super) fn labels(&self) -> Vec<String> {
        let labels = self.in_subject("/labels").and_then(Value::as_array);
        labels
            .into_iter()
            .flatten()
            .filter_map(|label| label.get("name")?.as_str().map(str::to_owned))
            .collect()
    }

    /// `approved` and so on for a review, `success` and so on for a status, else `open` or `closed`.
    pub(super) fn state(&self) -> &'a str {
        let own = self.first_text(["/review/state", "/deployment_status/state", "/state"]);
        if own.is_empty() {
            self.subject_text("/state")
        } else {
            own
        }
    }

    pub(super) fn is_draft(&self) -> Option<bool> {
        self.in_subject("/draft").and_then(Value::as_bool)
    }

    /// The branch or tag as the event has it, such as `refs/heads/main`.
    pub(super) fn reference(&self) -> &'a str {
        self.text("/ref")
    }

    /// What was created or deleted: `branch` or `tag`.
    pub(super) fn reference_type(&self) -> &'a str {
        self.text("/ref_type")
    }

    /// The branch, as far as the payload has it: of a push the one that was pushed, of a pull request
    /// its head.
    pub(super) fn branch(&self) -> &'a str {
        if let Some(branch) = self.reference().strip_prefix("refs/heads/") {
            return branch;
        }
        if self.reference_type() == "branch" {
            return self.reference();
        }
        self.first_text([
            "/pull_request/head/ref",
            "/check_run/check_suite/head_branch",
            "/check_suite/head_branch",
            "/workflow_run/head_branch",
            "/workflow_job/head_branch",
            "/branches/0/name",
        ])
    }

    pub(super) fn tag(&self) -> &'a str {
        if let Some(tag) = self.reference().strip_prefix("refs/tags/") {
            return tag;
        }
        if self.reference_type() == "tag" {
            return self.reference();
        }
        self.text("/release/tag_name")
    }

    pub(super) fn head_sha(&self) -> &'a str {
        self.first_text([
            "/pull_request/head/sha",
            "/check_run/head_sha",
            "/check_suite/head_sha",
            "/workflow_run/head_sha",
            "/workflow_job/head_sha",
            "/after",
            "/sha",
        ])
    }

    pub(super) fn conclusion(&self) -> &'a str {
        RUNS.iter()
            .map(|run| self.text(&format!("/{run}/conclusion")))
            .find(|text| !text.is_empty())
            .unwrap_or_default()
    }

    pub(super) fn check_name(&self) -> &'a str {
        self.first_text([
            "/check_run/name",
            "/workflow_run/name",
            "/workflow_job/name",
            "/check_suite/app/name",
            "/context",
        ])
    }

    /// Files that a push changed; `None` when the payload does not tell.
    pub(super) fn pushed_files(&self) -> Option<Vec<String>> {
        let commits = self.payload.get("commits")?.as_array()?;
        let mut files: Vec<String> = commits
            .iter()
            .flat_map(|commit| {
                ["added", "modified", "removed"]
                    .iter()
                    .filter_map(|key| commit.get(key)?.as_array())
            })
            .flatten()
            .filter_map(|file| file.as_str().map(str::to_owned))
            .collect();
        files.sort();
        files.dedup();
        Some(files)
    }
}
