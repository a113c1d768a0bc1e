//! Who has a branch, and who is in line for it.
//!
//! A Lease keeps a branch for one Task, by its UID. Those that want it are in line by their
//! creation. Only the first in line is woken when the branch is free. When it has another holder, the
//! next few are woken to tell of it; the message of one that is further away may be out of date until
//! it comes near.

use std::collections::{BTreeSet, HashMap, VecDeque};

use axon_api::{Task, Workspace, WorkspaceSpec, labels};
use axon_plan::{BranchSeen, LeaseSeen, branch};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};

use super::shelf::{Put, Shelf};
use super::tasks::dedup;
use super::{Known, Wake, World};
use crate::key::Key;
use crate::queue::Urgency;

/// How many of the Leases that were deleted last are remembered.
const REMEMBERED_GONE: usize = 1024;

/// How many in line are woken to tell of another holder.
const NEAR: usize = 10;

/// The Leases that keep branches, and who is in line for them.
#[derive(Debug, Default)]
pub(crate) struct Branches {
    /// By [`key_of`].
    leases: Shelf<LeaseFacts>,
    /// Names of Leases by the UID of their holder.
    held: HashMap<Box<str>, BTreeSet<Box<str>>>,
    /// By the name of the Lease.
    lines: HashMap<Box<str>, BTreeSet<Place>>,
    /// Of the Workspaces, what tells which branch their Tasks want.
    repositories: HashMap<Key, WorkspaceSpec>,
    /// UIDs of Leases that were deleted last: the answer to a write may arrive after the watch told
    /// of the end.
    gone: VecDeque<Box<str>>,
}

/// A place in a line: first by creation, then by namespace and name.
pub(crate) type Place = (Timestamp, Key);

#[derive(Debug)]
struct LeaseFacts {
    version: Box<str>,
    holder_uid: Box<str>,
    holder: Box<str>,
}

/// All Leases of branches are in one namespace, which is left out here.
fn key_of(lease: &str) -> Key {
    Key::new("", lease)
}

/// The place in line of `task`, wherever it wants to be in line.
pub(super) fn place_of(key: &Key, task: &Task) -> Place {
    let created = task.meta().creation_timestamp.as_ref();
    (created.map_or(Timestamp::UNIX_EPOCH, |time| time.0), key.clone())
}

impl Branches {
    fn lease(&self, name: &str) -> Option<LeaseSeen> {
        let entry = self.leases.get(&key_of(name))?;
        Some(LeaseSeen {
            name: name.to_owned(),
            uid: entry.uid.to_string(),
            resource_version: entry.value.version.to_string(),
            holder_uid: entry.value.holder_uid.to_string(),
            holder: entry.value.holder.to_string(),
        })
    }

    fn is_gone(&self, uid: &str) -> bool {
        self.gone.iter().any(|gone| **gone == *uid)
    }

    fn remember_gone(&mut self, uid: &str) {
        if self.gone.len() == REMEMBERED_GONE {
            self.gone.pop_front();
        }
        self.gone.push_back(uid.into());
    }

    fn link(&mut self, name: &str, holder_uid: &str) {
        let held = self.held.entry(holder_uid.into()).or_default();
        held.insert(name.into());
    }

    fn unlink(&mut self, name: &str, holder_uid: &str) {
        if let Some(held) = self.held.get_mut(holder_uid) {
            held.remove(name);
            if held.is_empty() {
                self.held.remove(holder_uid);
            }
        }
    }
}

/// What a round asks.
impl World {
    /// The Leases that the Task with this UID holds.
    pub(crate) fn held_branches(&self, uid: &str) -> Vec<LeaseSeen> {
        let names = self.branches.held.get(uid).into_iter().flatten();
        names.filter_map(|name| self.branches.lease(name)).collect()
    }

    /// How the Task at `key` stands with the branch that the Lease `lease` keeps.
    pub(crate) fn branch(&self, lease: &str, key: &Key, task: &Task) -> BranchSeen {
        let own = place_of(key, task);
        let line = self.branches.lines.get(lease);
        let before = line.into_iter().flat_map(|line| line.range(..&own));
        let (place, last) = before.fold((0, None), |(count, _), place| (count + 1, Some(place)));
        BranchSeen {
            lease: self.branches.lease(lease),
            place,
            behind: last.map(|(_, key)| key.to_string()),
        }
    }
}

