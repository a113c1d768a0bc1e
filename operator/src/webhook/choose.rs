//! Decides who wants a delivery, and under which IDs it is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::delivery::{Scope, Wanting};
use super::filters::{self, Wants};
use super::listeners::{Listener, Listens, RepositoryOf};

/// A spawner whose key signed the delivery.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub(super) listener: Arc<Listener>,
    pub(super) repository: RepositoryOf,
}

/// Spawners that want a delivery, and that take it for the same event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) scope: Scope,
    /// What tells the event from others.
    pub(super) id: String,
    pub(super) spawners: Vec<Wanting>,
}

/// Who wants a delivery of GitHub's `event`; `id` is GitHub's own for the delivery.
pub(super) fn github(granted: &[Granted], event: &str, id: &str, payload: &Value) -> Vec<Chosen> {
    group(granted.iter().filter_map(|granted| {
        let Listens::GitHub(spec) = &granted.listener.listens else {
            return None;
        };
        match filters::github(spec, &granted.repository, event, payload) {
            Wants::Yes => Some((granted, id.to_owned(), true)),
            Wants::Perhaps => Some((granted, id.to_owned(), false)),
            Wants::No(why) => {
                tracing::debug!(spawner = %granted.listener.key, id, why, "a delivery is not wanted");
                None
            }
        }
    }))
}

/// Who wants a generic webhook. Each spawner says where its ID is, so that one delivery may be
/// several events.
pub(super) fn generic(granted: &[Granted], payload: &Value) -> Vec<Chosen> {
    group(granted.iter().filter_map(|granted| {
        let Listens::Generic(spec) = &granted.listener.listens else {
            return None;
        };
        match filters::generic(spec, payload) {
            Ok(id) => Some((granted, id, true)),
            Err(why) => {
                tracing::debug!(spawner = %granted.listener.key, why, "a delivery is not wanted");
                None
            }
        }
    }))
}

fn group<'a>(wanted: impl Iterator<Item = (&'a Granted, String, bool)>) -> Vec<Chosen> {
    let mut groups = BTreeMap::<(Scope, String), Vec<Wanting>>::new();
    for (granted, id, is_decided) in wanted {
        let listener = &granted.listener;
        let scope = match listener.secret() {
            Some(_) => Scope::Namespace(listener.key.namespace.to_string()),
            None => Scope::Operator,
        };
        groups
            .entry((scope, id))
            .or_default()
            .push(listener.wanting(is_decided));
    }
    let groups = groups.into_iter();
    groups
        .map(|((scope, id), spawners)| Chosen { scope, id, spawners })
        .collect()
}
