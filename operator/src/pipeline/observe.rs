//! Gathers all that a decision about one pipeline may look at.

use std::collections::BTreeMap;

use axon_api::{Task, TaskDefaults, TaskPipeline, Workspace, names};
use axon_plan::pipeline::{KeptSeen, PipelineObserved, PipelinePlan, kept_tasks, plan};
use axon_plan::{Found, Settings};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::key::Key;
use crate::scope::SecretScope;
use crate::world::Loose;

/// A pipeline and all that bears on it, as the server has just said.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) pipeline: TaskPipeline,
    workspace: Sought<Workspace>,
    task: Sought<Task>,
    default_type: Option<String>,
    kept: BTreeMap<String, KeptSeen>,
}

/// What became of looking for an object.
#[derive(Debug)]
enum Sought<K> {
    NotNamed,
    Missing,
    Invalid(String),
    Present(Box<K>),
}

impl<K> Sought<K> {
    fn found(&self) -> Found<'_, K> {
        match self {
            Self::NotNamed => Found::NotNamed,
            Self::Missing => Found::Missing,
            Self::Invalid(why) => Found::Invalid(why),
            Self::Present(object) => Found::Present(object),
        }
    }
}

/// Why a pipeline could not be observed.
#[derive(Debug, thiserror::Error)]
#[error("failed to get {kind} `{key}`")]
pub(super) struct ObserveError {
    kind: String,
    key: Key,
    #[source]
    source: Box<kube::Error>,
}

impl Seen {
    /// Decides, at `now`. `refused` is why the server has refused what was to be created.
    pub(super) fn decide(&self, settings: &Settings, now: Timestamp, refused: Option<&str>) -> PipelinePlan {
        let default_type = self
            .default_type
            .as_deref()
            .or(settings.default_type.as_deref())
            .unwrap_or(axon_api::kinds::task::DEFAULT_TYPE);
        plan(&PipelineObserved {
            now,
            pipeline: &self.pipeline,
            workspace: self.workspace.found(),
            default_type,
            task: self.task.found(),
            kept: &self.kept,
            refused,
        })
    }

    /// The Workspace that was looked for in vain.
    pub(super) fn missing_workspace(&self) -> Option<&str> {
        match (&self.workspace, &self.pipeline.spec.workspace_ref) {
            (Sought::Missing, Some(reference)) => Some(&reference.name),
            _ => None,
        }
    }

    /// When the Task of the last run ended, if it has.
    pub(super) fn task_ended(&self) -> Option<Timestamp> {
        match &self.task {
            Sought::Present(task) => {
                let status = task.status.as_ref()?;
                status.completion_time.as_ref().map(|time| time.0)
            }
            _ => None,
        }
    }
}

/// Reads from the server what bears on the pipeline at `key`. `None` when there is no such one, or
/// none that can be read: it hurts only itself.
pub(super) async fn observe(
    client: &Client,
    secrets: &SecretScope,
    key: &Key,
) -> Result<Option<Seen>, ObserveError> {
    let reader = Reader { client, key };
    let pipeline = match reader.look_for::<TaskPipeline>(&key.name).await? {
        Sought::Present(pipeline) => *pipeline,
        Sought::Invalid(error) => {
            tracing::warn!(pipeline = %key, error, "a TaskPipeline cannot be read");
            return Ok(None);
        }
        Sought::Missing | Sought::NotNamed => return Ok(None),
    };
    let mut seen = Seen {
        pipeline,
        workspace: Sought::NotNamed,
        task: Sought::NotNamed,
        default_type: None,
        kept: BTreeMap::new(),
    };
    let status = seen.pipeline.status.clone().unwrap_or_default();
    if let Some(run) = status.runs.last() {
        seen.task = reader.look_for(&run.task).await?;
        if let Sought::Present(task) = &seen.task
            && !task.is_finished()
            && run.result.is_none()
        {
            return Ok(Some(seen));
        }
    }
    if seen.pipeline.is_finished() {
        return Ok(Some(seen));
    }
    // Where they may not be read, there are none: no step is run there.
    let may_be_kept = secrets.has_all_of(&key.namespace);
    for task in kept_tasks(&status).into_iter().filter(|_| may_be_kept) {
        let name = names::step_text(task);
        let secret: Option<Secret> = reader.get(&name).await?;
        if let Some(secret) = secret {
            seen.kept
                .insert(task.to_owned(), KeptSeen::read(&secret, &seen.pipeline));
        }
    }
    if let Some(reference) = &seen.pipeline.spec.workspace_ref {
        seen.workspace = reader.look_for(&reference.name).await?;
    }
    if let Sought::Present(defaults) = reader.look_for::<TaskDefaults>("default").await? {
        seen.default_type = defaults.spec.type_;
    }
    Ok(Some(seen))
}

struct Reader<'a> {
    client: &'a Client,
    key: &'a Key,
}

impl Reader<'_> {
    async fn look_for<K>(&self, name: &str) -> Result<Sought<K>, ObserveError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize + DeserializeOwned,
    {
        let Some(sent) = self.get::<Loose<K>>(name).await? else {
            return Ok(Sought::Missing);
        };
        let read = serde_json::to_value(&sent).and_then(serde_json::from_value);
        Ok(match read {
            Ok(object) => Sought::Present(Box::new(object)),
            Err(error) => Sought::Invalid(error.to_string()),
        })
    }

    async fn get<K>(&self, name: &str) -> Result<Option<K>, ObserveError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.key.namespace);
        api.get_opt(name).await.map_err(|source| ObserveError {
            kind: K::kind(&()).into_owned(),
            key: self.key.sibling(name),
            source: Box::new(source),
        })
    }
}
