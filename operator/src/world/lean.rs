//! What is read of objects from the wire.
//!
//! Most of what a server sends is not looked at: a pod's `managedFields` alone are longer than all
//! that decisions need. What is not named here is skipped while it is read, and takes no memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use axon_api::labels::LAST_APPLIED;
use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodSchedulingGate, PodStatus, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::Resource;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
/// What the names of Axon's own labels begin with.
const LABEL_PREFIX: &str = "axon.io/";

/// An object of a kind of Axon's, which users write: one that is not as its schema says is read
/// all the same, and hurts only itself.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Loose<K> {
    #[serde(deserialize_with = "metadata")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<Value>,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

/// A Job as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeanJob {
    #[serde(deserialize_with = "own_metadata")]
    metadata: ObjectMeta,
    #[serde(default)]
    status: Option<JobStatus>,
}

/// A pod as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeanPod {
    #[serde(deserialize_with = "own_metadata")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: LeanPodSpec,
    #[serde(default, deserialize_with = "pod_status")]
    status: Option<PodStatus>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeanPodSpec {
    #[serde(default)]
    containers: Vec<LeanContainer>,
    #[serde(default)]
    init_containers: Vec<LeanContainer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scheduling_gates: Option<Vec<PodSchedulingGate>>,
}

/// Of a container, its image and what it may use are told in messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeanContainer {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resources: Option<ResourceRequirements>,
    /// That of an init container that runs beside the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restart_policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeanMetadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let mut lean = LeanMetadata::deserialize(deserializer)?;
    if let Some(annotations) = &mut lean.annotations {
        annotations.remove(LAST_APPLIED);
    }
    Ok(ObjectMeta {
        name: lean.name,
        namespace: lean.namespace,
        uid: lean.uid,
        resource_version: lean.resource_version,
        generation: lean.generation,
        creation_timestamp: lean.creation_timestamp,
        deletion_timestamp: lean.deletion_timestamp,
        labels: lean.labels,
        annotations: lean.annotations,
        owner_references: lean.owner_references,
        ..ObjectMeta::default()
    })
}

/// The metadata of Jobs and pods, of whose labels only Axon's own are looked at.
fn own_metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    metadata(deserializer).map(trim_own_metadata)
}

fn trim_own_metadata(mut metadata: ObjectMeta) -> ObjectMeta {
    metadata.managed_fields = None;
    metadata.annotations = None;
    if let Some(labels) = &mut metadata.labels {
        labels.retain(|name, _| name.starts_with(LABEL_PREFIX));
    }
    metadata
}

fn pod_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PodStatus>, D::Error> {
    let mut status = Option::<PodStatus>::deserialize(deserializer)?;
    if let Some(status) = &mut status {
        trim_pod_status(status);
    }
    Ok(status)
}

fn trim_pod_status(status: &mut PodStatus) {
    status.host_ip = None;
    status.host_ips = None;
    status.pod_ip = None;
    status.pod_ips = None;
    status.qos_class = None;
    let containers = status.container_statuses.iter_mut();
    for container in containers.chain(&mut status.init_container_statuses).flatten() {
        trim_container_status(container);
    }
}

fn trim_container_status(container: &mut ContainerStatus) {
    container.allocated_resources = None;
    container.allocated_resources_status = None;
    container.container_id = None;
    container.image_id = String::new();
    container.resources = None;
    container.user = None;
    container.volume_mounts = None;
    let states = [&mut container.state, &mut container.last_state];
    for terminated in states
        .into_iter()
        .flatten()
        .filter_map(|state| state.terminated.as_mut())
    {
        terminated.container_id = None;
    }
}

