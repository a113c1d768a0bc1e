//! What is wrong with a source that its schema cannot tell.

use crate::When;
use crate::comment_policy::CommentPolicy;
use crate::cron::{CronSource, Schedule, zone};
use crate::github::files::FilePatterns;
use crate::github::issues::GitHubIssues;
use crate::github::pull_requests::GitHubPullRequests;
use crate::github::repository;
use crate::github::webhook::{EventFilter, GitHubWebhook};
use crate::webhook::{FieldFilter, GenericWebhook, Path};
use crate::{pattern, poll_interval};

/// Checks what a source was told.
///
/// # Errors
/// The first thing that is wrong, as a sentence with the field under `spec.when` and its value.
pub fn check(when: &When) -> Result<(), String> {
    if let Some(spec) = &when.github_issues {
        return issues(spec).map_err(|why| format!("githubIssues.{why}"));
    }
    if let Some(spec) = &when.github_pull_requests {
        return pull_requests(spec).map_err(|why| format!("githubPullRequests.{why}"));
    }
    if let Some(spec) = &when.cron {
        return cron(spec).map_err(|why| format!("cron.{why}"));
    }
    if let Some(spec) = &when.github_webhook {
        return github_webhook(spec).map_err(|why| format!("githubWebhook.{why}"));
    }
    if let Some(spec) = &when.webhook {
        return webhook(spec).map_err(|why| format!("webhook.{why}"));
    }
    Err("one of githubIssues, githubPullRequests, cron, githubWebhook and webhook is required".to_owned())
}

fn issues(spec: &GitHubIssues) -> Result<(), String> {
    repo(spec.repo.as_deref())?;
    interval(spec.poll_interval.as_deref())?;
    commands(spec.trigger_comment.as_deref(), &spec.exclude_comments)?;
    policy(spec.comment_policy.as_ref())
}

fn pull_requests(spec: &GitHubPullRequests) -> Result<(), String> {
    repo(spec.repo.as_deref())?;
    interval(spec.poll_interval.as_deref())?;
    commands(spec.trigger_comment.as_deref(), &spec.exclude_comments)?;
    policy(spec.comment_policy.as_ref())?;
    files(spec.file_patterns.as_ref())
}

fn cron(spec: &CronSource) -> Result<(), String> {
    field("schedule", Schedule::parse(&spec.schedule))?;
    field("timeZone", zone(spec.time_zone.as_deref()))
}

fn github_webhook(spec: &GitHubWebhook) -> Result<(), String> {
    policy(spec.comment_policy.as_ref())?;
    for (at, filter) in spec.filters.iter().enumerate() {
        event_filter(spec, filter).map_err(|why| format!("filters[{at}].{why}"))?;
    }
    Ok(())
}

fn event_filter(spec: &GitHubWebhook, filter: &EventFilter) -> Result<(), String> {
    if !spec.events.contains(&filter.event) {
        return Err(format!(
            "event: `{}` is not among events, so that the filter is for nothing",
            filter.event
        ));
    }
    for (name, text) in [
        ("branch", &filter.branch),
        ("tag", &filter.tag),
        ("checkName", &filter.check_name),
    ] {
        if let Some(text) = text {
            field(name, pattern::glob(text))?;
        }
    }
    if let Some(text) = &filter.body_pattern {
        field("bodyPattern", pattern::regex(text))?;
    }
    for (at, text) in filter.exclude_body_patterns.iter().enumerate() {
        field(&format!("excludeBodyPatterns[{at}]"), pattern::regex(text))?;
    }
    files(filter.file_patterns.as_ref())
}

fn webhook(spec: &GenericWebhook) -> Result<(), String> {
    for (name, path) in &spec.field_mapping {
        field(&format!("fieldMapping.{name}"), Path::parse(path))?;
    }
    if !spec.field_mapping.contains_key("id") {
        return Err("fieldMapping: it must have id, which tells one event from another".to_owned());
    }
    for (name, filters) in [
        ("filters", &spec.filters),
        ("excludeFilters", &spec.exclude_filters),
    ] {
        for (at, filter) in filters.iter().enumerate() {
            field_filter(filter).map_err(|why| format!("{name}[{at}].{why}"))?;
        }
    }
    Ok(())
}

fn field_filter(filter: &FieldFilter) -> Result<(), String> {
    field("field", Path::parse(&filter.field))?;
    match &filter.pattern {
        Some(text) => field("pattern", pattern::regex(text)),
        None => Ok(()),
    }
}

fn files(patterns: Option<&FilePatterns>) -> Result<(), String> {
    let Some(patterns) = patterns else {
        return Ok(());
    };
    for (name, texts) in [("include", &patterns.include), ("exclude", &patterns.exclude)] {
        for (at, text) in texts.iter().enumerate() {
            field(&format!("filePatterns.{name}[{at}]"), pattern::glob(text))?;
        }
    }
    Ok(())
}

fn repo(text: Option<&str>) -> Result<(), String> {
    match text {
        Some(text) => field("repo", repository::parse(text)),
        None => Ok(()),
    }
}

fn interval(text: Option<&str>) -> Result<(), String> {
    match text {
        Some(text) => field("pollInterval", poll_interval::parse(text)),
        None => Ok(()),
    }
}

fn policy(policy: Option<&CommentPolicy>) -> Result<(), String> {
    let Some(policy) = policy else {
        return Ok(());
    };
    commands(policy.trigger_comment.as_deref(), &policy.exclude_comments)
        .map_err(|why| format!("commentPolicy.{why}"))
}

/// A command is a line: one with an end of line in it, or of blanks alone, is never written.
fn commands(trigger: Option<&str>, exclude: &[String]) -> Result<(), String> {
    let check = |name: &str, command: &str| {
        if command.trim().is_empty() || command.trim().contains('\n') {
            return Err(format!(
                "{name}: `{command}` is not one line with something on it"
            ));
        }
        Ok(())
    };
    if let Some(command) = trigger {
        check("triggerComment", command)?;
    }
    for (at, command) in exclude.iter().enumerate() {
        check(&format!("excludeComments[{at}]"), command)?;
        if trigger.is_some_and(|trigger| trigger.trim() == command.trim()) {
            return Err(format!(
                "excludeComments[{at}]: `{command}` is the triggerComment too"
            ));
        }
    }
    Ok(())
}

fn field<T>(name: &str, read: Result<T, String>) -> Result<(), String> {
    match read {
        Ok(_) => Ok(()),
        Err(why) => Err(format!("{name}: {why}")),
    }
}

#[cfg(test)]
mod tests;
