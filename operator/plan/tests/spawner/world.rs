//! A world with one spawner: what the server has, what the source finds, and what operators do.

use std::collections::{BTreeMap, BTreeSet};

use axon_api::sources::{Candidate, Cause};
use axon_api::{Phase, TaskSpawner, TaskSpawnerStatus, Workspace, names};
use axon_plan::Found;
use axon_plan::spawner::memory::{Memory, SHARDS};
use axon_plan::spawner::{
    SourceSeen, SpawnedTask, SpawnerObserved, SpawnerPlan, Step, TicksSeen, Trouble, plan,
};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) const START: i64 = 1_800_000_000;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).expect("a moment of this century")
}

/// A spawner named `fix` with this spec; a prompt and a workspace are added when there are none.
pub(crate) fn spawner(mut spec: Value) -> TaskSpawner {
    if spec.get("taskTemplate").is_none() {
        spec["taskTemplate"] = json!({});
    }
    if spec["taskTemplate"].get("workspace").is_none() && spec["taskTemplate"].get("workspaceRef").is_none() {
        spec["taskTemplate"]["workspace"] = json!({ "repo": "https://github.com/o/r" });
    }
    serde_json::from_value(json!({
        "apiVersion": "axon.io/v1alpha1",
        "kind": "TaskSpawner",
        "metadata": { "name": "fix", "namespace": "dev", "uid": "spawner-uid", "generation": 1, "resourceVersion": "1" },
        "spec": spec,
    }))
    .expect("a TaskSpawner")
}

pub(crate) fn issues() -> Value {
    json!({ "when": { "githubIssues": {} } })
}

pub(crate) fn candidate(key: &str, cause: Cause) -> Candidate {
    Candidate {
        key: key.to_owned(),
        id: key.split_once('-').map_or(key, |(_, id)| id).to_owned(),
        cause,
        labels: Vec::new(),
        created: at(0),
    }
}

pub(crate) fn issue(number: u64) -> Candidate {
    candidate(&format!("issue-{number}"), Cause::Match)
}

/// What an operator has in view, of which each part may be old.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) spawner: TaskSpawner,
    pub(crate) memory: Vec<Option<ConfigMap>>,
    pub(crate) tasks: Vec<SpawnedTask>,
    pub(crate) candidates: Vec<Candidate>,
}

/// Everything that the server and the source have.
pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) spawner: TaskSpawner,
    pub(crate) memory: Vec<Option<ConfigMap>>,
    pub(crate) tasks: Vec<SpawnedTask>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) heard: bool,
    pub(crate) absence_counts: bool,
    pub(crate) open: BTreeSet<String>,
    pub(crate) ticks: TicksSeen,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) workspace_is_missing: bool,
    pub(crate) refused: BTreeMap<String, String>,
    /// UIDs of the Tasks that the operators may let start, as they know it.
    pub(crate) admitted: [BTreeSet<String>; 2],
    /// `item trigger` of every Task that has started, in order.
    pub(crate) started: Vec<String>,
    /// `item trigger` of every Task that was created, in order.
    pub(crate) created: Vec<String>,
    pub(crate) settled: Vec<String>,
    pub(crate) told: Vec<String>,
    /// Writes to the server, by kind.
    pub(crate) writes: BTreeMap<&'static str, usize>,
    versions: i64,
    uids: usize,
}

impl World {
    pub(crate) fn of(spec: Value) -> Self {
        Self {
            now: 0,
            spawner: spawner(spec),
            memory: vec![None; SHARDS],
            tasks: Vec::new(),
            candidates: Vec::new(),
            heard: true,
            absence_counts: true,
            open: BTreeSet::new(),
            ticks: TicksSeen::default(),
            trouble: None,
            workspace_is_missing: false,
            refused: BTreeMap::new(),
            admitted: Default::default(),
            started: Vec::new(),
            created: Vec::new(),
            settled: Vec::new(),
            told: Vec::new(),
            writes: BTreeMap::new(),
            versions: 1,
            uids: 0,
        }
    }

    pub(crate) fn status(&self) -> TaskSpawnerStatus {
        self.spawner.status.clone().unwrap_or_default()
    }

    /// Status and reason of a condition.
    pub(crate) fn condition(&self, type_: &str) -> Option<(String, String)> {
        let status = self.status();
        let mut conditions = status.conditions.into_iter();
        let found = conditions.find(|condition| condition.type_ == type_);
        found.map(|condition| (condition.status, condition.reason))
    }

    pub(crate) fn view(&self) -> View {
        View {
            spawner: self.spawner.clone(),
            memory: self.memory.clone(),
            tasks: self.tasks.clone(),
            candidates: self.candidates.clone(),
        }
    }

