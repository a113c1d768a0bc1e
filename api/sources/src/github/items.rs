//! What an issue or pull request is for templates.

use k8s_openapi::jiff::Timestamp;

use super::examined::{Known, Need};
use super::facts::IssueFacts;
use super::issues::{self, GitHubIssues};
use super::pull_requests::{self, GitHubPullRequests};
use super::reviews::{state_name, summarize};
use crate::comment_policy::{CommentPolicy, Said, Thread};
use crate::item::{Candidate, Cause, Subject, SubjectKind, WorkItem};
use crate::{text, variables};

/// The repository that an item is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Base URL of the forge's API; absent means that of the workspace's repository.
    pub api_url: Option<&'a str>,
    pub owner: &'a str,
    pub name: &'a str,
}

/// An issue as templates get it. What was said after it was asked for is left out.
///
/// # Errors
/// What must be fetched first: body and comments are needed.
pub fn of_issue<'a>(
    spec: &GitHubIssues,
    origin: Origin<'_>,
    issue: &'a IssueFacts,
    known: &Known<'a>,
    candidate: Candidate,
) -> Result<WorkItem, Need> {
    let thread = issues::thread(issue, known)?;
    let thread = as_asked(&candidate.cause, thread, spec.policy().as_deref(), known);
    Ok(item(origin, issue, &thread, known, candidate))
}

/// A pull request as templates get it. What was said after it was asked for is left out.
///
/// # Errors
/// What must be fetched first: all but the files is needed.
pub fn of_pull<'a>(
    spec: &GitHubPullRequests,
    origin: Origin<'_>,
    issue: &'a IssueFacts,
    known: &Known<'a>,
    candidate: Candidate,
) -> Result<WorkItem, Need> {
    if known.pull.is_none() {
        return Err(Need::Pull);
    }
    let thread = pull_requests::thread(issue, known)?;
    let thread = as_asked(&candidate.cause, thread, spec.policy().as_deref(), known);
    Ok(item(origin, issue, &thread, known, candidate))
}

/// The thread as it was when work was asked for; all of it when nobody had to ask.
fn as_asked<'a>(
    cause: &Cause,
    thread: Thread<'a>,
    policy: Option<&CommentPolicy>,
    known: &Known<'a>,
) -> Thread<'a> {
    let needs_command = policy.is_some_and(|policy| policy.trigger_comment.is_some());
    let review = |id: u64| known.reviews?.iter().find(|review| review.id == id);
    let at: Option<(Timestamp, Option<u64>)> = match cause {
        Cause::Command { comment } => thread
            .said
            .iter()
            .find(|said| said.order == *comment)
            .map(|said| (said.created, Some(said.order)))
            // It is gone: nothing that was said can be told to be older.
            .or(Some((thread.body.created, None))),
        Cause::Review { review: id } => review(*id).map(|review| (review.submitted, None)),
        Cause::Match if needs_command => Some((thread.body.created, None)),
        Cause::Match | Cause::Event | Cause::Manual { .. } => None,
    };
    match at {
        Some((at, asking)) => thread.text_up_to(at, asking),
        None => thread,
    }
}

fn item(
    origin: Origin<'_>,
    issue: &IssueFacts,
    thread: &Thread<'_>,
    known: &Known<'_>,
    candidate: Candidate,
) -> WorkItem {
    let head_sha = known.pull.map(|pull| pull.head_sha.as_str());
    let is_on_line = |said: &&Said<'_>| said.place.is_some();
    let is_on_head = |said: &&Said<'_>| said.commit.is_some() && said.commit == head_sha;
    let is_of_others = |said: &&Said<'_>| {
        !thread
            .own_login
            .is_some_and(|own| super::names::same_login(own, said.author))
    };
    let said = || thread.said.iter().filter(is_of_others);
    let review_state = match (known.reviews, head_sha) {
        (Some(reviews), Some(head)) => state_name(summarize(reviews, head).state),
        _ => "",
    };
    let kind = if issue.is_pull_request { "PR" } else { "Issue" };
    let variables = variables::with([
        ("ID", candidate.id.clone().into()),
        ("Number", issue.number.into()),
        ("Title", text::title(&issue.title).into()),
        ("Body", text::body(thread.body.text).into()),
        ("URL", issue.url.clone().into()),
        ("Labels", text::visible(&issue.labels.join(", ")).into()),
        ("Comments", join(said().filter(|said| !is_on_line(said))).into()),
        ("Kind", kind.into()),
        (
            "Branch",
            known.pull.map_or("", |pull| pull.head_branch.as_str()).into(),
        ),
        ("ReviewState", review_state.into()),
        ("ReviewComments", join(said().filter(is_on_head)).into()),
    ]);
    WorkItem {
        candidate,
        variables,
        subject: Some(Subject {
            kind: if issue.is_pull_request {
                SubjectKind::PullRequest
            } else {
                SubjectKind::Issue
            },
            api_url: origin.api_url.map(str::to_owned),
            owner: origin.owner.to_owned(),
            repository: origin.name.to_owned(),
            number: issue.number,
            head_sha: head_sha.map(str::to_owned),
        }),
    }
}

/// What was said, with who said it and when above each.
fn join<'a>(said: impl Iterator<Item = &'a Said<'a>>) -> String {
    let texts: Vec<String> = said
        .filter_map(|said| {
            let body = text::body(said.text);
            if body.is_empty() {
                return None;
            }
            let author = text::title(said.author);
            let place = said
                .place
                .as_ref()
                .map(|place| format!(" on {}", text::title(place)))
                .unwrap_or_default();
            // What parts two comments is not to be found within one.
            let body: Vec<&str> = body
                .lines()
                .map(|line| if line.trim() == "---" { "- - -" } else { line })
                .collect();
            Some(format!("{author}{place}, {}:\n{}", said.created, body.join("\n")))
        })
        .collect();
    text::join_newest(&texts, text::MAX_BODY_BYTES)
}

#[cfg(test)]
mod tests;
