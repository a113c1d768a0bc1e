//! Small builders for what is observed.

use std::collections::{BTreeMap, BTreeSet};

use axon_api::run::RunDescription;
use axon_api::{AgentConfig, AgentProvider, Phase, Task, TaskDefaults, TaskStatus, Workspace};
use axon_plan::{
    Admission, BranchSeen, Dependency, Found, LeaseSeen, Observed, Plan, SecretKeys, Settings, Step,
    references,
};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use k8s_openapi::jiff::Timestamp;
use serde::de::DeserializeOwned;
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
    object("Workspace", "w", spec)
}

pub(crate) fn keys(names: &[&str]) -> SecretKeys {
    names
        .iter()
        .map(|name| (*name).to_owned())
        .collect::<BTreeSet<_>>()
}

/// Any object of Axon's, in the namespace of the tests.
fn object<T: DeserializeOwned>(kind: &str, name: &str, spec: Value) -> T {
    serde_json::from_value(json!({
        "apiVersion": "axon.io/v1alpha1",
        "kind": kind,
        "metadata": { "name": name, "namespace": "dev", "uid": format!("{name}-uid") },
        "spec": spec,
    }))
    .unwrap_or_else(|error| panic!("{kind} {name}: {error}"))
}

pub(crate) fn agent_config(name: &str, spec: Value) -> AgentConfig {
    object("AgentConfig", name, spec)
}

pub(crate) fn agent_provider(name: &str, spec: Value) -> AgentProvider {
    object("AgentProvider", name, spec)
}

pub(crate) fn task_defaults(spec: Value) -> TaskDefaults {
    object("TaskDefaults", "default", spec)
}

