//! What is reported back to the issue or pull request that a Task was made for.
//!
//! Each of a Task's three stations is told once: that it was accepted, and how it ended. What was told
//! last is an annotation of the Task, written after the forge has it. What is there already on the
//! forge is found by a marker, so that a crash in between shows nothing twice.

use std::fmt::Write as _;

use axon_api::report::ReportTarget;
use axon_api::sources::reporting::CommentMode;
use axon_api::{Phase, Task, TaskStatus, labels, names};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::bounded;

/// Bytes of the Task's own sentence that are told.
const MESSAGE_BYTES: usize = 1024;

/// What is to be told of a Task now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub target: ReportTarget,
    pub comment: Option<CommentReport>,
    pub check: Option<CheckReport>,
    /// The annotation to write once it was told.
    pub reported: String,
}

/// A comment to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentReport {
    /// What the comment is found by: it is part of the text.
    pub marker: String,
    pub body: String,
}

/// A check run to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    pub name: String,
    pub head_sha: String,
    /// What the check run is found by.
    pub external_id: String,
    /// How it ended, as GitHub spells it; `None` while it is in progress.
    pub conclusion: Option<&'static str>,
    pub title: String,
    /// Markdown.
    pub summary: String,
}

/// Where a Task is, of what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Station {
    Accepted,
    Ended(Phase),
}

/// What is to be told of the Task now. `None` when nothing is, or it was told.
pub fn report(task: &Task) -> Option<Report> {
    let target = ReportTarget::parse(task.annotations().get(labels::REPORT)?)?;
    if !target.is_wanted() || task.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let station = match task.phase() {
        Some(phase) if phase.is_final() => Station::Ended(phase),
        _ => Station::Accepted,
    };
    let reported = json!({ "phase": station.word() }).to_string();
    if told(task).is_some_and(|told| told == station.word()) {
        return None;
    }
    let comment = target.comments.map(|mode| {
        let marker = marker(task, &target, mode);
        CommentReport {
            body: format!("{}\n\n{marker}", text(task, station)),
            marker,
        }
    });
    let check = target.check.clone().zip(target.head_sha.clone());
    let check = check.map(|(name, head_sha)| CheckReport {
        title: format!("{name}: {}", station.title()),
        name,
        head_sha,
        external_id: task.uid().unwrap_or_default(),
        conclusion: station.conclusion(),
        summary: text(task, station),
    });
    Some(Report {
        target,
        comment,
        check,
        reported,
    })
}

/// The station that was told last: `Accepted`, or the phase in which the Task ended.
pub(crate) fn told(task: &Task) -> Option<String> {
    let annotation = task.annotations().get(labels::REPORTED)?;
    let value: Value = serde_json::from_str(annotation).ok()?;
    value["phase"].as_str().map(str::to_owned)
}

/// What a comment is found by. It is invisible, and of one Task or of one spawner.
fn marker(task: &Task, target: &ReportTarget, mode: CommentMode) -> String {
    let namespace = task.namespace().unwrap_or_default();
    let of = match mode {
        CommentMode::PerTask => task.uid().unwrap_or_default(),
        CommentMode::Sticky => target.spawner.clone(),
    };
    let digits = names::sha256(&format!("{namespace}\n{of}"));
    format!("<!-- axon.io/report:{} -->", digits.get(..24).unwrap_or(&digits))
}

impl Station {
    fn word(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Ended(phase) => phase.as_str(),
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Accepted => "in progress",
            Self::Ended(Phase::Succeeded) => "succeeded",
            Self::Ended(Phase::TimedOut) => "timed out",
            Self::Ended(Phase::Cancelled) => "cancelled",
            Self::Ended(_) => "failed",
        }
    }

    /// How a check run has ended, as GitHub spells it:
    /// <https://docs.github.com/en/rest/checks/runs#create-a-check-run>.
    fn conclusion(self) -> Option<&'static str> {
        match self {
            Self::Accepted => None,
            Self::Ended(Phase::Succeeded) => Some("success"),
            Self::Ended(Phase::TimedOut) => Some("timed_out"),
            Self::Ended(Phase::Cancelled) => Some("cancelled"),
            Self::Ended(_) => Some("failure"),
        }
    }
}

