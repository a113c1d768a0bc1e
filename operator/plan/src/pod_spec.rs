//! The pod that runs the agent.

use axon_api::kinds::pod_overrides::PodOverrides;
use axon_api::{Task, labels, paths};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, PodSchedulingGate, PodSecurityContext, PodSpec, SeccompProfile,
    SecurityContext,
};

use crate::description::Packed;
use crate::environment::{self, Role};
use crate::requirements::Requirements;
use crate::settings::Settings;
use crate::surroundings;
use crate::volumes::{self, Home};

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
/// The restart policy of an init container that runs beside the others.
const ALWAYS: &str = "Always";

/// How many containers the pod has, init ones included.
pub(crate) fn containers(task: &Task, requirements: &Requirements<'_>) -> usize {
    let own = if needs_prepare(requirements) { 3 } else { 2 };
    let overrides = task.spec.pod_overrides.as_ref();
    own + overrides.map_or(0, |overrides| {
        overrides.extra_containers.len() + overrides.extra_init_containers.len()
    })
}

/// Whether something is fetched before the agent starts.
fn needs_prepare(requirements: &Requirements<'_>) -> bool {
    requirements.repository.is_some() || !requirements.configuration.skills.is_empty()
}

/// The pod's spec. `env` are the variables of the agent container.
pub(crate) fn build(
    task: &Task,
    job: &str,
    requirements: &Requirements<'_>,
    packed: &Packed,
    env: Vec<EnvVar>,
    settings: &Settings,
) -> PodSpec {
    let none = PodOverrides::default();
    let overrides = task.spec.pod_overrides.as_ref().unwrap_or(&none);
    let mut init_containers = vec![runner(settings)];
    if needs_prepare(requirements) {
        init_containers.push(prepare(task, requirements, packed, settings));
    }
    init_containers.extend(overrides.extra_init_containers.iter().map(extra));
    init_containers.extend(overrides.extra_containers.iter().map(sidecar));
    let mut volumes = volumes::volumes(job, requirements, packed, overrides);
    volumes.extend(surroundings::volume(settings));
    PodSpec {
        init_containers: Some(init_containers),
        containers: vec![agent(requirements, packed, env, settings, overrides)],
        volumes: Some(volumes),
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
        affinity: overrides.affinity.clone(),
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
        volume_mounts: Some(volumes::runner_mounts()),
        security_context: Some(restricted(Some(FileSystem::ReadOnly))),
        ..Container::default()
    }
}

fn prepare(task: &Task, requirements: &Requirements<'_>, packed: &Packed, settings: &Settings) -> Container {
    let mut mounts = volumes::mounts(requirements, packed, Role::Prepare, Home::Mounted);
    mounts.extend(surroundings::mount(settings));
    let environment = environment::of(task, Role::Prepare, requirements, packed, settings);
    Container {
        name: PREPARE.to_owned(),
        image: Some(settings.git_image.clone()),
        image_pull_policy: settings.image_pull_policy.clone(),
        command: Some(command(&[paths::RUNNER, "prepare"])),
        env: Some(environment.variables),
        volume_mounts: Some(mounts),
        security_context: Some(restricted(Some(FileSystem::ReadOnly))),
        ..Container::default()
    }
}

fn agent(
    requirements: &Requirements<'_>,
    packed: &Packed,
    env: Vec<EnvVar>,
    settings: &Settings,
    overrides: &PodOverrides,
) -> Container {
    // A user's own image keeps its home and may write anywhere in its own file system.
    let (home, file_system) = if requirements.image.is_users() {
        (Home::OfImage, FileSystem::Writable)
    } else {
        (Home::Mounted, FileSystem::ReadOnly)
    };
    let mut mounts = volumes::mounts(requirements, packed, Role::Agent, home);
    mounts.extend(surroundings::mount(settings));
    mounts.extend(overrides.volume_mounts.iter().cloned());
    Container {
        name: AGENT.to_owned(),
        image: Some(requirements.image.name().to_owned()),
        image_pull_policy: settings.image_pull_policy.clone(),
        command: Some(command(&[paths::RUNNER, "run"])),
        working_dir: Some(paths::WORKSPACE.to_owned()),
        env: Some(env),
        resources: requirements.resources.cloned(),
        volume_mounts: Some(mounts),
        security_context: Some(
            overrides
                .container_security_context
                .clone()
                .unwrap_or_else(|| restricted(Some(file_system))),
        ),
        termination_message_path: Some(paths::TERMINATION_LOG.to_owned()),
        termination_message_policy: Some("File".to_owned()),
        ..Container::default()
    }
}

/// A container of the user's, which may do no more than Axon's own unless it says so.
fn extra(container: &Container) -> Container {
    let mut container = container.clone();
    container.security_context.get_or_insert_with(|| restricted(None));
    container
}

/// A container beside the agent's. As an init container that is always restarted it does not keep
/// the pod from ending when the agent has ended.
fn sidecar(container: &Container) -> Container {
    Container {
        restart_policy: Some(ALWAYS.to_owned()),
        ..extra(container)
    }
}

/// Whether a container may write to its own file system.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileSystem {
    ReadOnly,
    Writable,
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

/// What the restricted Pod Security Standard asks of a container; `None` leaves the file system as
/// Kubernetes has it.
fn restricted(file_system: Option<FileSystem>) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            add: None,
            drop: Some(vec!["ALL".to_owned()]),
        }),
        read_only_root_filesystem: file_system.map(|file_system| file_system == FileSystem::ReadOnly),
        ..SecurityContext::default()
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
