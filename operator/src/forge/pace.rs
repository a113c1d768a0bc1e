//! When to ask next: by interval, budget and failures.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use axon_sources::github::client::{Budget, Wait};
use k8s_openapi::jiff::Timestamp;

use crate::key::Key;

/// The shortest time between two polls, whoever asks, unless the hub is told another.
pub(super) const FLOOR: Duration = Duration::from_secs(5);
/// What a person has to mend is looked at again after this long, unless the interval is longer.
const SLOW: Duration = Duration::from_mins(10);
/// The first wait after GitHub could not answer; doubled each time.
const FIRST_BACKOFF: Duration = Duration::from_secs(10);
/// The longest of these waits.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);
/// The longest wait that GitHub may ask for.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// Below one in so many of its limit, a budget is stretched over what is left of its period.
const LOW: u64 = 10;

/// How long to wait after a poll that went well. Each poller has a phase of its own within the
/// interval, so that those that began together part: the first interval is shorter for that.
pub(super) fn after_success(
    interval: Duration,
    phase: Duration,
    since_start: Duration,
    floor: Duration,
    budget: Option<Budget>,
    now: Timestamp,
) -> Duration {
    let interval = interval.max(floor).max(Duration::from_millis(1));
    let into = since_start.as_millis() % interval.as_millis();
    let phase = phase.as_millis() % interval.as_millis();
    let ahead = (phase + interval.as_millis() - into) % interval.as_millis();
    let ahead = Duration::from_millis(u64::try_from(ahead).unwrap_or(u64::MAX));
    // What is almost due is due an interval later.
    let wait = if ahead < floor { ahead + interval } else { ahead };
    wait.max(budget.map_or(Duration::ZERO, |budget| stretched(budget, now)))
}

/// How long to wait when a person has to mend something.
pub(super) fn after_refusal(interval: Duration) -> Duration {
    interval.max(SLOW)
}

/// How long to wait after a failure that passes, of so many in a row.
pub(super) fn after_trouble(failures: u32, wait: Option<Wait>, floor: Duration, now: Timestamp) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let backoff = FIRST_BACKOFF.saturating_mul(1 << doublings).min(LONGEST_BACKOFF);
    match wait {
        None => backoff,
        Some(Wait::For(wait)) => wait.min(LONGEST_WAIT).max(floor),
        // A second more, since the clocks may differ a little.
        Some(Wait::Until(reset)) => (until(reset, now) + Duration::from_secs(1))
            .min(LONGEST_WAIT)
            .max(floor),
    }
}

/// Where within its interval a poller polls.
pub(super) fn phase(poller: &Key) -> Duration {
    let mut hasher = DefaultHasher::new();
    poller.hash(&mut hasher);
    Duration::from_millis(hasher.finish() >> 16)
}

/// What is left of a budget that is low, spread over what is left of its period.
fn stretched(budget: Budget, now: Timestamp) -> Duration {
    if budget.remaining > budget.limit / LOW {
        return Duration::ZERO;
    }
    let left = until(budget.reset, now).min(LONGEST_WAIT);
    let polls = u32::try_from(budget.remaining).unwrap_or(u32::MAX);
    // Twice as slow as would do: others use the credential too.
    left.min(left.saturating_mul(2) / polls.max(1))
}

fn until(moment: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(moment.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn now() -> Timestamp {
        Timestamp::from_second(1_770_000_000).expect("a time")
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn budget(remaining: u64, ends_in: i64) -> Budget {
        Budget {
            limit: 5000,
            remaining,
            reset: Timestamp::from_second(1_770_000_000 + ends_in).expect("a time"),
        }
    }

    #[test]
    fn each_poller_comes_to_its_own_phase_and_then_keeps_the_interval() {
        for (phase, since_start, expected) in
            [(20, 0, 20), (20, 20, 60), (20, 80, 60), (50, 23, 27), (3, 0, 63)]
        {
            let wait = after_success(MINUTE, seconds(phase), seconds(since_start), FLOOR, None, now());
            assert_eq!(wait, seconds(expected), "phase {phase} at {since_start}");
        }
    }

    #[test]
    fn a_budget_that_is_low_slows_the_polls_down() {
        let wait = |budget| after_success(MINUTE, Duration::ZERO, Duration::ZERO, FLOOR, Some(budget), now());
        assert_eq!(wait(budget(4000, 600)), MINUTE);
        assert_eq!(wait(budget(10, 600)), seconds(120));
        assert_eq!(wait(budget(0, 600)), seconds(600));
        assert_eq!(wait(budget(0, -5)), MINUTE, "the next period has begun");
    }

    #[test]
    fn trouble_is_waited_for_ever_longer_or_as_long_as_is_asked_for() {
        let after = |failures, wait| after_trouble(failures, wait, FLOOR, now());
        assert_eq!(after(1, None), seconds(10));
        assert_eq!(after(3, None), seconds(40));
        assert_eq!(after(u32::MAX, None), seconds(300));
        assert_eq!(after(9, Some(Wait::For(seconds(7)))), seconds(7));
        assert_eq!(after(1, Some(Wait::For(seconds(0)))), FLOOR);
        assert_eq!(after(1, Some(Wait::For(seconds(1_000_000)))), seconds(3600));
        let reset = Timestamp::from_second(1_770_000_090).expect("a time");
        assert_eq!(after(1, Some(Wait::Until(reset))), seconds(91));
    }
}
