//! A tiny world: an API server, a Job controller and a kubelet, as plain functions.

use axon_api::outcome::{Outcome, RunResult};
use axon_api::{Task, TaskStatus};
use axon_plan::{Plan, Step};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::fixtures::{self, Scene, at};

/// How old a view may be, in seconds; the plan gives a missing pod more time than this.
const STALE_SECONDS: i64 = 4;

#[derive(Clone)]
struct View {
    taken: i64,
    task: Task,
    jobs: Vec<Job>,
    pods: Vec<Pod>,
}

/// The world, and what it counts.
pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) task: Task,
    pub(crate) jobs: Vec<Job>,
    pub(crate) pods: Vec<Pod>,
    history: Vec<View>,
    version: u64,
    uids: u64,
    /// UIDs of the pods whose gate was taken off, with the name of their Job.
    pub(crate) let_go: Vec<(String, String)>,
    /// UIDs of the pods in which an agent was started.
    pub(crate) agents: Vec<String>,
    /// Jobs created by a decision that saw the Task as it was, though it had ended.
    pub(crate) jobs_after_end: usize,
    pub(crate) problems: Vec<String>,
}

/// Whose view is how many changes old.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lag {
    pub(crate) task: usize,
    pub(crate) jobs: usize,
    pub(crate) pods: usize,
}

/// What the kubelet does next with a pod.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Prepares,
    FailsToPrepare,
    StartsAgent,
    Succeeds,
    Crashes,
    IsOutOfMemory,
}

impl World {
    pub(crate) fn new(task: Task) -> Self {
        let mut world = Self {
            now: 0,
            task,
            jobs: Vec::new(),
            pods: Vec::new(),
            history: Vec::new(),
            version: 0,
            uids: 0,
            let_go: Vec::new(),
            agents: Vec::new(),
            jobs_after_end: 0,
            problems: Vec::new(),
        };
        world.changed();
        world
    }

    fn changed(&mut self) {
        self.version += 1;
        self.history.push(View {
            taken: self.now,
            task: self.task.clone(),
            jobs: self.jobs.clone(),
            pods: self.pods.clone(),
        });
    }

    fn uid(&mut self, kind: &str) -> String {
        self.uids += 1;
        format!("{kind}-{}", self.uids)
    }

    /// A view that is `lag` changes old, but not older than views get.
    fn view(&self, lag: usize) -> &View {
        let recent = |view: &View, next: Option<&View>| {
            next.is_none_or(|next| next.taken >= self.now - STALE_SECONDS) && view.taken <= self.now
        };
        let last = self.history.len() - 1;
        let mut index = last;
        for _ in 0..lag {
            let Some(older) = index.checked_sub(1) else { break };
            if !recent(&self.history[older], self.history.get(index)) {
                break;
            }
            index = older;
        }
        &self.history[index]
    }

    /// Observes, decides and applies at most `steps` steps before the operator dies.
    pub(crate) fn reconcile(&mut self, lag: Lag, steps: usize) {
        let task = self.view(lag.task).task.clone();
        let mut scene = Scene::of(task.clone());
        scene.now = self.now;
        scene.jobs.clone_from(&self.view(lag.jobs).jobs);
        scene.pods.clone_from(&self.view(lag.pods).pods);
        let plan = scene.plan();
        self.check_steady(scene, &plan);
        let fresh = task.status == self.task.status;
        for step in plan.steps.iter().take(steps) {
            if !self.apply(&task, &plan.status, step, fresh) {
                return;
            }
        }
    }

    /// A plan for the same world with the planned status has nothing to write.
    fn check_steady(&mut self, mut scene: Scene, plan: &Plan) {
        scene.task.status = Some(plan.status.clone());
        let again = scene.plan();
        if again.status != plan.status || again.steps.contains(&Step::WriteStatus) {
            self.problems.push(format!(
                "not steady: {:?} then {:?} ({} / {})",
                plan.status, again.status, plan.why, again.why
            ));
        }
    }

    fn apply(&mut self, seen: &Task, status: &TaskStatus, step: &Step, fresh: bool) -> bool {
        match step {
            Step::CreateRunSecret(_)
            | Step::CreateClaim(_)
            | Step::MakeToken { .. }
            | Step::TakeBranch(_)
            | Step::ReleaseBranch { .. }
            | Step::Notify(_)
            | Step::DeleteTask { .. } => true,
            Step::CreateJob(job) => {
                self.create_job(job, fresh);
                true
            }
            Step::WriteStatus => self.write_status(seen, status),
            Step::RemoveStartGate { pod, uid } => self.remove_gate(pod, uid),
            Step::DeletePod { uid, .. } | Step::ForceDeletePod { uid, .. } => {
                self.delete_pod(uid);
                true
            }
            Step::DeleteJob { uid, .. } => {
                self.delete_job(uid);
                true
            }
        }
    }

