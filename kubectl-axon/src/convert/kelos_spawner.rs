//! Kelos' `TaskSpawner`.
//!
//! The sources that both have are spelled alike; those of other systems have no equivalent. Templates
//! are Go's in both, but what an event brought with it has GitHub's own names here.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::fields::{Fields, Target};
use super::kelos::run_fields;
use super::notes::Notes;

/// Fields of a spawner that stay as they are.
const SPAWNER_FIELDS: &[&str] = &["maxConcurrency", "maxTotalTasks", "suspend", "credentials"];

/// Fields of the template beside those of a Task.
const TEMPLATE_FIELDS: &[&str] = &["promptTemplate", "nameTemplate", "metadata"];

/// A source that both have, and its fields.
const SOURCES: &[(&str, &[&str])] = &[
    (
        "githubIssues",
        &[
            "repo",
            "labels",
            "excludeLabels",
            "state",
            "types",
            "priorityLabels",
            "assignee",
            "author",
            "excludeAuthors",
            "triggerComment",
            "excludeComments",
            "commentPolicy",
            "reporting",
        ],
    ),
    (
        "githubPullRequests",
        &[
            "repo",
            "labels",
            "excludeLabels",
            "state",
            "reviewState",
            "draft",
            "author",
            "excludeAuthors",
            "filePatterns",
            "priorityLabels",
            "triggerComment",
            "excludeComments",
            "commentPolicy",
            "reporting",
        ],
    ),
    ("cron", &["schedule", "timeZone"]),
    (
        "githubWebhook",
        &["events", "repository", "excludeAuthors", "filters", "reporting"],
    ),
    (
        "webhook",
        &["source", "fieldMapping", "filters", "excludeFilters"],
    ),
];

/// A source that only Kelos has, and what to do instead.
const LOST: &[(&str, &str)] = &[
    (
        "jira",
        "there is no source for Jira; let an automation rule of Jira send signed requests, and take them with the source webhook",
    ),
    (
        "linearWebhook",
        "there is no source for Linear, which signs otherwise; let a relay sign its events anew, and take them with the source webhook",
    ),
    (
        "slack",
        "there is no source for Slack; let a workflow of Slack send signed requests, and take them with the source webhook",
    ),
];

/// A field of the payload as Go's types spell it.
static GO_SPELLING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\.Payload((?:\.[A-Za-z0-9_]+)*\.[A-Z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)").ok()
});
/// What Kelos fetches for templates.
static CONTEXT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\.Context\b").ok());

/// The spec of the spawner; `None` when its source has no equivalent, and so neither has the spawner.
pub(super) fn spawner(mut spec: Fields, notes: &mut Notes) -> Option<Target> {
    let mut target = Target::default();
    let path = spec.path("when");
    if let Some(when) = spec.inner("when", notes) {
        target.put("when", source(when, notes).map(Value::from));
    }
    target.keep(&mut spec, SPAWNER_FIELDS);
    let interval = spec.text("pollInterval", notes);
    target.put("pollInterval", interval);
    if let Some(template) = spec.inner("taskTemplate", notes) {
        target.put("taskTemplate", Some(Value::from(task_template(template, notes))));
    }
    spec.finish(notes);
    if !target.has("when") {
        notes.lost(path, "a spawner without a source makes nothing; it is left out");
        return None;
    }
    Some(target)
}

/// The source, if both have it.
fn source(mut when: Fields, notes: &mut Notes) -> Option<Target> {
    for (name, instead) in LOST {
        if when.take(name).is_some() {
            notes.lost(when.path(name), *instead);
        }
    }
    let mut target = Target::default();
    let mut is_there = false;
    for (name, fields) in SOURCES {
        let Some(mut from) = when.inner(name, notes) else {
            continue;
        };
        is_there = true;
        let mut to = Target::default();
        to.keep(&mut from, fields);
        let interval = from.text("pollInterval", notes);
        to.put("pollInterval", interval);
        tell(name, &from, &to, notes);
        from.finish(notes);
        target.set(name, to);
    }
    when.finish(notes);
    is_there.then_some(target)
}

