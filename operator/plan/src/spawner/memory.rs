//! What a spawner remembers of its items, beyond their Tasks, and how that is kept in `ConfigMap`s.
//!
//! Each item has a key of its own in one of [`SHARDS`] `ConfigMap`s, with compact JSON as its value. A
//! value that cannot be read hurts only its item: that counts as dealt with, so that nothing starts
//! twice.

use std::collections::{BTreeMap, BTreeSet};

use axon_api::{TaskSpawner, labels, names};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::owner;

/// Parts into which the memory of a spawner is cut, by the hash of an item's key, so that each stays
/// below the size of a `ConfigMap`.
pub const SHARDS: usize = 8;

/// Bytes of keys and values that a part may have. A `ConfigMap` may have 1 MiB.
pub const MAX_SHARD_BYTES: usize = 900 * 1024;

/// Requests by people that are remembered of one item, the latest ones.
const MAX_REQUESTS: usize = 8;

/// All that a spawner remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    pub shards: [Shard; SHARDS],
}

/// One part of it: a `ConfigMap` with one key for each item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shard {
    /// Version of the `ConfigMap`; `None` when there is none yet.
    pub resource_version: Option<String>,
    /// What is remembered, by the item's key.
    pub entries: BTreeMap<String, Entry>,
    /// Keys whose value cannot be read. Nothing is made of these items, and nothing is changed of
    /// what is remembered.
    pub unreadable: BTreeSet<String>,
}

/// What is remembered of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// How many Tasks the item has had; the latest one has this number.
    #[serde(rename = "n")]
    pub run: u32,
    /// The latest trigger that became a Task.
    #[serde(rename = "t")]
    pub trigger: String,
    /// UID of that Task.
    #[serde(rename = "u")]
    pub task_uid: String,
    /// Whether the item matched when it was last looked at, and since when that is so.
    #[serde(rename = "m")]
    pub matches: bool,
    #[serde(rename = "s", with = "seconds")]
    pub since: Timestamp,
    /// How often the item came to match.
    #[serde(rename = "k")]
    pub times: u32,
    /// The newest comment that became a Task.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub command: Option<u64>,
    /// The newest review that became a Task.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub review: Option<u64>,
    /// Words of the latest requests by people that became Tasks.
    #[serde(rename = "q", default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<String>,
}

/// A change of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardWrite {
    pub shard: usize,
    /// The version to change; `None` means that the `ConfigMap` is to be created.
    pub resource_version: Option<String>,
    /// The new value of each key that changes; `None` takes it away.
    pub set: BTreeMap<String, Option<String>>,
}

/// The part that an item with this key is remembered in.
pub fn shard_of(key: &str) -> usize {
    let digit = names::sha256(key)
        .chars()
        .next()
        .and_then(|digit| digit.to_digit(16));
    usize::try_from(digit.unwrap_or_default()).unwrap_or_default() % SHARDS
}

impl Memory {
    /// Reads the memory of a spawner from its `ConfigMap`s, found by name
    /// ([`names::spawner_memory`]). `find` is given the number of a part.
    pub fn read<'a>(mut find: impl FnMut(usize) -> Option<&'a ConfigMap>) -> Self {
        Self {
            shards: std::array::from_fn(|shard| find(shard).map(Shard::read).unwrap_or_default()),
        }
    }

    /// What is remembered of an item.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.shards.get(shard_of(key))?.entries.get(key)
    }
}

impl Shard {
    /// Reads one part.
    pub fn read(config_map: &ConfigMap) -> Self {
        let mut shard = Self {
            resource_version: config_map.metadata.resource_version.clone(),
            ..Self::default()
        };
        for (key, value) in config_map.data.iter().flatten() {
            match Entry::parse(value) {
                Some(entry) => {
                    shard.entries.insert(key.clone(), entry);
                }
                None => {
                    shard.unreadable.insert(key.clone());
                }
            }
        }
        shard
    }

    /// Bytes of its keys and values, at most.
    pub(crate) fn bytes(&self) -> usize {
        let entries = self.entries.iter().map(|(key, entry)| entry.bytes(key));
        // What an unreadable value has is not known; it has hardly more than a good one.
        let unreadable = self.unreadable.iter().map(|key| key.len() + 256);
        entries.chain(unreadable).sum()
    }
}

impl Entry {
    /// Reads the value of a key. `None` for one that is not as it was written.
    pub fn parse(value: &str) -> Option<Self> {
        serde_json::from_str(value).ok()
    }

    /// The value of a key.
    pub fn to_value(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Bytes of the key and of this value, at most.
    pub(crate) fn bytes(&self, key: &str) -> usize {
        const FIXED: usize = 120;
        let requests: usize = self.requests.iter().map(|word| word.len() + 3).sum();
        FIXED + key.len() + self.trigger.len() + self.task_uid.len() + requests
    }

    /// Remembers a request, and forgets the oldest of too many.
    pub(crate) fn add_request(&mut self, word: &str) {
        self.requests.retain(|known| known != word);
        self.requests.push(word.to_owned());
        let surplus = self.requests.len().saturating_sub(MAX_REQUESTS);
        self.requests.drain(..surplus);
    }
}

impl ShardWrite {
    /// The JSON merge patch of a `ConfigMap` that is there. It has the version, so that the server
    /// refuses it when something else was written meanwhile.
    pub fn patch(&self) -> Value {
        json!({
            "metadata": { "resourceVersion": self.resource_version },
            "data": self.set,
        })
    }

    /// The `ConfigMap` to create when there is none yet. It belongs to the spawner and goes with it.
    pub fn config_map(&self, spawner: &TaskSpawner) -> ConfigMap {
        let uid = spawner.uid().unwrap_or_default();
        let own_labels = [
            (labels::SPAWNER_MEMORY, uid.as_str()),
            (labels::MANAGED_BY, labels::MANAGER),
        ];
        let own_labels = own_labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let data = self.set.iter();
        let data = data.filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(names::spawner_memory(&spawner.name_any(), &uid, self.shard)),
                namespace: spawner.namespace(),
                labels: Some(own_labels.into_iter().collect()),
                owner_references: owner::reference(spawner).map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            data: Some(data.collect()),
            ..ConfigMap::default()
        }
    }
}

/// Moments as whole seconds, which is what a decision is made of.
mod seconds {
    use k8s_openapi::jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(moment.as_second())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let seconds = i64::deserialize(deserializer)?;
        Timestamp::from_second(seconds).map_err(de::Error::custom)
    }
}
