//! Whether an event is one that a spawner wants.

use sha2::{Digest, Sha256};

use super::{CommentOn, Conclusion, Delivery, EventFilter, GitHubWebhook};
use crate::comment_policy::{CommentPolicy, May, has_command, needs_question};
use crate::github::examined::{Examined, Known, Need};
use crate::github::filters::{author, labels};
use crate::github::names::{is_among, same_login};
use crate::item::{Candidate, Cause};
use crate::pattern;

/// Looks at an event as far as is known. `workspace` is `owner/name` of the template's workspace, for
/// a spec without `repository`. Of what is known, only pull, files, authority and our own login matter.
///
/// The event and its filters come first, and what must be fetched for them only where the payload does
/// not have it: the branch of a pull request that somebody commented on, the files of a pull request.
pub fn candidate(
    spec: &GitHubWebhook,
    workspace: Option<&str>,
    delivery: &Delivery<'_>,
    known: &Known<'_>,
) -> Examined {
    match examine(spec, workspace, delivery, known) {
        Ok(()) => Examined::Match(Candidate {
            key: format!("delivery-{}", key_of(delivery.id)),
            id: id_of(delivery),
            cause: Cause::Event,
            labels: delivery.labels(),
            created: delivery.received,
        }),
        Err(examined) => examined,
    }
}

fn examine(
    spec: &GitHubWebhook,
    workspace: Option<&str>,
    delivery: &Delivery<'_>,
    known: &Known<'_>,
) -> Result<(), Examined> {
    let sender = delivery.sender();
    envelope(spec, workspace, delivery).map_err(Examined::NoMatch)?;
    let is_own = known.own_login.is_some_and(|own| same_login(own, sender));
    if is_own && delivery.is_comment() {
        return Err(Examined::NoMatch("is a comment of our own".to_owned()));
    }
    if let Some(policy) = &spec.comment_policy {
        commands(policy, delivery.said()).map_err(Examined::NoMatch)?;
    }
    any_filter(&spec.filters, delivery, known)?;
    match &spec.comment_policy {
        Some(policy) => may_ask(policy, sender, known),
        None => Ok(()),
    }
}

/// What holds for the event whatever its filters.
fn envelope(spec: &GitHubWebhook, workspace: Option<&str>, delivery: &Delivery<'_>) -> Result<(), String> {
    if !spec.events.iter().any(|event| event == delivery.event) {
        return Err(format!("is the event `{}`, which is not wanted", delivery.event));
    }
    let repository = delivery.repository();
    match spec.repository.as_deref().or(workspace) {
        None => {
            return Err("is of any repository, and neither repository nor a workspace says which".to_owned());
        }
        Some("*") => {}
        Some(wanted) if same_login(wanted, repository) => {}
        Some(wanted) => return Err(format!("is of the repository `{repository}`, not `{wanted}`")),
    }
    if is_among(&spec.exclude_authors, delivery.sender()) {
        return Err(format!("was sent by `{}`, who is excluded", delivery.sender()));
    }
    Ok(())
}

fn commands(policy: &CommentPolicy, said: &str) -> Result<(), String> {
    let takes_out = policy
        .exclude_comments
        .iter()
        .find(|command| has_command(said, command));
    if let Some(command) = takes_out {
        return Err(format!("has the command `{command}`, which takes it out"));
    }
    match &policy.trigger_comment {
        Some(command) if !has_command(said, command) => Err(format!("has not the command `{command}`")),
        _ => Ok(()),
    }
}

fn may_ask(policy: &CommentPolicy, sender: &str, known: &Known<'_>) -> Result<(), Examined> {
    if needs_question(policy, sender) && !known.authority.knows(sender) {
        return Err(Examined::Ask(Need::People([sender.to_lowercase()].into())));
    }
    match known.authority.may(policy, sender) {
        May::Yes => Ok(()),
        May::No => Err(Examined::NoMatch(format!(
            "was sent by `{sender}`, who may not ask"
        ))),
        May::Unknown(why) => Err(Examined::Unknown(format!(
            "failed to find out whether `{sender}` may ask: {why}"
        ))),
    }
}

/// One of the filters for the event must let it pass, if there are any.
fn any_filter(filters: &[EventFilter], delivery: &Delivery<'_>, known: &Known<'_>) -> Result<(), Examined> {
    let mut refused = None;
    let mut lacking = None;
    for filter in filters.iter().filter(|filter| filter.event == delivery.event) {
        match one_filter(filter, delivery, known) {
            Ok(()) => return Ok(()),
            Err(Examined::NoMatch(why)) => refused = refused.or(Some(Examined::NoMatch(why))),
            Err(other) => lacking = lacking.or(Some(other)),
        }
    }
    match lacking.or(refused) {
        Some(examined) => Err(examined),
        None => Ok(()),
    }
}

fn one_filter(filter: &EventFilter, delivery: &Delivery<'_>, known: &Known<'_>) -> Result<(), Examined> {
    in_payload(filter, delivery).map_err(Examined::NoMatch)?;
    if let Some(wanted) = wanted(filter.branch.as_ref()) {
        let branch = branch_of(delivery, known)?;
        glob("branch", wanted, branch).map_err(Examined::NoMatch)?;
    }
    let Some(patterns) = &filter.file_patterns else {
        return Ok(());
    };
    if let Some(files) = delivery.pushed_files() {
        return patterns.passes(&files).map_err(Examined::NoMatch);
    }
    if !delivery.is_of_pull_request() {
        return Err(Examined::NoMatch("is an event without changed files".to_owned()));
    }
    let files = known.files.ok_or(Examined::Ask(Need::Files))?;
    patterns.passes(files).map_err(Examined::NoMatch)
}

