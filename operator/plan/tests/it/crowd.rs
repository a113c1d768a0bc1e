//! A tiny world with several Tasks: an API server with Leases, a Job controller and a kubelet, as
//! plain functions.

use axon_api::outcome::{Outcome, RunResult};
use axon_api::run::RunDescription;
use axon_api::{Phase, Task, TaskStatus, variables};
use axon_plan::branch::{contends, wanted};
use axon_plan::dependencies::{find_cycle, open};
use axon_plan::{BranchSeen, Dependency, DependencyTask, LeaseSeen, Plan, Step};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::fixtures::{self, Scene, at};
use crate::model::Fate;

/// How old a view may be, in seconds; the plan gives a missing pod more time than this.
const STALE_SECONDS: i64 = 4;

/// All objects, at one moment.
#[derive(Clone, Default)]
pub(crate) struct Objects {
    taken: i64,
    pub(crate) tasks: Vec<Task>,
    pub(crate) leases: Vec<LeaseSeen>,
    /// Each with the UID of its Task.
    pub(crate) jobs: Vec<(String, Job)>,
    pub(crate) pods: Vec<(String, Pod)>,
    pub(crate) has_secret: bool,
}

/// Whose view is how many changes old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    pub(crate) task: usize,
    pub(crate) others: usize,
    pub(crate) leases: usize,
    pub(crate) jobs: usize,
    pub(crate) pods: usize,
}

/// The world, and what is wrong with it.
pub(crate) struct Crowd {
    pub(crate) now: i64,
    pub(crate) objects: Objects,
    history: Vec<Objects>,
    count: usize,
    /// Names of the Tasks whose agents were started, in order.
    pub(crate) started: Vec<String>,
    pub(crate) problems: Vec<String>,
}

fn uid(task: &Task) -> String {
    task.metadata.uid.clone().unwrap_or_default()
}

pub(crate) fn name(task: &Task) -> String {
    task.metadata.name.clone().unwrap_or_default()
}

fn lease_of(task: &Task) -> Option<String> {
    wanted(task, task.spec.workspace.as_ref()).map(|branch| branch.lease)
}

/// The order in which Tasks come.
fn rank(task: &Task) -> (Option<i64>, String, String) {
    let created = task.metadata.creation_timestamp.as_ref();
    (
        created.map(|time| time.0.as_second()),
        task.metadata.namespace.clone().unwrap_or_default(),
        name(task),
    )
}

impl Crowd {
    /// A world with these Tasks, created one after the other: each by name and spec.
    pub(crate) fn new(specs: &[(&str, Value)]) -> Self {
        let tasks = specs.iter().enumerate().map(|(index, (name, spec))| {
            let mut task = fixtures::task(spec.clone());
            task.metadata.name = Some((*name).to_owned());
            task.metadata.uid = Some(format!("{name}-uid"));
            task.metadata.creation_timestamp = i64::try_from(index).ok().map(|index| at(index / 2).into());
            task
        });
        let mut crowd = Self {
            now: 0,
            objects: Objects {
                tasks: tasks.collect(),
                has_secret: true,
                ..Objects::default()
            },
            history: Vec::new(),
            count: 0,
            started: Vec::new(),
            problems: Vec::new(),
        };
        crowd.changed();
        crowd
    }

    pub(crate) fn changed(&mut self) {
        self.objects.taken = self.now;
        self.history.push(self.objects.clone());
    }

    /// How many changes there were.
    pub(crate) fn changes(&self) -> usize {
        self.history.len()
    }

    fn unique(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{kind}-{}", self.count)
    }

    /// A view that is `lag` changes old, but not older than views get.
    fn view(&self, lag: usize) -> &Objects {
        let last = self.history.len() - 1;
        let mut index = last;
        for _ in 0..lag {
            let recent = self.history[index].taken >= self.now - STALE_SECONDS;
            if index == 0 || !recent {
                break;
            }
            index -= 1;
        }
        &self.history[index]
    }