    pub(crate) fn memory(&self) -> Memory {
        Memory::read(|shard| self.memory[shard].as_ref())
    }

    /// Decides on a view, with what the server answers to what has to be asked.
    pub(crate) fn plan_on(&self, view: &View) -> SpawnerPlan {
        let mut tasks = view.tasks.clone();
        let mut gone = BTreeSet::new();
        let memory = Memory::read(|shard| view.memory[shard].as_ref());
        for _ in 0..5 {
            let plan = self.decide(view, &memory, &tasks, &gone);
            if plan.ask.is_empty() {
                return plan;
            }
            if plan.ask.missing.is_empty() {
                for name in &plan.ask.tasks {
                    let fresh = self.tasks.iter().find(|task| task.name == *name);
                    let known: Vec<String> = tasks
                        .iter()
                        .filter(|task| task.name == *name && fresh.is_none_or(|fresh| fresh.uid != task.uid))
                        .map(|task| names::place(&task.uid))
                        .collect();
                    gone.extend(known);
                    tasks.retain(|task| task.name != *name);
                    tasks.extend(fresh.map(fresh_copy));
                }
            } else {
                let there: BTreeSet<String> = self.tasks.iter().map(|task| names::place(&task.uid)).collect();
                let known = tasks.iter().map(|task| names::place(&task.uid));
                let asked = plan.ask.missing.iter().cloned().chain(known);
                gone.extend(asked.filter(|place| !there.contains(place)));
                tasks = self.tasks.iter().map(fresh_copy).collect();
            }
        }
        panic!("there is always something to ask");
    }

