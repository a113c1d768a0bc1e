//! The Tasks, and what each of them names.

use std::collections::BTreeSet;

use axon_api::{Phase, Task, labels};
use axon_plan::{dependencies, references};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};

use super::branches::place_of;
use super::index::Named;
use super::lean::Loose;
use super::packed::Packed;
use super::shelf::{Entry, Put};
use super::spawned::{self, Link};
use super::{Wake, World};
use crate::key::Key;
use crate::queue::Urgency;

#[derive(Debug)]
pub(crate) struct TaskFacts {
    pub(super) packed: Packed<Task>,
    pub(super) phase: Option<Phase>,
    /// What it names, while it has not ended.
    names: Vec<Named>,
    /// The Tasks that must yet succeed before this one starts.
    open: Box<[Box<str>]>,
    /// The Lease for whose branch it is in line.
    pub(super) line: Option<Box<str>>,
    /// The spawner that controls it.
    spawner: Option<Box<Link>>,
}

/// A Task that another depends on, in the form in which it is kept.
#[derive(Debug)]
pub(crate) struct PackedDependency {
    pub(crate) uid: Box<str>,
    pub(crate) phase: Option<Phase>,
    /// The Task, when it has succeeded.
    pub(crate) succeeded: Option<Packed<Task>>,
}

/// What a round asks.
impl World {
    /// The Task at `key`, in the form in which it is kept.
    #[cfg(feature = "github")]
    pub(crate) fn task(&self, key: &Key) -> Option<Packed<Task>> {
        Some(self.tasks.get(key)?.value.packed.clone())
    }

    /// The Task `name` beside the Task at `key`, on which that one depends.
    pub(crate) fn dependency(&self, key: &Key, name: &str) -> Option<PackedDependency> {
        let entry = self.tasks.get(&key.sibling(name))?;
        let phase = entry.value.phase;
        Some(PackedDependency {
            uid: entry.uid.clone(),
            phase,
            succeeded: (phase == Some(Phase::Succeeded)).then(|| entry.value.packed.clone()),
        })
    }

    /// The circle of dependencies through the Task at `key`.
    pub(crate) fn dependency_cycle(&self, key: &Key) -> Option<Vec<String>> {
        dependencies::find_cycle(&key.name, |name| {
            let entry = self.tasks.get(&key.sibling(name))?;
            Some(entry.value.open.iter().map(ToString::to_string).collect())
        })
    }

    /// Whether a Task that has not ended needs what the Task at `key` produced.
    pub(crate) fn is_awaited(&self, key: &Key) -> bool {
        let named = Named::Task(key.clone());
        let mut users = self.named_by_tasks.users(&named);
        users.any(|user| {
            let user = self.tasks.get(user);
            user.is_some_and(|user| user.value.open.iter().any(|name| **name == *key.name))
        })
    }

    /// A Task without a Job that has not ended is urgent.
    pub(super) fn wake(&self, key: &Key) -> Option<Wake> {
        let entry = self.tasks.get(key)?;
        let ended = entry.value.phase.is_some_and(Phase::is_final);
        let urgency = if ended || self.jobs.has(&entry.uid) {
            Urgency::Normal
        } else {
            Urgency::Urgent
        };
        Some((key.clone(), urgency))
    }

    pub(super) fn wake_all<'a>(&self, keys: impl IntoIterator<Item = &'a Key>) -> Vec<Wake> {
        keys.into_iter().filter_map(|key| self.wake(key)).collect()
    }

    pub(super) fn wake_owner(&self, uid: &str) -> Option<Wake> {
        self.wake(self.uids.get(uid)?)
    }
}

