//! The volumes of a pod as folders: `volumes/NAME` in the pod's folder.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, KeyToPath, PersistentVolumeClaim, Pod, Volume};
use kube::{Api, Client, ResourceExt as _};

use super::configuration::{Content, Source, missing_item, missing_volume, read};
use super::mounts::{Access, Mount};
use super::obstacle::Obstacle;
use crate::directory::Directory;

/// Where the volume is on the machine.
pub(super) fn folder(pod_folder: &Path, volume: &str) -> PathBuf {
    pod_folder.join("volumes").join(volume)
}

/// Makes every volume of the pod, and brings those that come from Secrets and `ConfigMap`s up to date.
pub(super) async fn make(
    client: &Client,
    directory: &Directory,
    pod: &Pod,
    pod_folder: &Path,
) -> Result<(), Obstacle> {
    let namespace = pod.namespace().unwrap_or_default();
    for volume in volumes(pod) {
        let folder = folder(pod_folder, &volume.name);
        if let Some(source) = &volume.persistent_volume_claim {
            let claimed = claimed(client, directory, &namespace, &source.claim_name).await?;
            link(&claimed, &folder)?;
            continue;
        }
        private_folder(&folder)?;
        let Some(files) = wanted(volume)? else {
            continue;
        };
        let content = read(client, &namespace, files.source, &files.name).await?;
        if content.is_none() && !files.optional {
            return Err(missing_volume(&volume.name, files.source, &files.name));
        }
        let selected = select(&volume.name, content.unwrap_or_default(), &files)?;
        tokio::task::spawn_blocking(move || write(&folder, &selected))
            .await
            .map_err(io::Error::other)??;
    }
    Ok(())
}

/// Removes the volumes that hold secrets: nobody reads them once the pod has ended.
pub(super) fn remove_secrets(pod: &Pod, pod_folder: &Path) {
    for volume in volumes(pod).iter().filter(|volume| volume.secret.is_some()) {
        let _ = fs::remove_dir_all(folder(pod_folder, &volume.name));
    }
}

/// Whether the pod has a volume that follows a Secret or `ConfigMap`.
pub(super) fn follow_configuration(pod: &Pod) -> bool {
    volumes(pod)
        .iter()
        .any(|volume| volume.secret.is_some() || volume.config_map.is_some())
}

/// The mounts of one container.
pub(super) fn mounts(container: &Container, pod_folder: &Path) -> Vec<Mount> {
    let mounts = container.volume_mounts.iter().flatten();
    mounts
        .map(|mount| {
            let volume = folder(pod_folder, &mount.name);
            // A claim is known by its own path, which is the same in every pod: git keeps the paths
            // of worktrees.
            let volume = fs::read_link(&volume).unwrap_or(volume);
            let source = match mount.sub_path.as_deref() {
                Some(sub_path) if is_inside(sub_path) => volume.join(sub_path),
                _ => volume,
            };
            Mount {
                source,
                target: PathBuf::from(&mount.mount_path),
                access: if mount.read_only.unwrap_or(false) {
                    Access::ReadOnly
                } else {
                    Access::ReadWrite
                },
            }
        })
        .collect()
}

/// A folder that only this user enters, with the folders above it.
pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn volumes(pod: &Pod) -> &[Volume] {
    pod.spec
        .as_ref()
        .and_then(|spec| spec.volumes.as_deref())
        .unwrap_or_default()
}

/// The files that a volume takes from an object.
struct Wanted {
    source: Source,
    name: String,
    optional: bool,
    /// All keys, if none are named.
    items: Vec<KeyToPath>,
}

/// `None` for an empty folder.
fn wanted(volume: &Volume) -> Result<Option<Wanted>, Obstacle> {
    if let Some(secret) = &volume.secret {
        return Ok(Some(Wanted {
            source: Source::Secret,
            name: secret.secret_name.clone().unwrap_or_default(),
            optional: secret.optional.unwrap_or(false),
            items: secret.items.clone().unwrap_or_default(),
        }));
    }
    if let Some(map) = &volume.config_map {
        return Ok(Some(Wanted {
            source: Source::ConfigMap,
            name: map.name.clone(),
            optional: map.optional.unwrap_or(false),
            items: map.items.clone().unwrap_or_default(),
        }));
    }
    if volume.empty_dir.is_some() {
        return Ok(None);
    }
    Err(Obstacle::unsupported(format!(
        "volume `{}` is of a kind that does not exist on this machine: only emptyDir, secret, configMap and persistentVolumeClaim do",
        volume.name
    )))
}

