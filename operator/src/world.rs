//! The cluster as last seen: what the watches told, and what the operator wrote since.
//!
//! Synchronous and without a client. Each event goes in and the Tasks that it concerns come out;
//! indexes answer which those are, so that no event costs more with more Tasks.

mod children;
mod index;
mod lean;
mod packed;
mod shelf;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axon_api::{Phase, Task, Workspace};
use axon_plan::{Dependency, DependencyTask, SecretKeys};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};

use self::children::{Child, Children};
use self::index::{Index, Named};
pub use self::lean::{LeanJob, LeanPod, Loose};
use self::packed::Packed;
use self::shelf::{Put, Shelf};
use crate::key::Key;
use crate::metrics::Census;
use crate::queue::Urgency;

/// A Task to look at.
pub type Wake = (Key, Urgency);

/// The cluster as last seen, shared.
#[derive(Default)]
pub struct SharedWorld(Mutex<World>);

impl SharedWorld {
    /// The world, counting its Tasks in `census`.
    pub fn new(census: Census) -> Self {
        Self(Mutex::new(World {
            census,
            ..World::default()
        }))
    }

    /// Looks at the world or changes it. Never held across an await.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cluster as last seen.
#[derive(Default)]
pub struct World {
    tasks: Shelf<TaskFacts>,
    workspaces: Shelf<WorkspaceFacts>,
    secrets: Shelf<SecretFacts>,
    jobs: Children<LeanJob>,
    pods: Children<LeanPod>,
    /// Pods that had ended when they went, by the UID of their Task, which has not ended: a round
    /// may not have seen their end, and what they reported is nowhere else.
    departed: HashMap<Box<str>, Vec<Packed<Pod>>>,
    /// Which Tasks name an object.
    named_by_tasks: Index,
    /// Which Workspaces name a Secret.
    named_by_workspaces: Index,
    /// Which Task has a UID.
    uids: HashMap<Box<str>, Key>,
    census: Census,
}

#[derive(Debug)]
struct TaskFacts {
    packed: Packed<Task>,
    phase: Option<Phase>,
    names: Vec<Named>,
}

#[derive(Debug)]
struct WorkspaceFacts {
    /// The Workspace, or why it cannot be read.
    packed: Result<Packed<Workspace>, String>,
    names: Vec<Named>,
}

/// A Secret, of which the watch tells only that it is there.
#[derive(Debug, Default)]
struct SecretFacts {
    /// Its keys, once they were asked for.
    keys: Option<Arc<SecretKeys>>,
}

/// What is known of a named object.
#[derive(Clone, Debug)]
pub enum Known<T> {
    /// The watch has not told of it.
    Unknown,
    /// It cannot be read: why.
    Invalid(String),
    /// It is there.
    Present(T),
}

/// All that is known of a Task, in the form in which it is kept.
#[derive(Debug)]
pub struct Gathered {
    task: Packed<Task>,
    jobs: Vec<Packed<Job>>,
    pods: Vec<Packed<Pod>>,
}

impl Gathered {
    /// The Task, its Jobs and its pods.
    pub fn unpack(&self) -> serde_json::Result<(Task, Vec<Job>, Vec<Pod>)> {
        Ok((
            self.task.unpack()?,
            self.jobs.iter().map(Packed::unpack).collect::<Result<_, _>>()?,
            self.pods.iter().map(Packed::unpack).collect::<Result<_, _>>()?,
        ))
    }
}

/// What a round asks.
impl World {
    /// What is known of a Task; `None` when there is none at `key`.
    pub fn gather(&self, key: &Key) -> Option<Gathered> {
        let task = self.tasks.get(key)?;
        Some(Gathered {
            task: task.value.packed.clone(),
            jobs: self.jobs.of(&task.uid),
            pods: self.pods_of(&task.uid),
        })
    }

    fn pods_of(&self, task_uid: &str) -> Vec<Packed<Pod>> {
        let mut pods = self.pods.of(task_uid);
        pods.extend(self.departed.get(task_uid).into_iter().flatten().cloned());
        pods
    }