/// What is told, as Markdown.
fn text(task: &Task, station: Station) -> String {
    let name = code(&task.name_any());
    let mut text = match station {
        Station::Accepted => format!("**Axon**: Task {name} was accepted."),
        Station::Ended(Phase::Succeeded) => format!("**Axon**: Task {name} has succeeded."),
        Station::Ended(Phase::TimedOut) => format!("**Axon**: Task {name} has timed out."),
        Station::Ended(Phase::Cancelled) => format!("**Axon**: Task {name} was cancelled."),
        Station::Ended(_) => format!("**Axon**: Task {name} has failed."),
    };
    let Station::Ended(phase) = station else {
        return text;
    };
    let status = task.status.clone().unwrap_or_default();
    let rows = rows(&status);
    if !rows.is_empty() {
        text.push_str("\n\n| | |\n|---|---|");
        for (label, value) in rows {
            let _ = write!(text, "\n| {label} | {value} |");
        }
    }
    if phase != Phase::Succeeded {
        let reason = status.reason.as_deref().unwrap_or("Unknown");
        let _ = write!(text, "\n\nReason: {}", code(reason));
        if let Some(message) = status.message.as_deref().filter(|message| !message.is_empty()) {
            let _ = write!(text, "\n\n{}", quoted(message));
        }
    }
    text
}

fn rows(status: &TaskStatus) -> Vec<(&'static str, String)> {
    let result = |key: &str| status.results.get(key).filter(|value| !value.is_empty());
    let mut rows = Vec::new();
    if let Some(url) = result("pr") {
        let is_plain = url.starts_with("https://") || url.starts_with("http://");
        let is_plain = is_plain
            && url
                .chars()
                .all(|c| c.is_ascii_graphic() && !"|<>()[]`".contains(c));
        rows.push(("pull request", if is_plain { url.clone() } else { code(url) }));
    }
    for (label, key) in [("branch", "branch"), ("commit", "commit")] {
        rows.extend(result(key).map(|value| (label, code(value))));
    }
    if let Some(usage) = &status.usage {
        let cost = usage.cost_usd.as_ref();
        rows.extend(cost.map(|cost| ("cost", format!("${}", code(cost).trim_matches('`')))));
        let tokens = format!("{} in, {} out", usage.input_tokens, usage.output_tokens);
        rows.push(("tokens", tokens));
    }
    rows
}

/// Text from elsewhere as inline code: nobody is mentioned by it, and it is no markup.
fn code(text: &str) -> String {
    let clean = bounded::line(text, 256).replace('`', "'").replace('|', "\\|");
    format!("`{clean}`")
}

