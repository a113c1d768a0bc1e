//! What a spawner remembers of its items, beyond their Tasks, and how that is kept in ConfigMaps.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

/// Parts into which the memory of a spawner is cut, by the hash of an item's key, so that each stays
/// below the size of a ConfigMap.
pub const SHARDS: usize = 8;

/// All that a spawner remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    pub shards: [Shard; SHARDS],
}

/// One part of it: a ConfigMap with one key for each item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shard {
    /// Version of the ConfigMap; `None` when there is none yet.
    pub resource_version: Option<String>,
    /// What is remembered, by the item's key.
    pub entries: BTreeMap<String, Entry>,
}

/// What is remembered of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The latest trigger that became a Task.
    pub trigger: String,
    /// UID of that Task.
    pub task_uid: String,
    /// Whether the item matched when it was last looked at, and since when that is so.
    pub matches: bool,
    pub since: Timestamp,
    /// How often the item came to match.
    pub times: u32,
    /// The newest comment or review that became a Task.
    pub command: Option<u64>,
}

/// A change of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardWrite {
    pub shard: usize,
    /// The version to change; `None` means that the ConfigMap is to be created.
    pub resource_version: Option<String>,
    /// The new value of each key that changes; `None` takes it away.
    pub set: BTreeMap<String, Option<String>>,
}