    /// The Workspace at `key`.
    pub fn workspace(&self, key: &Key) -> Known<Workspace> {
        let Some(entry) = self.workspaces.get(key) else {
            return Known::Unknown;
        };
        let unpacked = match &entry.value.packed {
            Ok(packed) => packed.unpack().map_err(|error| error.to_string()),
            Err(why) => Err(why.clone()),
        };
        match unpacked {
            Ok(workspace) => Known::Present(workspace),
            Err(why) => Known::Invalid(why),
        }
    }

    /// The keys of the Secret at `key`, when they were asked for in its present version.
    pub fn secret_keys(&self, key: &Key) -> Option<Arc<SecretKeys>> {
        self.secrets.get(key)?.value.keys.clone()
    }

    /// The Tasks with these names beside the Task at `key`, in the order of the names.
    pub fn dependencies(&self, key: &Key, names: &[String]) -> Vec<Dependency> {
        names
            .iter()
            .map(|name| Dependency {
                name: name.clone(),
                task: self.tasks.get(&key.sibling(name)).map(|entry| DependencyTask {
                    uid: entry.uid.to_string(),
                    phase: entry.value.phase,
                    ..DependencyTask::default()
                }),
            })
            .collect()
    }

    /// A Task without a Job that has not ended is urgent.
    fn wake(&self, key: &Key) -> Option<Wake> {
        let entry = self.tasks.get(key)?;
        let ended = entry.value.phase.is_some_and(Phase::is_final);
        let urgency = if ended || self.jobs.has(&entry.uid) {
            Urgency::Normal
        } else {
            Urgency::Urgent
        };
        Some((key.clone(), urgency))
    }

    fn wake_all<'a>(&self, keys: impl IntoIterator<Item = &'a Key>) -> Vec<Wake> {
        keys.into_iter().filter_map(|key| self.wake(key)).collect()
    }

    fn wake_owner(&self, uid: &str) -> Option<Wake> {
        self.wake(self.uids.get(uid)?)
    }
}

/// What the watches tell.
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

    /// Takes in an event about a Workspace.
    pub fn on_workspace(&mut self, event: Event<Loose<Workspace>>) -> Vec<Wake> {
        match event {
            Event::Apply(workspace) | Event::InitApply(workspace) => self.put_workspace(&workspace),
            Event::Delete(workspace) => {
                let key = Key::of(&workspace);
                let gone = self.workspaces.remove(&key, workspace.meta().uid.as_deref());
                gone.map_or_else(Vec::new, |entry| self.forget_workspace(&key, &entry))
            }
            Event::Init => {
                self.workspaces.begin_listing();
                Vec::new()
            }
            Event::InitDone => {
                let gone = self.workspaces.end_listing();
                gone.into_iter()
                    .flat_map(|(key, entry)| self.forget_workspace(&key, &entry))
                    .collect()
            }
        }
    }

    /// Takes in an event about a Secret.
    pub fn on_secret(&mut self, event: Event<PartialObjectMeta<Secret>>) -> Vec<Wake> {
        match event {
            Event::Apply(secret) | Event::InitApply(secret) => {
                // Run Secrets are the operator's own: many, and named by nobody.
                if secret.labels().contains_key(axon_api::labels::TASK_UID) {
                    return Vec::new();
                }
                let key = Key::of(&secret);
                match self
                    .secrets
                    .put(key.clone(), secret.meta(), SecretFacts::default())
                {
                    Put::Known => Vec::new(),
                    Put::Changed(_) => self.wake_users_of_secret(key),
                }
            }
            Event::Delete(secret) => {
                let key = Key::of(&secret);
                match self.secrets.remove(&key, secret.meta().uid.as_deref()) {
                    Some(_) => self.wake_users_of_secret(key),
                    None => Vec::new(),
                }
            }
            Event::Init => {
                self.secrets.begin_listing();
                Vec::new()
            }
            Event::InitDone => {
                let gone = self.secrets.end_listing();
                gone.into_iter()
                    .flat_map(|(key, _)| self.wake_users_of_secret(key))
                    .collect()
            }
        }
    }

    /// Takes in an event about a Job.
    pub fn on_job(&mut self, event: Event<LeanJob>) -> Vec<Wake> {
        let owners = self.jobs.on(event);
        owners.iter().filter_map(|uid| self.wake_owner(uid)).collect()
    }

    /// Takes in an event about a pod.
    pub fn on_pod(&mut self, event: Event<LeanPod>) -> Vec<Wake> {
        if let Event::Delete(pod) = &event {
            self.keep_end(pod);
        }
        let owners = self.pods.on(event);
        owners.iter().filter_map(|uid| self.wake_owner(uid)).collect()
    }
}

