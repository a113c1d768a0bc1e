//! Small builders for what is observed.

use std::collections::BTreeSet;

use axon_api::{Phase, Task, TaskStatus, Workspace};
use axon_plan::{Dependency, Found, Observed, Plan, SecretKeys, Settings, Step};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

/// The moment at which everything in these tests starts.
pub(crate) const START: i64 = 1_800_000_000;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).expect("a moment of this century")
}

pub(crate) fn task(spec: Value) -> Task {
    serde_json::from_value(json!({
        "apiVersion": "axon.io/v1alpha1",
        "kind": "Task",
        "metadata": { "name": "fix-bug", "namespace": "dev", "uid": "task-uid", "generation": 1 },
        "spec": spec,
    }))
    .expect("a Task")
}

pub(crate) fn shell() -> Task {
    task(json!({ "type": "shell", "prompt": "echo hello" }))
}

pub(crate) fn workspace(spec: Value) -> Workspace {
    serde_json::from_value(json!({
        "apiVersion": "axon.io/v1alpha1",
        "kind": "Workspace",
        "metadata": { "name": "w", "namespace": "dev" },
        "spec": spec,
    }))
    .expect("a Workspace")
}

pub(crate) fn keys(names: &[&str]) -> SecretKeys {
    names
        .iter()
        .map(|name| (*name).to_owned())
        .collect::<BTreeSet<_>>()
}

/// A Task and what surrounds it, as a test changes it.
pub(crate) struct Scene {
    pub(crate) now: i64,
    pub(crate) settings: Settings,
    pub(crate) task: Task,
    pub(crate) workspace: Option<Workspace>,
    pub(crate) invalid_workspace: Option<&'static str>,
    pub(crate) credentials: Option<SecretKeys>,
    pub(crate) workspace_secret: Option<SecretKeys>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) conflicting_job: Option<&'static str>,
    pub(crate) refused_job: Option<&'static str>,
}

impl Scene {
    pub(crate) fn of(task: Task) -> Self {
        Self {
            now: 0,
            settings: Settings::default(),
            task,
            workspace: None,
            invalid_workspace: None,
            credentials: None,
            workspace_secret: None,
            dependencies: Vec::new(),
            jobs: Vec::new(),
            pods: Vec::new(),
            conflicting_job: None,
            refused_job: None,
        }
    }

    pub(crate) fn plan(&self) -> Plan {
        let jobs: Vec<&Job> = self.jobs.iter().collect();
        let pods: Vec<&Pod> = self.pods.iter().collect();
        let workspace = match (self.invalid_workspace, &self.workspace) {
            (Some(why), _) => Found::Invalid(why),
            (None, workspace) => found(workspace.as_ref()),
        };
        axon_plan::plan(&Observed {
            now: at(self.now),
            settings: &self.settings,
            task: &self.task,
            workspace,
            credentials: found(self.credentials.as_ref()),
            workspace_secret: found(self.workspace_secret.as_ref()),
            dependencies: &self.dependencies,
            jobs: &jobs,
            pods: &pods,
            conflicting_job: self.conflicting_job,
            refused_job: self.refused_job,
        })
    }

    /// Plans, and takes the planned status as written.
    pub(crate) fn step(&mut self) -> Plan {
        let plan = self.plan();
        self.task.status = Some(plan.status.clone());
        plan
    }

    /// Brings the Task to where the pod with UID `pod-1` of its first Job has been let go.
    pub(crate) fn let_go(mut self) -> Self {
        self.step();
        let name = self.job_name();
        self.jobs = vec![job(&name, "job-1")];
        self.pods = vec![pod("pod-1", "job-1", &json!({ "phase": "Pending" }))];
        self.step();
        self
    }

    /// Gives the one pod this status and takes its gate off.
    pub(crate) fn with_pod(mut self, status: &Value) -> Self {
        self.pods = vec![ungated(pod("pod-1", "job-1", status))];
        self
    }

    pub(crate) fn job_name(&self) -> String {
        self.status().job_name.expect("a Job is recorded")
    }

    pub(crate) fn status(&self) -> TaskStatus {
        self.task.status.clone().unwrap_or_default()
    }
}

fn found<T>(object: Option<&T>) -> Found<'_, T> {
    object.map_or(Found::Missing, Found::Present)
}

pub(crate) fn job(name: &str, uid: &str) -> Job {
    serde_json::from_value(json!({
        "metadata": { "name": name, "uid": uid, "creationTimestamp": at(0).to_string() },
    }))
    .expect("a Job")
}

/// A pod with the start gate.
pub(crate) fn pod(uid: &str, job_uid: &str, status: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": format!("{uid}-name"),
            "uid": uid,
            "creationTimestamp": at(0).to_string(),
            "ownerReferences": [{ "apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": job_uid }],
        },
        "spec": { "containers": [], "schedulingGates": [{ "name": "axon.io/start" }] },
        "status": status,
    }))
    .expect("a Pod")
}

pub(crate) fn ungated(mut pod: Pod) -> Pod {
    if let Some(spec) = &mut pod.spec {
        spec.scheduling_gates = None;
        spec.node_name = Some("node-1".to_owned());
    }
    pod
}

/// A pod's status in which one container is in `state`.
pub(crate) fn container(phase: &str, name: &str, state: &Value) -> Value {
    let list = if name == "agent" {
        "containerStatuses"
    } else {
        "initContainerStatuses"
    };
    json!({
        "phase": phase,
        list: [{ "name": name, "image": "an/image:1", "imageID": "", "ready": false, "restartCount": 0, "state": state }],
    })
}

pub(crate) fn running() -> Value {
    container(
        "Running",
        "agent",
        &json!({ "running": { "startedAt": at(5).to_string() } }),
    )
}

pub(crate) fn ended(exit_code: i32, reason: &str, message: &str) -> Value {
    let phase = if exit_code == 0 { "Succeeded" } else { "Failed" };
    container(phase, "agent", &terminated(exit_code, reason, message))
}

pub(crate) fn terminated(exit_code: i32, reason: &str, message: &str) -> Value {
    json!({ "terminated": {
        "exitCode": exit_code,
        "reason": reason,
        "message": message,
        "startedAt": at(5).to_string(),
        "finishedAt": at(9).to_string(),
    } })
}

/// Phase and reason, the two words by which a status is told.
pub(crate) fn told(plan: &Plan) -> (Phase, String) {
    let reason = plan.status.reason.clone().unwrap_or_default();
    (plan.status.phase.expect("a phase"), reason)
}

pub(crate) fn condition(plan: &Plan, type_: &str) -> String {
    let conditions = plan.status.conditions.iter();
    let found = conditions.into_iter().find(|condition| condition.type_ == type_);
    found.map_or_else(|| "absent".to_owned(), |condition| condition.status.clone())
}

/// The steps by name, in order, without events.
pub(crate) fn steps(plan: &Plan) -> Vec<&'static str> {
    plan.steps
        .iter()
        .filter_map(|step| {
            Some(match step {
                Step::CreateRunSecret(_) => "CreateRunSecret",
                Step::CreateJob(_) => "CreateJob",
                Step::WriteStatus => "WriteStatus",
                Step::RemoveStartGate { .. } => "RemoveStartGate",
                Step::DeletePod { .. } => "DeletePod",
                Step::DeleteJob { .. } => "DeleteJob",
                Step::DeleteTask { .. } => "DeleteTask",
                Step::Notify(_) => return None,
            })
        })
        .collect()
}