/// What the watch tells and the operator wrote.
impl World {
    /// Takes in an event about a Lease that keeps a branch.
    pub fn on_lease(&mut self, event: Event<Lease>) -> Vec<Wake> {
        match event {
            Event::Apply(lease) | Event::InitApply(lease) => self.note_lease(&lease),
            Event::Delete(lease) => {
                let uid = lease.uid().unwrap_or_default();
                self.note_lease_gone(&lease.name_any(), &uid)
            }
            Event::Init => {
                self.branches.leases.begin_listing();
                Vec::new()
            }
            Event::InitDone => {
                let gone = self.branches.leases.end_listing();
                gone.into_iter()
                    .flat_map(|(key, entry)| self.lease_gone(&key.name, &entry.uid, &entry.value))
                    .collect()
            }
        }
    }

    /// The server has this Lease.
    pub fn note_lease(&mut self, lease: &Lease) -> Vec<Wake> {
        let name = lease.name_any();
        if self
            .branches
            .is_gone(lease.meta().uid.as_deref().unwrap_or_default())
        {
            return Vec::new();
        }
        let spec = lease.spec.as_ref();
        let holder_uid: Box<str> = spec
            .and_then(|spec| spec.holder_identity.as_deref())
            .unwrap_or_default()
            .into();
        let facts = LeaseFacts {
            version: lease.resource_version().unwrap_or_default().into(),
            holder_uid: holder_uid.clone(),
            holder: lease
                .annotations()
                .get(labels::HOLDER)
                .map_or_else(Box::default, |holder| holder.as_str().into()),
        };
        let Put::Changed(before) = self.branches.leases.put(key_of(&name), lease.meta(), facts) else {
            return Vec::new();
        };
        let mut wakes = Vec::new();
        let holder_before = before.map(|before| before.value.holder_uid);
        let is_taken = holder_before.as_ref() != Some(&holder_uid);
        if let Some(before) = holder_before.filter(|_| is_taken) {
            self.branches.unlink(&name, &before);
            wakes.extend(self.holder_changed(&before));
        }
        self.branches.link(&name, &holder_uid);
        wakes.extend(self.holder_changed(&holder_uid));
        wakes.extend(self.first_in_line(&name));
        if is_taken {
            wakes.extend(self.near_in_line(&name));
        }
        self.look_for_stray(&name);
        dedup(wakes)
    }

    /// The Lease with this name and UID is gone.
    pub fn note_lease_gone(&mut self, name: &str, uid: &str) -> Vec<Wake> {
        if let Some(entry) = self.branches.leases.remove(&key_of(name), Some(uid)) {
            return self.lease_gone(name, uid, &entry.value);
        }
        self.branches.remember_gone(uid);
        Vec::new()
    }

    fn lease_gone(&mut self, name: &str, uid: &str, lease: &LeaseFacts) -> Vec<Wake> {
        self.branches.remember_gone(uid);
        self.branches.unlink(name, &lease.holder_uid);
        let mut wakes = self.holder_changed(&lease.holder_uid);
        wakes.extend(self.first_in_line(name));
        dedup(wakes)
    }

    /// The Task with this UID has got a Lease or lost one.
    fn holder_changed(&mut self, uid: &str) -> Vec<Wake> {
        let Some(key) = self.uids.get(uid).cloned() else {
            return Vec::new();
        };
        let mut wakes = self.queue_up_anew(&key);
        wakes.extend(self.wake(&key));
        wakes
    }

    /// The one who may take the branch, if it is free.
    fn first_in_line(&self, lease: &str) -> Option<Wake> {
        let entry = self.branches.leases.get(&key_of(lease));
        if entry.is_some_and(|entry| !entry.value.holder_uid.is_empty()) {
            return None;
        }
        let (_, key) = self.branches.lines.get(lease)?.first()?;
        self.wake(key)
    }
}

/// Who is in line.
impl World {
    /// Whether the branch for which the Task at `key` is in line is free, and it is the first.
    pub(crate) fn may_take_branch(&self, key: &Key) -> bool {
        let line = self.tasks.get(key).and_then(|entry| entry.value.line.as_deref());
        let first = line.and_then(|lease| self.first_in_line(lease));
        first.is_some_and(|(first, _)| first == *key)
    }

    /// The first few in line. There is no haste: they only tell whom they wait for.
    fn near_in_line(&self, lease: &str) -> Vec<Wake> {
        let line = self.branches.lines.get(lease).into_iter().flatten();
        let keys = line.take(NEAR).map(|(_, key)| key.clone());
        keys.map(|key| (key, Urgency::Normal)).collect()
    }

