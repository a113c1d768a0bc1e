//! Does what a plan says: the only place that writes to the cluster on behalf of a Task.

use axon_api::{Task, TaskStatus, labels};
use axon_plan::Step;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{PartialObjectMeta, Status};
use kube::{Api, Client, ResourceExt};
use serde_json::{Map, Value, json};

use crate::key::Key;
use crate::metrics::{Metrics, WriteLabels};
use crate::notices::Notices;
use crate::queue::Queue;
use crate::world::{Loose, SharedWorld};

/// What steps are done with.
#[derive(Clone)]
pub struct Applier {
    /// The cluster.
    pub client: Client,
    /// Where answers of the server are noted.
    pub world: std::sync::Arc<SharedWorld>,
    /// Where Tasks are woken that an answer concerns.
    pub queue: std::sync::Arc<Queue>,
    /// Where events are written.
    pub notices: Notices,
    /// Where requests are counted.
    pub metrics: Metrics,
}

/// What became of a step that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is done.
    Done,
    /// The Job is there now.
    JobCreated,
    /// The decision was made from what is no longer so.
    Stale,
    /// The Job cannot be created, now or later.
    Refused(Obstacle),
}

/// Why a Job cannot be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Its name is taken by this Job of another owner.
    NameTaken(String),
    /// The server takes no such Job: why.
    Invalid(String),
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} {kind} `{name}`")]
pub struct ApplyError {
    action: &'static str,
    kind: &'static str,
    name: String,
    #[source]
    source: Box<kube::Error>,
}

impl Applier {
    /// Does one step for `task`, as it was observed; `status` is what its status should be.
    pub async fn apply(&self, task: &Task, status: &TaskStatus, step: &Step) -> Result<Applied, ApplyError> {
        match step {
            Step::CreateRunSecret(secret) => self.create_run_secret(task, secret).await,
            Step::CreateJob(job) => self.create_job(task, job).await,
            Step::WriteStatus => self.write_status(task, status).await,
            Step::RemoveStartGate { pod, uid } => self.remove_start_gate(task, pod, uid).await,
            Step::TakeBranch(_)
            | Step::ReleaseBranch { .. }
            | Step::CreateClaim(_)
            | Step::MakeToken { .. }
            | Step::ForceDeletePod { .. } => Ok(Applied::Stale),
            Step::DeletePod { pod, uid } => self.delete::<Pod>(task, "pod", pod, uid).await,
            Step::DeleteJob { job, uid } => self.delete::<Job>(task, "job", job, uid).await,
            Step::DeleteTask { uid } => self.delete::<Task>(task, "task", &task.name_any(), uid).await,
            Step::Notify(notice) => {
                self.notices.write(task, notice);
                Ok(Applied::Done)
            }
        }
    }

    async fn create_run_secret(&self, task: &Task, secret: &Secret) -> Result<Applied, ApplyError> {
        self.count("create", "secret");
        match self.api::<Secret>(task).create(&post(), secret).await {
            Ok(_) => Ok(Applied::Done),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(Applied::Done),
            Err(kube::Error::Api(status)) if is_refusal(&status) => {
                Ok(Applied::Refused(Obstacle::Invalid(status.message)))
            }
            Err(source) => Err(failed("create", "Secret", &secret.name_any(), source)),
        }
    }

    async fn create_job(&self, task: &Task, job: &Job) -> Result<Applied, ApplyError> {
        self.count("create", "job");
        let jobs = self.api::<Job>(task);
        let name = job.name_any();
        match jobs.create(&post(), job).await {
            Ok(created) => {
                self.metrics.jobs_created.inc();
                tracing::debug!(task = %Key::of(task), job = name, "created a Job");
                self.world.lock().note_job(created);
                Ok(Applied::JobCreated)
            }
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let existing = jobs.get_opt(&name).await;
                match existing.map_err(|source| failed("get", "Job", &name, source))? {
                    Some(existing) if is_controlled_by(&existing, task) => {
                        self.world.lock().note_job(existing);
                        Ok(Applied::JobCreated)
                    }
                    Some(_) => Ok(Applied::Refused(Obstacle::NameTaken(name))),
                    None => Ok(Applied::Stale),
                }
            }
            Err(kube::Error::Api(status)) if is_refusal(&status) => {
                Ok(Applied::Refused(Obstacle::Invalid(status.message)))
            }
            Err(source) => Err(failed("create", "Job", &name, source)),
        }
    }

    async fn write_status(&self, task: &Task, status: &TaskStatus) -> Result<Applied, ApplyError> {
        let name = task.name_any();
        let Some(patch) = status_patch(task, status) else {
            return Ok(Applied::Done);
        };
        self.count("patch", "task");
        let tasks = self.api::<Loose<Task>>(task);
        match tasks
            .patch_status(&name, &patching(), &Patch::Merge(&patch))
            .await
        {
            Ok(written) => {
                let wakes = self.world.lock().note_task(&written);
                let own = Key::of(task);
                for (key, urgency) in wakes {
                    if key != own {
                        self.queue.wake(&key, urgency);
                    }
                }
                Ok(Applied::Done)
            }
            Err(source) => {
                overtaken(source).map_err(|source| failed("write the status of", "Task", &name, source))
            }
        }
    }

    async fn remove_start_gate(&self, task: &Task, pod: &str, uid: &str) -> Result<Applied, ApplyError> {
        self.count("patch", "pod");
        // A pod with another UID refuses the patch, since a UID cannot be changed.
        let patch = json!({ "metadata": { "uid": uid }, "spec": { "schedulingGates": null } });
        let pods = self.api::<Pod>(task);
        let answer = pods.patch_metadata(pod, &patching(), &Patch::Merge(&patch)).await;
        match answer {
            Ok(_) => Ok(Applied::Done),
            Err(source) => {
                overtaken(source).map_err(|source| failed("take the start gate off", "Pod", pod, source))
            }
        }
    }

    async fn delete<K>(
        &self,
        task: &Task,
        kind: &'static str,
        name: &str,
        uid: &str,
    ) -> Result<Applied, ApplyError>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        self.count("delete", kind);
        let parameters = DeleteParams::background().preconditions(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        });
        let objects: Api<PartialObjectMeta<K>> =
            Api::namespaced(self.client.clone(), &task.namespace().unwrap_or_default());
        match objects.delete(name, &parameters).await {
            Ok(_) => Ok(Applied::Done),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Applied::Done),
            Err(source) => overtaken(source).map_err(|source| failed("delete", kind, name, source)),
        }
    }

    fn api<K>(&self, task: &Task) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &task.namespace().unwrap_or_default())
    }

    fn count(&self, verb: &'static str, kind: &'static str) {
        let labels = WriteLabels { verb, kind };
        self.metrics.api_writes.get_or_create(&labels).inc();
    }
}