    /// What the operator sees when it looks at one Task.
    fn observe(&self, index: usize, lag: Lag) -> Scene {
        let task = self.view(lag.task).tasks[index].clone();
        let others = &self.view(lag.others).tasks;
        let leases = &self.view(lag.leases).leases;
        let own = uid(&task);
        let mut scene = Scene::of(task.clone());
        scene.now = self.now;
        if self.objects.has_secret {
            scene = scene.with_secret("token", &["GITHUB_TOKEN"]);
        }
        let of_own = |owner: &String| *owner == own;
        let jobs = self.view(lag.jobs).jobs.iter();
        scene.jobs = jobs
            .filter(|(owner, _)| of_own(owner))
            .map(|(_, job)| job.clone())
            .collect();
        let pods = self.view(lag.pods).pods.iter();
        scene.pods = pods
            .filter(|(owner, _)| of_own(owner))
            .map(|(_, pod)| pod.clone())
            .collect();
        scene.held_branches = leases
            .iter()
            .filter(|lease| lease.holder_uid == own)
            .cloned()
            .collect();
        scene.branch = lease_of(&task).map(|wanted| {
            let lease = leases.iter().find(|lease| lease.name == wanted).cloned();
            let mut before: Vec<&Task> = others
                .iter()
                .filter(|other| lease_of(other).as_ref() == Some(&wanted))
                .filter(|other| contends(other, lease.as_ref()) && rank(other) < rank(&task))
                .collect();
            before.sort_by_key(|other| rank(other));
            BranchSeen {
                lease,
                place: before.len(),
                behind: before.last().map(|other| name(other)),
            }
        });
        let named = |wanted: &str| others.iter().find(|other| name(other) == wanted);
        scene.dependencies = task
            .spec
            .depends_on
            .iter()
            .map(|wanted| Dependency {
                name: wanted.clone(),
                task: named(wanted).map(|other| {
                    let status = other.status.clone().unwrap_or_default();
                    DependencyTask {
                        uid: uid(other),
                        phase: status.phase,
                        outputs: status.outputs,
                        results: status.results,
                    }
                }),
            })
            .collect();
        scene.dependency_cycle = find_cycle(&name(&task), |wanted| named(wanted).map(open));
        scene
    }

    /// Observes a Task, decides and applies at most `steps` steps before the operator dies.
    pub(crate) fn reconcile(&mut self, index: usize, lag: Lag, steps: usize) {
        let scene = self.observe(index, lag);
        let seen = scene.task.clone();
        let plan = scene.plan();
        self.check_steady(scene, &plan);
        if lag == Lag::default() {
            self.check_order(index, &plan);
        }
        for step in plan.steps.iter().take(steps) {
            if !self.apply(index, &seen, &plan.status, step) {
                return;
            }
        }
    }

    /// Who takes a free branch with a fresh view is the first of those that contend for it.
    fn check_order(&mut self, index: usize, plan: &Plan) {
        let taken = plan.steps.iter().find_map(|step| match step {
            Step::TakeBranch(lease) => Some(lease),
            _ => None,
        });
        let taken = taken.filter(|lease| lease.metadata.resource_version.is_none());
        let Some(wanted) = taken.and_then(|lease| lease.metadata.name.clone()) else {
            return;
        };
        let own = rank(&self.objects.tasks[index]);
        let others = self.objects.tasks.iter();
        let mut contenders = others.filter(|other| lease_of(other).as_ref() == Some(&wanted));
        if let Some(before) = contenders.find(|other| contends(other, None) && rank(other) < own) {
            let problem = format!("{} came before {}", name(before), own.2);
            self.problems.push(problem);
        }
    }

    /// Planned again for the same view, the planned status stays as it is.
    fn check_steady(&mut self, mut scene: Scene, plan: &Plan) {
        scene.task.status = Some(plan.status.clone());
        let again = scene.plan();
        if again.status != plan.status {
            self.problems.push(format!(
                "not steady: {:?} then {:?} ({} / {})",
                plan.status, again.status, plan.why, again.why
            ));
        }
    }

    fn apply(&mut self, index: usize, seen: &Task, status: &TaskStatus, step: &Step) -> bool {
        match step {
            Step::TakeBranch(lease) => self.take(index, lease),
            Step::ReleaseBranch {
                uid,
                resource_version,
                ..
            } => self.release(uid, resource_version),
            Step::CreateJob(job) => {
                self.create_job(index, job);
                true
            }
            Step::WriteStatus => self.write_status(index, seen, status),
            Step::RemoveStartGate { uid, .. } => self.remove_gate(uid),
            Step::DeletePod { uid, .. } | Step::ForceDeletePod { uid, .. } => {
                self.delete_pods(|pod| pod.metadata.uid.as_ref() == Some(uid));
                true
            }
            Step::DeleteJob { uid, .. } => {
                let jobs = &mut self.objects.jobs;
                jobs.retain(|(_, job)| job.metadata.uid.as_ref() != Some(uid));
                self.changed();
                true
            }
            Step::CreateRunSecret(_)
            | Step::CreateClaim(_)
            | Step::MakeToken { .. }
            | Step::DeleteTask { .. }
            | Step::Notify(_) => true,
        }
    }

