//! Watching one Task or its pods.

use std::collections::BTreeSet;
use std::fmt::Debug;

use futures::{Stream, StreamExt};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::failure::{Failure, Result};

/// Something that a watch has shown.
#[derive(Debug)]
pub(crate) enum Sighting<K> {
    /// An object as it is.
    Seen(Box<K>),
    /// The object of this name is gone.
    Gone(String),
    /// All objects that there are have been seen.
    Listed,
    /// The server is out of reach at the moment; the watch goes on by itself.
    Trouble(String),
}

/// Watches the objects that `selection` names. Ends only with an error that time does not heal.
pub(crate) fn objects<K>(
    api: Api<K>,
    selection: watcher::Config,
) -> impl Stream<Item = Result<Sighting<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    // After a break the watch lists anew; what is missing from the new list has gone meanwhile.
    let mut known = BTreeSet::new();
    let mut listed = BTreeSet::new();
    watcher::watcher(api, selection)
        .default_backoff()
        .map(move |event| sightings(event, &mut known, &mut listed))
        .flat_map(futures::stream::iter)
}

/// Watches the one object of this name.
pub(crate) fn one<K>(api: Api<K>, name: &str) -> impl Stream<Item = Result<Sighting<K>>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    objects(
        api,
        watcher::Config::default().fields(&format!("metadata.name={name}")),
    )
}

/// Namespace and name.
type Key = (String, String);

fn key(object: &impl ResourceExt) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

fn sightings<K: Resource>(
    event: Result<Event<K>, watcher::Error>,
    known: &mut BTreeSet<Key>,
    listed: &mut BTreeSet<Key>,
) -> Vec<Result<Sighting<K>>> {
    match event {
        Ok(Event::Init) => {
            listed.clear();
            Vec::new()
        }
        Ok(Event::InitApply(object)) => {
            listed.insert(key(&object));
            vec![Ok(Sighting::Seen(Box::new(object)))]
        }
        Ok(Event::InitDone) => {
            let gone: Vec<Key> = known.difference(listed).cloned().collect();
            known.clone_from(listed);
            gone.into_iter()
                .map(|(_, name)| Ok(Sighting::Gone(name)))
                .chain([Ok(Sighting::Listed)])
                .collect()
        }
        Ok(Event::Apply(object)) => {
            known.insert(key(&object));
            vec![Ok(Sighting::Seen(Box::new(object)))]
        }
        Ok(Event::Delete(object)) => {
            known.remove(&key(&object));
            vec![Ok(Sighting::Gone(object.name_any()))]
        }
        // Too far behind to go on: the watch lists anew by itself, and nothing is amiss.
        Err(watcher::Error::WatchError(status)) if status.code == 410 => Vec::new(),
        Err(error) => vec![trouble(error)],
    }
}

fn trouble<K>(error: watcher::Error) -> Result<Sighting<K>> {
    let cause = match error {
        watcher::Error::InitialListFailed(cause)
        | watcher::Error::WatchStartFailed(cause)
        | watcher::Error::WatchFailed(cause) => cause,
        // The watch lists anew by itself, for example when it fell too far behind.
        other => return Ok(Sighting::Trouble(crate::failure::root_cause(&other))),
    };
    let final_answer = matches!(&cause, kube::Error::Api(status) if matches!(status.code, 400..=404));
    if final_answer {
        return Err(Failure::api("watch", &cause));
    }
    Ok(Sighting::Trouble(crate::failure::root_cause(&cause)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axon_api::{Task, TaskSpec};

    fn task(name: &str) -> Task {
        Task::new(name, TaskSpec::default())
    }

    #[test]
    fn what_is_missing_after_a_break_has_gone() {
        let (mut known, mut listed) = (BTreeSet::new(), BTreeSet::new());
        let mut see = |event: Event<Task>| -> Vec<String> {
            sightings(Ok(event), &mut known, &mut listed)
                .into_iter()
                .map(|sighting| match sighting {
                    Ok(Sighting::Seen(task)) => format!("seen {}", task.name_any()),
                    Ok(Sighting::Gone(name)) => format!("gone {name}"),
                    Ok(Sighting::Listed) => "listed".to_owned(),
                    other => panic!("{other:?}"),
                })
                .collect()
        };
        assert!(see(Event::Init).is_empty());
        assert_eq!(see(Event::InitApply(task("a"))), ["seen a"]);
        assert_eq!(see(Event::InitDone), ["listed"]);
        assert_eq!(see(Event::Apply(task("b"))), ["seen b"]);
        assert!(see(Event::Init).is_empty());
        assert_eq!(see(Event::InitApply(task("b"))), ["seen b"]);
        assert_eq!(see(Event::InitDone), ["gone a", "listed"]);
        assert_eq!(see(Event::Delete(task("b"))), ["gone b"]);
    }
}
