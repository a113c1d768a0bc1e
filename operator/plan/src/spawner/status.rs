//! What the status says of what was seen and decided.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use axon_api::sources::Cause;
use axon_api::{SpawnerPhase, TaskSpawnerStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::check::Fault;
use super::conditions::{self, Conditions};
use super::observed::{SpawnerObserved, Trouble};
use super::places;
use super::ticks::Ticks;
use crate::bounded;
use crate::draft::whole_seconds;

/// How old `lastDiscoveryTime` gets when there is nothing else to write. A thousand spawners that are
/// polled each minute and find nothing write twice a second instead of seventeen times.
const DISCOVERY_STALE: SignedDuration = SignedDuration::from_mins(10);
/// Bytes of the message as JSON.
const MESSAGE_BYTES: usize = 512;
/// Bytes that are told of why an item was refused.
const REFUSAL_BYTES: usize = 200;

/// All that the status is made of.
pub(crate) struct Facts<'a, 'o> {
    pub(crate) observed: &'a SpawnerObserved<'o>,
    pub(crate) supported: Result<(), Fault>,
    /// What keeps every item from becoming a Task.
    pub(crate) fault: Option<Fault>,
    pub(crate) places: Vec<String>,
    /// Tasks that were ever given a place.
    pub(crate) total: i64,
    /// Items that are due and do not become Tasks in this round.
    pub(crate) waiting: usize,
    /// Items that become Tasks in this round.
    pub(crate) spawned: usize,
    pub(crate) ticks: &'a Ticks<'a>,
}

/// The status as it is to be.
pub(crate) fn status(facts: &Facts<'_, '_>) -> TaskSpawnerStatus {
    let observed = facts.observed;
    let spawner = observed.spawner;
    let before = spawner.status.clone().unwrap_or_default();
    let mut status = before.clone();
    status.observed_generation = spawner.metadata.generation;
    status.source = spawner.spec.when.source().map(str::to_owned);
    status.places.clone_from(&facts.places);
    status.total_tasks_created = Some(facts.total);
    status.active_tasks = Some(count(
        observed.tasks.iter().filter(|task| !task.is_finished()).count(),
    ));
    status.waiting_items = Some(count(facts.waiting));
    if let Some(last) = facts.ticks.last {
        status.last_schedule_time = Some(Time(whole_seconds(last)));
    }
    if facts.ticks.missed > 0 {
        let missed = i64::try_from(facts.ticks.missed).unwrap_or(i64::MAX);
        status.missed_ticks = Some(status.missed_ticks.unwrap_or_default().saturating_add(missed));
    }
    status.next_schedule_time = observed
        .source
        .ticks
        .next
        .filter(|_| !spawner.is_suspended())
        .map(|next| Time(whole_seconds(next)));
    status.total_discovered = Some(discovered(facts, &status));
    conditions(facts, &mut status);
    status.phase = Some(phase(facts));
    status.message = Some(bounded::line(&message(facts, &status), MESSAGE_BYTES));
    status.last_discovery_time = heard(observed, &before, &status);
    status
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Items that match now; of what happens once, all that has happened, which never gets less.
fn discovered(facts: &Facts<'_, '_>, status: &TaskSpawnerStatus) -> i64 {
    let source = &facts.observed.source;
    let before = status.total_discovered.unwrap_or_default();
    let when = &facts.observed.spawner.spec.when;
    if when.github_issues.is_none() && when.github_pull_requests.is_none() {
        let lost = status.missed_ticks.unwrap_or_default();
        let open = count(facts.waiting + facts.spawned);
        return before.max(facts.total.saturating_add(open).saturating_add(lost));
    }
    if source.heard.is_none() || is_suspended(facts) {
        return before;
    }
    let candidates = source.candidates.iter();
    let matching: BTreeSet<&str> = candidates
        .filter(|candidate| !matches!(candidate.cause, Cause::Manual { .. }))
        .map(|candidate| candidate.key.as_str())
        .collect();
    count(matching.len())
}

fn is_suspended(facts: &Facts<'_, '_>) -> bool {
    facts.observed.spawner.is_suspended()
}

/// What is wrong with the source and lasts.
fn trouble<'a>(facts: &'a Facts<'_, '_>) -> Option<&'a Trouble> {
    let trouble = facts.observed.source.trouble.as_ref();
    trouble.filter(|trouble| !trouble.passes)
}