    fn take(&mut self, index: usize, lease: &Lease) -> bool {
        let name = lease.metadata.name.clone().unwrap_or_default();
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
        let there = self.objects.leases.iter().position(|known| known.name == name);
        let version = lease.metadata.resource_version.as_ref();
        let taken = LeaseSeen {
            uid: self.unique("lease"),
            resource_version: self.unique("version"),
            holder_uid: holder.unwrap_or_default(),
            holder: crate::crowd::name(&self.objects.tasks[index]),
            name,
        };
        match (there, version) {
            (None, None) => self.objects.leases.push(taken),
            (Some(there), Some(version)) if self.objects.leases[there].resource_version == *version => {
                let known = &mut self.objects.leases[there];
                known.resource_version = taken.resource_version;
                known.holder_uid = taken.holder_uid;
                known.holder = taken.holder;
            }
            _ => return false,
        }
        self.changed();
        true
    }

    fn release(&mut self, uid: &str, version: &str) -> bool {
        let before = self.objects.leases.len();
        self.objects
            .leases
            .retain(|lease| lease.uid != uid || lease.resource_version != version);
        self.changed();
        self.objects.leases.len() != before
    }

    fn create_job(&mut self, index: usize, job: &Job) {
        let jobs = &self.objects.jobs;
        if jobs
            .iter()
            .any(|(_, other)| other.metadata.name == job.metadata.name)
        {
            return;
        }
        self.check_prompt(index, job);
        let uid_of_job = self.unique("job");
        let mut made = fixtures::job(job.metadata.name.as_deref().unwrap_or_default(), &uid_of_job);
        made.metadata.creation_timestamp = Some(at(self.now).into());
        let owner = uid(&self.objects.tasks[index]);
        self.objects.jobs.push((owner, made));
        self.changed();
    }

    /// A prompt that names a branch has the one that the dependency reported.
    fn check_prompt(&mut self, index: usize, job: &Job) {
        let spec = job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
        let containers = spec.map(|spec| spec.containers.as_slice()).unwrap_or_default();
        let mut env = containers
            .iter()
            .flat_map(|container| container.env.iter().flatten());
        let run = env.find(|variable| variable.name == variables::RUN);
        let run: RunDescription = run
            .and_then(|run| serde_json::from_str(run.value.as_deref()?).ok())
            .unwrap_or_default();
        let asked = &self.objects.tasks[index].spec;
        if asked.prompt.contains("{{") && run.prompt != format!("use branch-of-{}", asked.depends_on[0]) {
            self.problems.push(format!("the prompt is `{}`", run.prompt));
        }
    }

    fn write_status(&mut self, index: usize, seen: &Task, status: &TaskStatus) -> bool {
        let version = self.unique("version");
        let task = &mut self.objects.tasks[index];
        if seen.metadata.resource_version != task.metadata.resource_version {
            return false;
        }
        if task.status.as_ref() == Some(status) {
            return true;
        }
        if task.is_finished() {
            self.problems.push("a final status was written over".to_owned());
        }
        task.status = Some(status.clone());
        task.metadata.resource_version = Some(version);
        self.changed();
        true
    }

    fn remove_gate(&mut self, wanted: &str) -> bool {
        let mut pods = self.objects.pods.iter_mut();
        let Some((_, pod)) = pods.find(|(_, pod)| pod.metadata.uid.as_deref() == Some(wanted)) else {
            return false;
        };
        *pod = fixtures::ungated(pod.clone());
        self.check_alone();
        self.changed();
        true
    }

    /// Of the pods that may run, no two are of one branch.
    fn check_alone(&mut self) {
        let mut branches = Vec::new();
        for (owner, pod) in &self.objects.pods {
            let mut tasks = self.objects.tasks.iter();
            let branch = tasks.find(|task| uid(task) == *owner).and_then(lease_of);
            if branch.is_none() || is_gated(pod) || is_over(pod) {
                continue;
            }
            if branches.contains(&branch) {
                self.problems.push(format!("two pods on the branch of {owner}"));
            }
            branches.push(branch);
        }
    }

    pub(crate) fn cancel(&mut self, index: usize) {
        let version = self.unique("cancel");
        let task = &mut self.objects.tasks[index];
        task.spec.cancel = Some(true);
        task.metadata.resource_version = Some(version);
        self.changed();
    }

    fn delete_pods(&mut self, which: impl Fn(&Pod) -> bool) {
        let now = at(self.now);
        let pods = self.objects.pods.iter_mut().map(|(_, pod)| pod);
        for pod in pods.filter(|pod| which(pod)) {
            pod.metadata.deletion_timestamp.get_or_insert(now.into());
        }
        self.changed();
    }