/// What the operator wrote or read itself, ahead of the watch.
impl World {
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

    /// The server has this Job of a Task.
    pub fn note_job(&mut self, job: Job) {
        self.jobs.note(&job.into());
    }

    /// The server has this Workspace.
    pub fn note_workspace(&mut self, workspace: &Loose<Workspace>) -> Vec<Wake> {
        self.put_workspace(workspace)
    }

    /// The server has this Secret, with these keys.
    pub fn note_secret(&mut self, secret: &Secret, keys: Arc<SecretKeys>) -> Vec<Wake> {
        let key = Key::of(secret);
        let put = self
            .secrets
            .put(key.clone(), secret.meta(), SecretFacts::default());
        // The watch may have told of a newer version, of which these may not be the keys.
        let version = secret.meta().resource_version.as_deref();
        if let Some(entry) = self.secrets.get_mut(&key)
            && entry.is_version(version)
        {
            entry.value.keys = Some(keys);
        }
        match put {
            Put::Known => Vec::new(),
            Put::Changed(_) => self.wake_users_of_secret(key),
        }
    }
}

impl World {
    /// Keeps a pod that has ended, until its Task has ended too.
    fn keep_end(&mut self, pod: &LeanPod) {
        let Some(uid) = pod.task_uid().filter(|_| pod.has_ended()) else {
            return;
        };
        let task = self.uids.get(uid).and_then(|key| self.tasks.get(key));
        if task.is_none_or(|task| task.value.phase.is_some_and(Phase::is_final)) {
            return;
        }
        match Packed::new(pod) {
            Ok(packed) => self.departed.entry(uid.into()).or_default().push(packed),
            Err(error) => tracing::warn!(pod = %Key::of(pod), %error, "the pod's end cannot be kept"),
        }
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
        let names = if task.is_finished() {
            Vec::new()
        } else {
            names_of_task(&key, &task)
        };
        let phase = task.phase();
        let uid = task.meta().uid.as_deref().unwrap_or_default();
        let facts = TaskFacts {
            packed,
            phase,
            names: names.clone(),
        };
        let Put::Changed(before) = self.tasks.put(key.clone(), task.meta(), facts) else {
            return Vec::new();
        };
        let names_before = before.as_ref().map_or(&[][..], |entry| &entry.value.names);
        self.named_by_tasks.replace(&key, names_before, &names);
        if let Some(before) = &before
            && *before.uid != *uid
        {
            self.uids.remove(&before.uid);
        }
        self.uids.insert(uid.into(), key.clone());
        if phase.is_some_and(Phase::is_final) {
            self.departed.remove(uid);
        }
        let phase_before = before.as_ref().map(|entry| entry.value.phase);
        if let Some(phase) = phase_before {
            self.census.leave(phase);
        }
        self.census.enter(phase);
        let mut wakes: Vec<Wake> = self.wake(&key).into_iter().collect();
        if phase_before != Some(phase) {
            wakes.extend(self.wake_all(self.named_by_tasks.users(&Named::Task(key))));
        }
        wakes
    }

    fn remove_task(&mut self, key: &Key, uid: Option<&str>) -> Vec<Wake> {
        let gone = self.tasks.remove(key, uid);
        gone.map_or_else(Vec::new, |entry| self.forget_task(key, &entry))
    }