    fn create_job(&mut self, job: &Job, fresh: bool) {
        if self
            .jobs
            .iter()
            .any(|other| other.metadata.name == job.metadata.name)
        {
            return;
        }
        if fresh && self.task.is_finished() {
            self.jobs_after_end += 1;
        }
        let uid = self.uid("job");
        self.jobs.push(fixtures::job(
            job.metadata.name.as_deref().expect("a Job has a name"),
            &uid,
        ));
        let created = at(self.now);
        if let Some(job) = self.jobs.last_mut() {
            job.metadata.creation_timestamp = Some(created.into());
        }
        self.changed();
    }

    fn write_status(&mut self, seen: &Task, status: &TaskStatus) -> bool {
        if seen.metadata.resource_version != self.task.metadata.resource_version {
            return false;
        }
        if self.task.is_finished() {
            self.problems.push("a final status was written over".to_owned());
        }
        let size = serde_json::to_vec(status).expect("JSON").len();
        if size > 16 * 1024 {
            self.problems.push(format!("a status has {size} bytes"));
        }
        self.task.status = Some(status.clone());
        self.task.metadata.resource_version = Some(self.version.to_string());
        self.changed();
        true
    }

    fn remove_gate(&mut self, name: &str, uid: &str) -> bool {
        let Some(pod) = self.pods.iter_mut().find(|pod| {
            pod.metadata.name.as_deref() == Some(name) && pod.metadata.uid.as_deref() == Some(uid)
        }) else {
            return false;
        };
        let is_gated = pod
            .spec
            .as_ref()
            .is_some_and(|spec| spec.scheduling_gates.is_some());
        if is_gated {
            let job = pod.metadata.owner_references.iter().flatten().next();
            let job = job.map(|owner| owner.name.clone()).unwrap_or_default();
            *pod = fixtures::ungated(pod.clone());
            self.let_go.push((uid.to_owned(), job));
            self.changed();
        }
        true
    }

    pub(crate) fn cancel(&mut self) {
        self.task.spec.cancel = Some(true);
        self.task.metadata.generation = Some(2);
        self.task.metadata.resource_version = Some(format!("cancel-{}", self.version));
        self.changed();
    }

    fn delete_pod(&mut self, uid: &str) {
        let now = at(self.now);
        let pods = self.pods.iter_mut();
        for pod in pods.filter(|pod| pod.metadata.uid.as_deref() == Some(uid)) {
            pod.metadata.deletion_timestamp.get_or_insert(now.into());
        }
        self.changed();
    }

    fn delete_job(&mut self, uid: &str) {
        self.jobs.retain(|job| job.metadata.uid.as_deref() != Some(uid));
        self.changed();
    }

    /// Someone deletes the newest Job.
    pub(crate) fn lose_job(&mut self) {
        self.jobs.pop();
        self.changed();
    }

    /// Someone deletes the newest pod.
    pub(crate) fn lose_pod(&mut self) {
        if let Some(uid) = self.pods.last().and_then(|pod| pod.metadata.uid.clone()) {
            self.delete_pod(&uid);
        }
    }

    /// The newest pod vanishes without a trace, unless an agent runs in it.
    pub(crate) fn erase_pod(&mut self) {
        let runs = self.pods.last().is_some_and(|pod| phase(pod) == "Running");
        if !runs {
            self.pods.pop();
            self.changed();
        }
    }

    /// Each unfinished Job without a pod gets one; each Job with an ended pod ends.
    pub(crate) fn control_jobs(&mut self) {
        for index in 0..self.jobs.len() {
            let job = self.jobs[index].clone();
            let uid = job.metadata.uid.clone().unwrap_or_default();
            if job.status.is_some() {
                continue;
            }
            let phases: Vec<String> = self.pods_of(&uid).map(phase).collect();
            if phases.is_empty() {
                self.add_pod(&job);
                continue;
            }
            let has = |wanted: &str| phases.iter().any(|phase| phase == wanted);
            let end = match (has("Failed"), has("Succeeded")) {
                (true, _) => "Failed",
                (_, true) => "Complete",
                _ => continue,
            };
            self.finish_job(index, end);
            // What is still active when a Job ends is deleted.
            let rest: Vec<String> = self
                .pods_of(&uid)
                .filter(|pod| !matches!(&*phase(pod), "Failed" | "Succeeded"))
                .filter_map(|pod| pod.metadata.uid.clone())
                .collect();
            for uid in &rest {
                self.delete_pod(uid);
            }
        }
        self.collect_garbage();
    }

