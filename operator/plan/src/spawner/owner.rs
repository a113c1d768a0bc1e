//! The spawner as the owner of what is made for it.

use axon_api::TaskSpawner;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;

/// The owner reference of a spawner. Nothing keeps the spawner from being deleted first.
pub(crate) fn reference(spawner: &TaskSpawner) -> Option<OwnerReference> {
    let mut owner = spawner.controller_owner_ref(&())?;
    owner.block_owner_deletion = None;
    Some(owner)
}
