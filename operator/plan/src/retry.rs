//! Which failures are tried again, and when.
//!
//! What failed before the agent started is tried again at most three times; a run that failed, as
//! often as `spec.retry` says. All attempts count for both, so that no failure makes more runs than
//! were asked for.

use std::time::Duration;

use axon_api::outcome::Outcome;
use axon_api::{Phase, Task};
use k8s_openapi::jiff::Timestamp;

use crate::ending::Ending;

/// How long after each failed attempt the next one starts; the last of them for all that follow.
const BACKOFF: [Duration; 3] = [
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
];

/// How many attempts there are at most when none has started the agent.
const UNSTARTED: i32 = 4;

/// What trying again cannot help, in the runner's words: someone has to change a spec, a Secret, a
/// repository or an image. All else, such as a clone that failed, may be the network or the node.
const LASTING: &[&str] = &[
    "AgentConfigUnsupported",
    "AgentNotFound",
    "AgentTypeUnsupported",
    "AuthenticationFailed",
    "HostKeyChanged",
    "HostKeyUnknown",
    "InvalidBranch",
    "InvalidFile",
    "InvalidMcpServer",
    "InvalidRun",
    "LfsMissing",
    "RefNotFound",
    "RepositoryNotFound",
    "SkillNotFound",
];

/// Whether an outcome of the preparation tells of what trying again cannot help.
pub(crate) fn is_lasting(outcome: &Outcome) -> bool {
    LASTING.contains(&outcome.reason.as_str())
}

/// When the attempt after `attempt` starts, which failed at `failed`.
pub(crate) fn next_start(attempt: i32, failed: Timestamp) -> Option<Timestamp> {
    let index = usize::try_from(attempt).ok()?.checked_sub(1)?;
    let backoff = BACKOFF.get(index).or(BACKOFF.last())?;
    failed.checked_add(*backoff).ok()
}

/// How many attempts there are at most, when one failed before the agent started.
pub(crate) fn attempts(task: &Task) -> i32 {
    runs(task).max(UNSTARTED)
}

/// How many attempts there are at most, when one failed after the agent had started.
pub(crate) fn runs(task: &Task) -> i32 {
    let policy = task.spec.retry.as_ref();
    policy.map_or(1, |policy| policy.limit.clamp(0, 10) + 1)
}

/// Whether another run may end otherwise than this one: not when it was ended on purpose or for
/// what it used, and not when someone has to correct something first.
pub(crate) fn is_worth_another_run(ending: &Ending) -> bool {
    let is_lasting = ending.outcome.as_ref().is_some_and(is_lasting);
    ending.phase == Phase::Failed && ending.cause.reason != LIMIT_EXCEEDED && !is_lasting
}

/// The runner's word for a run that has used what it may.
const LIMIT_EXCEEDED: &str = "LimitExceeded";

#[cfg(test)]
mod tests {
    use axon_api::TaskSpec;
    use axon_api::kinds::task::RetryPolicy;

    use super::*;

    #[test]
    fn retries_follow_after_ten_seconds_a_minute_and_then_five_minutes_each() {
        let starts = [0, 1, 2, 3, 4, 10]
            .map(|attempt| next_start(attempt, Timestamp::UNIX_EPOCH).map(Timestamp::as_second));
        assert_eq!(
            starts,
            [None, Some(10), Some(60), Some(300), Some(300), Some(300)]
        );
    }

    #[test]
    fn a_run_is_tried_again_only_when_asked_for() {
        for (limit, runs_at_most, attempts_at_most) in
            [(None, 1, 4), (Some(1), 2, 4), (Some(3), 4, 4), (Some(10), 11, 11)]
        {
            let spec = TaskSpec {
                retry: limit.map(|limit| RetryPolicy { limit }),
                ..TaskSpec::default()
            };
            let task = Task::new("a", spec);
            assert_eq!((runs(&task), attempts(&task)), (runs_at_most, attempts_at_most));
        }
    }
}
