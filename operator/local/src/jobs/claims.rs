//! The folders of `PersistentVolumeClaim`s: made when a pod wants one, removed when the claim is gone.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::sync::Arc;

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::watch;

use crate::directory::Directory;

/// Watches the claims, and counts their changes for those who wait for one.
pub(super) async fn run(
    client: Client,
    directory: Directory,
    changes: Arc<watch::Sender<u64>>,
) -> anyhow::Result<()> {
    let claims: Api<PersistentVolumeClaim> = Api::all(client);
    let events = watcher(claims, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events);
    let mut listed = HashSet::new();
    loop {
        let event = match events.try_next().await {
            Ok(Some(event)) => event,
            Ok(None) => anyhow::bail!("the watch of claims ended"),
            Err(error) => {
                tracing::warn!("failed to watch claims: {error}");
                continue;
            }
        };
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(claim) => listed.extend(claim.uid()),
            Event::InitDone => {
                let listed = std::mem::take(&mut listed);
                remove_others(&directory, &listed);
            }
            Event::Apply(_) => {}
            Event::Delete(claim) => {
                if let Some(uid) = claim.uid() {
                    remove(&directory, &uid);
                }
            }
        }
        changes.send_modify(|count| *count += 1);
    }
}

/// Removes the folders of claims that went while nobody watched.
fn remove_others(directory: &Directory, listed: &HashSet<String>) {
    let folders = fs::read_dir(directory.root().join("claims"));
    for entry in folders.into_iter().flatten().flatten() {
        if let Ok(uid) = entry.file_name().into_string()
            && !listed.contains(&uid)
        {
            remove(directory, &uid);
        }
    }
}

fn remove(directory: &Directory, uid: &str) {
    let folder = directory.claim(uid);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("failed to remove `{}`: {error}", folder.display());
        }
        _ => {}
    }
}
