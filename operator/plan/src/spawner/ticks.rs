//! Of cron: which ticks become Tasks, which do not, and what has to make way for them.

use std::collections::BTreeSet;

use axon_api::sources::cron::ConcurrencyPolicy;
use axon_api::sources::{Candidate, Cause};
use k8s_openapi::jiff::Timestamp;

use super::observed::{SpawnedTask, SpawnerObserved};
use super::places::Taken;
use super::recall::Recall;

/// What is decided about ticks.
#[derive(Debug, Default)]
pub(crate) struct Ticks<'a> {
    /// The tick up to which all are decided upon; `None` leaves it as it is.
    pub(crate) last: Option<Timestamp>,
    /// Ticks that are now known to become no Task.
    pub(crate) missed: u64,
    /// Keys of the ticks that are not to become Tasks in this round.
    pub(crate) held: BTreeSet<&'a str>,
    /// Tasks that are to be cancelled.
    pub(crate) cancelled: Vec<&'a SpawnedTask>,
}

/// Decides about the ticks among the candidates.
pub(crate) fn decide<'a>(
    observed: &'a SpawnerObserved<'_>,
    recall: &Recall<'_, '_>,
    taken: &Taken,
) -> Ticks<'a> {
    let Some(cron) = &observed.spawner.spec.when.cron else {
        return Ticks::default();
    };
    let status = observed.spawner.status.as_ref();
    let last = status.and_then(|status| status.last_schedule_time.as_ref().map(|time| time.0));
    let is_new = |moment: Timestamp| last.is_none_or(|last| moment > last);
    let candidates = observed.source.candidates.iter();
    let (mut due, past): (Vec<&Candidate>, Vec<&Candidate>) = candidates
        .filter(|candidate| candidate.cause == Cause::Event)
        .partition(|candidate| is_new(candidate.created));
    due.sort_by_key(|candidate| (candidate.created, &candidate.key));
    let mut ticks = Ticks {
        held: past.iter().map(|candidate| candidate.key.as_str()).collect(),
        ..Ticks::default()
    };
    let is_over = |candidate: &Candidate| {
        recall.get(&candidate.key).is_some() || observed.refused.contains_key(&candidate.key)
    };
    let missed = match cron.concurrency_policy.unwrap_or_default() {
        ConcurrencyPolicy::Allow => BTreeSet::new(),
        ConcurrencyPolicy::Forbid => forbid(observed, recall, taken, &due, &mut ticks, is_over),
        ConcurrencyPolicy::Replace => replace(observed, recall, &due, &mut ticks, is_over),
    };
    for candidate in &due {
        let key = candidate.key.as_str();
        if !is_over(candidate) && !missed.contains(key) {
            break;
        }
        ticks.missed += u64::from(recall.get(key).is_none());
        ticks.last = Some(candidate.created);
    }
    if due.is_empty() {
        ticks.last = observed.source.ticks.passed.filter(|passed| is_new(*passed));
    }
    // The ticks that were missed before the first candidate are behind once that is.
    if ticks.last.is_some() {
        ticks.missed = ticks.missed.saturating_add(observed.source.ticks.missed);
    }
    ticks
}

/// A tick is missed while an earlier one's Task has not ended. Returns the keys of such ticks.
fn forbid<'a>(
    observed: &'a SpawnerObserved<'_>,
    recall: &Recall<'_, '_>,
    taken: &Taken,
    due: &[&'a Candidate],
    ticks: &mut Ticks<'a>,
    is_over: impl Fn(&Candidate) -> bool,
) -> BTreeSet<&'a str> {
    let others = |key: &str| {
        let tasks = observed.tasks.iter();
        tasks
            .filter(|task| !task.is_finished() && !recall.is_duplicate(task))
            .any(|task| task.item.as_deref() != Some(key))
    };
    let mut missed = BTreeSet::new();
    let mut begun = false;
    for candidate in due.iter().filter(|candidate| !is_over(candidate)) {
        let key = candidate.key.as_str();
        if begun {
            // It is decided upon once what comes before it is there.
            ticks.held.insert(key);
        } else if others(key) {
            missed.insert(key);
            ticks.held.insert(key);
        } else {
            // Whether a Task that is not in view has ended has to be asked first.
            if !taken.missing.is_empty() {
                ticks.held.insert(key);
            }
            begun = true;
        }
    }
    missed
}

/// Only the latest tick becomes a Task, and those of earlier ones are cancelled for it. Returns the
/// keys of the others.
fn replace<'a>(
    observed: &'a SpawnerObserved<'_>,
    recall: &Recall<'_, '_>,
    due: &[&'a Candidate],
    ticks: &mut Ticks<'a>,
    is_over: impl Fn(&Candidate) -> bool,
) -> BTreeSet<&'a str> {
    let open = due.iter().filter(|candidate| !is_over(candidate));
    let mut open: Vec<&str> = open.map(|candidate| candidate.key.as_str()).collect();
    let Some(latest) = open.pop() else {
        return BTreeSet::new();
    };
    ticks.held.extend(&open);
    ticks.cancelled = observed
        .tasks
        .iter()
        .filter(|task| !task.is_finished() && !recall.is_duplicate(task))
        .filter(|task| task.trigger.as_deref() == Some("event"))
        .filter(|task| task.item.as_deref().is_some_and(|item| item != latest))
        .collect();
    open.into_iter().collect()
}
