//! Frees the branches of Tasks that are gone.

use std::sync::Arc;
use std::time::Duration;

use axon_api::Task;
use axon_plan::LeaseSeen;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, ResourceExt};

use crate::apply::{Applied, Applier, overtaken};
use crate::failure::Answer;
use crate::queue::Next;
use crate::work::work;

/// How long to wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// When to look again at a Lease whose holder is there but cannot be read, so that its end is not
/// told.
const LOOK_AGAIN: Duration = Duration::from_mins(5);

/// Looks into every Lease whose holder is not known. `watched` are the only namespaces whose Tasks
/// are known; none means that all are.
pub async fn keep(applier: Arc<Applier>, watched: Vec<String>) -> anyhow::Error {
    let queue = applier.world.lock().errands().leases;
    work(queue, |key| {
        let applier = Arc::clone(&applier);
        let watched = watched.clone();
        async move { round(&applier, &watched, &key.name).await }
    })
    .await
}

/// Does one round for the Lease `name`.
pub async fn round(applier: &Applier, watched: &[String], name: &str) -> Next {
    let Some(lease) = applier.world.lock().stray_lease(name) else {
        return Next::Wait(None);
    };
    match sweep(applier, watched, &lease).await {
        Ok(next) => next,
        Err(error) => {
            let error = anyhow::Error::new(error);
            tracing::warn!(
                lease = name,
                error = format!("{error:#}"),
                "a Lease could not be looked into and will be tried again"
            );
            Next::Retry(AFTER_FAILURE)
        }
    }
}

async fn sweep(applier: &Applier, watched: &[String], lease: &LeaseSeen) -> Result<Next, Answer> {
    let holder = lease.holder.split_once('/');
    // Another operator may look after the namespaces that this one does not.
    let is_watched = |namespace| watched.iter().any(|watched| watched == namespace);
    if !watched.is_empty() && !holder.is_some_and(|(namespace, _)| is_watched(namespace)) {
        return Ok(Next::Wait(None));
    }
    // The watches run apart: the Task may be there and only not be known yet.
    if let Some((namespace, name)) = holder {
        let tasks: Api<Task> = Api::namespaced(applier.client.clone(), namespace);
        let task = tasks.get_metadata_opt(name).await?;
        if task.is_some_and(|task| task.uid().as_deref() == Some(&lease.holder_uid)) {
            return Ok(Next::Wait(Some(LOOK_AGAIN)));
        }
    }
    applier.count("delete", "lease");
    let how = DeleteParams::default().preconditions(Preconditions {
        uid: Some(lease.uid.clone()),
        resource_version: Some(lease.resource_version.clone()),
    });
    let leases: Api<Lease> = Api::namespaced(applier.client.clone(), &applier.leases.namespace);
    match leases.delete(&lease.name, &how).await {
        Ok(_) => {
            tracing::info!(
                lease = lease.name,
                holder = lease.holder,
                "freed the branch of a Task that is gone"
            );
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(source) => {
            return match overtaken(source)? {
                Applied::Stale => Ok(Next::Retry(AFTER_FAILURE)),
                _ => Ok(Next::Wait(None)),
            };
        }
    }
    let wakes = applier.world.lock().note_lease_gone(&lease.name, &lease.uid);
    for (key, urgency) in wakes {
        applier.queue.wake(&key, urgency);
    }
    Ok(Next::Wait(None))
}

#[cfg(test)]
mod tests {
    use axon_api::labels;
    use http::Method;
    use kube::Client;
    use kube::runtime::watcher::Event;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{failure, server};

    const NAME: &str = "axon-branch-1";

    /// An applier whose world has a Lease of the Task `default/a` with UID `a-uid`, and no Task.
    fn applier(client: Client) -> Applier {
        let lease = json!({
            "metadata": {
                "name": NAME, "namespace": "axon-system", "uid": "lease-uid", "resourceVersion": "8",
                "annotations": { labels::HOLDER: "default/a" },
            },
            "spec": { "holderIdentity": "a-uid" },
        });
        let lease = serde_json::from_value(lease).expect("a Lease");
        let applier = Applier::for_tests(client);
        applier.world.lock().on_lease(Event::Apply(lease));
        applier
    }

    fn task(uid: &str) -> (u16, Value) {
        let task = json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": { "name": "a", "namespace": "default", "uid": uid },
        });
        (200, task)
    }

    fn gone() -> (u16, Value) {
        failure(404, "NotFound", "not found")
    }

    #[tokio::test]
    async fn the_lease_of_a_task_that_is_gone_is_deleted_in_the_version_that_was_seen() {
        for first in [gone(), task("another-uid")] {
            let (client, asked) = server(vec![first, gone()]);
            let applier = applier(client);
            assert_eq!(round(&applier, &[], NAME).await, Next::Wait(None));
            assert!(applier.world.lock().stray_lease(NAME).is_none());
            let asked = asked.lock().expect("no panic");
            assert_eq!(asked[1].method, Method::DELETE);
            let preconditions = json!({ "uid": "lease-uid", "resourceVersion": "8" });
            assert_eq!(asked[1].body["preconditions"], preconditions);
        }
    }

    #[tokio::test]
    async fn the_lease_of_a_task_that_is_only_not_known_yet_stays() {
        let (client, asked) = server(vec![task("a-uid")]);
        let next = round(&applier(client), &["default".to_owned()], NAME).await;
        assert_eq!(next, Next::Wait(Some(LOOK_AGAIN)));
        assert_eq!(asked.lock().expect("no panic").len(), 1);
    }

    #[tokio::test]
    async fn the_lease_of_a_namespace_that_another_operator_looks_after_stays() {
        let (client, asked) = server(Vec::new());
        let next = round(&applier(client), &["elsewhere".to_owned()], NAME).await;
        assert_eq!(next, Next::Wait(None));
        assert!(asked.lock().expect("no panic").is_empty());
    }

    #[tokio::test]
    async fn a_lease_that_was_taken_meanwhile_stays() {
        let taken = failure(409, "Conflict", "the resourceVersion does not match");
        let (client, _) = server(vec![gone(), taken]);
        let applier = applier(client);
        assert!(matches!(round(&applier, &[], NAME).await, Next::Retry(_)));
        assert!(applier.world.lock().stray_lease(NAME).is_some());
    }
}
