//! The cluster as last seen: what the watches told, and what the operator wrote since.
//!
//! Synchronous and without a client. Each event goes in and the Tasks that it concerns come out;
//! indexes answer which those are, so that no event costs more with more Tasks.

mod branches;
mod children;
mod index;
mod lean;
mod objects;
mod packed;
mod secrets;
mod shelf;
mod spawned;
mod tasks;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axon_api::{AgentConfig, AgentProvider, Phase, Task, TaskDefaults, TaskSpawner, Workspace};
use axon_plan::LeaseSeen;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::runtime::watcher::Event;

use self::branches::Branches;
use self::children::{Child, Children};
use self::index::{Index, Named};
pub use self::lean::{LeanJob, LeanPod, Loose};
use self::objects::Objects;
pub(crate) use self::objects::{DEFAULTS, Object};
use self::packed::Packed;
use self::secrets::{SecretFacts, TokenFacts};
use self::shelf::Shelf;
use self::spawned::Spawned;
use self::tasks::TaskFacts;
use crate::key::Key;
use crate::metrics::Census;
use crate::queue::{Queue, Urgency};

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
    workspaces: Objects<Workspace>,
    agent_configs: Objects<AgentConfig>,
    agent_providers: Objects<AgentProvider>,
    defaults: Objects<TaskDefaults>,
    task_spawners: Objects<TaskSpawner>,
    spawned: Spawned,
    /// Namespaces that had no TaskDefaults when the server was asked, with the newest version of
    /// their Tasks that was known before.
    without_defaults: HashMap<Arc<str>, u64>,
    secrets: Shelf<SecretFacts>,
    tokens: Shelf<TokenFacts>,
    branches: Branches,
    jobs: Children<LeanJob>,
    pods: Children<LeanPod>,
    /// Pods that had ended when they went, by the UID of their Task, which has not ended: a round
    /// may not have seen their end, and what they reported is nowhere else.
    departed: HashMap<Box<str>, Vec<Packed<Pod>>>,
    /// Which Tasks name an object.
    named_by_tasks: Index<Key>,
    /// Which other objects name an object.
    named_by_objects: Index<Named>,
    /// Which Task has a UID.
    uids: HashMap<Box<str>, Key>,
    /// Whether Leases of Tasks that are not known are swept.
    sweeps: bool,
    errands: Errands,
    census: Census,
}

/// What has to be seen to beside Tasks.
#[derive(Clone, Debug, Default)]
pub struct Errands {
    /// AgentProviders of which it has to be found out whether they are ready.
    pub providers: Arc<Queue>,
    /// TaskSpawners that have changed, or whose Tasks or workspace have.
    pub spawners: Arc<Queue>,
    /// Tasks that have changed and of which issues or pull requests are told.
    pub reports: Arc<Queue>,
    /// Leases of branches whose holder is not known, by their name.
    pub leases: Arc<Queue>,
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
    /// The Leases that it holds.
    pub held_branches: Vec<LeaseSeen>,
    /// Whether it is in line for a branch and has none.
    pub wants_branch: bool,
    /// Whether a Task that has not ended needs what this one produced.
    pub is_awaited: bool,
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

impl World {
    /// What is known of a Task; `None` when there is none at `key`.
    pub fn gather(&self, key: &Key) -> Option<Gathered> {
        let task = self.tasks.get(key)?;
        let held_branches = self.held_branches(&task.uid);
        Some(Gathered {
            task: task.value.packed.clone(),
            jobs: self.jobs.of(&task.uid),
            pods: self.pods_of(&task.uid),
            wants_branch: task.value.line.is_some() && held_branches.is_empty(),
            held_branches,
            is_awaited: self.is_awaited(key),
        })
    }

    /// The queues of what has to be seen to beside Tasks.
    pub fn errands(&self) -> Errands {
        self.errands.clone()
    }

    fn pods_of(&self, task_uid: &str) -> Vec<Packed<Pod>> {
        let mut pods = self.pods.of(task_uid);
        pods.extend(self.departed.get(task_uid).into_iter().flatten().cloned());
        pods
    }

    /// Takes in an event about a Job.
    pub fn on_job(&mut self, event: Event<LeanJob>) -> Vec<Wake> {
        let owners = self.jobs.on(event);
        owners.iter().filter_map(|uid| self.wake_owner(uid)).collect()
    }

    /// The server has this Job of a Task.
    pub fn note_job(&mut self, job: Job) {
        self.jobs.note(&job.into());
    }

    /// Takes in an event about a pod.
    pub fn on_pod(&mut self, event: Event<LeanPod>) -> Vec<Wake> {
        if let Event::Delete(pod) = &event {
            self.keep_end(pod);
        }
        let owners = self.pods.on(event);
        for uid in owners.iter().filter(|uid| !self.uids.contains_key(*uid)) {
            self.holder_gone(uid);
        }
        owners.iter().filter_map(|uid| self.wake_owner(uid)).collect()
    }

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
}

/// The absence of TaskDefaults, which is the usual case, is not asked for again for each Task.
impl World {
    /// Whether the server, asked after `task` was there, had no TaskDefaults in its namespace.
    pub(crate) fn has_no_defaults(&self, key: &Key, task: &Task) -> bool {
        let asked = self.without_defaults.get(&key.namespace);
        asked.is_some_and(|asked| shelf::version(task.meta()).is_some_and(|version| version <= *asked))
    }

    /// The newest version of a Task that is known. Versions of all kinds of one group grow together.
    pub(crate) fn newest_task(&self) -> u64 {
        self.tasks.newest()
    }

    /// The server was asked when `newest` was known, and has no TaskDefaults in the namespace.
    pub(crate) fn note_no_defaults(&mut self, namespace: &Arc<str>, newest: u64) {
        let asked = self.without_defaults.entry(Arc::clone(namespace)).or_default();
        *asked = newest.max(*asked);
    }
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
