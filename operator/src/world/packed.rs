//! Objects as compact JSON.
//!
//! Kubernetes' types are large structures of mostly absent fields: a Job without a spec is still
//! over two kilobytes. The bytes of what was left of it are a fifth of that, and a round decodes
//! them in microseconds.

use std::marker::PhantomData;
use std::sync::Arc;

use axon_api::{Task, Workspace};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The annotation in which `kubectl apply` keeps a second copy of the object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What the names of Axon's own labels begin with.
const LABEL_PREFIX: &str = "axon.io/";

/// An object as compact JSON. Cheap to clone.
#[derive(Debug)]
pub(crate) struct Packed<K> {
    json: Arc<[u8]>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Clone for Packed<K> {
    fn clone(&self) -> Self {
        Self {
            json: Arc::clone(&self.json),
            kind: PhantomData,
        }
    }
}

impl<K: Serialize + DeserializeOwned> Packed<K> {
    /// Packs `object`.
    pub(crate) fn new(object: &K) -> serde_json::Result<Self> {
        Ok(Self {
            json: serde_json::to_vec(object)?.into(),
            kind: PhantomData,
        })
    }

    /// The object again.
    pub(crate) fn unpack(&self) -> serde_json::Result<K> {
        serde_json::from_slice(&self.json)
    }
}

/// What can be cut down to the part that decisions look at.
pub(crate) trait Trim {
    /// Drops what no decision looks at.
    fn trim(&mut self);
}

fn trim_metadata(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

impl Trim for Task {
    /// A finished Task never starts again, so that its prompt, of up to 1 MiB, is not needed.
    fn trim(&mut self) {
        trim_metadata(&mut self.metadata);
        if self.is_finished() {
            self.spec.prompt = String::new();
            self.spec.pod_overrides = None;
        }
    }
}

impl Trim for Workspace {
    fn trim(&mut self) {
        trim_metadata(&mut self.metadata);
    }
}

impl Trim for Job {
    fn trim(&mut self) {
        trim_owned_metadata(&mut self.metadata);
        self.spec = None;
    }
}

impl Trim for Pod {
    fn trim(&mut self) {
        trim_owned_metadata(&mut self.metadata);
        if let Some(spec) = self.spec.take() {
            let init_containers = spec.init_containers.map(trim_containers);
            self.spec = Some(PodSpec {
                containers: trim_containers(spec.containers),
                init_containers,
                node_name: spec.node_name,
                scheduling_gates: spec.scheduling_gates,
                ..PodSpec::default()
            });
        }
        let Some(status) = &mut self.status else {
            return;
        };
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
}

/// Of the labels of Jobs and pods only Axon's own are looked at.
fn trim_owned_metadata(metadata: &mut ObjectMeta) {
    trim_metadata(metadata);
    metadata.annotations = None;
    if let Some(labels) = &mut metadata.labels {
        labels.retain(|name, _| name.starts_with(LABEL_PREFIX));
    }
}

/// Of containers, their images and what they may use are told in messages.
fn trim_containers(containers: Vec<Container>) -> Vec<Container> {
    containers
        .into_iter()
        .map(|container| Container {
            name: container.name,
            image: container.image,
            resources: container.resources,
            ..Container::default()
        })
        .collect()
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