/// Tells what a source does otherwise, and what has to be done for it.
fn tell(name: &str, from: &Fields, to: &Target, notes: &mut Notes) {
    match name {
        "cron" => notes.changed(
            from.path("schedule"),
            "of ticks that were missed only the latest becomes a Task; missedTicks: All makes one of each",
        ),
        "githubWebhook" => notes.hand_work(
            from.path("events"),
            "let GitHub send its events to /webhook/github of Axon's operator, with the secret that secretRef names or the operator has",
        ),
        "webhook" => notes.hand_work(
            from.path("source"),
            "requests have to be signed: their sender needs the secret that secretRef names or the operator has",
        ),
        _ => {}
    }
    let checks = to.get("reporting").and_then(|reporting| reporting.get("checks"));
    if checks.is_some_and(|checks| checks.get("name").is_none()) {
        notes.changed(
            from.path("reporting.checks"),
            "the check run is called `Axon: ` and the spawner's name; set name if a branch protection knows the earlier one",
        );
    }
}

fn task_template(mut template: Fields, notes: &mut Notes) -> Target {
    let mut target = Target::default();
    target.keep(&mut template, TEMPLATE_FIELDS);
    run_fields(&mut target, &mut template, notes);
    if template.take("contextSources").is_some() {
        notes.lost(
            template.path("contextSources"),
            "nothing is fetched for templates: let the Workspace's setupCommand fetch it, or give the agent an MCP server in its AgentConfig",
        );
    }
    if !target.has("promptTemplate") {
        notes.changed(
            template.path("promptTemplate"),
            "without it the prompt is kind, number, title, body and comments of the item",
        );
    }
    for field in ["promptTemplate", "nameTemplate", "branch"] {
        if let Some(Value::String(text)) = target.get(field) {
            check_template(&template.path(field), text, notes);
        }
    }
    for kind in ["labels", "annotations"] {
        let metadata = target.get("metadata").and_then(|metadata| metadata.get(kind));
        for (key, value) in metadata.and_then(Value::as_object).into_iter().flatten() {
            let path = template.path(&format!("metadata.{kind}[{key}]"));
            check_template(&path, value.as_str().unwrap_or_default(), notes);
        }
    }
    template.finish(notes);
    target
}

/// Tells of what a template uses that is spelled otherwise here, or is not there.
fn check_template(path: &str, text: &str, notes: &mut Notes) {
    let uses = GO_SPELLING
        .iter()
        .flat_map(|spelling| spelling.captures_iter(text));
    for found in uses {
        let fields = found.get(1).map_or("", |fields| fields.as_str());
        notes.hand_work(
            path,
            format!(
                "`.Payload{fields}` is spelled as Go's types are: the payload has GitHub's own names, as in `.Payload{}`",
                own_names(fields)
            ),
        );
    }
    if CONTEXT.iter().any(|context| context.is_match(text)) {
        notes.hand_work(
            path,
            "the template uses .Context, which is not there: take it out",
        );
    }
    if let Err(error) = axon_plan::template::parse(text) {
        notes.hand_work(path, format!("the template cannot be read: {error}"));
    }
}

/// Names of Go's types as GitHub's JSON most likely has them.
fn own_names(fields: &str) -> String {
    let names = fields.split('.').map(|name| match name {
        "Repo" => "repository".to_owned(),
        "Org" => "organization".to_owned(),
        _ => snake_case(name),
    });
    names.collect::<Vec<_>>().join(".")
}

fn snake_case(name: &str) -> String {
    let name = name.replace("HTMLURL", "HtmlUrl");
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let follows_small = before.is_some_and(|before| !before.is_ascii_uppercase());
        let before_small = letters.get(at + 1).is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && at > 0 && (follows_small || before_small) {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_go_become_those_of_github() {
        for (go, github) in [
            (".Issue.User.Login", ".issue.user.login"),
            (".PullRequest.HTMLURL", ".pull_request.html_url"),
            (".Repo.FullName", ".repository.full_name"),
            (".PullRequest.Head.SHA", ".pull_request.head.sha"),
            (".CheckRun.ID", ".check_run.id"),
            (".Comment.NodeID", ".comment.node_id"),
            (".issue.title", ".issue.title"),
        ] {
            assert_eq!(own_names(go), github);
        }
    }
}
