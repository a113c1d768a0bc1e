//! 200 Tasks at once on a real control plane, with the operator killed and restarted five times
//! meanwhile: every Task gets exactly one Job, and of every Job exactly one pod may start.
//!
//! The pods run on a fake node, so that only the control plane works.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use axon_api::{Phase, Task, labels};
use axon_e2e::plane::{Plane, PlaneKind};
use axon_e2e::wait;
use axon_e2e::world::{PATIENCE, phase};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::json;

const TASKS: usize = 200;
const KILLS: usize = 5;
const NAMESPACE: &str = "e2e-burst";

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_tasks_give_two_hundred_jobs_though_the_operator_is_killed_five_times()
-> anyhow::Result<()> {
    let plane = Plane::start(PlaneKind::Cluster).await?;
    let client = plane.client();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    remove(&namespaces).await?;
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": NAMESPACE}}))?;
    namespaces.create(&PostParams::default(), &namespace).await?;

    let jobs = Seen::watch(Api::<Job>::namespaced(client.clone(), NAMESPACE)).await?;
    let started = Seen::watch(Api::<Pod>::namespaced(client.clone(), NAMESPACE)).await?;
    let tasks: Api<Task> = Api::namespaced(client, NAMESPACE);
    futures::stream::iter(0..TASKS)
        .map(|number| create(&tasks, number))
        .buffer_unordered(16)
        .try_collect::<Vec<()>>()
        .await?;
    for kill in 1..=KILLS {
        // Each death comes when the operator has done more of its work, and the last when it has
        // not done all.
        let enough = kill * TASKS / (KILLS + 2);
        wait::until(PATIENCE, &format!("{enough} Jobs"), async || {
            Ok(jobs.count() >= enough)
        })
        .await?;
        plane.crash().await?;
        plane.recover().await?;
    }
    // A container that does not exist reports nothing, so the Tasks do not succeed: they end.
    wait::until(5 * PATIENCE, "all Tasks to end", async || {
        let all = tasks.list(&ListParams::default()).await?;
        Ok(all.items.len() == TASKS && all.iter().all(|task| phase(task).is_some_and(Phase::is_final)))
    })
    .await
    .with_context(|| plane.log())?;

    let by_task = jobs.by_task();
    ensure!(by_task.len() == TASKS, "{} Tasks have Jobs", by_task.len());
    for (task, objects) in by_task {
        ensure!(objects.len() == 1, "Task {task} has the Jobs {objects:?}");
    }
    let by_task = started.ungated_by_task();
    ensure!(by_task.len() == TASKS, "{} Tasks were started", by_task.len());
    for (task, objects) in by_task {
        ensure!(
            objects.len() == 1,
            "Task {task} was started in the pods {objects:?}"
        );
    }
    plane.end().await?;
    remove(&namespaces).await
}

async fn create(tasks: &Api<Task>, number: usize) -> anyhow::Result<()> {
    let name = format!("burst-{number}");
    let task: Task = serde_json::from_value(json!({
        "apiVersion": "axon.io/v1alpha1", "kind": "Task", "metadata": {"name": name},
        "spec": {
            "type": "shell", "prompt": "true",
            "podOverrides": {
                "nodeSelector": {"type": "fake"},
                "tolerations": [{"key": "type", "operator": "Equal", "value": "fake", "effect": "NoSchedule"}],
            },
        },
    }))?;
    tasks.create(&PostParams::default(), &task).await?;
    Ok(())
}

/// Removes the namespace of an earlier run, and waits until it is gone.
async fn remove(namespaces: &Api<Namespace>) -> anyhow::Result<()> {
    if namespaces.get_opt(NAMESPACE).await?.is_some() {
        namespaces.delete(NAMESPACE, &DeleteParams::background()).await?;
    }
    wait::until(PATIENCE, "the namespace to be gone", async || {
        Ok(namespaces.get_opt(NAMESPACE).await?.is_none())
    })
    .await
}

/// All objects that there ever were since the beginning of the watch, also those that are gone.
#[derive(Clone)]
struct Seen {
    /// For each UID the Task's UID and whether the object was ever without a scheduling gate.
    objects: Arc<Mutex<BTreeMap<String, (String, bool)>>>,
}

impl Seen {
    async fn watch<K>(api: Api<K>) -> anyhow::Result<Self>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + serde::Serialize
            + Send
            + 'static,
    {
        let seen = Self {
            objects: Arc::default(),
        };
        let list = api.list(&ListParams::default()).await?;
        let mut version = list.metadata.resource_version.unwrap_or_default();
        let record = seen.clone();
        tokio::spawn(async move {
            loop {
                // A watch ends after some minutes; the next one begins where it ended.
                let Ok(stream) = api.watch(&WatchParams::default(), &version).await else {
                    continue;
                };
                let mut stream = stream.boxed();
                while let Some(Ok(event)) = stream.next().await {
                    match event {
                        WatchEvent::Added(object)
                        | WatchEvent::Modified(object)
                        | WatchEvent::Deleted(object) => {
                            version = object.resource_version().unwrap_or_default();
                            record.see(&object);
                        }
                        WatchEvent::Bookmark(bookmark) => version = bookmark.metadata.resource_version,
                        WatchEvent::Error(_) => {}
                    }
                }
            }
        });
        Ok(seen)
    }

    fn see<K: kube::Resource + serde::Serialize>(&self, object: &K) {
        let task = object.labels().get(labels::TASK_UID).cloned().unwrap_or_default();
        let json = serde_json::to_value(object).unwrap_or_default();
        let gated = json
            .pointer("/spec/schedulingGates")
            .and_then(|gates| gates.as_array())
            .is_some_and(|gates| !gates.is_empty());
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = objects
            .entry(object.uid().unwrap_or_default())
            .or_insert((task, false));
        entry.1 |= !gated;
    }

    fn count(&self) -> usize {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn by_task(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.grouped(|_| true)
    }

    fn ungated_by_task(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.grouped(|ungated| ungated)
    }

    fn grouped(&self, keep: impl Fn(bool) -> bool) -> BTreeMap<String, BTreeSet<String>> {
        let mut groups = BTreeMap::<String, BTreeSet<String>>::new();
        for (uid, (task, ungated)) in &*self.objects.lock().unwrap_or_else(PoisonError::into_inner) {
            if keep(*ungated) {
                groups.entry(task.clone()).or_default().insert(uid.clone());
            }
        }
        groups
    }
}
