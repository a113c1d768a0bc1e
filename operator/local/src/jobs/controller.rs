//! Applies what [`super::job::decide`] says, for every Job of the plane.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::Controller;
use kube::runtime::controller::{self, Action};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use super::job::{CONTROLLER_UID, decide};

/// How long after an error a Job is looked at again.
const AFTER_ERROR: Duration = Duration::from_secs(1);
/// How many Jobs are looked at together.
const CONCURRENCY: u16 = 8;

/// Runs the Jobs until the watches cannot go on.
pub(super) async fn run(client: Client) -> anyhow::Result<()> {
    let jobs: Api<Job> = Api::all(client.clone());
    let pods: Api<Pod> = Api::all(client.clone());
    Controller::new(jobs, watcher::Config::default())
        .owns(pods, watcher::Config::default())
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .run(
            reconcile,
            |_, _, _| Action::requeue(AFTER_ERROR),
            Arc::new(client),
        )
        .for_each(|outcome| async {
            if let Err(error) = outcome {
                tracing::debug!("a Job is looked at again: {error}");
            }
        })
        .await;
    anyhow::bail!("the watch of Jobs ended")
}

async fn reconcile(job: Arc<Job>, client: Arc<Client>) -> kube::Result<Action> {
    let client = Client::clone(&client);
    let namespace = job.namespace().unwrap_or_default();
    let uid = job.uid().unwrap_or_default();
    let jobs: Api<Job> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    // What the watch shows may be old, and a Job is decided on what there is.
    let Some(job) = jobs.get_opt(&job.name_any()).await? else {
        return Ok(Action::await_change());
    };
    if job.uid().as_deref() != Some(&uid) {
        return Ok(Action::await_change());
    }
    let selected = ListParams::default().labels(&format!("{CONTROLLER_UID}={uid}"));
    let owned = pods.list(&selected).await?.items;
    let decision = decide(&job, &owned, Timestamp::now());

    if let Some(pod) = &decision.create {
        ignore(409, pods.create(&PostParams::default(), pod).await)?;
    }
    for name in &decision.delete {
        ignore(404, pods.delete(name, &DeleteParams::default()).await)?;
    }
    if let Some(status) = &decision.status {
        let patch = Patch::Merge(json!({"status": status_patch(status)}));
        jobs.patch_status(&job.name_any(), &PatchParams::default(), &patch)
            .await?;
    }
    if decision.expire {
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        ignore(404, jobs.delete(&job.name_any(), &parameters).await)?;
    }
    Ok(match decision.wake {
        Some(wake) => Action::requeue(wake.unsigned_abs()),
        None => Action::await_change(),
    })
}

/// The status as a merge patch: a count that is absent is taken away.
fn status_patch(status: &JobStatus) -> Value {
    let mut patch = serde_json::to_value(status).unwrap_or_default();
    if let Some(fields) = patch.as_object_mut() {
        for count in ["active", "failed", "succeeded"] {
            fields.entry(count).or_insert(Value::Null);
        }
    }
    patch
}

/// Lets an answer of this code pass.
fn ignore<T>(code: u16, answer: kube::Result<T>) -> kube::Result<()> {
    match answer {
        Err(kube::Error::Api(status)) if status.code == code => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}