/// What the watch tells and the operator wrote.
impl World {
    /// Takes in an event about a Task.
    pub fn on_task(&mut self, event: Event<Loose<Task>>) -> Vec<Wake> {
        match event {
            Event::Apply(task) | Event::InitApply(task) => self.put_task(&task),
            Event::Delete(task) => self.remove_task(&Key::of(&task), task.meta().uid.as_deref()),
            Event::Init => {
                self.tasks.begin_listing();
                Vec::new()
            }
            Event::InitDone => {
                let gone = self.tasks.end_listing();
                gone.into_iter()
                    .flat_map(|(key, entry)| self.forget_task(&key, &entry))
                    .collect()
            }
        }
    }

    /// The server answered a write with this Task. It is kept when it is newer than what the watch
    /// has told; a Task that is gone meanwhile does not come back.
    pub fn note_task(&mut self, task: &Loose<Task>) -> Vec<Wake> {
        let key = Key::of(task);
        let same = self
            .tasks
            .get(&key)
            .is_some_and(|entry| task.meta().uid.as_deref() == Some(&*entry.uid));
        if same { self.put_task(task) } else { Vec::new() }
    }

    fn put_task(&mut self, sent: &Loose<Task>) -> Vec<Wake> {
        let key = Key::of(sent);
        if self.tasks.knows(&key, sent.meta()) {
            return Vec::new();
        }
        let (task, packed) = match read_task(sent) {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(task = %key, %error, "the Task cannot be read");
                return self.remove_task(&key, None);
            }
        };
        let names = names_of(&key, &task);
        let phase = task.phase();
        let uid = task.meta().uid.as_deref().unwrap_or_default();
        let line = self.line_for(&key, &task);
        let open = dependencies::open(&task);
        let spawner = spawned::link(&key, &task);
        let facts = TaskFacts {
            packed,
            phase,
            names: names.clone(),
            open: open.into_iter().map(Into::into).collect(),
            line: line.clone(),
            spawner: spawner.clone().map(Box::new),
        };
        let Put::Changed(before) = self.tasks.put(key.clone(), task.meta(), facts) else {
            return Vec::new();
        };
        let mut gone_uid = None;
        let mut wakes = Vec::new();
        // A Task made anew under the old name is another one, with a place in line of its own.
        let line_before = match &before {
            Some(before) if *before.uid != *uid => {
                self.uids.remove(&before.uid);
                self.departed.remove(&before.uid);
                wakes.extend(self.leave_line(&key, &before.value));
                if let Some(link) = &before.value.spawner {
                    self.forget_spawned(link, &before.uid);
                }
                gone_uid = Some(before.uid.clone());
                None
            }
            Some(before) => before.value.line.clone(),
            None => None,
        };
        let names_before = before.as_ref().map_or(&[][..], |entry| &entry.value.names);
        self.named_by_tasks.replace(&key, names_before, &names);
        self.uids.insert(uid.into(), key.clone());
        if let Some(gone) = gone_uid {
            self.holder_gone(&gone);
        }
        if phase.is_some_and(Phase::is_final) {
            self.departed.remove(uid);
        }
        if let Some(link) = &spawner {
            self.put_spawned(link, &task);
        }
        if cfg!(feature = "github") && task.annotations().contains_key(labels::REPORT) {
            self.errands.reports.wake(&key, Urgency::Normal);
        }
        let phase_before = before.as_ref().map(|entry| entry.value.phase);
        if let Some(phase) = phase_before {
            self.census.leave(phase);
        }
        self.census.enter(phase);
        wakes.extend(self.wake(&key));
        wakes.extend(self.change_line(&place_of(&key, &task), line_before.as_deref(), line.as_deref()));
        if phase_before != Some(phase) {
            wakes.extend(self.wake_all(self.named_by_tasks.users(&Named::Task(key.clone()))));
        }
        if let Some(before) = &before {
            wakes.extend(self.wake_released(&key, &before.value));
        }
        dedup(wakes)
    }

    fn remove_task(&mut self, key: &Key, uid: Option<&str>) -> Vec<Wake> {
        let gone = self.tasks.remove(key, uid);
        gone.map_or_else(Vec::new, |entry| self.forget_task(key, &entry))
    }

    fn forget_task(&mut self, key: &Key, entry: &Entry<TaskFacts>) -> Vec<Wake> {
        self.named_by_tasks.replace(key, &entry.value.names, &[]);
        self.uids.remove(&entry.uid);
        self.departed.remove(&entry.uid);
        self.census.leave(entry.value.phase);
        self.holder_gone(&entry.uid);
        if let Some(link) = &entry.value.spawner {
            self.forget_spawned(link, &entry.uid);
        }
        let mut wakes = self.leave_line(key, &entry.value);
        wakes.extend(self.wake_released(key, &entry.value));
        wakes.extend(self.wake_all(self.named_by_tasks.users(&Named::Task(key.clone()))));
        dedup(wakes)
    }

    fn leave_line(&mut self, key: &Key, facts: &TaskFacts) -> Vec<Wake> {
        match (&facts.line, facts.packed.unpack()) {
            (Some(line), Ok(task)) => self.change_line(&place_of(key, &task), Some(line), None),
            _ => Vec::new(),
        }
    }

    /// The finished Tasks that the Task at `key` no longer waits for: their time to live may have
    /// been over for long.
    fn wake_released(&self, key: &Key, before: &TaskFacts) -> Vec<Wake> {
        let still = self.tasks.get(key);
        let is_open = |name: &str| {
            still.is_some_and(|task| {
                let ended = task.value.phase.is_some_and(Phase::is_final);
                !ended && task.value.open.iter().any(|open| **open == *name)
            })
        };
        let released = before.open.iter().filter(|name| !is_open(name));
        released
            .map(|name| key.sibling(name))
            .filter(|other| {
                let other = self.tasks.get(other);
                other.is_some_and(|other| other.value.phase.is_some_and(Phase::is_final))
            })
            .filter_map(|other| self.wake(&other))
            .collect()
    }
}