/// A Task and what surrounds it, as a test changes it.
pub(crate) struct Scene {
    pub(crate) now: i64,
    pub(crate) settings: Settings,
    pub(crate) task: Task,
    pub(crate) admission: Admission,
    pub(crate) defaults: Option<TaskDefaults>,
    /// The AgentProvider that the Task or its defaults name.
    pub(crate) provider: Option<AgentProvider>,
    pub(crate) agent_configs: Vec<AgentConfig>,
    pub(crate) workspace: Option<Workspace>,
    pub(crate) invalid_workspace: Option<&'static str>,
    /// The Secrets that are there, by name.
    pub(crate) secrets: BTreeMap<String, SecretKeys>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) dependency_cycle: Option<Vec<String>>,
    pub(crate) is_awaited: bool,
    pub(crate) branch: Option<BranchSeen>,
    pub(crate) held_branches: Vec<LeaseSeen>,
    /// In how many seconds after [`START`] the token expires.
    pub(crate) token_expires: Option<i64>,
    pub(crate) refused_token: Option<&'static str>,
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
            admission: Admission::NotSpawned,
            defaults: None,
            provider: None,
            agent_configs: Vec::new(),
            workspace: None,
            invalid_workspace: None,
            secrets: BTreeMap::new(),
            dependencies: Vec::new(),
            dependency_cycle: None,
            is_awaited: false,
            branch: None,
            held_branches: Vec::new(),
            token_expires: None,
            refused_token: None,
            jobs: Vec::new(),
            pods: Vec::new(),
            conflicting_job: None,
            refused_job: None,
        }
    }

    /// Puts a Secret with these keys there.
    pub(crate) fn with_secret(mut self, name: &str, names: &[&str]) -> Self {
        self.secrets.insert(name.to_owned(), keys(names));
        self
    }

    pub(crate) fn plan(&self) -> Plan {
        let jobs: Vec<&Job> = self.jobs.iter().collect();
        let pods: Vec<&Pod> = self.pods.iter().collect();
        let workspace = match (self.invalid_workspace, &self.workspace) {
            (Some(why), _) => Found::Invalid(why),
            (None, workspace) => found(workspace.as_ref()),
        };
        let agent_configs: Vec<(&str, Found<'_, AgentConfig>)> = references::agent_configs(&self.task)
            .map(|name| {
                let mut configs = self.agent_configs.iter();
                let named = configs.find(|config| config.metadata.name.as_deref() == Some(name));
                (name, found(named))
            })
            .collect();
        let secrets = self
            .secrets
            .iter()
            .map(|(name, keys)| (name.clone(), Found::Present(keys)))
            .collect();
        axon_plan::plan(&Observed {
            now: at(self.now),
            settings: &self.settings,
            task: &self.task,
            admission: self.admission,
            defaults: found(self.defaults.as_ref()),
            provider: found(self.provider.as_ref()),
            agent_configs: &agent_configs,
            workspace,
            secrets: &secrets,
            dependencies: &self.dependencies,
            dependency_cycle: self.dependency_cycle.as_deref(),
            is_awaited: self.is_awaited,
            branch: self.branch.as_ref(),
            held_branches: &self.held_branches,
            token_expires: self.token_expires.map(at),
            refused_token: self.refused_token,
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

/// The Job that is created.
pub(crate) fn created_job(plan: &Plan) -> &Job {
    let mut jobs = plan.steps.iter().filter_map(|step| match step {
        Step::CreateJob(job) => Some(&**job),
        _ => None,
    });
    jobs.next()
        .unwrap_or_else(|| panic!("a Job is created: {:?}", plan.status.message))
}

/// The pod of the Job that is created.
pub(crate) fn created_pod(plan: &Plan) -> &PodSpec {
    let spec = created_job(plan).spec.as_ref().expect("a spec");
    spec.template.spec.as_ref().expect("a pod")
}

/// A container of the pod that is created.
pub(crate) fn container_of<'a>(plan: &'a Plan, name: &str) -> Option<&'a Container> {
    let pod = created_pod(plan);
    let init = pod.init_containers.iter().flatten();
    init.chain(&pod.containers)
        .find(|container| container.name == name)
}

/// The value of a variable of the agent container; of one from a Secret where it is from.
pub(crate) fn variable(plan: &Plan, name: &str) -> Option<String> {
    variable_of(plan, "agent", name)
}

/// The value of a variable of a container; of one from a Secret where it is from.
pub(crate) fn variable_of(plan: &Plan, container: &str, name: &str) -> Option<String> {
    let container = container_of(plan, container)?;
    let mut named = container
        .env
        .iter()
        .flatten()
        .filter(|variable| variable.name == name);
    let variable = named.next()?;
    assert!(named.next().is_none(), "{name} is set twice");
    if let Some(value) = &variable.value {
        return Some(value.clone());
    }
    let key = variable.value_from.as_ref()?.secret_key_ref.as_ref()?;
    Some(format!("secret {}/{}", key.name, key.key))
}

/// Where the container has a volume, each as `volume at path`.
pub(crate) fn mounts_of(plan: &Plan, container: &str) -> Vec<String> {
    let container = container_of(plan, container).expect("the container");
    let mounts = container.volume_mounts.iter().flatten();
    mounts
        .map(|mount| format!("{} at {}", mount.name, mount.mount_path))
        .collect()
}

/// What the runner is told, however it travels.
pub(crate) fn run_description(plan: &Plan) -> RunDescription {
    if let Some(json) = variable(plan, "AXON_RUN") {
        return serde_json::from_str(&json).expect("a run description");
    }
    let mut secrets = plan.steps.iter().filter_map(|step| match step {
        Step::CreateRunSecret(secret) => secret.data.as_ref()?.get("run.json.gz"),
        _ => None,
    });
    let bytes = &secrets.next().expect("a run Secret").0;
    serde_json::from_reader(flate2::read::GzDecoder::new(bytes.as_slice())).expect("a run description")
}

/// The steps by name, in order, without events.
pub(crate) fn steps(plan: &Plan) -> Vec<&'static str> {
    plan.steps
        .iter()
        .filter_map(|step| {
            Some(match step {
                Step::TakeBranch(_) => "TakeBranch",
                Step::ReleaseBranch { .. } => "ReleaseBranch",
                Step::CreateClaim(_) => "CreateClaim",
                Step::MakeToken { .. } => "MakeToken",
                Step::CreateRunSecret(_) => "CreateRunSecret",
                Step::CreateJob(_) => "CreateJob",
                Step::WriteStatus => "WriteStatus",
                Step::RemoveStartGate { .. } => "RemoveStartGate",
                Step::DeletePod { .. } => "DeletePod",
                Step::ForceDeletePod { .. } => "ForceDeletePod",
                Step::DeleteJob { .. } => "DeleteJob",
                Step::DeleteTask { .. } => "DeleteTask",
                Step::Notify(_) => return None,
            })
        })
        .collect()
}
