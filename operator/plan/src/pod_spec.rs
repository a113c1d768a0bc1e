//! The pod that runs the agent.

use axon_api::kinds::pod_overrides::PodOverrides;
use axon_api::{Task, labels, names, paths};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EmptyDirVolumeSource, KeyToPath, PodSchedulingGate, PodSecurityContext, PodSpec,
    SeccompProfile, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};

use crate::description::Packed;
use crate::environment::{self, Role};
use crate::requirements::Requirements;
use crate::settings::Settings;

/// The container in which the agent runs.
pub(crate) const AGENT: &str = "agent";
/// The init container that makes the checkout.
pub(crate) const PREPARE: &str = "prepare";
/// The init container that brings the runner.
pub(crate) const RUNNER: &str = "runner";

/// The user and group of every process of the pod; the images have a passwd entry for it.
const USER: i64 = 61_100;
/// Seconds that the agent has after SIGTERM, Kubernetes' default.
const GRACE_SECONDS: i64 = 30;
/// Read-only for the user and the group of the pod.
const SECRET_MODE: i32 = 0o440;
/// The one path that is not Axon's own.
const TMP: &str = "/tmp";

/// How many containers the pod has, init ones included.
pub(crate) fn containers(requirements: &Requirements<'_>) -> usize {
    if requirements.workspace.is_some() { 3 } else { 2 }
}

/// The pod's spec.
pub(crate) fn build(
    task: &Task,
    job: &str,
    requirements: &Requirements<'_>,
    packed: &Packed,
    settings: &Settings,
) -> PodSpec {
    let none = PodOverrides::default();
    let overrides = task.spec.pod_overrides.as_ref().unwrap_or(&none);
    let mut init_containers = vec![runner(settings)];
    if requirements.workspace.is_some() {
        init_containers.push(prepare(task, requirements, packed, settings));
    }
    PodSpec {
        init_containers: Some(init_containers),
        containers: vec![agent(task, requirements, packed, settings, overrides)],
        volumes: Some(volumes(job, requirements, packed)),
        restart_policy: Some("Never".to_owned()),
        scheduling_gates: Some(vec![PodSchedulingGate {
            name: labels::START_GATE.to_owned(),
        }]),
        service_account_name: overrides.service_account_name.clone(),
        automount_service_account_token: overrides.service_account_name.is_none().then_some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        security_context: Some(pod_security(overrides.pod_security_context.as_ref())),
        node_selector: non_empty_map(&overrides.node_selector),
        tolerations: non_empty(&overrides.tolerations),
        image_pull_secrets: non_empty(&overrides.image_pull_secrets),
        ..PodSpec::default()
    }
}

fn runner(settings: &Settings) -> Container {
    Container {
        name: RUNNER.to_owned(),
        image: Some(settings.runner_image.clone()),
        image_pull_policy: settings.image_pull_policy.clone(),
        command: Some(command(&[paths::IMAGE_RUNNER, "install", paths::BIN])),
        volume_mounts: Some(vec![mount("bin", paths::BIN)]),
        security_context: Some(restricted(FileSystem::ReadOnly)),
        ..Container::default()
    }
}

fn prepare(task: &Task, requirements: &Requirements<'_>, packed: &Packed, settings: &Settings) -> Container {
    Container {
        name: PREPARE.to_owned(),
        image: Some(settings.git_image.clone()),
        image_pull_policy: settings.image_pull_policy.clone(),
        command: Some(command(&[paths::RUNNER, "prepare"])),
        env: Some(environment::variables(task, Role::Prepare, requirements, packed)),
        volume_mounts: Some(mounts(requirements, packed, Home::Mounted)),
        security_context: Some(restricted(FileSystem::ReadOnly)),
        ..Container::default()
    }
}

