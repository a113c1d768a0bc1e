//! The order of questions.

use crate::attempt;
use crate::draft::Draft;
use crate::leftovers;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::start;

/// Decides what to do next for the observed Task.
pub(crate) fn decide(observed: &Observed<'_>) -> Plan {
    let task = observed.task;
    let status = task.status.clone().unwrap_or_default();
    let untouched = |why: &str| Plan {
        status: status.clone(),
        why: why.to_owned(),
        ..Plan::default()
    };
    if task.metadata.uid.is_none() || task.metadata.name.is_none() {
        return untouched("the Task is not on the server yet");
    }
    if task.metadata.deletion_timestamp.is_some() {
        return untouched("the Task is being deleted, and with it all that it owns");
    }
    if task.is_finished() {
        return leftovers::plan(observed, &status);
    }
    let draft = Draft::new(observed);
    match status.attempts.filter(|attempts| *attempts > 0) {
        None => start::begin(draft, 1),
        Some(number) => attempt::follow(draft, number),
    }
}
