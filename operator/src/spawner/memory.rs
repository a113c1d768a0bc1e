//! What a spawner remembers, as config maps on the server.

use axon_api::{TaskSpawner, labels, names};
use axon_plan::spawner::memory::Memory;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::ListParams;

use super::apply::{Hands, StepError, failed};

/// Name of the config map with this part of what the spawner remembers.
pub(super) fn name(spawner: &TaskSpawner, shard: usize) -> String {
    let uid = spawner.metadata.uid.as_deref().unwrap_or_default();
    names::spawner_memory(&spawner.name_any(), uid, shard)
}

/// Reads all that the spawner remembers.
pub(super) async fn read(hands: &Hands<'_>) -> Result<Memory, StepError> {
    let uid = hands.spawner.metadata.uid.as_deref().unwrap_or_default();
    let selector = format!("{}={uid}", labels::SPAWNER_MEMORY);
    // Without a version the list is the server's latest, not that of a cache.
    let parameters = ListParams::default().labels(&selector);
    let maps = hands.api::<ConfigMap>().list(&parameters).await;
    let maps = maps.map_err(|source| failed("list", "ConfigMaps of", &hands.key.name, source))?;
    Ok(Memory::read(|shard| {
        let name = name(hands.spawner, shard);
        maps.items.iter().find(|map| map.name_any() == name)
    }))
}