/// Whether the server would refuse the same object again: it is invalid or too large, or a webhook
/// or policy denied it. A quota that is used up, a missing right and a namespace that is being
/// deleted are forbidden too, but may be otherwise later.
fn is_refusal(status: &Status) -> bool {
    status.is_invalid() || status.code == 413 || status.message.contains("denied ")
}

/// Tells a write that came too late from one that failed: the object is gone, is another one, or
/// is newer than what was decided upon.
fn overtaken(source: kube::Error) -> Result<Applied, kube::Error> {
    match source {
        kube::Error::Api(status)
            if status.is_conflict()
                || status.is_not_found()
                || status.is_invalid() && is_about_uid(&status.message) =>
        {
            Ok(Applied::Stale)
        }
        source => Err(source),
    }
}

/// A patch that names another UID is answered as an invalid change of `metadata.uid`.
fn is_about_uid(message: &str) -> bool {
    message.contains("metadata.uid")
}

fn failed(action: &'static str, kind: &'static str, name: &str, source: kube::Error) -> ApplyError {
    ApplyError {
        action,
        kind,
        name: name.to_owned(),
        source: Box::new(source),
    }
}

fn post() -> PostParams {
    PostParams {
        field_manager: Some(labels::OPERATOR_FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

fn patching() -> PatchParams {
    PatchParams {
        field_manager: Some(labels::OPERATOR_FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

fn is_controlled_by(job: &Job, task: &Task) -> bool {
    let uid = task.metadata.uid.as_deref();
    job.owner_references()
        .iter()
        .any(|owner| owner.controller == Some(true) && Some(&*owner.uid) == uid)
}

/// The merge patch that makes the status of `task` be `status`, on condition that the Task is still
/// as it was observed. `None` when it is so already.
fn status_patch(task: &Task, status: &TaskStatus) -> Option<Value> {
    let before = task.status.as_ref().map_or(Ok(Value::Null), serde_json::to_value);
    let (Ok(before), Ok(after)) = (before, serde_json::to_value(status)) else {
        return None;
    };
    let change = merge_patch(&before, &after)?;
    Some(json!({
        "metadata": {
            "uid": task.metadata.uid,
            "resourceVersion": task.metadata.resource_version,
        },
        "status": change,
    }))
}

/// The merge patch (RFC 7396) that turns `before` into `after`; `None` when they are equal.
fn merge_patch(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return Some(after.clone());
    };
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let mut patch: Map<String, Value> = gone.map(|key| (key.clone(), Value::Null)).collect();
    for (key, value) in after {
        let change = match before.get(key) {
            Some(old) => merge_patch(old, value),
            None => Some(value.clone()),
        };
        patch.extend(change.map(|change| (key.clone(), change)));
    }
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use axon_api::Phase;

    use super::*;

    #[test]
    fn a_status_patch_holds_only_what_changes_and_the_version_that_it_is_for() {
        let mut task = Task::new("a", axon_api::TaskSpec::default());
        task.metadata.uid = Some("u".to_owned());
        task.metadata.resource_version = Some("7".to_owned());
        task.status = Some(TaskStatus {
            phase: Some(Phase::Waiting),
            reason: Some("WorkspaceNotFound".to_owned()),
            attempts: Some(1),
            ..TaskStatus::default()
        });
        let status = TaskStatus {
            phase: Some(Phase::Pending),
            attempts: Some(1),
            ..TaskStatus::default()
        };
        assert_eq!(
            status_patch(&task, &status),
            Some(json!({
                "metadata": { "uid": "u", "resourceVersion": "7" },
                "status": { "phase": "Pending", "reason": null },
            }))
        );
    }

    #[test]
    fn a_status_that_is_as_it_should_be_is_not_written() {
        let mut task = Task::new("a", axon_api::TaskSpec::default());
        let status = TaskStatus {
            phase: Some(Phase::Running),
            ..TaskStatus::default()
        };
        task.status = Some(status.clone());
        assert_eq!(status_patch(&task, &status), None);
    }

    #[test]
    fn a_merge_patch_goes_into_maps_and_replaces_lists() {
        let before = json!({ "results": { "a": "1", "b": "2" }, "outputs": ["a", "b"] });
        let after = json!({ "results": { "a": "1", "c": "3" }, "outputs": ["a"] });
        assert_eq!(
            merge_patch(&before, &after),
            Some(json!({ "results": { "b": null, "c": "3" }, "outputs": ["a"] }))
        );
    }
}
