//! Which items are due, and in which order.

use std::collections::BTreeSet;

use axon_api::names;
use axon_api::sources::{Candidate, Cause, When};
use k8s_openapi::jiff::Timestamp;

use super::observed::SpawnerObserved;
use super::plan::Spawn;
use super::recall::Recall;
use super::trigger::Trigger;

/// The items that are due.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// In the order in which they are to become Tasks.
    pub(crate) spawns: Vec<Spawn>,
    /// Places of Tasks of which it has to be known whether they have ended.
    pub(crate) missing: Vec<String>,
    /// Whether there is an item that there is no room to remember.
    pub(crate) is_full: bool,
}

/// The items that are due, without those whose key is in `held`.
pub(crate) fn list(observed: &SpawnerObserved<'_>, recall: &Recall<'_, '_>, held: &BTreeSet<&str>) -> Due {
    let mut due = Due::default();
    let mut seen = BTreeSet::new();
    for candidate in in_order(observed) {
        let key = candidate.key.as_str();
        if held.contains(key) || observed.refused.contains_key(key) || recall.is_unreadable(key) {
            continue;
        }
        let entry = recall.get(key);
        let Some(trigger) = Trigger::of(&candidate.cause, entry) else {
            continue;
        };
        if !seen.insert(key) {
            continue;
        }
        match latest(observed, recall, key) {
            Latest::Ended => {}
            Latest::Unfinished => continue,
            Latest::Missing(place) => {
                due.missing.push(place);
                continue;
            }
        }
        if recall.is_full(key) {
            due.is_full = true;
            continue;
        }
        let run = entry.map_or(1, |entry| entry.run.saturating_add(1));
        due.spawns.push(Spawn {
            candidate: candidate.clone(),
            trigger: trigger.to_string(),
            run,
            suffix: if run > 1 { format!("-{run}") } else { String::new() },
        });
    }
    due
}

/// What is known of the latest Task of an item.
enum Latest {
    /// There is none, or it has ended.
    Ended,
    Unfinished,
    /// It is not in view; this is its place.
    Missing(String),
}

fn latest(observed: &SpawnerObserved<'_>, recall: &Recall<'_, '_>, key: &str) -> Latest {
    let entry = recall.get(key);
    let run = entry.map_or(0, |entry| entry.run);
    let of_item = || {
        let tasks = observed.tasks.iter();
        tasks.filter(|task| task.item.as_deref() == Some(key))
    };
    // One that was made and is not remembered yet is all that is wanted.
    if of_item().any(|task| task.run.unwrap_or(1) > run) {
        return Latest::Unfinished;
    }
    let Some(entry) = entry else {
        return Latest::Ended;
    };
    let place = names::place(&entry.task_uid);
    match of_item().find(|task| task.uid == entry.task_uid) {
        Some(task) if task.is_finished() => Latest::Ended,
        _ if observed.gone.contains(&place) => Latest::Ended,
        Some(_) => Latest::Unfinished,
        None => Latest::Missing(place),
    }
}

/// What people ask for goes first, then by priority, then the oldest.
fn in_order<'a>(observed: &'a SpawnerObserved<'_>) -> Vec<&'a Candidate> {
    let labels = priority_labels(&observed.spawner.spec.when);
    let rank = |candidate: &'a Candidate| -> (bool, usize, Timestamp, &'a str) {
        let priority = labels
            .iter()
            .position(|label| candidate.labels.contains(label))
            .unwrap_or(labels.len());
        let is_wish = matches!(candidate.cause, Cause::Manual { .. });
        (!is_wish, priority, candidate.created, &candidate.key)
    };
    let mut all: Vec<&Candidate> = observed.source.candidates.iter().collect();
    all.sort_by_key(|candidate| rank(candidate));
    all
}

/// The labels by which items are taken first, the most important first.
fn priority_labels(when: &When) -> &[String] {
    let issues = when.github_issues.as_ref().map(|source| &source.priority_labels);
    let pulls = when.github_pull_requests.as_ref();
    let pulls = pulls.map(|source| &source.priority_labels);
    let events = when.github_webhook.as_ref().map(|source| &source.priority_labels);
    issues.or(pulls).or(events).map_or(&[], Vec::as_slice)
}
