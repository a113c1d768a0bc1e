//! Does what a plan about a spawner says: the only place that writes on behalf of one.

use axon_api::sources::{Subject, WorkItem};
use axon_api::{Task, TaskSpawner, TaskSpawnerStatus, labels};
use axon_plan::spawner::memory::ShardWrite;
use axon_plan::spawner::{Spawn, Trouble, draft};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, Preconditions};
use kube::core::PartialObjectMeta;
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::memory;
use crate::apply::patch::status_patch;
use crate::apply::{Applied, Applier, is_refusal, overtaken, patching, post};
use crate::failure::Answer;
use crate::key::Key;
use crate::read::ReadError;
use crate::world::Loose;

/// What a spawner's steps are done with.
pub(super) struct Hands<'a> {
    pub(super) applier: &'a Applier,
    pub(super) spawner: &'a TaskSpawner,
    pub(super) key: &'a Key,
    /// Agent type of a Task that names none.
    pub(super) default_type: &'a str,
}

/// What became of an item that was to become a Task.
#[derive(Debug)]
pub(super) enum Spawned {
    /// Its Task is there.
    Created,
    /// It cannot become a Task, now or later: why.
    Refused(String),
    /// The decision was made from what is no longer so.
    Stale,
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    #[error("failed to {action} {kind} `{name}`")]
    Request {
        action: &'static str,
        kind: &'static str,
        name: String,
        #[source]
        source: Answer,
    },
    #[error("{}", .0.message)]
    Source(Trouble),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("failed to settle an event")]
    Settle(#[source] anyhow::Error),
}

