//! Decides who wants a delivery, and under which IDs it is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use axon_api::sources::github::webhook::Delivery as Event;
use axon_api::sources::webhook::Request;

use super::delivery::{Scope, Wanting};
use super::filters::{self, NotTaken, Wants};
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

/// Who wants an event of GitHub's.
pub(super) fn github(granted: &[Granted], event: &Event<'_>) -> Vec<Chosen> {
    group(granted.iter().filter_map(|granted| {
        let Listens::GitHub(spec) = &granted.listener.listens else {
            return None;
        };
        match filters::github(spec, &granted.repository, event) {
            Wants::Yes => Some((granted, event.id.to_owned(), true)),
            Wants::Perhaps => Some((granted, event.id.to_owned(), false)),
            Wants::No(why) => {
                note_unwanted(&granted.listener, &why);
                None
            }
        }
    }))
}

/// Who wants a generic webhook. Each spawner says where its ID is, so that one request may be several
/// events. An error is a sentence for the sender: nobody wants it, and somebody could not tell.
pub(super) fn generic(granted: &[Granted], request: &Request<'_>) -> Result<Vec<Chosen>, String> {
    let mut unreadable = None;
    let chosen = group(granted.iter().filter_map(|granted| {
        let Listens::Generic(spec) = &granted.listener.listens else {
            return None;
        };
        let why = match filters::generic(spec, request) {
            Ok(id) => return Some((granted, id, true)),
            Err(NotTaken::Unwanted(why)) => why,
            Err(NotTaken::Unreadable(why)) => unreadable.insert(why).clone(),
        };
        note_unwanted(&granted.listener, &why);
        None
    }));
    match unreadable {
        Some(why) if chosen.is_empty() => Err(why),
        _ => Ok(chosen),
    }
}

fn note_unwanted(listener: &Listener, why: &str) {
    tracing::debug!(spawner = %listener.key, why, "a delivery is not wanted");
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
