//! The runs that the status tells of.

use axon_api::kinds::task_pipeline::{StepResult, StepRun};

/// Bytes that all runs together may have as JSON.
const RUNS_BYTES: usize = 10 * 1024;

/// Drops the oldest runs until the others fit. Never dropped are the last run of each step, whose
/// results the next steps may use, and the one before the last, which is why the last was begun.
pub(crate) fn trim(runs: &mut Vec<StepRun>) {
    let mut sizes: Vec<usize> = runs.iter().map(size).collect();
    while sizes.iter().sum::<usize>() > RUNS_BYTES {
        let Some(index) = (0..runs.len()).find(|index| is_dispensable(runs, *index)) else {
            return;
        };
        runs.remove(index);
        sizes.remove(index);
    }
}

fn is_dispensable(runs: &[StepRun], index: usize) -> bool {
    let Some(run) = runs.get(index) else { return false };
    let later = || runs.iter().skip(index + 1);
    later().count() >= 2 && later().any(|other| other.step == run.step)
}

fn size(run: &StepRun) -> usize {
    serde_json::to_vec(run).map_or(0, |json| json.len() + 1)
}

/// The last run of each step, and the one before the last run of all.
pub(crate) fn of_interest(runs: &[StepRun]) -> Vec<&str> {
    let count = runs.len();
    let is_last =
        |index: usize, run: &StepRun| !runs.iter().skip(index + 1).any(|other| other.step == run.step);
    runs.iter()
        .enumerate()
        .filter(|(index, run)| index + 2 == count || is_last(*index, run))
        .map(|(_, run)| run.task.as_str())
        .collect()
}

/// The last run that this step passed in, or else failed in.
pub(crate) fn last_of<'a>(runs: &'a [StepRun], step: &str) -> Option<&'a StepRun> {
    runs.iter()
        .rev()
        .find(|run| run.step == step && run.result.is_some())
}

/// The run before the last one, when that one was begun because this one had failed.
pub(crate) fn failure_before_last(runs: &[StepRun]) -> Option<&StepRun> {
    before_last(runs).filter(|run| run.result == Some(StepResult::Failed))
}

/// The run before the last one.
pub(crate) fn before_last(runs: &[StepRun]) -> Option<&StepRun> {
    runs.len().checked_sub(2).and_then(|index| runs.get(index))
}