fn conditions(facts: &Facts<'_, '_>, status: &mut TaskSpawnerStatus) {
    let observed = facts.observed;
    let source = &observed.source;
    let mut conditions = Conditions {
        list: std::mem::take(&mut status.conditions),
        now: whole_seconds(observed.now),
        generation: observed.spawner.metadata.generation,
    };
    match &facts.supported {
        Ok(()) => conditions.set(conditions::SUPPORTED, "True", "Supported", ""),
        Err(fault) => conditions.set(conditions::SUPPORTED, "False", fault.reason, &fault.message),
    }
    match (&facts.fault, trouble(facts)) {
        (Some(fault), _) => conditions.set(conditions::READY, "False", fault.reason, &fault.message),
        (None, Some(trouble)) => {
            conditions.set(conditions::READY, "False", trouble.reason, &trouble.message);
        }
        (None, None) if source.heard.is_some() => {
            conditions.set(conditions::READY, "True", "SourceHeard", "");
        }
        // A source that is not asked is as it was when it was asked last.
        (None, None) if is_suspended(facts) => {}
        (None, None) => conditions.set(
            conditions::READY,
            "False",
            "NotHeardYet",
            "the source has not been heard from yet",
        ),
    }
    let limited = source.trouble.as_ref().filter(|trouble| trouble.passes);
    conditions.set_if_ever(
        conditions::RATE_LIMITED,
        limited.is_some(),
        limited.map_or("NotLimited", |trouble| trouble.reason),
        limited.map_or("", |trouble| trouble.message.as_str()),
    );
    conditions.set_if_ever(
        conditions::SUSPENDED,
        is_suspended(facts),
        if is_suspended(facts) {
            "Suspended"
        } else {
            "Resumed"
        },
        "`spec.suspend` is true, so no new Tasks are made",
    );
    let left = places::left_of_total(observed.spawner, facts.total);
    let is_reached = left == Some(0);
    conditions.set_if_ever(
        conditions::MAX_TOTAL,
        is_reached,
        if is_reached { "LimitReached" } else { "BelowLimit" },
        "as many Tasks were made as `spec.maxTotalTasks` allows",
    );
    match &source.down_proof {
        Some((true, how)) => conditions.set(conditions::DOWN_PROOF, "True", "FoundAgain", how),
        Some((false, why)) => conditions.set(conditions::DOWN_PROOF, "False", "NotFoundAgain", why),
        None => conditions.remove(conditions::DOWN_PROOF),
    }
    status.conditions = conditions.list;
}

fn phase(facts: &Facts<'_, '_>) -> SpawnerPhase {
    if facts.supported.is_err() || facts.fault.is_some() || trouble(facts).is_some() {
        SpawnerPhase::Failed
    } else if is_suspended(facts) {
        SpawnerPhase::Suspended
    } else if facts.observed.source.heard.is_none() {
        SpawnerPhase::Pending
    } else {
        SpawnerPhase::Running
    }
}

fn message(facts: &Facts<'_, '_>, status: &TaskSpawnerStatus) -> String {
    if let Err(fault) = &facts.supported {
        return fault.message.clone();
    }
    if let Some(fault) = &facts.fault {
        return fault.message.clone();
    }
    if let Some(trouble) = trouble(facts) {
        return trouble.message.clone();
    }
    if is_suspended(facts) {
        return "suspended: no new tasks are made".to_owned();
    }
    if facts.observed.source.heard.is_none() {
        return "the source has not been heard from yet".to_owned();
    }
    let mut message = format!(
        "discovered {}, created {}",
        counted(status.total_discovered.unwrap_or_default(), "item"),
        counted(facts.total, "task"),
    );
    let is_reached = places::left_of_total(facts.observed.spawner, facts.total) == Some(0);
    if facts.waiting > 0 && is_reached {
        let _ = write!(message, ", {} over the limit of maxTotalTasks", facts.waiting);
    } else if facts.waiting > 0 {
        let verb = if facts.waiting == 1 { "waits" } else { "wait" };
        let _ = write!(message, ", {} {verb} for a free place", facts.waiting);
    }
    if let Some((key, why)) = facts.observed.refused.iter().next() {
        let others = facts.observed.refused.len();
        let why = bounded::line(why, REFUSAL_BYTES);
        let _ = write!(
            message,
            "; {} cannot become a task, such as `{key}`: {why}",
            counted(count(others), "item")
        );
    }
    message
}

fn counted(number: i64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// The moment of the last discovery goes with any other change, and alone only when it is old.
fn heard(
    observed: &SpawnerObserved<'_>,
    before: &TaskSpawnerStatus,
    after: &TaskSpawnerStatus,
) -> Option<Time> {
    let known = before.last_discovery_time.clone();
    let Some(heard) = observed.source.heard.map(whole_seconds) else {
        return known;
    };
    let is_stale = |known: Timestamp| heard.duration_since(known) >= DISCOVERY_STALE;
    let is_worth_it = known.as_ref().is_none_or(|known| is_stale(known.0));
    let is_newer = known.as_ref().is_none_or(|known| heard > known.0);
    if is_newer && (is_worth_it || before != after) {
        return Some(Time(heard));
    }
    known
}
