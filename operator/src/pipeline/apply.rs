//! Does what a plan about a pipeline says.

use axon_api::{Task, TaskPipeline, TaskPipelineStatus, labels};
use axon_plan::pipeline::{KeptRun, Step};
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::{PartialObjectMeta, Status};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::text::{self, Read, ReadError};
use crate::notices::Notices;
use crate::world::Loose;

/// How long after its end a Task's log is asked for again when the server does not give it.
const LOG_PATIENCE: SignedDuration = SignedDuration::from_mins(2);

/// What steps are done with.
pub(super) struct Applier<'a> {
    pub(super) client: &'a Client,
    pub(super) notices: &'a Notices,
    pub(super) pipeline: &'a TaskPipeline,
    /// When the Task of the last run ended, if it has.
    pub(super) task_ended: Option<Timestamp>,
}

/// What became of a step that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// It is done.
    Done,
    /// Something is otherwise than it was when the plan was made.
    Stale,
    /// The server takes no such object, now or later: why.
    Refused(String),
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    #[error("failed to {action} `{name}`")]
    Request {
        action: &'static str,
        name: String,
        #[source]
        source: Box<kube::Error>,
    },
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Applier<'_> {
    /// Does one step; `status` is what the status should be.
    pub(super) async fn apply(
        &self,
        status: &TaskPipelineStatus,
        step: &Step,
    ) -> Result<Applied, ApplyError> {
        match step {
            Step::WriteStatus => self.write_status(status).await,
            Step::CreateTask(task) => self.create_task(task).await,
            Step::CancelTask { task, uid } => self.cancel_task(task, uid).await,
            Step::KeepRun { task, pod, run } => self.keep_run(task, pod.as_deref(), run).await,
            Step::Notify(notice) => {
                self.notices.write(self.pipeline, notice);
                Ok(Applied::Done)
            }
        }
    }

    async fn write_status(&self, status: &TaskPipelineStatus) -> Result<Applied, ApplyError> {
        let name = self.pipeline.name_any();
        let before = self.pipeline.status.as_ref();
        let gone = before.map(|before| absent(&json!(before), &json!(status)));
        let mut change = json!(status);
        for field in gone.into_iter().flatten() {
            change[field] = serde_json::Value::Null;
        }
        let patch = json!({
            "metadata": {
                "uid": self.pipeline.metadata.uid,
                "resourceVersion": self.pipeline.metadata.resource_version,
            },
            "status": change,
        });
        let pipelines: Api<Loose<TaskPipeline>> = self.api();
        let answer = pipelines
            .patch_status(&name, &patching(), &Patch::Merge(&patch))
            .await;
        match answer {
            Ok(_) => Ok(Applied::Done),
            Err(kube::Error::Api(status)) if is_overtaken(&status) => Ok(Applied::Stale),
            Err(source) => Err(failed("write the status of TaskPipeline", &name, source)),
        }
    }

    async fn create_task(&self, task: &Task) -> Result<Applied, ApplyError> {
        let tasks: Api<Task> = self.api();
        match tasks.create(&post(), task).await {
            Ok(_) => Ok(Applied::Done),
            // Whose it is is seen in the next round.
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(Applied::Stale),
            Err(kube::Error::Api(status)) if is_refusal(&status) => Ok(Applied::Refused(status.message)),
            Err(source) => Err(failed("create Task", &task.name_any(), source)),
        }
    }

    async fn cancel_task(&self, task: &str, uid: &str) -> Result<Applied, ApplyError> {
        let patch = json!({ "metadata": { "uid": uid }, "spec": { "cancel": true } });
        let tasks: Api<PartialObjectMeta<Task>> = self.api();
        match tasks.patch(task, &patching(), &Patch::Merge(&patch)).await {
            Ok(_) => Ok(Applied::Done),
            Err(kube::Error::Api(status)) if is_overtaken(&status) => Ok(Applied::Stale),
            Err(source) => Err(failed("cancel Task", task, source)),
        }
    }

    async fn keep_run(&self, task: &str, pod: Option<&str>, run: &KeptRun) -> Result<Applied, ApplyError> {
        let mut run = run.clone();
        if let Some(pod) = pod {
            match self.read_text(pod).await? {
                Read::Text(text) => run.text = text,
                Read::Lost(why) => {
                    tracing::warn!(task, why, "the text of a step is lost");
                    run.text_lost = Some(why);
                }
            }
        }
        let secret = run.secret(self.pipeline, task);
        let secrets: Api<Secret> = self.api();
        match secrets.create(&post(), &secret).await {
            Ok(_) => Ok(Applied::Done),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(Applied::Done),
            Err(kube::Error::Api(status)) if is_refusal(&status) => Ok(Applied::Refused(status.message)),
            Err(source) => Err(failed("create Secret", &secret.name_any(), source)),
        }
    }

    /// A log that the server does not give is asked for again for a while, then given up.
    async fn read_text(&self, pod: &str) -> Result<Read, ReadError> {
        let pods: Api<Pod> = self.api();
        match text::read(&pods, pod).await {
            Ok(read) => Ok(read),
            Err(error) => {
                let ended = self.task_ended.unwrap_or(Timestamp::UNIX_EPOCH);
                if Timestamp::now().duration_since(ended) < LOG_PATIENCE {
                    return Err(error);
                }
                let error = anyhow::Error::new(error);
                Ok(Read::Lost(format!("{error:#}")))
            }
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        let namespace = self.pipeline.namespace().unwrap_or_default();
        Api::namespaced(self.client.clone(), &namespace)
    }
}

/// Fields that are in `before` and not in `after`, at any depth but in lists: only the outermost
/// level has any that come and go, and the map of failures only grows.
fn absent(before: &serde_json::Value, after: &serde_json::Value) -> Vec<String> {
    let fields = before.as_object().into_iter().flatten();
    fields
        .filter(|(name, _)| after.get(name).is_none())
        .map(|(name, _)| name.clone())
        .collect()
}

/// The object is gone, is another one, or is newer than what was decided upon.
fn is_overtaken(status: &Status) -> bool {
    status.is_conflict()
        || status.is_not_found()
        || status.is_invalid() && status.message.contains("metadata.uid")
}

/// Whether the server would refuse the same object again: it is invalid or too large, or a webhook
/// or policy denied it. A quota that is used up, and a namespace that is being deleted, are
/// forbidden too, but may be otherwise later.
fn is_refusal(status: &Status) -> bool {
    status.is_invalid() || status.code == 413 || status.message.contains("denied ")
}

fn failed(action: &'static str, name: &str, source: kube::Error) -> ApplyError {
    ApplyError::Request {
        action,
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
