//! What is remembered of a spawner's items, and which Tasks of it there are.

use std::collections::BTreeSet;

use axon_api::{Task, TaskSpawner, labels, names};
use axon_plan::spawner::SpawnedTask;
use axon_plan::spawner::memory::Memory;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::ListParams;

use crate::cluster::Cluster;
use crate::failure::{Failure, Result};
use crate::objects;
use crate::output;
use crate::resources::Kind;

/// What is remembered and there of a spawner. Of a new one, nothing.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) memory: Memory,
    /// Its Tasks, by UID of the spawner, as the server has just listed them.
    pub(super) tasks: Vec<SpawnedTask>,
}

impl Seen {
    /// The Task with this UID.
    pub(super) fn task(&self, uid: &str) -> Option<&SpawnedTask> {
        self.tasks.iter().find(|task| task.uid == uid)
    }

    /// The places of Tasks that are gone, of those that are remembered or have a place.
    pub(super) fn gone(&self, spawner: &TaskSpawner) -> BTreeSet<String> {
        let there: BTreeSet<String> = self.tasks.iter().map(|task| names::place(&task.uid)).collect();
        let entries = self.memory.shards.iter().flat_map(|shard| shard.entries.values());
        let remembered = entries.map(|entry| names::place(&entry.task_uid));
        let places = spawner
            .status
            .iter()
            .flat_map(|status| status.places.iter().cloned());
        let all = remembered.chain(places);
        all.filter(|place| !there.contains(place)).collect()
    }
}

/// Asks the server. Who may not read `ConfigMap`s is told so, and gets what the Tasks alone tell.
pub(super) async fn read(cluster: &Cluster, spawner: &TaskSpawner) -> Result<Seen> {
    Ok(Seen {
        memory: memory(cluster, spawner).await?,
        tasks: tasks(cluster, spawner).await?,
    })
}

async fn memory(cluster: &Cluster, spawner: &TaskSpawner) -> Result<Memory> {
    let (name, uid) = (spawner.name_any(), spawner.uid().unwrap_or_default());
    let selector = format!("{}={uid}", labels::SPAWNER_MEMORY);
    let parameters = ListParams::default().labels(&selector);
    let maps = match cluster.api::<ConfigMap>().list(&parameters).await {
        Ok(maps) => maps.items,
        Err(kube::Error::Api(status)) if status.code == 403 => {
            output::note(format!(
                "warning: you may not read the ConfigMaps in which spawner `{name}` remembers its items: what has become a task that is gone is shown as new"
            ));
            Vec::new()
        }
        Err(error) => {
            return Err(Failure::api(
                &format!("list the memory of spawner `{name}`"),
                &error,
            ));
        }
    };
    Ok(Memory::read(|shard| {
        let wanted = names::spawner_memory(&name, &uid, shard);
        maps.iter().find(|map| map.name_any() == wanted)
    }))
}

async fn tasks(cluster: &Cluster, spawner: &TaskSpawner) -> Result<Vec<SpawnedTask>> {
    let name = spawner.name_any();
    let label = names::label_value(&name);
    let parameters = ListParams::default().labels(&format!("{}={label}", labels::SPAWNER));
    let api = objects::api(cluster, Kind::Task);
    let found = objects::list(&api, parameters, &format!("list the tasks of spawner `{name}`")).await?;
    let is_ours = |task: &Task| {
        let mut owners = task.owner_references().iter();
        owners
            .any(|owner| owner.controller == Some(true) && Some(&owner.uid) == spawner.metadata.uid.as_ref())
    };
    let typed = found
        .into_iter()
        .filter_map(|object| object.try_parse::<Task>().ok());
    Ok(typed
        .filter(is_ours)
        .map(|task| SpawnedTask {
            is_fresh: true,
            ..SpawnedTask::of(&task)
        })
        .collect())
}
