//! `githubPullRequests`: pull requests of a repository that match. Spec and filters.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::examined::{Examined, Known, Need};
use super::facts::{IssueFacts, PullFacts};
use super::files::FilePatterns;
use super::filters;
use super::issues::{StateFilter, key_of};
use super::reviews::{state_name, summarize};
use crate::comment_policy::{CommentPolicy, Thread};
use crate::item::{Candidate, Cause};
use crate::reporting::Reporting;

/// Pull requests of a GitHub repository that match all of these. The repository is that of the
/// template's workspace, unless repo names another.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.commentPolicy) && (has(self.triggerComment) || has(self.excludeComments)))").message("commentPolicy replaces triggerComment and excludeComments"))]
pub struct GitHubPullRequests {
    /// Repository as owner/name or URL, when it is not the workspace's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^[^\s]+$"))]
    pub repo: Option<String>,

    /// Labels that a pull request must have, all of them. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub labels: Vec<String>,

    /// Labels that a pull request must not have, none of them. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub exclude_labels: Vec<String>,

    /// open, closed or all. Absent means open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateFilter>,

    /// What the reviews of the head commit must come to: approved, changes_requested, or any, which
    /// is also none. With approved and changes_requested each newer review asks once more. Absent
    /// means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_state: Option<ReviewState>,

    /// Whether it must be a draft, or must be none. Absent means either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<bool>,

    /// User who must have opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub author: Option<String>,

    /// Users who must not have opened it. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 100)))]
    pub exclude_authors: Vec<String>,

    /// Branch that it must go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub base_branch: Option<String>,

    /// Which files must have changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_patterns: Option<FilePatterns>,

    /// Labels by which pull requests are taken first, the most important first. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub priority_labels: Vec<String>,

    /// The triggerComment of a commentPolicy that everybody may use. commentPolicy is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub trigger_comment: Option<String>,

    /// The excludeComments of a commentPolicy that everybody may use. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 1024)))]
    pub exclude_comments: Vec<String>,

    /// Which comments ask for work, and who may ask. Comments on lines and texts of reviews count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment_policy: Option<CommentPolicy>,

    /// What is reported back to the pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporting: Option<Reporting>,

    /// How often GitHub is asked, as a Go duration or whole seconds, at least 5s. Absent means
    /// spec.pollInterval, else 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 32),
        regex(pattern = r"^(([0-9]+(\.[0-9]+)?(ms|s|m|h))+|[0-9]+)$")
    )]
    pub poll_interval: Option<String>,
}

/// What reviews must come to.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename_all = "snake_case")]
pub enum ReviewState {
    Approved,
    ChangesRequested,
    #[default]
    Any,
}

impl GitHubPullRequests {
    /// Which comments ask for work; `None` when they do not matter.
    pub fn policy(&self) -> Option<std::borrow::Cow<'_, CommentPolicy>> {
        CommentPolicy::of(
            self.comment_policy.as_ref(),
            self.trigger_comment.as_deref(),
            &self.exclude_comments,
        )
    }
}

/// Looks at a pull request as far as is known: first what the list of issues tells, then its branches,
/// its files, its reviews, and last what was said. A file pattern that is no glob lets nothing pass.
pub fn candidate<'a>(spec: &GitHubPullRequests, issue: &'a IssueFacts, known: &Known<'a>) -> Examined {
    match examine(spec, issue, known) {
        Ok(cause) => Examined::Match(Candidate {
            key: key_of(issue),
            id: issue.number.to_string(),
            cause,
            labels: issue.labels.clone(),
            created: issue.created,
        }),
        Err(examined) => examined,
    }
}

fn examine<'a>(
    spec: &GitHubPullRequests,
    issue: &'a IssueFacts,
    known: &Known<'a>,
) -> Result<Cause, Examined> {
    listed(spec, issue).map_err(Examined::NoMatch)?;
    if let Some(base) = &spec.base_branch {
        base_branch(base, pull(known)?).map_err(Examined::NoMatch)?;
    }
    if let Some(patterns) = &spec.file_patterns {
        let files = known.files.ok_or(Examined::Ask(Need::Files))?;
        patterns.passes(files).map_err(Examined::NoMatch)?;
    }
    let wanted = spec.review_state.unwrap_or_default();
    let review = if wanted == ReviewState::Any {
        None
    } else {
        let head = &pull(known)?.head_sha;
        let summary = summarize(known.reviews.ok_or(Examined::Ask(Need::Reviews))?, head);
        if summary.state != wanted {
            return Err(Examined::NoMatch(review_reason(wanted, summary.state)));
        }
        summary.newest
    };
    let comment = match spec.policy() {
        None => None,
        Some(policy) => filters::asked(&policy, known, &|known| thread(issue, known))?,
    };
    Ok(match (comment, review) {
        (Some(comment), _) => Cause::Command { comment },
        (None, Some(review)) => Cause::Review { review },
        (None, None) => Cause::Match,
    })
}

/// What the list of issues can tell.
fn listed(spec: &GitHubPullRequests, issue: &IssueFacts) -> Result<(), String> {
    if !issue.is_pull_request {
        return Err("is an issue, and only pull requests are wanted".to_owned());
    }
    filters::state(spec.state, issue)?;
    filters::labels(&issue.labels, &spec.labels, &spec.exclude_labels)?;
    match (spec.draft, issue.is_draft) {
        (Some(true), false) => return Err("is no draft, and only drafts are wanted".to_owned()),
        (Some(false), true) => return Err("is a draft".to_owned()),
        _ => {}
    }
    filters::author(&issue.author, spec.author.as_deref(), &spec.exclude_authors)
}

fn pull<'a>(known: &Known<'a>) -> Result<&'a PullFacts, Examined> {
    known.pull.ok_or(Examined::Ask(Need::Pull))
}

fn base_branch(wanted: &str, pull: &PullFacts) -> Result<(), String> {
    if pull.base_branch == wanted {
        return Ok(());
    }
    Err(format!(
        "goes to the branch `{}`, not `{wanted}`",
        pull.base_branch
    ))
}

fn review_reason(wanted: ReviewState, is: ReviewState) -> String {
    let wanted = state_name(wanted);
    match is {
        ReviewState::Any => format!("has no review of its head that counts, and `{wanted}` is wanted"),
        _ => format!("has reviews that come to `{}`, not `{wanted}`", state_name(is)),
    }
}

/// The thread of a pull request, or what is lacking for it.
pub fn thread<'a>(issue: &'a IssueFacts, known: &Known<'a>) -> Result<Thread<'a>, Need> {
    let body = known.body.ok_or(Need::Body)?;
    let comments = known.comments.ok_or(Need::Comments)?;
    let line_comments = known.line_comments.ok_or(Need::LineComments)?;
    let reviews = known.reviews.ok_or(Need::Reviews)?;
    Ok(Thread::of_pull(
        issue,
        body,
        comments,
        line_comments,
        reviews,
        known.own_login,
    ))
}

#[cfg(test)]
mod tests;