    fn forget_task(&mut self, key: &Key, entry: &shelf::Entry<TaskFacts>) -> Vec<Wake> {
        self.named_by_tasks.replace(key, &entry.value.names, &[]);
        self.uids.remove(&entry.uid);
        self.departed.remove(&entry.uid);
        self.census.leave(entry.value.phase);
        self.wake_all(self.named_by_tasks.users(&Named::Task(key.clone())))
    }

    fn put_workspace(&mut self, sent: &Loose<Workspace>) -> Vec<Wake> {
        let key = Key::of(sent);
        let (packed, names) = match read_workspace(sent) {
            Ok((workspace, packed)) => {
                let secret = workspace.spec.secret_ref.as_ref();
                let names = secret.map(|secret| Named::Secret(key.sibling(&secret.name)));
                (Ok(packed), names.into_iter().collect())
            }
            Err(error) => {
                tracing::warn!(workspace = %key, %error, "the Workspace cannot be read");
                (Err(error.to_string()), Vec::new())
            }
        };
        let facts = WorkspaceFacts {
            packed,
            names: Vec::clone(&names),
        };
        let Put::Changed(before) = self.workspaces.put(key.clone(), sent.meta(), facts) else {
            return Vec::new();
        };
        let names_before = before.as_ref().map_or(&[][..], |entry| &entry.value.names);
        self.named_by_workspaces.replace(&key, names_before, &names);
        self.wake_all(self.named_by_tasks.users(&Named::Workspace(key)))
    }

    fn forget_workspace(&mut self, key: &Key, entry: &shelf::Entry<WorkspaceFacts>) -> Vec<Wake> {
        self.named_by_workspaces.replace(key, &entry.value.names, &[]);
        self.wake_all(self.named_by_tasks.users(&Named::Workspace(key.clone())))
    }

    fn wake_users_of_secret(&self, key: Key) -> Vec<Wake> {
        let secret = Named::Secret(key);
        let mut tasks: BTreeSet<&Key> = self.named_by_tasks.users(&secret).collect();
        for workspace in self.named_by_workspaces.users(&secret) {
            tasks.extend(self.named_by_tasks.users(&Named::Workspace(workspace.clone())));
        }
        self.wake_all(tasks)
    }
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

fn read_workspace(sent: &Loose<Workspace>) -> serde_json::Result<(Workspace, Packed<Workspace>)> {
    let packed = Packed::new(sent)?;
    let workspace = packed.unpack()?;
    Ok((workspace, packed))
}

/// The objects whose change may concern a Task that has not ended.
fn names_of_task(key: &Key, task: &Task) -> Vec<Named> {
    let spec = &task.spec;
    let credentials = spec
        .credentials
        .as_ref()
        .and_then(|credentials| credentials.secret_ref.as_ref());
    let inline = spec
        .workspace
        .as_ref()
        .and_then(|workspace| workspace.secret_ref.as_ref());
    let mut names: Vec<Named> = [credentials, inline]
        .into_iter()
        .flatten()
        .map(|secret| Named::Secret(key.sibling(&secret.name)))
        .collect();
    if let Some(workspace) = &spec.workspace_ref {
        names.push(Named::Workspace(key.sibling(&workspace.name)));
    }
    names.extend(spec.depends_on.iter().map(|name| Named::Task(key.sibling(name))));
    names
}

/// The UID of the Task that a Job belongs to: that of its controller.
impl Child for LeanJob {
    type Whole = Job;

    fn task_uid(&self) -> Option<&str> {
        let owners = self.meta().owner_references.as_ref()?;
        let controller = owners.iter().find(|owner| owner.controller == Some(true))?;
        (controller.kind == "Task").then_some(&controller.uid)
    }
}

/// The UID of the Task that a pod belongs to, by its label: its controller is the Job.
impl Child for LeanPod {
    type Whole = Pod;

    fn task_uid(&self) -> Option<&str> {
        let labels = self.meta().labels.as_ref()?;
        labels.get(axon_api::labels::TASK_UID).map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
