//! What a run of a step ended with, kept in a Secret that is owned by the pipeline.

use std::collections::BTreeMap;

use axon_api::kinds::task::Phase;
use axon_api::{Task, TaskPipeline, labels, names};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

/// Key of the text.
const TEXT: &str = "text";
/// Key of all else, as JSON.
const RUN: &str = "run";

/// What a run of a step ended with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptRun {
    /// How the Task ended; `None` when it was gone before.
    pub phase: Option<Phase>,
    /// The Task's message.
    pub message: String,
    /// Whether the agent had started.
    pub started: bool,
    /// The Task's outputs.
    pub outputs: Vec<String>,
    /// The Task's results.
    pub results: BTreeMap<String, String>,
    /// The text that the step ended with.
    pub text: String,
    /// Why there is no text though there should be one.
    pub text_lost: Option<String>,
}

/// What is there under the name of the Secret.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// What was kept.
    Kept(Box<KeptRun>),
    /// A Secret that is not of this pipeline.
    Foreign {
        /// Whether it belongs to an earlier pipeline of the same name, with which it will go.
        is_going: bool,
    },
}

impl KeptRun {
    /// What can be told of an ended Task, but its text.
    pub(crate) fn of(task: &Task) -> Self {
        let status = task.status.clone().unwrap_or_default();
        Self {
            phase: status.phase,
            message: status.message.unwrap_or_default(),
            started: status.start_time.is_some(),
            outputs: status.outputs,
            results: status.results,
            text: String::new(),
            text_lost: None,
        }
    }

    /// What can be told of a Task that is gone.
    pub(crate) fn of_lost(task: &str) -> Self {
        Self {
            message: format!("Task `{task}` was deleted before it had ended"),
            ..Self::default()
        }
    }

    /// The Secret in which this is kept.
    pub fn secret(&self, pipeline: &TaskPipeline, task: &str) -> Secret {
        let run = json!({
            "phase": self.phase,
            "message": self.message,
            "started": self.started,
            "outputs": self.outputs,
            "results": self.results,
            "textLost": self.text_lost,
        });
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        Secret {
            metadata: ObjectMeta {
                name: Some(names::step_text(task)),
                namespace: pipeline.namespace(),
                labels: Some(BTreeMap::from([
                    (
                        labels::PIPELINE.to_owned(),
                        names::label_value(&pipeline.name_any()),
                    ),
                    (labels::MANAGED_BY.to_owned(), labels::MANAGER.to_owned()),
                ])),
                owner_references: pipeline.controller_owner_ref(&()).map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            immutable: Some(true),
            data: Some(BTreeMap::from([
                (TEXT.to_owned(), bytes(&self.text)),
                (RUN.to_owned(), bytes(&run.to_string())),
            ])),
            ..Secret::default()
        }
    }
}

impl Seen {
    /// What a Secret says that has the name of the one in which a run of `pipeline` is kept.
    pub fn read(secret: &Secret, pipeline: &TaskPipeline) -> Self {
        match Ownership::of(secret, pipeline) {
            Ownership::Ours => Self::Kept(Box::new(decode(secret))),
            Ownership::Going => Self::Foreign { is_going: true },
            Ownership::Another => Self::Foreign { is_going: false },
        }
    }
}

/// Whose an object is that has a name which the pipeline gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    Ours,
    /// Of an earlier pipeline of the same name, with which it will go, or going already.
    Going,
    Another,
}

impl Ownership {
    pub(crate) fn of(object: &impl ResourceExt, pipeline: &TaskPipeline) -> Self {
        let own = pipeline.metadata.uid.as_deref();
        let owner = object
            .owner_references()
            .iter()
            .find(|owner| owner.controller == Some(true));
        let is_pipeline = owner.is_some_and(|owner| {
            owner.kind == TaskPipeline::kind(&()) && Some(&owner.name) == pipeline.metadata.name.as_ref()
        });
        if owner.is_some_and(|owner| Some(&*owner.uid) == own) {
            Self::Ours
        } else if is_pipeline || object.meta().deletion_timestamp.is_some() {
            Self::Going
        } else {
            Self::Another
        }
    }
}

/// What cannot be read is as if it were empty: the Secret is a user's to break.
fn decode(secret: &Secret) -> KeptRun {
    let text = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes.map_or_else(String::new, |bytes| {
            String::from_utf8_lossy(&bytes.0).into_owned()
        })
    };
    let run: Value = serde_json::from_str(&text(RUN)).unwrap_or_default();
    let string = |value: &Value| value.as_str().map(str::to_owned);
    KeptRun {
        phase: run
            .get("phase")
            .and_then(|phase| serde_json::from_value(phase.clone()).ok()),
        message: run.get("message").and_then(string).unwrap_or_default(),
        started: run.get("started").and_then(Value::as_bool).unwrap_or_default(),
        outputs: run
            .get("outputs")
            .and_then(Value::as_array)
            .map(|outputs| outputs.iter().filter_map(string).collect())
            .unwrap_or_default(),
        results: run
            .get("results")
            .and_then(Value::as_object)
            .map(|results| {
                results
                    .iter()
                    .filter_map(|(key, value)| Some((key.clone(), string(value)?)))
                    .collect()
            })
            .unwrap_or_default(),
        text: text(TEXT),
        text_lost: run.get("textLost").and_then(string),
    }
}