    /// Each unfinished Job without a pod gets one, each Job with an ended pod ends, and what belongs
    /// to nobody goes.
    pub(crate) fn control_jobs(&mut self) {
        for index in 0..self.objects.jobs.len() {
            let (owner, job) = self.objects.jobs[index].clone();
            if job.status.is_some() {
                continue;
            }
            let job_uid = job.metadata.uid.clone().unwrap_or_default();
            let pods = self.objects.pods.iter().map(|(_, pod)| pod);
            let own: Vec<&Pod> = pods.filter(|pod| is_of(pod, &job_uid)).collect();
            if own.is_empty() {
                let pod_uid = self.unique("pod");
                let mut pod = fixtures::pod(&pod_uid, &job_uid, &json!({ "phase": "Pending" }));
                pod.metadata.creation_timestamp = Some(at(self.now).into());
                self.objects.pods.push((owner, pod));
            } else if own.iter().any(|pod| is_over(pod)) {
                let ended = json!({ "conditions": [{
                    "type": "Failed", "status": "True", "lastTransitionTime": at(self.now).to_string(),
                }] });
                self.objects.jobs[index].1.status = serde_json::from_value(ended).ok();
                self.delete_pods(|pod| is_of(pod, &job_uid) && !is_over(pod));
            }
            self.changed();
        }
        let jobs: Vec<String> = self
            .objects
            .jobs
            .iter()
            .filter_map(|(_, job)| job.metadata.uid.clone())
            .collect();
        self.delete_pods(|pod| !jobs.iter().any(|job| is_of(pod, job)));
        let pods = &mut self.objects.pods;
        pods.retain(|(_, pod)| pod.metadata.deletion_timestamp.is_none() || !is_over(pod));
        self.changed();
    }

    /// Moves the pods of one Task on by one step.
    pub(crate) fn run_pods(&mut self, of: usize, fate: Fate) {
        let task = &self.objects.tasks[of];
        let (owner, name) = (uid(task), name(task));
        for index in 0..self.objects.pods.len() {
            let pod = &self.objects.pods[index].1;
            if self.objects.pods[index].0 != owner || is_over(pod) {
                continue;
            }
            let runs = phase(pod) == "Running";
            let next = match (runs, pod.metadata.deletion_timestamp.is_some(), fate) {
                (false, true, _) => json!({ "phase": "Failed" }),
                (false, false, _) if is_gated(pod) => continue,
                (false, false, Fate::FailsToPrepare) => self.ended("prepare", None),
                (false, false, _) => {
                    self.started.push(name.clone());
                    fixtures::running()
                }
                (true, true, _) => self.ended("agent", Some((RunResult::Cancelled, &name))),
                (true, false, Fate::Succeeds) => self.ended("agent", Some((RunResult::Succeeded, &name))),
                (true, false, Fate::Crashes) => self.ended("agent", None),
                (true, false, _) => continue,
            };
            self.objects.pods[index].1.status = serde_json::from_value(next).ok();
            self.check_alone();
            self.changed();
        }
    }

    fn ended(&self, container: &str, report: Option<(RunResult, &str)>) -> Value {
        let text = report.map_or_else(String::new, |(result, name)| {
            let mut outcome = Outcome::new(result, "Completed", "done");
            outcome.branch = Some(format!("branch-of-{name}"));
            outcome.to_json(3840)
        });
        let code = i32::from(report.is_none_or(|(result, _)| result != RunResult::Succeeded));
        let mut state = fixtures::terminated(code, "Error", &text);
        state["terminated"]["finishedAt"] = at(self.now).to_string().into();
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        fixtures::container(phase, container, &state)
    }

    /// Whether all Tasks have ended and nothing is left of them.
    pub(crate) fn is_over(&self) -> bool {
        let tasks = self.objects.tasks.iter();
        self.objects.leases.is_empty()
            && tasks.into_iter().all(Task::is_finished)
            && self.objects.pods.iter().all(|(_, pod)| is_over(pod))
    }

    pub(crate) fn phases(&self) -> Vec<Option<Phase>> {
        self.objects.tasks.iter().map(Task::phase).collect()
    }
}

fn phase(pod: &Pod) -> &str {
    let status = pod.status.as_ref();
    status
        .and_then(|status| status.phase.as_deref())
        .unwrap_or_default()
}

fn is_over(pod: &Pod) -> bool {
    matches!(phase(pod), "Failed" | "Succeeded")
}

fn is_gated(pod: &Pod) -> bool {
    pod.spec
        .as_ref()
        .is_some_and(|spec| spec.scheduling_gates.is_some())
}

fn is_of(pod: &Pod, job_uid: &str) -> bool {
    let mut owners = pod.metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.uid == job_uid)
}