impl LeanPod {
    /// Whether the pod has ended.
    pub(super) fn has_ended(&self) -> bool {
        let phase = self.status.as_ref().and_then(|status| status.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    }
}

impl From<Job> for LeanJob {
    fn from(job: Job) -> Self {
        Self {
            metadata: trim_own_metadata(job.metadata),
            status: job.status,
        }
    }
}

impl<K: Serialize> Loose<K> {
    /// What the server would send of `object`.
    pub fn of(object: &K) -> serde_json::Result<Self> {
        serde_json::from_value(serde_json::to_value(object)?)
    }
}

impl<K> Clone for Loose<K> {
    fn clone(&self) -> Self {
        Self {
            metadata: self.metadata.clone(),
            spec: self.spec.clone(),
            status: self.status.clone(),
            kind: PhantomData,
        }
    }
}

impl<K> std::fmt::Debug for Loose<K> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Loose")
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

/// Serves `$lean` from where `$whole` is served.
macro_rules! served_as {
    ($lean:ty, $whole:ty $(, $parameter:ident)?) => {
        impl $(<$parameter: Resource>)? Resource for $lean {
            type DynamicType = <$whole as Resource>::DynamicType;
            type Scope = <$whole as Resource>::Scope;

            fn kind(dynamic: &Self::DynamicType) -> Cow<'_, str> {
                <$whole>::kind(dynamic)
            }
            fn group(dynamic: &Self::DynamicType) -> Cow<'_, str> {
                <$whole>::group(dynamic)
            }
            fn version(dynamic: &Self::DynamicType) -> Cow<'_, str> {
                <$whole>::version(dynamic)
            }
            fn plural(dynamic: &Self::DynamicType) -> Cow<'_, str> {
                <$whole>::plural(dynamic)
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

served_as!(LeanJob, Job);
served_as!(LeanPod, Pod);
served_as!(Loose<K>, K, K);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_keeps_what_decisions_look_at_and_nothing_else() {
        let sent = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "a-1", "namespace": "default", "uid": "u", "resourceVersion": "7",
                "labels": { "axon.io/task-uid": "t", "team": "x" },
                "annotations": { "a": "b" },
                "managedFields": [{ "manager": "m", "fieldsV1": { "f:spec": {} } }],
            },
            "spec": {
                "containers": [{
                    "name": "agent", "image": "i", "env": [{ "name": "A", "value": "B" }],
                    "resources": { "limits": { "memory": "1Gi" } },
                }],
                "initContainers": [{ "name": "proxy", "restartPolicy": "Always" }],
                "schedulingGates": [{ "name": "axon.io/start" }],
                "volumes": [{ "name": "v", "emptyDir": {} }],
            },
            "status": {
                "phase": "Running", "podIP": "10.0.0.1",
                "containerStatuses": [{
                    "name": "agent", "image": "i", "imageID": "sha", "ready": true,
                    "restartCount": 0, "containerID": "c",
                    "state": { "running": { "startedAt": "2026-01-02T03:04:05Z" } },
                }],
            },
        });
        let lean: LeanPod = serde_json::from_value(sent).expect("a pod");
        let kept = serde_json::to_value(&lean).expect("JSON");
        let whole: Pod = serde_json::from_value(kept).expect("a pod again");
        assert_eq!(
            serde_json::to_value(whole).expect("JSON"),
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "name": "a-1", "namespace": "default", "uid": "u", "resourceVersion": "7",
                    "labels": { "axon.io/task-uid": "t" },
                },
                "spec": {
                    "containers": [{
                        "name": "agent", "image": "i",
                        "resources": { "limits": { "memory": "1Gi" } },
                    }],
                    "initContainers": [{ "name": "proxy", "restartPolicy": "Always" }],
                    "schedulingGates": [{ "name": "axon.io/start" }],
                },
                "status": {
                    "phase": "Running",
                    "containerStatuses": [{
                        "name": "agent", "image": "i", "imageID": "", "ready": true,
                        "restartCount": 0,
                        "state": { "running": { "startedAt": "2026-01-02T03:04:05Z" } },
                    }],
                },
            })
        );
    }
}