    fn decide(
        &self,
        view: &View,
        memory: &Memory,
        tasks: &[SpawnedTask],
        gone: &BTreeSet<String>,
    ) -> SpawnerPlan {
        let workspace: Found<'_, Workspace> = if self.workspace_is_missing {
            Found::Missing
        } else {
            Found::NotNamed
        };
        plan(&SpawnerObserved {
            now: at(self.now),
            spawner: &view.spawner,
            workspace,
            default_type: "claude-code",
            memory,
            source: SourceSeen {
                heard: self.heard.then(|| at(self.now)),
                candidates: &view.candidates,
                absence_counts: self.absence_counts,
                open: self.open.clone(),
                ticks: self.ticks,
                trouble: self.trouble.clone(),
                down_proof: None,
            },
            tasks,
            gone,
            refused: &self.refused,
        })
    }

    pub(crate) fn plan(&self) -> SpawnerPlan {
        self.plan_on(&self.view())
    }

    /// One round of an operator on a view, of which it does `steps` steps before it dies.
    pub(crate) fn round(&mut self, operator: usize, view: &View, steps: usize) -> SpawnerPlan {
        let plan = self.plan_on(view);
        let writes_status = |step: &Step| matches!(step, Step::Remember(_) | Step::WriteStatus);
        let needed = plan.steps.iter().filter(|step| writes_status(step)).count();
        let mut done = 0;
        for step in plan.steps.iter().take(steps) {
            if !self.apply(view, &plan, step) {
                break;
            }
            done += 1;
        }
        if done >= needed {
            self.admitted[operator] = plan.admitted.iter().cloned().collect();
        }
        plan
    }

    fn apply(&mut self, view: &View, plan: &SpawnerPlan, step: &Step) -> bool {
        let kind = match step {
            Step::Remember(_) => "remember",
            Step::WriteStatus => "status",
            Step::Spawn(_) => "spawn",
            Step::DeleteTask { .. } => "delete",
            Step::CancelTask { .. } => "cancel",
            Step::Settle { .. } => "settle",
            Step::Notify(_) => "notify",
        };
        *self.writes.entry(kind).or_default() += 1;
        match step {
            Step::Remember(write) => {
                let version = self.version();
                let there = &mut self.memory[write.shard];
                let known = there
                    .as_ref()
                    .and_then(|map| map.metadata.resource_version.clone());
                if known != write.resource_version {
                    return false;
                }
                let map = there.get_or_insert_with(|| write.config_map(&view.spawner));
                let data = map.data.get_or_insert_default();
                for (key, value) in &write.set {
                    match value {
                        Some(value) => data.insert(key.clone(), value.clone()),
                        None => data.remove(key),
                    };
                }
                map.metadata.resource_version = Some(version);
            }
            Step::WriteStatus => {
                if view.spawner.metadata.resource_version != self.spawner.metadata.resource_version {
                    return false;
                }
                self.spawner.status = Some(plan.status.clone());
                self.changed();
            }
            Step::Spawn(spawn) => {
                let name = format!("fix-{}{}", spawn.candidate.id, spawn.suffix);
                if let Some(there) = self.tasks.iter().find(|task| task.name == name) {
                    assert_eq!(
                        there.item.as_ref(),
                        Some(&spawn.candidate.key),
                        "{name} is another's"
                    );
                    return true;
                }
                self.uids += 1;
                self.created
                    .push(format!("{} {}", spawn.candidate.key, spawn.trigger));
                self.tasks.push(SpawnedTask {
                    name,
                    uid: format!("uid-{}", self.uids),
                    item: Some(spawn.candidate.key.clone()),
                    trigger: Some(spawn.trigger.clone()),
                    run: Some(spawn.run),
                    ..SpawnedTask::default()
                });
            }
            Step::DeleteTask { task, uid } => {
                let there = self
                    .tasks
                    .iter()
                    .position(|known| known.name == *task && known.uid == *uid);
                let Some(there) = there else {
                    return false;
                };
                assert!(!self.tasks[there].has_started, "{task} has started");
                self.tasks.remove(there);
            }
            Step::CancelTask { task, uid } => {
                let mut tasks = self.tasks.iter_mut();
                match tasks.find(|known| known.name == *task && known.uid == *uid) {
                    Some(task) => task.is_cancelled = true,
                    None => return false,
                }
            }
            Step::Settle { key } => {
                self.settled.push(key.clone());
                let of_view = |known: &Candidate| {
                    let is_once = matches!(known.cause, Cause::Event | Cause::Manual { .. });
                    is_once && known.key == *key && view.candidates.contains(known)
                };
                self.candidates.retain(|known| !of_view(known));
            }
            Step::Notify(notice) => self.told.push(format!("{}: {}", notice.reason, notice.message)),
        }
        true
    }

    fn version(&mut self) -> String {
        self.versions += 1;
        self.versions.to_string()
    }

    pub(crate) fn changed(&mut self) {
        let version = self.version();
        self.spawner.metadata.resource_version = Some(version);
    }

    /// Observes, decides and applies until there is nothing to do, and lets start what may.
    pub(crate) fn settle(&mut self) -> &mut Self {
        for _ in 0..30 {
            let view = self.view();
            let plan = self.round(0, &view, usize::MAX);
            self.start_all();
            let is_done = plan.steps.is_empty();
            if is_done {
                return self;
            }
        }
        panic!("there is always something to do: {:?}", self.plan().steps);
    }

    /// Every admitted Task starts.
    pub(crate) fn start_all(&mut self) {
        let admitted: Vec<String> = self.admitted.iter().flatten().cloned().collect();
        for uid in admitted {
            self.start(&uid);
        }
    }

    /// An operator lets a Task start that it knows to be admitted.
    pub(crate) fn start(&mut self, uid: &str) {
        let mut tasks = self.tasks.iter_mut();
        let Some(task) = tasks.find(|task| task.uid == uid && !task.has_started && !task.is_finished())
        else {
            return;
        };
        if task.is_cancelled {
            task.phase = Some(Phase::Cancelled);
            return;
        }
        task.has_started = true;
        task.phase = Some(Phase::Running);
        let item = task.item.clone().unwrap_or_default();
        let trigger = task.trigger.clone().unwrap_or_default();
        self.started.push(format!("{item} {trigger}"));
    }

    /// The Task of this name ends.
    pub(crate) fn end(&mut self, name: &str) -> &mut Self {
        let mut tasks = self.tasks.iter_mut();
        let task = tasks.find(|task| task.name == name).expect("the Task");
        task.phase = Some(Phase::Succeeded);
        self.settle()
    }

    /// All that runs ends, and all that is cancelled.
    pub(crate) fn end_all(&mut self) {
        for task in &mut self.tasks {
            if task.is_cancelled {
                task.phase = Some(Phase::Cancelled);
            } else if task.has_started {
                task.phase = Some(Phase::Succeeded);
            }
        }
    }

    /// What has ended is deleted.
    pub(crate) fn expire(&mut self) {
        self.tasks.retain(|task| !task.is_finished());
    }

    /// Of the Tasks that are there: those that have started and not ended.
    pub(crate) fn running(&self) -> Vec<&str> {
        let tasks = self.tasks.iter();
        let running = tasks.filter(|task| task.has_started && !task.is_finished());
        running.map(|task| task.name.as_str()).collect()
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        self.writes.get(kind).copied().unwrap_or_default()
    }
}

fn fresh_copy(task: &SpawnedTask) -> SpawnedTask {
    SpawnedTask {
        is_fresh: true,
        ..task.clone()
    }
}
