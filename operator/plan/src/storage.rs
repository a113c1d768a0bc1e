//! Volumes that outlive a pod.

use std::collections::BTreeMap;

use axon_api::kinds::storage::{AccessMode, Storage, StorageScope};
use axon_api::{GROUP, TaskDefaults, VERSION, Workspace, WorkspaceSpec, labels, names};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::effective::{Inherited, Origin};
use crate::job;
use crate::observed::{Found, Observed};
use crate::requirements::{Blocked, forever, waiting};

/// The size of a volume for which none is said.
const DEFAULT_SIZE: &str = "10Gi";

/// A volume that outlives the pod.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Volume {
    pub(crate) claim: PersistentVolumeClaim,
    /// Whether all Tasks of the Workspace have it together.
    pub(crate) is_shared: bool,
}

/// The volume of a workspace that has storage, or for which the defaults have some.
pub(crate) fn resolve(
    observed: &Observed<'_>,
    spec: &WorkspaceSpec,
    defaults: Option<&TaskDefaults>,
    inherited: &mut Inherited,
) -> Result<Option<Volume>, Blocked> {
    let of_defaults = defaults.and_then(|defaults| defaults.spec.storage.as_ref());
    let Some(storage) = spec.storage.as_ref().or(of_defaults) else {
        return Ok(None);
    };
    if spec.storage.is_none() {
        let spelled = serde_json::to_string(storage).unwrap_or_default();
        inherited.record("workspace.storage", spelled, Origin::Defaults);
    }
    let task = observed.task;
    if storage.scope.unwrap_or_default() == StorageScope::Task {
        let meta = &task.metadata;
        let (name, uid) = (
            meta.name.as_deref().unwrap_or_default(),
            meta.uid.as_deref().unwrap_or_default(),
        );
        let metadata = ObjectMeta {
            name: Some(names::task_claim(name, uid)),
            namespace: meta.namespace.clone(),
            labels: Some(BTreeMap::from([
                (labels::TASK.to_owned(), names::label_value(name)),
                (labels::TASK_UID.to_owned(), uid.to_owned()),
                (labels::MANAGED_BY.to_owned(), labels::MANAGER.to_owned()),
                (labels::NAME.to_owned(), "axon".to_owned()),
            ])),
            owner_references: Some(vec![job::owner(task)]),
            ..ObjectMeta::default()
        };
        return Ok(Some(Volume {
            claim: claim(metadata, storage, AccessMode::ReadWriteOnce),
            is_shared: false,
        }));
    }
    let (Some(_), Found::Present(workspace)) = (&task.spec.workspace_ref, &observed.workspace) else {
        return Err(nothing_to_share(spec));
    };
    Ok(Some(Volume {
        claim: claim(shared_metadata(workspace), storage, AccessMode::ReadWriteMany),
        is_shared: true,
    }))
}

/// A workspace in place has no other Task to share a volume with.
fn nothing_to_share(spec: &WorkspaceSpec) -> Blocked {
    let why = "and a workspace in place has no other Task to share a volume with; workspaceRef can name a Workspace";
    if spec.storage.is_some() {
        return forever(
            "StorageNotShared",
            format!("spec.workspace.storage.scope is Workspace, {why}"),
        );
    }
    waiting(
        "StorageNotShared",
        format!("storage.scope of TaskDefaults `default` is Workspace, {why}"),
    )
}

fn shared_metadata(workspace: &Workspace) -> ObjectMeta {
    let meta = &workspace.metadata;
    let (name, uid) = (
        meta.name.clone().unwrap_or_default(),
        meta.uid.clone().unwrap_or_default(),
    );
    ObjectMeta {
        name: Some(names::workspace_claim(&name, &uid)),
        namespace: meta.namespace.clone(),
        labels: Some(BTreeMap::from([
            (labels::MANAGED_BY.to_owned(), labels::MANAGER.to_owned()),
            (labels::NAME.to_owned(), "axon".to_owned()),
        ])),
        owner_references: Some(vec![OwnerReference {
            api_version: format!("{GROUP}/{VERSION}"),
            kind: "Workspace".to_owned(),
            name,
            uid,
            controller: Some(true),
            block_owner_deletion: None,
        }]),
        ..ObjectMeta::default()
    }
}

fn claim(metadata: ObjectMeta, storage: &Storage, mode: AccessMode) -> PersistentVolumeClaim {
    let mode = storage.access_mode.unwrap_or(mode);
    let size = storage.size.as_deref().unwrap_or(DEFAULT_SIZE);
    PersistentVolumeClaim {
        metadata,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec![mode.as_str().to_owned()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([(
                    "storage".to_owned(),
                    Quantity(size.to_owned()),
                )])),
                limits: None,
            }),
            storage_class_name: storage.class_name.clone(),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}
