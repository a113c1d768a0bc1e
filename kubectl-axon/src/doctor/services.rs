//! Whether the operator's pages and its Service for webhooks can be reached.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::Place;
use super::report::Check;
use crate::failure::{Failure, Result};
use crate::install::deployment::pods;

/// The port of the metrics where the pod names none.
const METRICS_PORT: i32 = 8080;

/// The selector of the Service that takes webhooks.
const WEBHOOK: &str = "app.kubernetes.io/part-of=axon,app.kubernetes.io/component=webhook";

/// Asks a pod of the operator for its metrics, through the API server.
pub(super) async fn metrics(place: &Place<'_>, deployment: &Deployment) -> Check {
    let pods = match pods(place.client, deployment).await {
        Ok(pods) => pods,
        Err(failure) => return Check::unseen("health", &failure),
    };
    let Some(pod) = pods.iter().find(|pod| is_ready(pod)) else {
        return Check::fail("health", "no pod of the operator is ready")
            .hint(format!("`kubectl describe pods -n {}` says why", place.operators));
    };
    let (name, port) = (pod.name_any(), metrics_port(pod));
    let ready = format!("pod `{name}` is ready");
    let path = format!(
        "/api/v1/namespaces/{}/pods/{name}:{port}/proxy/metrics",
        place.operators
    );
    let page = http::Request::get(&path).body(Vec::new());
    let Ok(request) = page else {
        return Check::unknown("health", ready);
    };
    match place.client.request_text(request).await {
        Ok(page) if page.contains("axon_") => Check::ok(
            "health",
            format!("{ready}, and serves its metrics on port {port}"),
        ),
        Ok(_) => Check::warn(
            "health",
            format!("{ready}, but what it serves on port {port} are not its metrics"),
        )
        .hint(format!("`kubectl get --raw {path}` shows it")),
        // Being ready is what counts. The way through the server may be closed by a policy.
        Err(error) => Check::ok(
            "health",
            format!(
                "{ready}; its metrics could not be read from here: {}",
                crate::failure::root_cause(&error)
            ),
        ),
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn metrics_port(pod: &Pod) -> i32 {
    let containers = pod
        .spec
        .as_ref()
        .map(|spec| spec.containers.as_slice())
        .unwrap_or_default();
    containers
        .iter()
        .flat_map(|container| container.ports.iter().flatten())
        .find(|port| port.name.as_deref() == Some("metrics"))
        .map_or(METRICS_PORT, |port| port.container_port)
}

/// One check for each Service that takes webhooks; none where there is none.
pub(super) async fn webhook(place: &Place<'_>, deployment: &Deployment) -> Vec<Check> {
    let services: Api<Service> = Api::namespaced(place.client.clone(), place.operators);
    let listed = services
        .list(&ListParams::default().labels(WEBHOOK))
        .await
        .map_err(|error| Failure::api("list services", &error));
    let services = match listed {
        Ok(list) => list.items,
        Err(failure) => return vec![Check::unseen("webhook", &failure)],
    };
    let mut checks = Vec::new();
    for service in services {
        let name = service.name_any();
        checks.push(match endpoints(place, &name).await {
            Ok(slices) => judge(&name, &slices, deployment),
            Err(failure) => Check::unseen("webhook", &failure),
        });
    }
    checks
}

async fn endpoints(place: &Place<'_>, service: &str) -> Result<Vec<EndpointSlice>> {
    let slices: Api<EndpointSlice> = Api::namespaced(place.client.clone(), place.operators);
    let selector = format!("kubernetes.io/service-name={service}");
    let list = slices
        .list(&ListParams::default().labels(&selector))
        .await
        .map_err(|error| Failure::api("list endpointslices", &error))?;
    Ok(list.items)
}

fn judge(service: &str, slices: &[EndpointSlice], deployment: &Deployment) -> Check {
    let ready = slices
        .iter()
        .flat_map(|slice| &slice.endpoints)
        .filter(|endpoint| {
            endpoint
                .conditions
                .as_ref()
                .is_none_or(|state| state.ready != Some(false))
        })
        .count();
    if ready > 0 {
        return Check::ok(
            "webhook",
            format!("service `{service}` has {ready} ready endpoints"),
        );
    }
    Check::fail(
        "webhook",
        format!("service `{service}` has no ready endpoint: events are lost"),
    )
    .hint(format!(
        "`kubectl get deployment {} -n {} -o wide` shows whether its pods are ready, and its labels",
        deployment.name_any(),
        deployment.namespace().unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;
    use serde_json::json;

    #[test]
    fn a_service_without_a_ready_endpoint_is_no_service() {
        let slice = |ready: bool| -> EndpointSlice {
            serde_json::from_value(json!({
                "addressType": "IPv4", "metadata": {}, "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}],
            }))
            .expect("a slice")
        };
        let verdict = |slices: &[EndpointSlice]| judge("s", slices, &Deployment::default()).verdict;
        assert_eq!(verdict(&[slice(false), slice(true)]), Verdict::Ok);
        assert_eq!(verdict(&[slice(false)]), Verdict::Fail);
        assert_eq!(verdict(&[]), Verdict::Fail);
    }

    #[test]
    fn the_port_is_the_one_that_the_pod_names() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {}, "spec": {"containers": [{"name": "c", "ports": [{"name": "metrics", "containerPort": 9000}]}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }))
        .expect("a pod");
        assert_eq!(metrics_port(&pod), 9000);
        assert_eq!(metrics_port(&Pod::default()), METRICS_PORT);
        assert!(is_ready(&pod) && !is_ready(&Pod::default()));
    }
}
