//! The memory as it is to be: which Tasks it knows, and what it makes of those that it does not.

use std::collections::{BTreeMap, BTreeSet};

use axon_api::names;
use axon_api::sources::Cause;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::memory::{Entry, MAX_SHARD_BYTES, SHARDS, ShardWrite, shard_of};
use super::observed::{SpawnedTask, SpawnerObserved};
use super::trigger::Trigger;
use crate::draft::whole_seconds;

/// How long an item that does not match and is not open is remembered, and an event.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long it is remembered at least when there is no room.
const KEPT_AT_LEAST: SignedDuration = SignedDuration::from_hours(1);
/// Keys of items that happen once, and do not come to match and not to match.
const EVENTS: &[&str] = &["delivery-", "tick-", "manual-"];

/// The memory as it is to be.
pub(crate) struct Recall<'a, 'o> {
    observed: &'a SpawnerObserved<'o>,
    now: Timestamp,
    changes: BTreeMap<String, Option<Entry>>,
    /// Bytes that each part is to have.
    bytes: [usize; SHARDS],
    /// UIDs of Tasks that were made twice, never started, and are to be deleted.
    duplicates: BTreeSet<&'a str>,
    /// Names of Tasks that the server has to be asked for.
    ask: Vec<String>,
}

impl<'a, 'o> Recall<'a, 'o> {
    /// The memory as it was seen, with the Tasks that it does not know yet.
    pub(crate) fn new(observed: &'a SpawnerObserved<'o>) -> Self {
        let mut recall = Self {
            observed,
            now: whole_seconds(observed.now),
            changes: BTreeMap::new(),
            bytes: std::array::from_fn(|shard| observed.memory.shards[shard].bytes()),
            duplicates: BTreeSet::new(),
            ask: Vec::new(),
        };
        recall.take_in();
        recall
    }

    /// What is to be remembered of an item.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        match self.changes.get(key) {
            Some(changed) => changed.as_ref(),
            None => self.observed.memory.get(key),
        }
    }

    /// Whether memory knows this Task as the latest of its item.
    pub(crate) fn knows(&self, task: &SpawnedTask) -> bool {
        let entry = task.item.as_deref().and_then(|item| self.get(item));
        entry.is_some_and(|entry| entry.task_uid == task.uid)
    }

    /// Whether what is remembered of the item cannot be read.
    pub(crate) fn is_unreadable(&self, key: &str) -> bool {
        let shard = self.observed.memory.shards.get(shard_of(key));
        shard.is_some_and(|shard| shard.unreadable.contains(key))
    }

    /// Whether there is no room to remember another item like this one.
    pub(crate) fn is_full(&self, key: &str) -> bool {
        self.bytes[shard_of(key)] > MAX_SHARD_BYTES
    }

    pub(crate) fn is_duplicate(&self, task: &SpawnedTask) -> bool {
        self.duplicates.contains(task.uid.as_str())
    }

    pub(crate) fn duplicates(&self) -> impl Iterator<Item = &'a SpawnedTask> + '_ {
        let tasks = self.observed.tasks.iter();
        tasks.filter(|task| self.duplicates.contains(task.uid.as_str()))
    }

    /// Names of the Tasks that the server has to be asked for.
    pub(crate) fn ask(&self) -> &[String] {
        &self.ask
    }

    /// One write for each part that changes.
    pub(crate) fn writes(&self) -> Vec<ShardWrite> {
        let mut writes: BTreeMap<usize, ShardWrite> = BTreeMap::new();
        for (key, entry) in &self.changes {
            if self.observed.memory.get(key) == entry.as_ref() {
                continue;
            }
            let shard = shard_of(key);
            let write = writes.entry(shard).or_insert_with(|| ShardWrite {
                shard,
                resource_version: self.observed.memory.shards[shard].resource_version.clone(),
                ..ShardWrite::default()
            });
            write.set.insert(key.clone(), entry.as_ref().map(Entry::to_value));
        }
        writes.into_values().collect()
    }

    /// Of each item one Task that memory does not know is remembered, if it comes after the one that
    /// memory knows. Others of it were made from a stale view.
    fn take_in(&mut self) {
        let mut unknown: BTreeMap<&str, Vec<&'a SpawnedTask>> = BTreeMap::new();
        for task in self.observed.tasks {
            if let Some(item) = task.item.as_deref()
                && !self.knows(task)
                && !self.is_unreadable(item)
            {
                unknown.entry(item).or_default().push(task);
            }
        }
        for (item, tasks) in unknown {
            let before = self.get(item).cloned();
            let run = before.as_ref().map_or(0, |entry| entry.run);
            let (later, earlier): (Vec<_>, Vec<_>) =
                tasks.into_iter().partition(|task| task.run.unwrap_or(1) > run);
            let next = next_of(&later, before.is_some());
            if let Some(task) = next {
                if !task.is_fresh {
                    self.ask.push(task.name.clone());
                } else if !task.is_deleting {
                    let entry = remembered(before, task, self.now);
                    self.set(item, Some(entry));
                }
            }
            for task in earlier {
                self.undo(task);
            }
        }
    }

    /// Deletes a Task that comes too late and was never started. What has ended is history.
    fn undo(&mut self, task: &'a SpawnedTask) {
        if task.has_started || task.is_finished() || task.is_deleting {
            return;
        }
        if task.is_fresh {
            self.duplicates.insert(&task.uid);
        } else {
            self.ask.push(task.name.clone());
        }
    }

    /// Notes of all items that matched and are not among the candidates that they do not match.
    pub(crate) fn note_absences(&mut self) {
        let candidates = self.observed.source.candidates.iter();
        let matching: BTreeSet<&str> = candidates
            .filter(|candidate| !matches!(candidate.cause, Cause::Manual { .. }))
            .map(|candidate| candidate.key.as_str())
            .collect();
        let is_absent = |key: &str, entry: &Entry| entry.matches && !is_event(key) && !matching.contains(key);
        let absent: Vec<(String, Entry)> = self
            .current()
            .filter(|(key, entry)| is_absent(key, entry))
            .map(|(key, entry)| (key.to_owned(), entry.clone()))
            .collect();
        for (key, mut entry) in absent {
            entry.matches = false;
            entry.since = self.now;
            self.set(&key, Some(entry));
        }
    }

    /// Forgets what will not come again. `listed` says whether it is known what is open.
    pub(crate) fn prune(&mut self, listed: bool) {
        let candidates = self.observed.source.candidates.iter();
        let candidates: BTreeSet<&str> = candidates.map(|candidate| candidate.key.as_str()).collect();
        let tasks = self.observed.tasks.iter();
        let with_task: BTreeSet<&str> = tasks.filter_map(|task| task.item.as_deref()).collect();
        let status = self.observed.spawner.status.as_ref();
        let places: BTreeSet<&str> = status
            .into_iter()
            .flat_map(|status| status.places.iter().map(String::as_str))
            .collect();
        let has_ticked = status.is_some_and(|status| status.last_schedule_time.is_some());
        let is_over = |key: &str, entry: &Entry| {
            let is_busy = candidates.contains(key)
                || with_task.contains(key)
                || places.contains(names::place(&entry.task_uid).as_str());
            if is_busy {
                return false;
            }
            if is_event(key) {
                return !key.starts_with("tick-") || has_ticked;
            }
            listed && !entry.matches && !self.observed.source.open.contains(key)
        };
        let is_old = |key: &str, entry: &Entry| {
            let age = self.now.duration_since(entry.since);
            age >= KEPT || (age >= KEPT_AT_LEAST && self.is_full(key))
        };
        let mut over: Vec<(Timestamp, String)> = self
            .current()
            .filter(|(key, entry)| is_old(key, entry) && is_over(key, entry))
            .map(|(key, entry)| (entry.since, key.to_owned()))
            .collect();
        over.sort();
        for (since, key) in over {
            // Of those that go for want of room, no more than have to.
            if self.now.duration_since(since) >= KEPT || self.is_full(&key) {
                self.set(&key, None);
            }
        }
    }

    /// All that is remembered, as it is to be.
    fn current(&self) -> impl Iterator<Item = (&str, &Entry)> {
        let shards = self.observed.memory.shards.iter();
        let before = shards.flat_map(|shard| shard.entries.iter());
        let unchanged = before.filter(|(key, _)| !self.changes.contains_key(*key));
        let changed = self.changes.iter();
        let changed = changed.filter_map(|(key, entry)| Some((key, entry.as_ref()?)));
        let all = unchanged.chain(changed);
        all.map(|(key, entry)| (key.as_str(), entry))
    }

    fn set(&mut self, key: &str, entry: Option<Entry>) {
        let shard = shard_of(key);
        let before = self.get(key).map_or(0, |entry| entry.bytes(key));
        let after = entry.as_ref().map_or(0, |entry| entry.bytes(key));
        self.bytes[shard] = (self.bytes[shard] + after).saturating_sub(before);
        self.changes.insert(key.to_owned(), entry);
    }
}

