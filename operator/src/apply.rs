//! Does what a plan says: the only place that writes to the cluster on behalf of a Task.

mod branch;
pub(crate) mod patch;
mod token;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axon_api::{Task, TaskStatus, labels};
use axon_plan::Step;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{PartialObjectMeta, Status};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use self::patch::status_patch_or_proof;
use crate::failure::Answer;
use crate::github_app::GitHub;
use crate::key::Key;
use crate::metrics::{Metrics, WriteLabels};
use crate::notices::Notices;
use crate::queue::{Queue, Urgency};
use crate::scope::SecretScope;
use crate::world::{Loose, SharedWorld, Wake};

/// What steps are done with.
#[derive(Clone)]
pub struct Applier {
    /// The cluster.
    pub client: Client,
    /// Where answers of the server are noted.
    pub world: Arc<SharedWorld>,
    /// Where Tasks are woken that an answer concerns.
    pub queue: Arc<Queue>,
    /// Where events are written.
    pub notices: Notices,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// Who makes tokens of GitHub Apps.
    pub github: GitHub,
    /// Where the Leases are that keep branches.
    pub leases: LeaseHome,
    /// The Secrets of users that may be read.
    pub secrets: Arc<SecretScope>,
}

/// Where the Leases are that keep branches. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct LeaseHome {
    /// Their namespace.
    pub namespace: Arc<str>,
    /// Whether it was told that the namespace does not exist.
    told: Arc<AtomicBool>,
}

impl LeaseHome {
    /// Leases in `namespace`.
    pub fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.into(),
            told: Arc::default(),
        }
    }
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
    /// It cannot be done, and trying the same again does not help.
    Refused(Obstacle),
}

/// Why a Job cannot be created or a token not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Its name is taken by this Job of another owner.
    NameTaken(String),
    /// The server takes no such Job: why.
    Invalid(String),
    /// No token is made: why.
    Token(String),
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} {kind} `{name}`")]
pub struct ApplyError {
    action: &'static str,
    kind: &'static str,
    name: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Applier {
    /// Does one step for `task`, as it was observed; `status` is what its status should be.
    pub async fn apply(&self, task: &Task, status: &TaskStatus, step: &Step) -> Result<Applied, ApplyError> {
        match step {
            Step::CreateRunSecret(secret) => self.create_run_secret(task, secret).await,
            Step::CreateJob(job) => self.create_job(task, job).await,
            Step::WriteStatus => self.write_status(task, status).await,
            Step::RemoveStartGate { pod, uid } => self.remove_start_gate(task, pod, uid).await,
            Step::TakeBranch(lease) => self.take_branch(task, lease).await,
            Step::ReleaseBranch {
                lease,
                uid,
                resource_version,
            } => self.release_branch(task, lease, uid, resource_version).await,
            Step::CreateClaim(claim) => self.create_claim(task, claim).await,
            Step::MakeToken {
                secret,
                app_secret,
                repository,
            } => Box::pin(self.make_token(task, secret, app_secret, repository)).await,
            Step::DeletePod { pod, uid } => {
                let how = DeleteParams::background();
                self.delete::<Pod>(task, "pod", pod, uid, how).await
            }
            Step::ForceDeletePod { pod, uid } => {
                let how = DeleteParams::background().grace_period(0);
                self.delete::<Pod>(task, "pod", pod, uid, how).await
            }
            Step::DeleteJob { job, uid } => {
                let how = DeleteParams::background();
                self.delete::<Job>(task, "job", job, uid, how).await
            }
            Step::DeleteTask { uid } => {
                let how = DeleteParams::background();
                self.delete::<Task>(task, "task", &task.name_any(), uid, how)
                    .await
            }
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

    async fn create_claim(&self, task: &Task, claim: &PersistentVolumeClaim) -> Result<Applied, ApplyError> {
        self.count("create", "persistentvolumeclaim");
        match self
            .api::<PersistentVolumeClaim>(task)
            .create(&post(), claim)
            .await
        {
            Ok(_) => Ok(Applied::Done),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(Applied::Done),
            Err(kube::Error::Api(status)) if is_refusal(&status) => {
                Ok(Applied::Refused(Obstacle::Invalid(status.message)))
            }
            Err(source) => Err(failed(
                "create",
                "PersistentVolumeClaim",
                &claim.name_any(),
                source,
            )),
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
        // A plan that does not change the status and writes it wants to know that it is not stale.
        let patch = status_patch_or_proof(&task.metadata, task.status.as_ref(), status);
        self.count("patch", "task");
        let tasks = self.api::<Loose<Task>>(task);
        match tasks
            .patch_status(&name, &patching(), &Patch::Merge(&patch))
            .await
        {
            Ok(written) => {
                let own = Key::of(task);
                let (wakes, is_next) = {
                    let mut world = self.world.lock();
                    (world.note_task(&written), world.may_take_branch(&own))
                };
                self.wake_others(task, wakes);
                // The branch may have become free while nobody knew that this Task is in line.
                if is_next {
                    self.queue.wake(&own, Urgency::Urgent);
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
        how: DeleteParams,
    ) -> Result<Applied, ApplyError>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        self.count("delete", kind);
        let parameters = how.preconditions(Preconditions {
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

    /// Wakes the Tasks that an answer concerns, but for `task`, whose round this is.
    fn wake_others(&self, task: &Task, wakes: impl IntoIterator<Item = Wake>) {
        let own = Key::of(task);
        for (key, urgency) in wakes {
            if key != own {
                self.queue.wake(&key, urgency);
            }
        }
    }

    fn api<K>(&self, task: &Task) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &task.namespace().unwrap_or_default())
    }

    pub(crate) fn count(&self, verb: &'static str, kind: &'static str) {
        let labels = WriteLabels { verb, kind };
        self.metrics.api_writes.get_or_create(&labels).inc();
    }
}

/// Whether the server would refuse the same object again: it is invalid or too large, or a webhook
/// or policy denied it. A quota that is used up, a missing right and a namespace that is being
/// deleted are forbidden too, but may be otherwise later.
pub(crate) fn is_refusal(status: &Status) -> bool {
    status.is_invalid() || status.code == 413 || status.message.contains("denied ")
}

/// Tells a write that came too late from one that failed: the object is gone, is another one, or
/// is newer than what was decided upon.
pub(crate) fn overtaken(source: kube::Error) -> Result<Applied, kube::Error> {
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
        source: Box::new(Answer::from(source)),
    }
}

pub(crate) fn post() -> PostParams {
    PostParams {
        field_manager: Some(labels::OPERATOR_FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

pub(crate) fn patching() -> PatchParams {
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

#[cfg(test)]
impl Applier {
    /// An applier for tests, with an empty world.
    pub(crate) fn for_tests(client: Client) -> Self {
        let (notices, _) = crate::notices::notices(client.clone(), "test".to_owned());
        Self {
            client,
            world: Arc::default(),
            queue: Arc::default(),
            notices,
            metrics: Metrics::default(),
            github: GitHub::default(),
            leases: LeaseHome::new("axon-system"),
            secrets: Arc::default(),
        }
    }
}
