//! Who may take the Lease.
//!
//! Clocks of machines are not compared: a Lease has expired when this process has watched it for
//! its duration without seeing it change, by this process's own clock.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

/// The version of the Lease that was seen last, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    version: Option<String>,
    since: Instant,
}

/// What to do about the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// There is none.
    Create,
    /// It is free, has expired, or is ours.
    Take,
    /// Another replica holds it.
    Wait { holder: String },
}

/// Decides about the Lease as the server has it at `now`. `seen` is what was remembered of it, and
/// is brought up to date. A Lease without a duration of its own is valid for `duration`.
pub(super) fn decide(
    lease: Option<&Lease>,
    seen: &mut Option<Seen>,
    identity: &str,
    now: Instant,
    duration: Duration,
) -> Decision {
    let Some(lease) = lease else {
        *seen = None;
        return Decision::Create;
    };
    let version = &lease.metadata.resource_version;
    let since = match seen {
        Some(seen) if seen.version == *version => seen.since,
        _ => {
            *seen = Some(Seen {
                version: version.clone(),
                since: now,
            });
            now
        }
    };
    let spec = lease.spec.as_ref();
    let holder = spec
        .and_then(|spec| spec.holder_identity.as_deref())
        .unwrap_or_default();
    let valid = spec
        .and_then(|spec| spec.lease_duration_seconds)
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(duration, Duration::from_secs);
    if holder.is_empty() || holder == identity || now.duration_since(since) >= valid {
        return Decision::Take;
    }
    Decision::Wait {
        holder: holder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    const DURATION: Duration = Duration::from_secs(15);

    fn lease(holder: Option<&str>, version: &str) -> Lease {
        Lease {
            metadata: ObjectMeta {
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: holder.map(str::to_owned),
                // A clock that is decades behind must not matter.
                renew_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
                ..LeaseSpec::default()
            }),
        }
    }

    fn waits(holder: &str) -> Decision {
        Decision::Wait {
            holder: holder.to_owned(),
        }
    }

    /// What `us` decides about Leases seen at seconds from the start.
    fn decisions(sequence: &[(u64, Option<Lease>)]) -> Vec<Decision> {
        let start = Instant::now();
        let mut seen = None;
        sequence
            .iter()
            .map(|(second, lease)| {
                let now = start + Duration::from_secs(*second);
                decide(lease.as_ref(), &mut seen, "us", now, DURATION)
            })
            .collect()
    }

    #[test]
    fn a_lease_that_is_not_there_is_created() {
        assert_eq!(decisions(&[(0, None)]), [Decision::Create]);
    }

    #[test]
    fn a_free_lease_and_our_own_are_taken_at_once() {
        for holder in [None, Some(""), Some("us")] {
            assert_eq!(decisions(&[(0, Some(lease(holder, "1")))]), [Decision::Take]);
        }
    }

    #[test]
    fn a_lease_of_another_is_taken_only_after_it_was_seen_unchanged_for_its_duration() {
        let held = || Some(lease(Some("them"), "1"));
        assert_eq!(
            decisions(&[(0, held()), (14, held()), (15, held())]),
            [waits("them"), waits("them"), Decision::Take]
        );
    }

    #[test]
    fn every_renewal_starts_the_wait_anew() {
        let held = |version| Some(lease(Some("them"), version));
        assert_eq!(
            decisions(&[(0, held("1")), (14, held("2")), (28, held("2")), (29, held("2"))]),
            [waits("them"), waits("them"), waits("them"), Decision::Take]
        );
    }

    #[test]
    fn the_duration_that_the_holder_wrote_counts() {
        let held = || {
            let mut lease = lease(Some("them"), "1");
            if let Some(spec) = &mut lease.spec {
                spec.lease_duration_seconds = Some(60);
            }
            Some(lease)
        };
        assert_eq!(
            decisions(&[(0, held()), (59, held()), (60, held())]),
            [waits("them"), waits("them"), Decision::Take]
        );
    }
}
