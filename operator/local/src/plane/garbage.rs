//! What goes because something else went: objects without an owner, and all that is in a
//! namespace that is deleted.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use serde_json::Value;
use tokio::sync::watch;

use super::Server;
use super::handlers::{Propagation, drop_owner, remove, rewrite};
use super::metadata;
use super::store::{Change, Key, Object, OpenError, Since, State, Write, WriteError, owners_of};

/// Starts the collector, on a thread of its own, which ends with the plane.
pub(crate) fn start(server: &Arc<Server>) -> Result<(), OpenError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(OpenError::Thread)?;
    let newest = server.store.newest();
    let server = Arc::downgrade(server);
    std::thread::Builder::new()
        .name("plane-garbage".to_owned())
        .spawn(move || runtime.block_on(collect(server, newest)))
        .map_err(OpenError::Thread)?;
    Ok(())
}

async fn collect(server: Weak<Server>, mut newest: watch::Receiver<u64>) {
    // What vanished while nobody looked comes first.
    let mut cursor = None;
    loop {
        let Some(server) = server.upgrade() else { return };
        newest.mark_unchanged();
        let work = find(&server.store.read(), cursor);
        cursor = Some(work.upto);
        for (key, uid) in &work.suspects {
            if let Err(error) = settle(&server, key, uid).await {
                tracing::warn!(%error, name = key.name, "failed to collect an object without its owner");
            }
        }
        for namespace in &work.namespaces {
            if let Err(error) = empty(&server, namespace).await {
                tracing::warn!(%error, namespace, "failed to empty a namespace");
            }
        }
        drop(server);
        if newest.changed().await.is_err() {
            return;
        }
    }
}

/// What has to be looked at.
#[derive(Default)]
struct Work {
    upto: u64,
    /// Objects whose owners may be gone, by place and UID.
    suspects: Vec<(Key, String)>,
    /// Namespaces on their way out, in which something happened.
    namespaces: BTreeSet<String>,
}

fn find(state: &State, cursor: Option<u64>) -> Work {
    let changes = match cursor.map(|cursor| state.since(cursor, |_| true, usize::MAX)) {
        Some(Since::Changes { changes, upto }) => {
            let mut work = Work {
                upto,
                ..Work::default()
            };
            for change in &changes {
                consider(state, change, &mut work);
            }
            return work;
        }
        None | Some(Since::Expired { .. }) => state.version(),
    };
    let mut work = Work {
        upto: changes,
        ..Work::default()
    };
    for owner in state.owners() {
        if !state.has_uid(&owner) {
            suspect(&state.owned_by(&owner), &mut work);
        }
    }
    for namespace in state.list("namespaces", "") {
        if metadata::is_being_deleted(&namespace.value) {
            work.namespaces.insert(namespace.key.name.clone());
        }
    }
    work
}

fn suspect(objects: &[Arc<Object>], work: &mut Work) {
    for object in objects {
        work.suspects.push((object.key.clone(), object.uid().to_owned()));
    }
}

fn consider(state: &State, change: &Change, work: &mut Work) {
    match &change.after {
        None => {
            if let Some(gone) = &change.before {
                suspect(&state.owned_by(gone.uid()), work);
            }
        }
        // An object may come to name an owner that is gone already.
        Some(object) => {
            let named_before = change
                .before
                .as_ref()
                .map(|before| before.value.pointer("/metadata/ownerReferences"));
            let changed = named_before != Some(object.value.pointer("/metadata/ownerReferences"));
            if changed && owners_of(&object.value).any(|uid| !state.has_uid(uid)) {
                suspect(std::slice::from_ref(object), work);
            }
        }
    }
    let Some(key) = change.key() else { return };
    let name = if &*key.resource == "namespaces" {
        &key.name
    } else {
        &key.namespace
    };
    let namespace = Key {
        resource: "namespaces".into(),
        namespace: String::new(),
        name: name.clone(),
    };
    let dying = state
        .get(&namespace)
        .is_some_and(|namespace| metadata::is_being_deleted(&namespace.value));
    if dying {
        work.namespaces.insert(name.clone());
    }
}

/// Deletes an object none of whose owners is left; if some are, it forgets those that are not.
async fn settle(server: &Server, key: &Key, uid: &str) -> Result<(), WriteError> {
    let Some(object) = server.store.read().get(key).filter(|object| object.uid() == uid) else {
        return Ok(());
    };
    // An owner of a kind that is not served here cannot be looked for.
    let owners = object
        .value
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    let mut gone = BTreeSet::new();
    let mut left = false;
    for owner in owners.into_iter().flatten() {
        let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
        let known = server
            .registry
            .of_kind(text("apiVersion"), text("kind"))
            .is_some();
        if known && !server.store.read().has_uid(text("uid")) {
            gone.insert(text("uid").to_owned());
        } else {
            left = true;
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    if left {
        return rewrite(server, key, &|value| {
            drop_owner(value, &|owner| gone.contains(owner));
        })
        .await;
    }
    remove(server, key, uid, None, Propagation::Background).await
}

/// Deletes all that is in a namespace, and the namespace once nothing is.
async fn empty(server: &Server, name: &str) -> Result<(), WriteError> {
    let content: Vec<Arc<Object>> = {
        let state = server.store.read();
        let mut seen = BTreeSet::new();
        let resources = server.registry.all().iter();
        resources
            .filter(|resource| resource.namespaced && seen.insert(resource.storage.clone()))
            .flat_map(|resource| state.list(&resource.storage, name))
            .collect()
    };
    for object in &content {
        if !metadata::is_being_deleted(&object.value) {
            remove(server, &object.key, object.uid(), None, Propagation::Background).await?;
        }
    }
    // What went at once is a change of its own, which brings the collector here again.
    if !content.is_empty() {
        return Ok(());
    }
    let key = Key {
        resource: "namespaces".into(),
        namespace: String::new(),
        name: name.to_owned(),
    };
    let Some(namespace) = server.store.read().get(&key) else {
        return Ok(());
    };
    let expected = namespace.version;
    match server.store.write(key, Write::remove(expected)).await {
        Ok(_) | Err(WriteError::Missing | WriteError::Modified) => Ok(()),
        Err(error) => Err(error),
    }
}
