//! What GitHub sent while nobody took it, found again in what its hooks say that they delivered
//! (<https://docs.github.com/en/rest/repos/webhooks#list-deliveries-for-a-repository-webhook>).
//! Decisions alone: whoever asks GitHub brings what it answered.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// How far back is looked: GitHub sends again only what is younger than three days.
pub const REACH: SignedDuration = SignedDuration::from_hours(72);
/// How young a delivery may be that is left alone: its sender may still be waiting for the answer.
const SETTLING: SignedDuration = SignedDuration::from_mins(1);
/// How often one delivery is sent at most, the first time included. One that is refused for good is
/// not sent for ever.
const MOST_ATTEMPTS: usize = 4;
/// What the path of the address ends with.
const PATH: &str = "/webhook/github";

/// One try of GitHub to deliver something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// GitHub's number of the try.
    pub id: u64,
    /// What the receiver knows the delivery by, the same for each try.
    pub guid: String,
    pub at: Timestamp,
    /// HTTP status of the answer; 0 when there was none.
    pub status: u16,
}

/// Whether a hook sends to us: to `own`, or, when we do not know our own URL, to any with our path.
pub fn is_ours(hook: &str, own: Option<&str>) -> bool {
    let trim = |url: &str| url.trim_end_matches('/').to_ascii_lowercase();
    match own {
        Some(own) => trim(hook) == trim(own),
        None => trim(hook).ends_with(PATH),
    }
}

/// The tries that GitHub is to repeat: the newest of each delivery that nobody took since `since`,
/// the oldest first.
pub fn to_repeat(attempts: &[Attempt], since: Timestamp, now: Timestamp) -> Vec<u64> {
    let mut by_delivery = BTreeMap::<&str, Vec<&Attempt>>::new();
    let horizon = since.max(now - REACH);
    for attempt in attempts.iter().filter(|attempt| attempt.at >= horizon) {
        by_delivery.entry(&attempt.guid).or_default().push(attempt);
    }
    let lost = by_delivery.into_values().filter_map(|tries| {
        let newest = tries.iter().max_by_key(|attempt| (attempt.at, attempt.id))?;
        let is_young = newest.at > now - SETTLING;
        let was_taken = tries.iter().any(|attempt| is_success(attempt.status));
        let is_hopeless = tries.len() >= MOST_ATTEMPTS || was_refused(newest.status);
        (!is_young && !was_taken && !is_hopeless).then_some((newest.at, newest.id))
    });
    let lost: BTreeSet<_> = lost.collect();
    lost.into_iter().map(|(_, id)| id).collect()
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Whether we answered, and would answer the same again. A signature may be right once the key is
/// there.
fn was_refused(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 413 | 415 | 422)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-02-07T12:00:00Z";

    fn at(time: &str) -> Timestamp {
        format!("2026-02-07T{time}:00Z").parse().expect("a time")
    }

    fn attempt(id: u64, guid: &str, time: &str, status: u16) -> Attempt {
        Attempt {
            id,
            guid: guid.to_owned(),
            at: at(time),
            status,
        }
    }

    fn repeated(attempts: &[Attempt]) -> Vec<u64> {
        to_repeat(attempts, at("09:00"), NOW.parse().expect("a time"))
    }

    #[test]
    fn what_nobody_took_is_repeated_the_oldest_first() {
        let attempts = [
            attempt(4, "d", "11:00", 503),
            attempt(3, "c", "10:30", 202),
            attempt(2, "b", "10:00", 0),
            attempt(1, "a", "08:59", 502),
        ];
        assert_eq!(repeated(&attempts), [2, 4]);
    }

    #[test]
    fn what_a_later_try_delivered_is_not_repeated() {
        let attempts = [attempt(2, "a", "10:05", 200), attempt(1, "a", "10:00", 503)];
        assert!(repeated(&attempts).is_empty());
        let out_of_order = [attempt(2, "a", "10:05", 503), attempt(1, "a", "10:00", 202)];
        assert!(repeated(&out_of_order).is_empty());
    }

    #[test]
    fn the_newest_try_is_repeated_and_not_for_ever() {
        let mut attempts = vec![attempt(1, "a", "10:00", 503), attempt(2, "a", "10:05", 0)];
        assert_eq!(repeated(&attempts), [2]);
        attempts.push(attempt(3, "a", "10:10", 503));
        attempts.push(attempt(4, "a", "10:15", 503));
        assert!(repeated(&attempts).is_empty());
    }

    #[test]
    fn what_was_refused_for_good_is_not_repeated_and_a_wrong_key_is_not_for_good() {
        for (status, is_repeated) in [(400, false), (413, false), (422, false), (401, true), (0, true)] {
            let attempts = [attempt(1, "a", "10:00", status)];
            assert_eq!(!repeated(&attempts).is_empty(), is_repeated, "{status}");
        }
    }

    #[test]
    fn what_is_just_being_delivered_is_left_alone() {
        let now: Timestamp = NOW.parse().expect("a time");
        let attempts = [Attempt {
            at: now - SignedDuration::from_secs(5),
            ..attempt(1, "a", "10:00", 0)
        }];
        assert!(repeated(&attempts).is_empty());
    }

    #[test]
    fn a_hook_is_ours_by_its_url() {
        let url = "https://axon.example.com/webhook/github";
        assert!(is_ours(url, None));
        assert!(is_ours(&format!("{url}/"), Some(url)));
        assert!(!is_ours("https://ci.example.com/hook", None));
        assert!(!is_ours("https://other.example.com/webhook/github", Some(url)));
    }
}
