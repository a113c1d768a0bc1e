//! Writes a comment or a check run so that it is there once, whatever was written before and not noted.

use axon_plan::report::{CheckReport, CommentReport};
use axon_sources::github::client::{CheckRun, CheckState, FailureKind, Repository};
use axon_sources::github::facts::Comment;
use k8s_openapi::jiff::Timestamp;

use super::Reporter;
use super::hindrance::Hindrance;
use crate::forge::Source;

/// When a Task began and ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) started: Option<Timestamp>,
    pub(super) completed: Option<Timestamp>,
}

impl Reporter {
    /// Has the comment be there. `known` is its ID, if that was noted. Answers with its ID.
    pub(super) async fn comment(
        &self,
        source: &Source,
        repository: &Repository,
        number: u64,
        report: &CommentReport,
        known: Option<u64>,
    ) -> Result<u64, Hindrance> {
        if let Some(id) = known {
            match repository.update_comment(id, &report.body).await {
                // Somebody has deleted it, so that it is written anew.
                Err(failure) if failure.kind == FailureKind::NotFound => {}
                updated => return Ok(updated?.id),
            }
        }
        let mut marked = repository.comments(number).await?;
        marked.retain(|comment| comment.body.contains(&report.marker));
        let own = if marked.is_empty() {
            None
        } else {
            self.own(source, marked).await?
        };
        match own {
            Some(comment) if comment.body.trim() == report.body.trim() => Ok(comment.id),
            Some(comment) => Ok(repository.update_comment(comment.id, &report.body).await?.id),
            None => Ok(repository.create_comment(number, &report.body).await?.id),
        }
    }

    /// The newest of these comments that we wrote: anybody can copy a marker.
    async fn own(&self, source: &Source, comments: Vec<Comment>) -> Result<Option<Comment>, Hindrance> {
        let login = self.hub.credentials().own_login(source).await?;
        let is_own = |comment: &Comment| match &login {
            Some(login) => comment.author.eq_ignore_ascii_case(login),
            // A token of which nobody tells whose it is, is of a bot.
            None => comment.is_bot,
        };
        Ok(comments.into_iter().rev().find(is_own))
    }
}

/// Has the check run be there. `known` is its ID, if that was noted. Answers with its ID.
pub(super) async fn check(
    repository: &Repository,
    report: &CheckReport,
    times: Times,
    known: Option<u64>,
) -> Result<u64, Hindrance> {
    let state = state(report, times);
    if let Some(id) = known {
        match repository.update_check_run(id, &state).await {
            Err(failure) if failure.kind == FailureKind::NotFound => {}
            updated => return Ok(updated?.id),
        }
    }
    let runs = repository.check_runs(&report.head_sha, &report.name).await?;
    let is_ours = |run: &CheckRun| run.external_id.as_deref() == Some(&report.external_id);
    match runs.into_iter().find(is_ours) {
        Some(run) if run.status == state.status && run.conclusion.as_deref() == state.conclusion => {
            Ok(run.id)
        }
        Some(run) => Ok(repository.update_check_run(run.id, &state).await?.id),
        None => Ok(repository.create_check_run(&state).await?.id),
    }
}

fn state(report: &CheckReport, times: Times) -> CheckState {
    CheckState {
        name: report.name.clone(),
        head_sha: report.head_sha.clone(),
        external_id: report.external_id.clone(),
        status: match report.conclusion {
            Some(_) => "completed",
            None => "in_progress",
        },
        conclusion: report.conclusion,
        started: times.started,
        completed: times.completed.filter(|_| report.conclusion.is_some()),
        title: report.title.clone(),
        summary: report.summary.clone(),
    }
}
