//! Whether a replica of the operator works.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, ResourceExt as _};

use super::report::Check;
use super::{Place, flag};
use crate::failure::Failure;
use crate::install::LEASE;

/// A holder renews its Lease every two seconds. This is long enough to see that, whatever the clocks
/// of the machines say.
const RENEWAL: Duration = Duration::from_secs(5);

/// How a Lease is.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Held(String),
    Free,
    /// By this machine's clock, nobody has renewed it in time.
    Stale(String),
}

pub(super) async fn check(place: &Place<'_>, deployment: &Deployment) -> Check {
    let flags = |name: &str| flag(deployment, name).into_iter().next();
    let name = flags("lease-name").unwrap_or_else(|| LEASE.to_owned());
    let namespace = flags("lease-namespace").unwrap_or_else(|| place.operators.to_owned());
    let api: Api<Lease> = Api::namespaced(place.client.clone(), &namespace);
    let action = format!("get lease `{name}` in namespace `{namespace}`");
    let log = format!(
        "`kubectl logs deployment/{} -n {}` shows its log",
        deployment.name_any(),
        place.operators
    );
    let look = async || {
        api.get_opt(&name)
            .await
            .map_err(|error| Failure::api(&action, &error))
    };
    let lease = match look().await {
        Ok(Some(lease)) => lease,
        Ok(None) if is_without_election(deployment) => {
            return Check::ok("lease", "the operator runs without leader election");
        }
        Ok(None) => {
            return Check::fail(
                "lease",
                format!("there is no lease `{name}`: no operator works yet"),
            )
            .hint(log);
        }
        Err(failure) => return Check::unseen("lease", &failure),
    };
    match state(&lease, Timestamp::now()) {
        State::Held(holder) => Check::ok("lease", format!("held by `{holder}`")),
        State::Free => {
            Check::fail("lease", format!("nobody holds lease `{name}`: no operator works")).hint(log)
        }
        State::Stale(holder) => {
            tokio::time::sleep(RENEWAL).await;
            match look().await {
                Ok(Some(again)) if again.resource_version() != lease.resource_version() => Check::warn(
                    "lease",
                    format!("held by `{holder}`, but the clock of this machine is not the cluster's"),
                )
                .hint("set the clock"),
                Ok(_) => Check::fail(
                    "lease",
                    format!("`{holder}` does not renew lease `{name}`: no operator works"),
                )
                .hint(log),
                Err(failure) => Check::unseen("lease", &failure),
            }
        }
    }
}

fn is_without_election(deployment: &Deployment) -> bool {
    let text = serde_json::to_string(&deployment.spec).unwrap_or_default();
    text.contains("\"--no-leader-election\"")
}

fn state(lease: &Lease, now: Timestamp) -> State {
    let spec = lease.spec.clone().unwrap_or_default();
    let Some(holder) = spec.holder_identity.filter(|holder| !holder.is_empty()) else {
        return State::Free;
    };
    let valid = i64::from(spec.lease_duration_seconds.unwrap_or(15));
    let age = spec
        .renew_time
        .map(|renewed| now.as_second() - renewed.0.as_second());
    match age {
        Some(age) if age.abs() <= valid => State::Held(holder),
        _ => State::Stale(holder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lease_is_held_as_long_as_it_is_renewed() {
        let lease = |holder: &str| -> Lease {
            serde_json::from_value(json!({"metadata": {}, "spec": {
                "holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z",
            }}))
            .expect("a lease")
        };
        let at = |text: &str| -> Timestamp { text.parse().expect("a time") };
        let soon = at("2026-01-01T00:00:10Z");
        assert_eq!(state(&lease("a"), soon), State::Held("a".into()));
        assert_eq!(state(&lease(""), soon), State::Free);
        let late = at("2026-01-01T00:01:00Z");
        assert_eq!(state(&lease("a"), late), State::Stale("a".into()));
        assert_eq!(state(&Lease::default(), soon), State::Free);
    }
}