fn agent(
    task: &Task,
    requirements: &Requirements<'_>,
    packed: &Packed,
    settings: &Settings,
    overrides: &PodOverrides,
) -> Container {
    // A user's own image keeps its home and may write anywhere in its own file system.
    let (home, file_system) = if task.spec.image.is_some() {
        (Home::OfImage, FileSystem::Writable)
    } else {
        (Home::Mounted, FileSystem::ReadOnly)
    };
    Container {
        name: AGENT.to_owned(),
        image: Some(requirements.image.to_owned()),
        image_pull_policy: settings.image_pull_policy.clone(),
        command: Some(command(&[paths::RUNNER, "run"])),
        working_dir: Some(paths::WORKSPACE.to_owned()),
        env: Some(environment::variables(task, Role::Agent, requirements, packed)),
        resources: overrides.resources.clone(),
        volume_mounts: Some(mounts(requirements, packed, home)),
        security_context: Some(
            overrides
                .container_security_context
                .clone()
                .unwrap_or_else(|| restricted(file_system)),
        ),
        termination_message_path: Some(paths::TERMINATION_LOG.to_owned()),
        termination_message_policy: Some("File".to_owned()),
        ..Container::default()
    }
}

/// Whose home a container has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Home {
    Mounted,
    OfImage,
}

/// Whether a container may write to its own file system.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileSystem {
    ReadOnly,
    Writable,
}

fn mounts(requirements: &Requirements<'_>, packed: &Packed, home: Home) -> Vec<VolumeMount> {
    let mut mounts = vec![read_only("bin", paths::BIN), mount("workspace", paths::WORKSPACE)];
    if home == Home::Mounted {
        mounts.push(mount("home", paths::HOME));
    }
    mounts.push(mount("tmp", TMP));
    if matches!(packed, Packed::Secret(_)) {
        mounts.push(read_only("run", paths::RUN));
    }
    if requirements.workspace_secret.is_some() {
        mounts.push(read_only("git-token", paths::GIT));
    }
    mounts
}

fn volumes(job: &str, requirements: &Requirements<'_>, packed: &Packed) -> Vec<Volume> {
    let mut volumes: Vec<Volume> = ["bin", "workspace", "home", "tmp"].map(empty_dir).into();
    if matches!(packed, Packed::Secret(_)) {
        volumes.push(secret("run", &names::run_secret(job), paths::RUN_KEY));
    }
    if let Some(name) = requirements.workspace_secret {
        volumes.push(secret("git-token", name, paths::GIT_TOKEN_KEY));
    }
    volumes
}

fn empty_dir(name: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    }
}

fn secret(volume: &str, name: &str, key: &str) -> Volume {
    Volume {
        name: volume.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name.to_owned()),
            items: Some(vec![KeyToPath {
                key: key.to_owned(),
                path: key.to_owned(),
                mode: None,
            }]),
            default_mode: Some(SECRET_MODE),
            optional: None,
        }),
        ..Volume::default()
    }
}

/// Axon's own, each field replaced by the one that the user set.
fn pod_security(own: Option<&PodSecurityContext>) -> PodSecurityContext {
    let own = own.cloned().unwrap_or_default();
    PodSecurityContext {
        run_as_user: own.run_as_user.or(Some(USER)),
        run_as_group: own.run_as_group.or(Some(USER)),
        fs_group: own.fs_group.or(Some(USER)),
        run_as_non_root: own.run_as_non_root.or(Some(true)),
        seccomp_profile: own.seccomp_profile.clone().or_else(|| {
            Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            })
        }),
        ..own
    }
}

fn restricted(file_system: FileSystem) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            add: None,
            drop: Some(vec!["ALL".to_owned()]),
        }),
        read_only_root_filesystem: Some(file_system == FileSystem::ReadOnly),
        ..SecurityContext::default()
    }
}

fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}

fn read_only(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..mount(volume, path)
    }
}

fn command(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn non_empty<T: Clone>(items: &[T]) -> Option<Vec<T>> {
    (!items.is_empty()).then(|| items.to_vec())
}

fn non_empty_map<K: Clone + Ord, V: Clone>(
    map: &std::collections::BTreeMap<K, V>,
) -> Option<std::collections::BTreeMap<K, V>> {
    (!map.is_empty()).then(|| map.clone())
}
