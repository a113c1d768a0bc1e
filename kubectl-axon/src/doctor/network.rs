//! Whether network policies are enforced, which only trying can tell: a pod whose policy lets
//! nothing out is asked to reach the API server, and one without a policy as the control.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::report::Check;
use super::{Place, Probe, flag};
use crate::failure::{Failure, Result};
use crate::install::VERSION;
use crate::install::deployment::trouble;
use crate::output;

/// How long the two pods may take together, with pulling their image.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// The label by which the policy selects its pod.
const LABEL: &str = "axon.io/probe";

/// A policy may hold only some moments after the pod has started, so it waits first.
const SCRIPT: &str = "sleep 5; for try in 1 2 3; do \
    timeout 3 bash -c '</dev/tcp/$KUBERNETES_SERVICE_HOST/$KUBERNETES_SERVICE_PORT' 2>/dev/null && exit 0; \
    sleep 1; done; exit 1";

pub(super) async fn check(place: &Place<'_>, deployment: Option<&Deployment>, probe: Probe) -> Check {
    if probe == Probe::Yes {
        return probed(place, deployment).await;
    }
    let policies: Api<NetworkPolicy> = Api::namespaced(place.client.clone(), place.current);
    let listed = policies
        .list_metadata(&ListParams::default())
        .await
        .map_err(|error| Failure::api("list networkpolicies", &error));
    match listed {
        Ok(list) if list.items.is_empty() => Check::ok(
            "network",
            format!("no network policy in namespace `{}`: agents reach what its pods reach", place.current),
        ),
        Ok(list) => Check::unknown(
            "network",
            format!(
                "{} network policies in namespace `{}`; whether the cluster enforces them is not known without trying",
                list.items.len(),
                place.current
            ),
        )
        .hint("--probe tries it with two short pods"),
        Err(failure) => Check::unseen("network", &failure),
    }
}

/// What the two pods have found; `None` for one that has not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reached {
    free: Option<bool>,
    restricted: Option<bool>,
}

async fn probed(place: &Place<'_>, deployment: Option<&Deployment>) -> Check {
    let image = deployment
        .and_then(|deployment| flag(deployment, "git-image").into_iter().next())
        .unwrap_or_else(|| format!("axon/git:{VERSION}"));
    output::note(format!(
        "runs two pods of `{image}` in namespace `{}`",
        place.current
    ));
    let names = Names::new();
    let outcome = tokio::select! {
        outcome = run(place, &names, &image) => outcome,
        _ = tokio::signal::ctrl_c() => Err(Failure::new("interrupted")),
    };
    // However it went, nothing stays.
    let pods: Api<Pod> = Api::namespaced(place.client.clone(), place.current);
    let policies: Api<NetworkPolicy> = Api::namespaced(place.client.clone(), place.current);
    let now = DeleteParams::default().grace_period(0);
    let _ = pods.delete(&names.free, &now).await;
    let _ = pods.delete(&names.restricted, &now).await;
    let _ = policies.delete(&names.restricted, &DeleteParams::default()).await;
    match outcome {
        Ok((reached, why)) => judge(reached, &why),
        Err(failure) => Check::unseen("network", &failure),
    }
}

fn judge(reached: Reached, why: &str) -> Check {
    match reached {
        Reached {
            free: Some(true),
            restricted: Some(false),
        } => Check::ok("network", "network policies are enforced"),
        Reached {
            free: Some(true),
            restricted: Some(true),
        } => Check::warn(
            "network",
            "network policies are not enforced: a pod whose policy lets nothing out has reached the API server",
        )
        .hint("use a network plugin that enforces them, such as Calico or Cilium"),
        Reached { free: Some(false), .. } => Check::unknown(
            "network",
            "the probe says nothing: a pod without a policy of ours did not reach the API server either",
        ),
        _ => Check::unknown("network", format!("the probe did not run: {why}"))
            .hint("it needs the image with git to be there, and bash in it"),
    }
}

struct Names {
    free: String,
    restricted: String,
}

impl Names {
    fn new() -> Self {
        let id = std::process::id();
        Self {
            free: format!("axon-probe-{id}-free"),
            restricted: format!("axon-probe-{id}-restricted"),
        }
    }
}

async fn run(place: &Place<'_>, names: &Names, image: &str) -> Result<(Reached, String)> {
    let pods: Api<Pod> = Api::namespaced(place.client.clone(), place.current);
    let policies: Api<NetworkPolicy> = Api::namespaced(place.client.clone(), place.current);
    let parameters = PostParams::default();
    policies
        .create(&parameters, &typed(policy(&names.restricted))?)
        .await
        .map_err(|error| Failure::api("create a network policy", &error))?;
    for name in [&names.free, &names.restricted] {
        pods.create(&parameters, &typed(pod(name, image))?)
            .await
            .map_err(|error| Failure::api(&format!("create pod `{name}`"), &error))?;
    }
    let ended = async {
        loop {
            let free = look(&pods, &names.free).await?;
            let restricted = look(&pods, &names.restricted).await?;
            let is_over = reached(&free).is_some() && reached(&restricted).is_some();
            if is_over || trouble(&free).is_some() {
                return Ok(outcome(&free, &restricted));
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap_or_else(|_| {
        Err(Failure::new(format!(
            "the pods of the probe have not ended after {} s",
            PATIENCE.as_secs()
        )))
    })
}

async fn look(pods: &Api<Pod>, name: &str) -> Result<Pod> {
    pods.get(name)
        .await
        .map_err(|error| Failure::api(&format!("get pod `{name}`"), &error))
}

fn outcome(free: &Pod, restricted: &Pod) -> (Reached, String) {
    let why = trouble(free).map_or_else(
        || format!("pod `{}` ended without having tried", free.name_any()),
        |(reason, message)| format!("{reason}: {message}"),
    );
    let reached = Reached {
        free: reached(free),
        restricted: reached(restricted),
    };
    (reached, why)
}

/// Whether the pod has reached the server; `None` as long as it runs, or when its program did not.
fn reached(pod: &Pod) -> Option<bool> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let ended = statuses.first()?.state.as_ref()?.terminated.as_ref()?;
    match ended.exit_code {
        0 => Some(true),
        1 => Some(false),
        _ => None,
    }
}

fn typed<K: serde::de::DeserializeOwned>(value: Value) -> Result<K> {
    serde_json::from_value(value).map_err(|error| Failure::new(format!("failed to write JSON: {error}")))
}

fn policy(name: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": {LABEL: name}}, "policyTypes": ["Egress"]},
    })
}

fn pod(name: &str, image: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {LABEL: name}},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": PATIENCE.as_secs(),
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 61100, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "probe",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["bash", "-c", SCRIPT],
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
                },
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
            }],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;

    #[test]
    fn only_a_control_that_gets_through_proves_anything() {
        for (free, restricted, verdict) in [
            (Some(true), Some(false), Verdict::Ok),
            (Some(true), Some(true), Verdict::Warn),
            (Some(false), Some(false), Verdict::Unknown),
            (None, None, Verdict::Unknown),
            (Some(true), None, Verdict::Unknown),
        ] {
            assert_eq!(
                judge(Reached { free, restricted }, "").verdict,
                verdict,
                "{free:?} {restricted:?}"
            );
        }
    }

    #[test]
    fn the_objects_of_the_probe_are_what_they_are_to_be() {
        assert!(typed::<Pod>(pod("p", "i")).is_ok());
        let policy: NetworkPolicy = typed(policy("p")).expect("a policy");
        assert_eq!(policy.spec.and_then(|spec| spec.egress), None);
    }
}
