//! The volumes of the agent's pod, and where its containers have them.

use axon_api::kinds::pod_overrides::PodOverrides;
use axon_api::{names, paths};
use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource, SecretVolumeSource, Volume,
    VolumeMount,
};

use crate::agent_config::NumberedSecret;
use crate::description::Packed;
use crate::environment::Role;
use crate::repository::{Key, KeyKind};
use crate::requirements::Requirements;

/// The runner.
const BIN: &str = "bin";
/// The checkout.
pub(crate) const WORKSPACE: &str = "workspace";
/// The agent's home.
const HOME: &str = "home";
/// Temporary files.
const TEMPORARY: &str = "tmp";
/// The run description.
const RUN: &str = "run";
/// The token of the repository.
const TOKEN: &str = "git-token";
/// The ssh key of the repository.
const SSH: &str = "axon-ssh";
/// What the checkout is made with, when the agent has something else.
const CLONE: &str = "axon-clone";

/// The names of Axon's own volumes, but for those that begin with `axon-`.
pub(crate) const OWN: &[&str] = &[BIN, WORKSPACE, HOME, TEMPORARY, RUN, TOKEN];
/// The one path that is not Axon's own.
pub(crate) const TMP: &str = "/tmp";

/// Read-only for the user and the group of the pod.
const SECRET_MODE: i32 = 0o440;

/// Whose home a container has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    Mounted,
    OfImage,
}

/// The mounts of a container in which the runner starts.
pub(crate) fn mounts(
    requirements: &Requirements<'_>,
    packed: &Packed,
    role: Role,
    home: Home,
) -> Vec<VolumeMount> {
    let mut mounts = vec![read_only(BIN, paths::BIN), mount(WORKSPACE, paths::WORKSPACE)];
    if home == Home::Mounted {
        mounts.push(mount(HOME, paths::HOME));
    }
    mounts.push(mount(TEMPORARY, TMP));
    if matches!(packed, Packed::Secret(_)) {
        mounts.push(read_only(RUN, paths::RUN));
    }
    if let Some((volume, key)) = key_of(requirements, role) {
        mounts.push(read_only(volume, path(key)));
    }
    for (number, _) in numbered(requirements, role) {
        let path = format!("{}/{number}", paths::SECRETS);
        mounts.push(read_only(&secret_volume(number), &path));
    }
    mounts
}

/// The mount of the container that brings the runner.
pub(crate) fn runner_mounts() -> Vec<VolumeMount> {
    vec![mount(BIN, paths::BIN)]
}

/// All volumes of the pod, the user's last.
pub(crate) fn volumes(
    job: &str,
    requirements: &Requirements<'_>,
    packed: &Packed,
    overrides: &PodOverrides,
) -> Vec<Volume> {
    let mut volumes = vec![
        empty_dir(BIN),
        workspace(requirements),
        empty_dir(HOME),
        empty_dir(TEMPORARY),
    ];
    if matches!(packed, Packed::Secret(_)) {
        volumes.push(secret(RUN, &names::run_secret(job), &[paths::RUN_KEY]));
    }
    let mut keys: Vec<(&str, &Key)> = Vec::new();
    for role in [Role::Agent, Role::Prepare] {
        keys.extend(key_of(requirements, role).filter(|found| !keys.contains(found)));
    }
    for (volume, key) in keys {
        let items: &[&str] = match key.kind {
            KeyKind::Token | KeyKind::App => &[paths::GIT_TOKEN_KEY],
            KeyKind::Ssh => &[paths::SSH_KEY, paths::SSH_KNOWN_HOSTS],
        };
        volumes.push(secret(volume, &key.mounted, items));
    }
    for (number, numbered) in requirements.configuration.secrets.iter().enumerate() {
        volumes.push(secret(&secret_volume(number), &numbered.name, &[]));
    }
    volumes.extend(overrides.volumes.iter().cloned());
    volumes
}

/// What opens the repository in a container, and the volume that has it.
pub(crate) fn key_of<'r>(requirements: &'r Requirements<'_>, role: Role) -> Option<(&'static str, &'r Key)> {
    let repository = requirements.repository.as_ref()?;
    let agents = repository.agent_key.as_ref();
    let key = match role {
        Role::Agent => agents?,
        Role::Prepare => repository.clone_key.as_ref()?,
    };
    let volume = match key.kind {
        _ if agents != Some(key) => CLONE,
        KeyKind::Token | KeyKind::App => TOKEN,
        KeyKind::Ssh => SSH,
    };
    Some((volume, key))
}

/// The Secrets of skills and MCP servers that a container needs, with their numbers.
pub(crate) fn numbered<'r>(
    requirements: &'r Requirements<'_>,
    role: Role,
) -> impl Iterator<Item = (usize, &'r NumberedSecret)> {
    let secrets = requirements.configuration.secrets.iter().enumerate();
    secrets.filter(move |(_, secret)| match role {
        Role::Prepare => secret.is_for_skills,
        Role::Agent => secret.is_for_servers,
    })
}

fn secret_volume(number: usize) -> String {
    format!("axon-secret-{number}")
}

fn path(key: &Key) -> &'static str {
    match key.kind {
        KeyKind::Token | KeyKind::App => paths::GIT,
        KeyKind::Ssh => paths::SSH,
    }
}

fn workspace(requirements: &Requirements<'_>) -> Volume {
    let repository = requirements.repository.as_ref();
    let claim = repository.and_then(|repository| repository.claim.as_ref());
    let Some(name) = claim.and_then(|claim| claim.metadata.name.clone()) else {
        return empty_dir(WORKSPACE);
    };
    Volume {
        name: WORKSPACE.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: name,
            read_only: None,
        }),
        ..Volume::default()
    }
}

fn empty_dir(name: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    }
}

/// A volume with these keys of a Secret; all of them when none is named.
fn secret(volume: &str, name: &str, keys: &[&str]) -> Volume {
    let items = keys.iter().map(|key| KeyToPath {
        key: (*key).to_owned(),
        path: (*key).to_owned(),
        mode: None,
    });
    Volume {
        name: volume.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name.to_owned()),
            items: (!keys.is_empty()).then(|| items.collect()),
            default_mode: Some(SECRET_MODE),
            optional: None,
        }),
        ..Volume::default()
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
