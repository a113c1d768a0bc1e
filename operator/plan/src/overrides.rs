//! What a user may not change of the agent's pod: the names that are Axon's own.

use std::collections::BTreeSet;

use axon_api::kinds::pod_overrides::PodOverrides;
use axon_api::paths;
use k8s_openapi::api::core::v1::{Container, VolumeMount};

use crate::pod_spec::{AGENT, PREPARE, RUNNER};
use crate::requirements::{Blocked, forever};
use crate::volumes;

/// Names that begin so are Axon's own.
const PREFIX: &str = "axon-";
/// Where the volumes of Axon are.
const AXON: &str = "/axon";

/// How many containers a user may add: all containers of a pod share the little that the kubelet
/// keeps of last words, of which the agent's have to fit branch and commit.
const MAX_EXTRA: usize = 12;

/// Refuses what would meet Axon's own containers, volumes and mounts, or itself.
pub(crate) fn check(overrides: Option<&PodOverrides>) -> Result<(), Blocked> {
    let Some(overrides) = overrides else {
        return Ok(());
    };
    let mut volumes = Names::of("volume", volumes::OWN);
    for (index, volume) in overrides.volumes.iter().enumerate() {
        volumes.add(&format!("volumes[{index}].name"), &volume.name)?;
    }
    mounts("volumeMounts", &overrides.volume_mounts, &volumes)?;
    let extra_containers = overrides.extra_containers.len() + overrides.extra_init_containers.len();
    if extra_containers > MAX_EXTRA {
        return Err(refused(format!(
            "spec.podOverrides.extraContainers and extraInitContainers are {extra_containers} containers together, and at most {MAX_EXTRA} are possible"
        )));
    }
    let mut containers = Names::of("container", &[RUNNER, PREPARE, AGENT]);
    for (field, list) in [
        ("extraContainers", &overrides.extra_containers),
        ("extraInitContainers", &overrides.extra_init_containers),
    ] {
        for (index, container) in list.iter().enumerate() {
            let field = format!("{field}[{index}]");
            containers.add(&format!("{field}.name"), &container.name)?;
            extra(&field, container, &volumes)?;
        }
    }
    Ok(())
}

/// The names of one kind of thing in the pod.
struct Names<'a> {
    kind: &'static str,
    own: &'static [&'static str],
    taken: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    fn of(kind: &'static str, own: &'static [&'static str]) -> Self {
        Self {
            kind,
            own,
            taken: BTreeSet::new(),
        }
    }

    fn add(&mut self, field: &str, name: &'a str) -> Result<(), Blocked> {
        let kind = self.kind;
        if self.own.contains(&name) || name.starts_with(PREFIX) {
            return Err(refused(format!(
                "spec.podOverrides.{field} is `{name}`, which is the name of a {kind} of Axon's own"
            )));
        }
        if !self.taken.insert(name) {
            return Err(refused(format!(
                "spec.podOverrides.{field} is `{name}`, and there is another {kind} of that name"
            )));
        }
        Ok(())
    }
}

fn extra(field: &str, container: &Container, volumes: &Names<'_>) -> Result<(), Blocked> {
    if container.image.as_deref().unwrap_or_default().is_empty() {
        return Err(refused(format!("spec.podOverrides.{field}.image is absent")));
    }
    let mounts = container.volume_mounts.as_deref().unwrap_or_default();
    self::mounts(&format!("{field}.volumeMounts"), mounts, volumes)
}

fn mounts(field: &str, mounts: &[VolumeMount], volumes: &Names<'_>) -> Result<(), Blocked> {
    let mut paths = BTreeSet::from([paths::WORKSPACE, paths::HOME, volumes::TMP]);
    if field != "volumeMounts" {
        // Only the agent container has mounts of Axon's own.
        paths.clear();
    }
    for (index, mount) in mounts.iter().enumerate() {
        let name = mount.name.as_str();
        if !volumes.taken.contains(name) && name != volumes::WORKSPACE {
            return Err(refused(format!(
                "spec.podOverrides.{field}[{index}].name is `{name}`, which is neither one of podOverrides.volumes nor `{}`",
                volumes::WORKSPACE
            )));
        }
        let path = mount.mount_path.trim_end_matches('/');
        if path == AXON || path.starts_with("/axon/") {
            return Err(refused(format!(
                "spec.podOverrides.{field}[{index}].mountPath is `{path}`, and what is below {AXON} is Axon's own"
            )));
        }
        if !paths.insert(path) {
            return Err(refused(format!(
                "spec.podOverrides.{field}[{index}].mountPath is `{path}`, where something is mounted already"
            )));
        }
    }
    Ok(())
}

fn refused(message: String) -> Blocked {
    forever("InvalidPodOverrides", message)
}