    /// Remembers of a Workspace what tells which branch its Tasks want.
    pub(super) fn note_repository(&mut self, key: &Key, workspace: Known<Workspace>) {
        let Known::Present(workspace) = workspace else {
            self.branches.repositories.remove(key);
            return;
        };
        let part = WorkspaceSpec {
            repo: workspace.spec.repo,
            worktree: workspace.spec.worktree,
            ..WorkspaceSpec::default()
        };
        self.branches.repositories.insert(key.clone(), part);
    }

    /// The name of the Lease for whose branch the Task is in line.
    pub(super) fn line_for(&self, key: &Key, task: &Task) -> Option<Box<str>> {
        if task.is_finished() {
            return None;
        }
        let workspace = match &task.spec.workspace_ref {
            Some(reference) => self.branches.repositories.get(&key.sibling(&reference.name)),
            None => task.spec.workspace.as_ref(),
        };
        let wanted = branch::wanted(task, workspace)?;
        let lease = self.branches.lease(&wanted.lease);
        branch::contends(task, lease.as_ref()).then(|| wanted.lease.into())
    }

    /// From now on the Task is in line for `after` instead of `before`.
    pub(super) fn change_line(
        &mut self,
        place: &Place,
        before: Option<&str>,
        after: Option<&str>,
    ) -> Vec<Wake> {
        if before == after {
            return Vec::new();
        }
        let lines = &mut self.branches.lines;
        if let Some(line) = before.and_then(|before| lines.get_mut(before)) {
            line.remove(place);
        }
        if let Some(before) = before
            && lines.get(before).is_some_and(BTreeSet::is_empty)
        {
            lines.remove(before);
        }
        if let Some(after) = after {
            lines.entry(after.into()).or_default().insert(place.clone());
        }
        let changed = before.into_iter().chain(after);
        changed.filter_map(|lease| self.first_in_line(lease)).collect()
    }

    /// Finds out again for which branch the Task at `key` is in line.
    pub(super) fn queue_up_anew(&mut self, key: &Key) -> Vec<Wake> {
        let Some(entry) = self.tasks.get(key) else {
            return Vec::new();
        };
        let before = entry.value.line.clone();
        let Ok(task) = entry.value.packed.unpack() else {
            return Vec::new();
        };
        let after = self.line_for(key, &task);
        let wakes = self.change_line(&place_of(key, &task), before.as_deref(), after.as_deref());
        if let Some(entry) = self.tasks.get_mut(key) {
            entry.value.line = after;
        }
        wakes
    }
}

#[cfg(test)]
impl World {
    /// All lines, by the name of the Lease.
    pub(super) fn lines(&self) -> std::collections::BTreeMap<String, BTreeSet<Place>> {
        let lines = self.branches.lines.iter();
        lines
            .map(|(name, line)| (name.to_string(), line.clone()))
            .collect()
    }
}

/// Leases of Tasks that are gone.
impl World {
    /// From now on every Lease whose holder is not known is looked into: all that there is has been
    /// listed.
    pub fn begin_sweeping(&mut self) {
        self.sweeps = true;
        let all: Vec<Box<str>> = self.branches.held.values().flatten().cloned().collect();
        for name in all {
            self.look_for_stray(&name);
        }
    }

    /// The Lease of this name, when its holder is not known and no pod of it can still work on the
    /// branch.
    pub(crate) fn stray_lease(&self, name: &str) -> Option<LeaseSeen> {
        let lease = self.branches.lease(name)?;
        let is_stray = !self.uids.contains_key(&*lease.holder_uid) && !self.may_run(&lease.holder_uid);
        is_stray.then_some(lease)
    }

    /// Whether a pod of the Task with this UID may run. One behind the start gate stays there when
    /// its Task is gone.
    fn may_run(&self, task_uid: &str) -> bool {
        self.pods.of(task_uid).iter().any(|pod| {
            let Ok(pod) = pod.unpack() else {
                return true;
            };
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            let gates = pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref());
            let is_gated = gates.is_some_and(|gates| !gates.is_empty());
            !is_gated && !matches!(phase, Some("Succeeded" | "Failed"))
        })
    }

    /// The Task with this UID is gone, or a pod of it.
    pub(super) fn holder_gone(&self, uid: &str) {
        for name in self.branches.held.get(uid).into_iter().flatten() {
            self.look_for_stray(name);
        }
    }

    fn look_for_stray(&self, name: &str) {
        if self.sweeps && self.stray_lease(name).is_some() {
            self.errands.leases.wake(&key_of(name), Urgency::Normal);
        }
    }
}