/// Whether the item happens once.
pub(crate) fn is_event(key: &str) -> bool {
    EVENTS.iter().any(|prefix| key.starts_with(prefix))
}

/// The one to remember: the first that follows what is remembered, or the last when nothing is.
fn next_of<'t>(later: &[&'t SpawnedTask], is_remembered: bool) -> Option<&'t SpawnedTask> {
    let run = |task: &SpawnedTask| task.run.unwrap_or(1);
    let runs = later.iter().map(|task| run(task));
    let wanted = if is_remembered { runs.min() } else { runs.max() }?;
    let mut same: Vec<&SpawnedTask> = later.iter().copied().filter(|task| run(task) == wanted).collect();
    same.sort_by_key(|task| (!task.has_started, task.uid.as_str()));
    same.first().copied()
}

/// What is remembered of an item once this Task of it is.
fn remembered(before: Option<Entry>, task: &SpawnedTask, now: Timestamp) -> Entry {
    let mut entry = before.unwrap_or_else(|| Entry {
        run: 0,
        trigger: String::new(),
        task_uid: String::new(),
        matches: false,
        since: now,
        times: 0,
        command: None,
        review: None,
        requests: Vec::new(),
    });
    entry.run = task.run.unwrap_or(1).max(1);
    entry.task_uid.clone_from(&task.uid);
    entry.trigger = task.trigger.clone().unwrap_or_default();
    let came = |entry: &mut Entry, times: u32| {
        if !entry.matches {
            entry.matches = true;
            entry.since = now;
        }
        entry.times = times;
    };
    let again = entry.times.saturating_add(u32::from(!entry.matches));
    match Trigger::parse(&entry.trigger) {
        Some(Trigger::Match(times)) => {
            let times = times.max(entry.times);
            came(&mut entry, times);
        }
        Some(Trigger::Comment(id)) => {
            entry.command = entry.command.max(Some(id));
            came(&mut entry, again);
        }
        Some(Trigger::Review(id)) => {
            entry.review = entry.review.max(Some(id));
            came(&mut entry, again);
        }
        Some(Trigger::Manual(word)) => entry.add_request(&word),
        Some(Trigger::Event) | None => came(&mut entry, again),
    }
    entry
}