/// The folder of a claim.
async fn claimed(
    client: &Client,
    directory: &Directory,
    namespace: &str,
    name: &str,
) -> Result<PathBuf, Obstacle> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let claim = claims.get_opt(name).await.map_err(io::Error::other)?;
    let uid = claim.and_then(|claim| claim.uid());
    let Some(uid) = uid else {
        return Err(Obstacle::creating(format!(
            "persistentvolumeclaim \"{name}\" not found"
        )));
    };
    Ok(directory.claim(&uid))
}

/// Makes the volume of the pod lead to the folder of a claim.
fn link(claimed: &Path, volume: &Path) -> io::Result<()> {
    private_folder(claimed)?;
    if let Some(parent) = volume.parent() {
        private_folder(parent)?;
    }
    match std::os::unix::fs::symlink(claimed, volume) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// The files of the volume by their path in it.
fn select(volume: &str, content: Content, wanted: &Wanted) -> Result<Content, Obstacle> {
    if wanted.items.is_empty() {
        return Ok(content.into_iter().filter(|(key, _)| is_inside(key)).collect());
    }
    let mut selected = BTreeMap::new();
    for item in &wanted.items {
        if !is_inside(&item.path) {
            return Err(Obstacle::unsupported(format!(
                "volume `{volume}` wants a file at `{}`, outside of itself",
                item.path
            )));
        }
        match content.get(&item.key) {
            Some(value) => {
                selected.insert(item.path.clone(), value.clone());
            }
            None if wanted.optional => {}
            None => return Err(missing_item(volume, &item.key)),
        }
    }
    Ok(selected)
}

/// Whether a relative path stays below where it starts.
fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && Path::new(path)
            .components()
            .all(|component| matches!(component, Component::Normal(_)))
}

/// Makes the folder hold these files and no others. A reader sees each file whole, old or new.
fn write(folder: &Path, files: &Content) -> io::Result<()> {
    for (path, content) in files {
        let target = folder.join(path);
        if fs::read(&target).is_ok_and(|current| current == *content) {
            continue;
        }
        let parent = target.parent().unwrap_or(folder);
        private_folder(parent)?;
        let draft = parent.join(format!(".axon-draft-{}", std::process::id()));
        let _ = fs::remove_file(&draft);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(content)?;
        fs::rename(&draft, &target)?;
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let stays = files
            .keys()
            .any(|path| Path::new(path).components().next() == Some(Component::Normal(&name)));
        if !stays {
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(path)?;
            } else {
                fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn content(files: &[(&str, &str)]) -> Content {
        files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn a_volume_holds_what_its_object_holds_also_after_a_change() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &content(&[("token", "a"), ("old", "x")])).expect("written");
        write(folder.path(), &content(&[("token", "b"), ("deep/new", "y")])).expect("written");
        let read = |path: &str| fs::read_to_string(folder.path().join(path)).ok();
        assert_eq!(read("token").as_deref(), Some("b"));
        assert_eq!(read("deep/new").as_deref(), Some("y"));
        assert_eq!(read("old"), None);
        let mode = fs::metadata(folder.path().join("token"))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn only_the_items_that_are_named_are_taken_and_none_leaves_the_volume() {
        let wanted = |path: &str, optional| Wanted {
            source: Source::Secret,
            name: "s".to_owned(),
            optional,
            items: vec![KeyToPath {
                key: "a".to_owned(),
                path: path.to_owned(),
                mode: None,
            }],
        };
        let there = content(&[("a", "1"), ("b", "2")]);
        assert_eq!(
            select("v", there.clone(), &wanted("x/y", false)),
            Ok(content(&[("x/y", "1")]))
        );
        assert!(matches!(
            select("v", there, &wanted("../x", false)),
            Err(Obstacle::Final { .. })
        ));
        assert!(matches!(
            select("v", content(&[]), &wanted("x", false)),
            Err(Obstacle::Waiting { .. })
        ));
        assert_eq!(select("v", content(&[]), &wanted("x", true)), Ok(content(&[])));
    }
}