impl Hands<'_> {
    /// Writes one part of the memory. Done gives the version that it has now.
    pub(super) async fn remember(&self, write: &ShardWrite) -> Result<Option<String>, StepError> {
        let name = memory::name(self.spawner, write.shard);
        let maps: Api<ConfigMap> = self.api();
        if write.resource_version.is_none() {
            self.applier.count("create", "configmap");
            return match maps.create(&post(), &write.config_map(self.spawner)).await {
                Ok(created) => Ok(created.resource_version()),
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(None),
                Err(source) => Err(failed("create", "ConfigMap", &name, source)),
            };
        }
        self.applier.count("patch", "configmap");
        match maps
            .patch_metadata(&name, &patching(), &Patch::Merge(write.patch()))
            .await
        {
            Ok(written) => Ok(written.resource_version()),
            Err(source) => match overtaken(source) {
                Ok(_) => Ok(None),
                Err(source) => Err(failed("write", "ConfigMap", &name, source)),
            },
        }
    }

    /// Writes the status, on the version that was observed.
    pub(super) async fn write_status(&self, status: &TaskSpawnerStatus) -> Result<Applied, StepError> {
        let before = self.spawner.status.as_ref();
        let Some(patch) = status_patch(&self.spawner.metadata, before, status) else {
            return Ok(Applied::Done);
        };
        self.applier.count("patch", "taskspawner");
        let spawners: Api<Loose<TaskSpawner>> = self.api();
        let answer = spawners
            .patch_status(&self.key.name, &patching(), &Patch::Merge(&patch))
            .await;
        match answer {
            Ok(written) => {
                // It wakes this spawner once more, which finds nothing to be done.
                let wakes = self.applier.world.lock().note_object(&written);
                for (task, urgency) in wakes {
                    self.applier.queue.wake(&task, urgency);
                }
                Ok(Applied::Done)
            }
            Err(source) => overtaken(source)
                .map_err(|source| failed("write the status of", "TaskSpawner", &self.key.name, source)),
        }
    }

    /// Creates the Task of an item.
    pub(super) async fn create(&self, spawn: &Spawn, item: &WorkItem) -> Result<Spawned, StepError> {
        let task = match draft(self.spawner, spawn, item, self.default_type) {
            Ok(task) => task,
            Err(refusal) => return Ok(Spawned::Refused(refusal.message)),
        };
        let name = task.name_any();
        let tasks: Api<Task> = self.api();
        self.applier.count("create", "task");
        match tasks.create(&post(), &task).await {
            Ok(created) => {
                self.applier.metrics.tasks_spawned.inc();
                self.applier.world.lock().note_spawned(&created);
                tracing::info!(spawner = %self.key, task = name, item = spawn.candidate.key, subject = subject(item), "created a Task");
                Ok(Spawned::Created)
            }
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let existing = tasks.get_opt(&name).await;
                match existing.map_err(|source| failed("get", "Task", &name, source))? {
                    Some(existing) if self.is_of(&existing, &task) => {
                        self.applier.world.lock().note_spawned(&existing);
                        Ok(Spawned::Created)
                    }
                    Some(existing) if existing.meta().deletion_timestamp.is_some() => Ok(Spawned::Stale),
                    Some(_) => Ok(Spawned::Refused(format!(
                        "the name of Task `{name}` is taken by one that was not made for this item"
                    ))),
                    None => Ok(Spawned::Stale),
                }
            }
            Err(kube::Error::Api(status)) if is_refusal(&status) => Ok(Spawned::Refused(format!(
                "the API server does not take Task `{name}`: {}",
                status.message
            ))),
            Err(source) => Err(failed("create", "Task", &name, source)),
        }
    }

    /// Whether a Task that is there is as good as the one that was to be created: of this spawner and
    /// this item. Which of the item's Tasks it is, it says itself.
    fn is_of(&self, existing: &Task, wanted: &Task) -> bool {
        let item = |task: &Task| task.annotations().get(labels::ITEM).cloned();
        self.controls(existing) && item(existing) == item(wanted)
    }

    /// Whether the spawner, by its UID, controls the Task.
    pub(super) fn controls(&self, task: &Task) -> bool {
        let uid = self.spawner.meta().uid.as_ref();
        let mut owners = task.owner_references().iter();
        owners.any(|owner| owner.controller == Some(true) && Some(&owner.uid) == uid)
    }

    /// Deletes a Task that was made twice.
    pub(super) async fn delete_task(&self, name: &str, uid: &str) -> Result<Applied, StepError> {
        self.applier.count("delete", "task");
        let parameters = DeleteParams::background().preconditions(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        });
        let tasks: Api<PartialObjectMeta<Task>> = self.api();
        match tasks.delete(name, &parameters).await {
            Ok(_) => Ok(Applied::Done),
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                self.note_gone(uid);
                Ok(Applied::Done)
            }
            Err(source) => overtaken(source).map_err(|source| failed("delete", "Task", name, source)),
        }
    }

    /// Cancels a Task, which another is to replace.
    pub(super) async fn cancel_task(&self, name: &str, uid: &str) -> Result<Applied, StepError> {
        self.applier.count("patch", "task");
        let patch = json!({ "metadata": { "uid": uid }, "spec": { "cancel": true } });
        let tasks: Api<PartialObjectMeta<Task>> = self.api();
        match tasks.patch(name, &patching(), &Patch::Merge(&patch)).await {
            Ok(_) => Ok(Applied::Done),
            Err(source) => overtaken(source).map_err(|source| failed("cancel", "Task", name, source)),
        }
    }

    /// Takes away the annotation of a person's wish that is dealt with; the item of another wish that
    /// was made meanwhile is another.
    pub(super) async fn settle_request(&self, key: &str) -> Result<(), StepError> {
        let name = labels::TRIGGER_REQUEST;
        let Some(wish) = self.spawner.annotations().get(name) else {
            return Ok(());
        };
        if super::sources::requested_key(self.spawner).as_deref() != Some(key) {
            return Ok(());
        }
        tracing::debug!(spawner = %self.key, wish, "a wish is dealt with");
        self.applier.count("patch", "taskspawner");
        let patch = json!({
            "metadata": {
                "uid": self.spawner.metadata.uid,
                "resourceVersion": self.spawner.metadata.resource_version,
                "annotations": { name: null },
            },
        });
        let spawners: Api<PartialObjectMeta<TaskSpawner>> = self.api();
        match spawners
            .patch(&self.key.name, &patching(), &Patch::Merge(&patch))
            .await
        {
            Ok(_) => Ok(()),
            Err(source) => match overtaken(source) {
                Ok(_) => Ok(()),
                Err(source) => Err(failed("patch", "TaskSpawner", &self.key.name, source)),
            },
        }
    }

    /// Asks the server for a Task that the watch does not tell of. `None` when it is gone, or another
    /// one has its name.
    pub(super) async fn get_task(&self, name: &str, uid: &str) -> Result<Option<Task>, StepError> {
        let tasks: Api<Task> = self.api();
        let found = tasks.get_opt(name).await;
        let found = found.map_err(|source| failed("get", "Task", name, source))?;
        let found = found.filter(|task| task.meta().uid.as_deref() == Some(uid));
        if found.is_none() {
            self.note_gone(uid);
        }
        Ok(found)
    }

    fn note_gone(&self, task_uid: &str) {
        let spawner_uid = self.spawner.meta().uid.as_deref().unwrap_or_default();
        self.applier.world.lock().note_spawned_gone(spawner_uid, task_uid);
    }

    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.applier.client.clone(), &self.key.namespace)
    }
}

fn subject(item: &WorkItem) -> Option<String> {
    let Subject {
        owner,
        repository,
        number,
        ..
    } = item.subject.as_ref()?;
    Some(format!("{owner}/{repository}#{number}"))
}

pub(super) fn failed(action: &'static str, kind: &'static str, name: &str, source: kube::Error) -> StepError {
    StepError::Request {
        action,
        kind,
        name: name.to_owned(),
        source: Answer::from(source),
    }
}
