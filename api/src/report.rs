//! Where and how to report on a Task: the annotation `axon.io/report`. The operator writes it when it
//! makes the Task, and reads it for as long as the Task is there, whatever becomes of the spawner.

use axon_sources::reporting::CommentMode;
use axon_sources::{Subject, SubjectKind};
use serde::{Deserialize, Serialize};

/// Where and how to report on a Task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportTarget {
    /// Name of the TaskSpawner.
    pub spawner: String,
    pub kind: ReportKind,
    /// Base URL of the forge's API; absent means that of the Workspace's repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    pub owner: String,
    pub repo: String,
    pub number: u64,
    /// Head commit of a pull request, which check runs are on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_sha: Option<String>,
    /// How comments are written; absent means that none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<CommentMode>,
    /// Name of the check run; absent means that there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
}

/// What is reported to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportKind {
    Issue,
    PullRequest,
}

impl ReportTarget {
    /// Where to report to about `subject`. Check runs need a pull request with a known head.
    pub fn of(
        spawner: &str,
        subject: &Subject,
        comments: Option<CommentMode>,
        check: Option<String>,
    ) -> Self {
        let kind = match subject.kind {
            SubjectKind::Issue => ReportKind::Issue,
            SubjectKind::PullRequest => ReportKind::PullRequest,
        };
        Self {
            spawner: spawner.to_owned(),
            kind,
            api_url: subject.api_url.clone(),
            owner: subject.owner.clone(),
            repo: subject.repository.clone(),
            number: subject.number,
            head_sha: subject.head_sha.clone(),
            comments,
            check: check.filter(|_| kind == ReportKind::PullRequest && subject.head_sha.is_some()),
        }
    }

    /// Whether there is anything to report.
    pub fn is_wanted(&self) -> bool {
        self.comments.is_some() || self.check.is_some()
    }

    /// Reads the annotation. `None` for anything else.
    pub fn parse(annotation: &str) -> Option<Self> {
        serde_json::from_str(annotation).ok()
    }

    /// The annotation.
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let subject = Subject {
            kind: SubjectKind::PullRequest,
            api_url: None,
            owner: "o".to_owned(),
            repository: "r".to_owned(),
            number: 7,
            head_sha: Some("abc".to_owned()),
        };
        let target = ReportTarget::of(
            "s",
            &subject,
            Some(CommentMode::Sticky),
            Some("Axon: s".to_owned()),
        );
        let annotation = target.to_annotation();
        assert_eq!(
            annotation,
            r#"{"spawner":"s","kind":"PullRequest","owner":"o","repo":"r","number":7,"headSha":"abc","comments":"Sticky","check":"Axon: s"}"#
        );
        assert_eq!(ReportTarget::parse(&annotation), Some(target));
        assert_eq!(ReportTarget::parse("no"), None);
    }

    #[test]
    fn an_issue_has_no_check_run() {
        let subject = Subject {
            kind: SubjectKind::Issue,
            api_url: None,
            owner: "o".to_owned(),
            repository: "r".to_owned(),
            number: 7,
            head_sha: None,
        };
        let target = ReportTarget::of("s", &subject, None, Some("x".to_owned()));
        assert!(!target.is_wanted());
    }
}
