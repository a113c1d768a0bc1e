//! Whether the operator is there, is available, and is of this program's version.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};

use super::Place;
use super::report::Check;
use crate::failure::Failure;
use crate::install::deployment::{Rollout, pods, rollout, trouble};
use crate::install::versions::is_newer;
use crate::install::{DEPLOYMENT, NAMESPACE, VERSION, present};
use crate::invocation;

/// The namespace of the operator and its Deployment: where `namespace` says, else in the usual one,
/// else wherever it is.
pub(super) async fn find(
    client: &Client,
    namespace: Option<&str>,
) -> Result<(String, Option<Deployment>), Check> {
    let first = namespace.unwrap_or(NAMESPACE);
    let found = Api::<Deployment>::namespaced(client.clone(), first)
        .get_opt(DEPLOYMENT)
        .await
        .map_err(|error| {
            Check::unseen(
                "operator",
                &Failure::api(
                    &format!("get deployment `{DEPLOYMENT}` in namespace `{first}`"),
                    &error,
                ),
            )
        })?;
    if found.is_some() || namespace.is_some() {
        return Ok((first.to_owned(), found));
    }
    // Who may not look into all namespaces is told of the usual one.
    let everywhere = Api::<Deployment>::all(client.clone())
        .list(&ListParams::default().fields(&format!("metadata.name={DEPLOYMENT}")))
        .await;
    let elsewhere = everywhere.ok().and_then(|list| list.items.into_iter().next());
    let namespace = elsewhere.as_ref().and_then(kube::ResourceExt::namespace);
    Ok((namespace.unwrap_or_else(|| first.to_owned()), elsewhere))
}

pub(super) fn absent(namespace: &str) -> Check {
    Check::fail(
        "operator",
        format!("there is no deployment `{DEPLOYMENT}` in namespace `{namespace}`"),
    )
    .hint(format!("{} installs it", invocation::command("install")))
    .hint("--operator-namespace says where it is, if it is elsewhere")
}

/// Deployment, version and pods.
pub(super) async fn checks(place: &Place<'_>, deployment: &Deployment) -> Vec<Check> {
    let mut checks = vec![availability(deployment), version(deployment)];
    match pods(place.client, deployment).await {
        Ok(pods) => checks.extend(pods.iter().filter_map(|pod| {
            let (reason, message) = trouble(pod)?;
            Some(
                Check::fail(
                    "operator",
                    format!("pod `{}` {reason}: {message}", pod.name_any()),
                )
                .hint(next_step(
                    &reason,
                    &pod.name_any(),
                    &pod.namespace().unwrap_or_default(),
                )),
            )
        })),
        Err(failure) => checks.push(Check::unseen("operator", &failure)),
    }
    checks
}

fn availability(deployment: &Deployment) -> Check {
    let name = deployment.name_any();
    let namespace = deployment.namespace().unwrap_or_default();
    match rollout(deployment) {
        Rollout::Available => Check::ok(
            "operator",
            format!("deployment `{name}` in namespace `{namespace}` is available"),
        ),
        Rollout::Nothing => Check::fail("operator", format!("deployment `{name}` is scaled to 0")).hint(
            format!("`kubectl scale deployment/{name} -n {namespace} --replicas 1`"),
        ),
        Rollout::Underway { available, wanted } => Check::fail(
            "operator",
            format!("deployment `{name}` has {available} of {wanted} replicas available"),
        )
        .hint(format!(
            "`kubectl logs deployment/{name} -n {namespace}` shows its log"
        )),
    }
}

fn version(deployment: &Deployment) -> Check {
    let value = serde_json::to_value(deployment).unwrap_or_default();
    let version = present::version_of(&value);
    if version == VERSION {
        return Check::ok("version", format!("operator and this program are {VERSION}"));
    }
    let message = format!("the operator is {version}, this program is {VERSION}");
    let check = Check::warn("version", message);
    if is_newer(&version, VERSION) {
        check.hint("get a newer kubectl-axon")
    } else {
        check.hint(format!(
            "{} brings the operator to {VERSION}",
            invocation::command("upgrade")
        ))
    }
}

/// What to do about a pod that does not run.
pub(super) fn next_step(reason: &str, pod: &str, namespace: &str) -> String {
    match reason {
        "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" => format!(
            "put the image where the node can pull it, or name another: {}",
            invocation::command("upgrade --image-registry REGISTRY")
        ),
        "CrashLoopBackOff" => format!("`kubectl logs {pod} -n {namespace} --previous` shows why it ended"),
        _ => format!("`kubectl describe pod {pod} -n {namespace}` says more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;
    use serde_json::json;

    fn deployment(replicas: i32, version: &str) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "d", "namespace": "ns", "generation": 1, "labels": {"app.kubernetes.io/version": version}},
            "spec": {"replicas": replicas, "selector": {}, "template": {}},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
        }))
        .expect("a deployment")
    }

    #[test]
    fn an_operator_that_is_scaled_to_nothing_is_named_with_the_way_back() {
        assert_eq!(availability(&deployment(1, VERSION)).verdict, Verdict::Ok);
        let check = availability(&deployment(0, VERSION));
        assert_eq!(check.verdict, Verdict::Fail);
        assert_eq!(check.hints, ["`kubectl scale deployment/d -n ns --replicas 1`"]);
        assert_eq!(availability(&deployment(2, VERSION)).verdict, Verdict::Fail);
    }

    #[test]
    fn another_version_is_told_with_who_is_behind() {
        assert_eq!(version(&deployment(1, VERSION)).verdict, Verdict::Ok);
        assert!(version(&deployment(1, "0.0.1")).hints[0].contains("upgrade"));
        assert!(version(&deployment(1, "99.0.0")).hints[0].contains("newer kubectl-axon"));
    }
}
