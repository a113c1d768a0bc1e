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

/// Looks into every Lease whose holder is not known. `watched` is the only namespace whose Tasks are
/// known; `None` means that all are.
pub async fn keep(applier: Arc<Applier>, watched: Option<String>) -> anyhow::Error {
    let queue = applier.world.lock().errands().leases;
    work(queue, |key| {
        let applier = Arc::clone(&applier);
        let watched = watched.clone();
        async move { round(&applier, watched.as_deref(), &key.name).await }
    })
    .await
}

/// Does one round for the Lease `name`.
pub async fn round(applier: &Applier, watched: Option<&str>, name: &str) -> Next {
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

async fn sweep(applier: &Applier, watched: Option<&str>, lease: &LeaseSeen) -> Result<Next, Answer> {
    let holder = lease.holder.split_once('/');
    // Another operator may look after the namespaces that this one does not.
    if watched.is_some_and(|watched| holder.is_none_or(|(namespace, _)| namespace != watched)) {
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
