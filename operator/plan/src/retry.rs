//! Which failures before the agent's start are tried again, and when.

use std::time::Duration;

use axon_api::outcome::Outcome;
use k8s_openapi::jiff::Timestamp;

/// How long after each failed attempt the next one starts; as many as there are retries.
const BACKOFF: [Duration; 3] = [
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
];

/// What trying again cannot help, in the runner's words: someone has to change a spec, a Secret, a
/// repository or an image. All else, such as a clone that failed, may be the network or the node.
const LASTING: &[&str] = &[
    "AgentTypeUnsupported",
    "AuthenticationFailed",
    "InvalidBranch",
    "InvalidFile",
    "InvalidRun",
    "RefNotFound",
    "RepositoryNotFound",
];

/// Whether an outcome of the preparation tells of what trying again cannot help.
pub(crate) fn is_lasting(outcome: &Outcome) -> bool {
    LASTING.contains(&outcome.reason.as_str())
}

/// When the attempt after `attempt` starts, which failed at `failed`; `None` when there is none.
pub(crate) fn next_start(attempt: i32, failed: Timestamp) -> Option<Timestamp> {
    let index = usize::try_from(attempt).ok()?.checked_sub(1)?;
    failed.checked_add(*BACKOFF.get(index)?).ok()
}

/// How many attempts there are at most.
pub(crate) fn attempts() -> usize {
    BACKOFF.len() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_retries_follow_after_ten_seconds_a_minute_and_five_minutes() {
        let starts = [0, 1, 2, 3, 4, 5]
            .map(|attempt| next_start(attempt, Timestamp::UNIX_EPOCH).map(Timestamp::as_second));
        assert_eq!(starts, [None, Some(10), Some(60), Some(300), None, None]);
    }
}