    /// The Job controller makes a second pod, as it may.
    pub(crate) fn duplicate_pod(&mut self) {
        let unfinished = self.jobs.iter().find(|job| job.status.is_none()).cloned();
        if let Some(job) = unfinished {
            self.add_pod(&job);
        }
    }

    fn pods_of<'a>(&'a self, job_uid: &'a str) -> impl Iterator<Item = &'a Pod> {
        self.pods.iter().filter(move |pod| {
            let owners = pod.metadata.owner_references.iter().flatten();
            owners.into_iter().any(|owner| owner.uid == job_uid)
        })
    }

    fn add_pod(&mut self, job: &Job) {
        let uid = self.uid("pod");
        let owner = job.metadata.uid.clone().unwrap_or_default();
        let mut pod = fixtures::pod(&uid, &owner, &json!({ "phase": "Pending" }));
        pod.metadata.creation_timestamp = Some(at(self.now).into());
        for reference in pod.metadata.owner_references.iter_mut().flatten() {
            reference.name = job.metadata.name.clone().unwrap_or_default();
        }
        self.pods.push(pod);
        self.changed();
    }

    fn finish_job(&mut self, index: usize, type_: &str) {
        self.jobs[index].status = serde_json::from_value(json!({
            "conditions": [{ "type": type_, "status": "True", "lastTransitionTime": at(self.now).to_string() }],
        }))
        .ok();
        self.changed();
    }

    /// Pods of Jobs that are gone are deleted, and ended pods that are deleted go.
    fn collect_garbage(&mut self) {
        let jobs: Vec<String> = self
            .jobs
            .iter()
            .filter_map(|job| job.metadata.uid.clone())
            .collect();
        let orphans: Vec<String> = self
            .pods
            .iter()
            .filter(|pod| {
                let mut owners = pod.metadata.owner_references.iter().flatten();
                !owners.any(|owner| jobs.contains(&owner.uid))
            })
            .filter_map(|pod| pod.metadata.uid.clone())
            .collect();
        for uid in &orphans {
            self.delete_pod(uid);
        }
        let before = self.pods.len();
        self.pods.retain(|pod| {
            pod.metadata.deletion_timestamp.is_none() || !matches!(&*phase(pod), "Failed" | "Succeeded")
        });
        if self.pods.len() != before {
            self.changed();
        }
    }

    /// Moves each pod on by one step.
    pub(crate) fn run_pods(&mut self, fate: Fate) {
        for index in 0..self.pods.len() {
            let pod = &self.pods[index];
            let gated = pod
                .spec
                .as_ref()
                .is_some_and(|spec| spec.scheduling_gates.is_some());
            let deleted = pod.metadata.deletion_timestamp.is_some();
            let next = match (&*phase(pod), deleted) {
                ("Pending", true) => Some(json!({ "phase": "Failed" })),
                ("Pending", false) if !gated => Some(self.start(index, fate)),
                ("Running", true) => Some(agent_end(143, "Error", &outcome(RunResult::Cancelled))),
                ("Running", false) => match fate {
                    Fate::Succeeds => Some(agent_end(0, "Completed", &outcome(RunResult::Succeeded))),
                    Fate::Crashes => Some(agent_end(1, "Error", "")),
                    Fate::IsOutOfMemory => Some(agent_end(137, "OOMKilled", "")),
                    _ => None,
                },
                _ => None,
            };
            if let Some(status) = next {
                self.pods[index].status = serde_json::from_value(status).ok();
                self.changed();
            }
        }
    }

    fn start(&mut self, index: usize, fate: Fate) -> Value {
        match fate {
            Fate::Prepares => fixtures::container("Pending", "prepare", &json!({ "running": {} })),
            Fate::FailsToPrepare => {
                let mut end = fixtures::terminated(1, "Error", "");
                end["terminated"]["finishedAt"] = at(self.now).to_string().into();
                fixtures::container("Failed", "prepare", &end)
            }
            _ => {
                let uid = self.pods[index].metadata.uid.clone().unwrap_or_default();
                if self.task.is_finished() {
                    self.problems
                        .push(format!("agent in {uid} started after the end"));
                }
                self.agents.push(uid);
                fixtures::running()
            }
        }
    }

    /// Whether anything could still run.
    pub(crate) fn is_quiet(&self) -> bool {
        self.jobs.iter().all(|job| job.status.is_some())
            && self
                .pods
                .iter()
                .all(|pod| matches!(&*phase(pod), "Failed" | "Succeeded"))
    }
}

fn agent_end(exit_code: i32, reason: &str, message: &str) -> Value {
    fixtures::ended(exit_code, reason, message)
}

fn outcome(result: RunResult) -> String {
    Outcome::new(result, "Completed", "done").to_json(3840)
}

fn phase(pod: &Pod) -> String {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.clone())
        .unwrap_or_default()
}
