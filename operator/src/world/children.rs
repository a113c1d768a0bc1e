//! Jobs and pods, found by the Task that they belong to.

use std::collections::{HashMap, VecDeque};

use kube::ResourceExt;
use kube::runtime::watcher::Event;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::packed::Packed;
use super::shelf::{Put, Shelf};
use crate::key::Key;

/// How many of the objects that were deleted last are remembered.
const REMEMBERED_GONE: usize = 4096;

/// An object that belongs to a Task, as it is kept.
pub(crate) trait Child: ResourceExt + Serialize {
    /// As what it is unpacked.
    type Whole: DeserializeOwned;

    /// The UID of that Task.
    fn task_uid(&self) -> Option<&str>;
}

/// The objects of one kind that belong to Tasks.
pub(crate) struct Children<K: Child> {
    shelf: Shelf<Facts<K::Whole>>,
    by_task: HashMap<Box<str>, Vec<Key>>,
    /// UIDs of objects that were deleted last: the answer to a create may arrive after the watch
    /// told of the end.
    gone: VecDeque<Box<str>>,
}

#[derive(Debug)]
struct Facts<K> {
    task_uid: Box<str>,
    packed: Packed<K>,
}

impl<K: Child> Default for Children<K> {
    fn default() -> Self {
        Self {
            shelf: Shelf::default(),
            by_task: HashMap::new(),
            gone: VecDeque::new(),
        }
    }
}

impl<K: Child> Children<K> {
    /// Those of a Task.
    pub(crate) fn of(&self, task_uid: &str) -> Vec<Packed<K::Whole>> {
        let keys = self.by_task.get(task_uid).into_iter().flatten();
        keys.filter_map(|key| Some(self.shelf.get(key)?.value.packed.clone()))
            .collect()
    }

    /// Whether a Task has any.
    pub(crate) fn has(&self, task_uid: &str) -> bool {
        self.by_task.contains_key(task_uid)
    }

    /// Takes in an event; answers with the UIDs of the Tasks that it concerns.
    pub(crate) fn on(&mut self, event: Event<K>) -> Vec<Box<str>> {
        match event {
            Event::Apply(child) | Event::InitApply(child) => self.put(&child).into_iter().collect(),
            Event::Delete(child) => {
                let key = Key::of(&child);
                let Some(entry) = self.shelf.remove(&key, child.meta().uid.as_deref()) else {
                    // Its creation was not told of, but may be answered to the operator yet.
                    self.remember_gone(child.meta().uid.as_deref().unwrap_or_default().into());
                    return Vec::new();
                };
                self.unlink(&key, &entry.value.task_uid);
                self.remember_gone(entry.uid);
                vec![entry.value.task_uid]
            }
            Event::Init => {
                self.shelf.begin_listing();
                Vec::new()
            }
            Event::InitDone => {
                let gone = self.shelf.end_listing();
                gone.into_iter()
                    .map(|(key, entry)| {
                        self.unlink(&key, &entry.value.task_uid);
                        self.remember_gone(entry.uid);
                        entry.value.task_uid
                    })
                    .collect()
            }
        }
    }

    /// Takes in what the server answered to the operator.
    pub(crate) fn note(&mut self, child: &K) {
        let uid = child.meta().uid.as_deref().unwrap_or_default();
        if !self.gone.iter().any(|gone| **gone == *uid) {
            self.put(child);
        }
    }

    fn put(&mut self, child: &K) -> Option<Box<str>> {
        let key = Key::of(child);
        if self.shelf.knows(&key, child.meta()) {
            return None;
        }
        let task_uid: Box<str> = child.task_uid()?.into();
        let packed = match Packed::new(child) {
            Ok(packed) => packed,
            Err(error) => {
                tracing::warn!(object = %key, %error, "the object cannot be kept");
                return None;
            }
        };
        let facts = Facts {
            task_uid: task_uid.clone(),
            packed,
        };
        if let Put::Changed(Some(before)) = self.shelf.put(key.clone(), child.meta(), facts) {
            self.unlink(&key, &before.value.task_uid);
        }
        self.by_task.entry(task_uid.clone()).or_default().push(key);
        Some(task_uid)
    }

    fn unlink(&mut self, key: &Key, task_uid: &str) {
        let Some(keys) = self.by_task.get_mut(task_uid) else {
            return;
        };
        keys.retain(|other| other != key);
        if keys.is_empty() {
            self.by_task.remove(task_uid);
        }
    }

    fn remember_gone(&mut self, uid: Box<str>) {
        if self.gone.len() == REMEMBERED_GONE {
            self.gone.pop_front();
        }
        self.gone.push_back(uid);
    }
}
