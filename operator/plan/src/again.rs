//! Whether another attempt follows one that failed.

use axon_api::Phase;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::bounded;
use crate::conditions::{self, Verdict};
use crate::draft::{Draft, whole_seconds};
use crate::ending::Ending;
use crate::plan::Plan;
use crate::progress::{Cause, Retry};
use crate::retry;
use crate::start;

/// The attempt failed, and another one follows.
pub(crate) const RETRY_BACKOFF: &str = "RetryBackoff";

/// Starts the next attempt after a run that failed, if the Task asks for that.
pub(crate) fn after_run(mut draft: Draft<'_, '_>, number: i32, ending: &Ending) -> Plan {
    let task = draft.observed.task;
    let runs = retry::runs(task);
    if number >= runs || !retry::is_worth_another_run(ending) {
        return draft.end(ending, "the agent has ended");
    }
    if draft.is_cancelled() {
        let message = format!("the Task was cancelled after attempt {number} of {runs} had failed");
        let ending = Ending {
            phase: Phase::Cancelled,
            cause: Cause::new("Cancelled", message),
            ..ending.clone()
        };
        return draft.end(&ending, "cancelled between two attempts");
    }
    let ended = ending
        .finished
        .or(draft.status.start_time.as_ref().map(|time| time.0));
    let Some(due) = retry::next_start(number, whole_seconds(ended.unwrap_or(Timestamp::UNIX_EPOCH))) else {
        return draft.end(ending, "the agent has ended");
    };
    if due <= draft.now {
        return start::begin(draft, number.saturating_add(1));
    }
    if let Some(started) = ending.started.filter(|started| started.as_second() > 0) {
        draft.status.start_time = Some(Time(whole_seconds(started)));
    }
    draft.set(conditions::STARTED, Verdict::True, "AgentStarted", "");
    back_off(
        draft,
        (number, runs),
        due,
        &ending.cause,
        "the run failed and is tried again",
    )
}

/// Tries again what failed before the agent started, if that can help and is not over.
pub(crate) fn before_start(
    draft: Draft<'_, '_>,
    number: i32,
    at: Timestamp,
    cause: &Cause,
    retry: Retry,
) -> Plan {
    let Cause { reason, message } = cause;
    if retry == Retry::Never {
        let ending = Ending::bare(Phase::Failed, cause.clone());
        return draft.end(&ending, "the agent was not started, and trying again cannot help");
    }
    let attempts = retry::attempts(draft.observed.task);
    let due = retry::next_start(number, whole_seconds(at)).filter(|_| number < attempts);
    let Some(due) = due else {
        let message = format!(
            "{}; this was attempt {number} of {attempts}",
            bounded::text(message, 900),
        );
        let ending = Ending::bare(Phase::Failed, Cause::new(reason.as_str(), message));
        return draft.end(&ending, "the agent was not started in any attempt");
    };
    if due <= draft.now {
        return start::begin(draft, number.saturating_add(1));
    }
    back_off(
        draft,
        (number, attempts),
        due,
        cause,
        "the attempt failed before the agent started",
    )
}

/// Waits for the moment in which the next attempt starts.
fn back_off(
    mut draft: Draft<'_, '_>,
    (number, attempts): (i32, i32),
    due: Timestamp,
    Cause { reason, message }: &Cause,
    why: &str,
) -> Plan {
    let message = format!(
        "attempt {number} of {attempts} failed: {reason}: {}; the next one starts at {due}",
        bounded::text(message, 800)
    );
    draft.enter(Phase::Pending, RETRY_BACKOFF, &message);
    draft.wake_at(due);
    draft.finish(why)
}