/// Text from elsewhere as a block of code, which is no markup either.
fn quoted(text: &str) -> String {
    let clean = bounded::text(text, MESSAGE_BYTES).replace("```", "'''");
    format!("```text\n{clean}\n```")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(target: &Value, status: &Value, reported: Option<&str>) -> Task {
        let mut task: Task = serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "Task",
            "metadata": {
                "name": "fix-bugs-42", "namespace": "dev", "uid": "u",
                "annotations": { "axon.io/report": target.to_string() },
            },
            "spec": { "prompt": "p" }, "status": status,
        }))
        .expect("a Task");
        if let Some(phase) = reported {
            let told = json!({ "phase": phase }).to_string();
            task.annotations_mut().insert(labels::REPORTED.to_owned(), told);
        }
        task
    }

    fn issue(comments: &str) -> Value {
        json!({ "spawner": "fix-bugs", "kind": "Issue", "owner": "o", "repo": "r", "number": 42, "comments": comments })
    }

    fn pull_request() -> Value {
        json!({
            "spawner": "review", "kind": "PullRequest", "owner": "o", "repo": "r", "number": 7,
            "headSha": "abc", "check": "Axon: review",
        })
    }

    #[test]
    fn each_station_is_told_once() {
        let running = json!({ "phase": "Running" });
        let ended = json!({ "phase": "Succeeded" });
        for (status, reported, told) in [
            (&json!(null), None, Some("Accepted")),
            (&running, None, Some("Accepted")),
            (&running, Some("Accepted"), None),
            (&ended, Some("Accepted"), Some("Succeeded")),
            (&ended, None, Some("Succeeded")),
            (&ended, Some("Succeeded"), None),
        ] {
            let report = report(&task(&issue("PerTask"), status, reported));
            let word = report.map(|report| report.reported);
            let wanted = told.map(|phase| json!({ "phase": phase }).to_string());
            assert_eq!(word, wanted, "{status} after {reported:?}");
        }
    }

    #[test]
    fn the_end_tells_branch_pull_request_cost_and_reason() {
        let status = json!({
            "phase": "Failed", "reason": "AgentFailed", "message": "the agent said `no`",
            "results": { "branch": "axon-task-42", "pr": "https://github.com/o/r/pull/9" },
            "usage": { "costUSD": "0.12", "inputTokens": 10, "outputTokens": 5 },
        });
        let report = report(&task(&issue("PerTask"), &status, None)).expect("a report");
        let comment = report.comment.expect("a comment");
        let (text, marker) = comment.body.rsplit_once("\n\n").expect("a marker");
        assert_eq!(marker, comment.marker);
        assert_eq!(
            text,
            "**Axon**: Task `fix-bugs-42` has failed.\n\n| | |\n|---|---|\n\
             | pull request | https://github.com/o/r/pull/9 |\n| branch | `axon-task-42` |\n\
             | cost | $0.12 |\n| tokens | 10 in, 5 out |\n\nReason: `AgentFailed`\n\n\
             ```text\nthe agent said `no`\n```"
        );
    }

    #[test]
    fn a_sticky_comment_is_of_the_spawner_and_others_of_their_task() {
        let marker = |mode: &str, uid: &str| {
            let mut task = task(&issue(mode), &json!(null), None);
            task.metadata.uid = Some(uid.to_owned());
            report(&task)
                .and_then(|report| report.comment)
                .expect("a comment")
                .marker
        };
        assert_eq!(marker("Sticky", "a"), marker("Sticky", "b"));
        assert_ne!(marker("PerTask", "a"), marker("PerTask", "b"));
    }

    #[test]
    fn a_check_run_ends_as_the_task_does() {
        for (phase, conclusion) in [
            ("Running", None),
            ("Succeeded", Some("success")),
            ("Failed", Some("failure")),
            ("TimedOut", Some("timed_out")),
            ("Cancelled", Some("cancelled")),
        ] {
            let report = report(&task(&pull_request(), &json!({ "phase": phase }), None));
            let check = report.and_then(|report| report.check).expect("a check run");
            assert_eq!(check.conclusion, conclusion, "{phase}");
            assert_eq!((&*check.head_sha, &*check.external_id), ("abc", "u"));
        }
    }

    #[test]
    fn what_an_agent_wrote_is_no_markup() {
        let status = json!({
            "phase": "Failed", "message": "``` @everyone <!-- axon.io/report:x -->",
            "results": { "branch": "a`|@all", "pr": "javascript:alert(1)" },
        });
        let report = report(&task(&issue("PerTask"), &status, None)).expect("a report");
        let body = report.comment.expect("a comment").body;
        assert!(body.contains("| branch | `a'\\|@all` |"), "{body}");
        assert!(
            body.contains("| pull request | `javascript:alert(1)` |"),
            "{body}"
        );
        assert_eq!(body.matches("```").count(), 2, "{body}");
    }

    #[test]
    fn nothing_is_told_where_nothing_is_wanted() {
        let mut quiet = issue("PerTask");
        quiet.as_object_mut().expect("an object").remove("comments");
        assert_eq!(report(&task(&quiet, &json!(null), None)), None);
        assert_eq!(report(&task(&quiet, &json!({ "phase": "Failed" }), None)), None);
    }
}
