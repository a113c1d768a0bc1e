//! `githubIssues`: issues of a repository that match. Spec and filters.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::examined::{Examined, Known, Need};
use super::facts::IssueFacts;
use super::filters;
use super::names::{is_among, same_login};
use crate::comment_policy::{CommentPolicy, Thread};
use crate::item::{Candidate, Cause, Verdict};
use crate::reporting::Reporting;

/// Issues of a GitHub repository that match all of these. The repository is that of the template's
/// workspace, unless repo names another.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.commentPolicy) && (has(self.triggerComment) || has(self.excludeComments)))").message("commentPolicy replaces triggerComment and excludeComments"))]
#[x_kube(validation = Rule::new("!has(self.reporting) || !has(self.reporting.checks)").message("check runs are of pull requests, not of issues"))]
pub struct GitHubIssues {
    /// Repository as owner/name or URL, when it is not the workspace's own, such as the one that the
    /// workspace is a fork of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^[^\s]+$"))]
    pub repo: Option<String>,

    /// Labels that an issue must have, all of them. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub labels: Vec<String>,

    /// Labels that an issue must not have, none of them. Removing the last one queues it again. At
    /// most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub exclude_labels: Vec<String>,

    /// open, closed or all. Absent means open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateFilter>,

    /// issues, pulls or both. Absent means issues.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    pub types: Vec<IssueType>,

    /// Labels by which issues are taken first, the most important first. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub priority_labels: Vec<String>,

    /// User whom it must be assigned to, * for anybody, none for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub assignee: Option<String>,

    /// User who must have opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub author: Option<String>,

    /// Users who must not have opened it. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 100)))]
    pub exclude_authors: Vec<String>,

    /// The triggerComment of a commentPolicy that everybody may use. commentPolicy is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub trigger_comment: Option<String>,

    /// The excludeComments of a commentPolicy that everybody may use. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 1024)))]
    pub exclude_comments: Vec<String>,

    /// Which comments ask for work, and who may ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment_policy: Option<CommentPolicy>,

    /// What is reported back to the issue.
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

/// Which state an issue must have.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[schemars(rename_all = "lowercase")]
pub enum StateFilter {
    #[default]
    Open,
    Closed,
    All,
}

/// Issues, or pull requests as the list of issues has them.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[schemars(rename_all = "lowercase")]
pub enum IssueType {
    Issues,
    Pulls,
}

impl GitHubIssues {
    /// Which comments ask for work; `None` when they do not matter.
    pub fn policy(&self) -> Option<std::borrow::Cow<'_, CommentPolicy>> {
        CommentPolicy::of(
            self.comment_policy.as_ref(),
            self.trigger_comment.as_deref(),
            &self.exclude_comments,
        )
    }
}

/// Whether an issue passes all filters but those on comments.
pub fn verdict(spec: &GitHubIssues, issue: &IssueFacts) -> Verdict {
    match passes(spec, issue) {
        Ok(()) => Verdict::Match,
        Err(why) => Verdict::NoMatch(why),
    }
}

fn passes(spec: &GitHubIssues, issue: &IssueFacts) -> Result<(), String> {
    let is = if issue.is_pull_request {
        IssueType::Pulls
    } else {
        IssueType::Issues
    };
    let is_wanted = match spec.types.as_slice() {
        [] => is == IssueType::Issues,
        types => types.contains(&is),
    };
    if !is_wanted {
        return Err(match is {
            IssueType::Issues => "is an issue, and only pull requests are wanted".to_owned(),
            IssueType::Pulls => "is a pull request, and only issues are wanted".to_owned(),
        });
    }
    filters::state(spec.state, issue)?;
    filters::labels(&issue.labels, &spec.labels, &spec.exclude_labels)?;
    assignee(spec.assignee.as_deref(), &issue.assignees)?;
    filters::author(&issue.author, spec.author.as_deref(), &spec.exclude_authors)
}

fn assignee(wanted: Option<&str>, assignees: &[String]) -> Result<(), String> {
    match wanted {
        Some("*") if assignees.is_empty() => Err("is assigned to nobody".to_owned()),
        None | Some("*") => Ok(()),
        Some(none) if same_login(none, "none") => match assignees.first() {
            Some(assignee) => Err(format!("is assigned to `{assignee}`, and nobody is wanted")),
            None => Ok(()),
        },
        Some(wanted) if is_among(assignees, wanted) => Ok(()),
        Some(wanted) => Err(format!("is not assigned to `{wanted}`")),
    }
}

/// Looks at an issue as far as is known.
pub fn candidate<'a>(spec: &GitHubIssues, issue: &'a IssueFacts, known: &Known<'a>) -> Examined {
    if let Err(why) = passes(spec, issue) {
        return Examined::NoMatch(why);
    }
    let comment = match spec.policy() {
        None => Ok(None),
        Some(policy) => filters::asked(&policy, known, &|known| thread(issue, known)),
    };
    match comment {
        Ok(comment) => Examined::Match(Candidate {
            key: key_of(issue),
            id: issue.number.to_string(),
            cause: comment.map_or(Cause::Match, |comment| Cause::Command { comment }),
            labels: issue.labels.clone(),
            created: issue.created,
        }),
        Err(examined) => examined,
    }
}

/// The thread of an issue, or what is lacking for it.
pub fn thread<'a>(issue: &'a IssueFacts, known: &Known<'a>) -> Result<Thread<'a>, Need> {
    let body = known.body.ok_or(Need::Body)?;
    let comments = known.comments.ok_or(Need::Comments)?;
    Ok(Thread::of_issue(issue, body, comments, known.own_login))
}

/// `issue-42`, and `pull-42` for a pull request.
pub(super) fn key_of(issue: &IssueFacts) -> String {
    let kind = if issue.is_pull_request { "pull" } else { "issue" };
    format!("{kind}-{}", issue.number)
}

#[cfg(test)]
mod tests;