/// The branch, which for a comment on a pull request must be fetched.
fn branch_of<'a>(delivery: &Delivery<'a>, known: &Known<'a>) -> Result<&'a str, Examined> {
    let branch = delivery.branch();
    if !branch.is_empty() || !delivery.is_of_pull_request() {
        return Ok(branch);
    }
    let pull = known.pull.ok_or(Examined::Ask(Need::Pull))?;
    Ok(&pull.head_branch)
}

/// What the payload alone can tell.
fn in_payload(filter: &EventFilter, delivery: &Delivery<'_>) -> Result<(), String> {
    is("action", wanted(filter.action.as_ref()), delivery.action())?;
    is("state", wanted(filter.state.as_ref()), delivery.state())?;
    author(
        delivery.sender(),
        wanted(filter.author.as_ref()),
        &filter.exclude_authors,
    )
    .map_err(|why| why.replacen("is by", "was sent by", 1))?;
    labels(&delivery.labels(), &filter.labels, &filter.exclude_labels)?;
    if filter.draft.is_some() && filter.draft != delivery.is_draft() {
        return Err(match delivery.is_draft() {
            Some(true) => "is of a draft".to_owned(),
            Some(false) => "is of no draft, and only drafts are wanted".to_owned(),
            None => "is an event without a pull request, which has no drafts".to_owned(),
        });
    }
    comment_on(filter.comment_on.unwrap_or_default(), delivery)?;
    if let Some(wanted) = filter.conclusion {
        is("conclusion", Some(conclusion_name(wanted)), delivery.conclusion())?;
    }
    if let Some(pattern) = wanted(filter.tag.as_ref()) {
        glob("tag", pattern, delivery.tag())?;
    }
    if let Some(pattern) = wanted(filter.check_name.as_ref()) {
        glob("check name", pattern, delivery.check_name())?;
    }
    said(filter, delivery.said())
}

fn said(filter: &EventFilter, said: &str) -> Result<(), String> {
    if let Some(part) = wanted(filter.body_contains.as_ref()).filter(|part| !said.contains(part)) {
        return Err(format!("has a body without `{part}`"));
    }
    if let Some(pattern) = wanted(filter.body_pattern.as_ref())
        && !pattern::regex(pattern)?.is_match(said)
    {
        return Err(format!("has a body in which `{pattern}` is not found"));
    }
    for pattern in &filter.exclude_body_patterns {
        if pattern::regex(pattern)?.is_match(said) {
            return Err(format!(
                "has a body in which `{pattern}` is found, which is excluded"
            ));
        }
    }
    Ok(())
}

/// An empty text wants nothing.
fn wanted(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

fn is(what: &str, wanted: Option<&str>, is: &str) -> Result<(), String> {
    match wanted {
        Some(wanted) if !wanted.eq_ignore_ascii_case(is) => Err(if is.is_empty() {
            format!("is an event without {what}, and `{wanted}` is wanted")
        } else {
            format!("has the {what} `{is}`, not `{wanted}`")
        }),
        _ => Ok(()),
    }
}

fn glob(what: &str, pattern: &str, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("is an event without {what}, and `{pattern}` is wanted"));
    }
    if pattern::glob(pattern)?.is_match(text) {
        return Ok(());
    }
    Err(format!(
        "has the {what} `{text}`, which `{pattern}` does not match"
    ))
}

fn comment_on(wanted: CommentOn, delivery: &Delivery<'_>) -> Result<(), String> {
    let is_of_pull_request = delivery.is_of_pull_request();
    let why = match wanted {
        CommentOn::Issue | CommentOn::PullRequest if !delivery.is_comment() => "is no comment",
        CommentOn::Issue if is_of_pull_request => "is a comment on a pull request",
        CommentOn::PullRequest if !is_of_pull_request => "is no comment on a pull request",
        CommentOn::Either | CommentOn::Issue | CommentOn::PullRequest => return Ok(()),
    };
    Err(why.to_owned())
}

fn conclusion_name(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Success => "success",
        Conclusion::Failure => "failure",
        Conclusion::Cancelled => "cancelled",
        Conclusion::TimedOut => "timed_out",
        Conclusion::ActionRequired => "action_required",
        Conclusion::Neutral => "neutral",
        Conclusion::Skipped => "skipped",
        Conclusion::Stale => "stale",
    }
}

/// The delivery's ID where it is fit for a key, as GitHub's are; else its hash.
fn key_of(id: &str) -> String {
    let is_fit = !id.is_empty()
        && id.len() <= 64
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_fit { id.to_owned() } else { hash(id, 32) }
}

/// The event, and digits that follow from the delivery's ID: `issue-comment-0f1e2d3c4b5a`.
fn id_of(delivery: &Delivery<'_>) -> String {
    let event: String = delivery
        .event
        .chars()
        .take(40)
        .map(|c| if c == '_' { '-' } else { c })
        .collect();
    format!("{event}-{}", hash(delivery.id, 12))
}

/// The first hexadecimal digits of the SHA-256 of a text.
pub(crate) fn hash(text: &str, digits: usize) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|half| char::from_digit(u32::from(half), 16))
        .take(digits)
        .collect()
}

#[cfg(test)]
mod tests;