/// The wakes in their order, each Task once.
pub(super) fn dedup(mut wakes: Vec<Wake>) -> Vec<Wake> {
    let mut seen = BTreeSet::new();
    wakes.retain(|(key, _)| seen.insert(key.clone()));
    wakes
}

/// Reads a Task and packs it. A finished one never starts again, so that its prompt, of up to 1 MiB,
/// is not needed.
fn read_task(sent: &Loose<Task>) -> serde_json::Result<(Task, Packed<Task>)> {
    let packed = Packed::new(sent)?;
    let mut task: Task = packed.unpack()?;
    if !task.is_finished() {
        return Ok((task, packed));
    }
    task.spec.prompt = String::new();
    task.spec.pod_overrides = None;
    let packed = Packed::new(&task)?;
    Ok((task, packed))
}

/// The objects whose change may concern the Task: none once it has ended.
fn names_of(key: &Key, task: &Task) -> Vec<Named> {
    if task.is_finished() {
        return Vec::new();
    }
    let spec = &task.spec;
    let own_secrets = references::secrets(task, None, None, spec.workspace.as_ref(), &[]);
    let mut names: Vec<Named> = own_secrets
        .iter()
        .map(|name| Named::Secret(key.sibling(name)))
        .collect();
    if let Some(workspace) = &spec.workspace_ref {
        names.push(Named::Workspace(key.sibling(&workspace.name)));
    }
    names.extend(spec.depends_on.iter().map(|name| Named::Task(key.sibling(name))));
    let configs = references::agent_configs(task);
    names.extend(configs.map(|name| Named::AgentConfig(key.sibling(name))));
    if let Some(provider) = &spec.provider_ref {
        names.push(Named::AgentProvider(key.sibling(&provider.name)));
    }
    names.push(Named::Defaults(key.namespace.clone()));
    if spec.credentials.is_none() && spec.provider.is_none() && spec.provider_ref.is_none() {
        names.push(Named::DefaultCredentials(key.namespace.clone()));
    }
    names
}
