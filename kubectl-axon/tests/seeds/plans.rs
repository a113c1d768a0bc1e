//! What the operator decides about an object, without any server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};

use axon_api::{
    AgentConfig, AgentProvider, Phase, Task, TaskDefaults, TaskPipeline, Workspace, labels, names, repository,
};
use axon_plan::pipeline::{self, PipelineObserved};
use axon_plan::{
    Admission, BranchSeen, Dependency, DependencyTask, Found, LeaseSeen, Observed, SecretKeys, Settings,
    Step, references,
};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::table::Promise;
use super::worlds::World;

/// The keys of every Secret.
const KEYS: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "GITHUB_TOKEN",
    "anthropic-api-key",
    "api-key",
];

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a moment")
}

/// Whether the operator does what the promise says.
pub(crate) fn check(world: &World, promise: &Promise) -> Result<(), String> {
    let (kind, name) = promise.of.split_once('/').expect("Kind/name");
    let (phase, shown) = match kind {
        "TaskPipeline" => of_pipeline(world, name),
        "TaskSpawner" => of_spawner(world, name, promise),
        _ => of_task(world, &task(world, kind, name), kind == "TaskDefaults", promise),
    };
    if phase != promise.phase {
        return Err(format!("{} is {phase}\n{shown}", promise.of));
    }
    let missing: Vec<&String> = promise.has.iter().filter(|part| !shown.contains(*part)).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("{} has no {missing:?}\n{shown}", promise.of))
    }
}

/// The Task itself, or one that does nothing but use the object.
fn task(world: &World, kind: &str, name: &str) -> Task {
    let field = match kind {
        "Task" => return world.find("Task", name).expect("the Task"),
        "Workspace" => "workspaceRef",
        "AgentConfig" => "agentConfigRef",
        "AgentProvider" => "providerRef",
        "TaskDefaults" => "",
        other => panic!("no Task uses a {other}"),
    };
    let mut spec = json!({ "prompt": "x" });
    if !field.is_empty() {
        spec[field] = json!({ "name": name });
    }
    if !["AgentProvider", "TaskDefaults"].contains(&kind) {
        spec["credentials"] = json!({ "type": "oauth", "secretRef": { "name": "s" } });
    }
    serde_json::from_value(json!({
        "apiVersion": "axon.io/v1alpha1", "kind": "Task", "spec": spec,
        "metadata": { "name": "t", "namespace": "default", "uid": "t-uid", "generation": 1 },
    }))
    .expect("a Task")
}

fn found<T>(object: Option<&T>) -> Found<'_, T> {
    object.map_or(Found::NotNamed, Found::Present)
}

fn of_task(world: &World, task: &Task, with_defaults: bool, promise: &Promise) -> (String, String) {
    let settings = Settings::default();
    let admission = if task.annotations().contains_key(labels::ITEM) {
        Admission::Admitted
    } else {
        Admission::NotSpawned
    };
    let defaults: Option<TaskDefaults> = with_defaults
        .then(|| world.find("TaskDefaults", "default"))
        .flatten();
    let agent =
        references::agent_type(task, defaults.as_ref(), settings.default_type.as_deref()).expect("a type");
    let provider: Option<AgentProvider> = references::provider(task, defaults.as_ref(), agent)
        .map(|name| world.find("AgentProvider", name).expect("the provider"));
    let workspace: Option<Workspace> = task
        .spec
        .workspace_ref
        .as_ref()
        .map(|reference| world.find("Workspace", &reference.name).expect("the Workspace"));
    let configs: Vec<(&str, AgentConfig)> = references::agent_configs(task)
        .map(|name| (name, world.find("AgentConfig", name).expect("the AgentConfig")))
        .collect();
    let spec = workspace
        .as_ref()
        .map(|workspace| &workspace.spec)
        .or(task.spec.workspace.as_ref());
    let keys: SecretKeys = KEYS.iter().map(|key| (*key).to_owned()).collect();
    let plain: Vec<&AgentConfig> = configs.iter().map(|(_, config)| config).collect();
    let secrets: BTreeMap<String, Found<'_, SecretKeys>> =
        references::secrets(task, defaults.as_ref(), provider.as_ref(), spec, &plain)
            .into_iter()
            .map(|name| (name, Found::Present(&keys)))
            .collect();
    let configs: Vec<_> = configs
        .iter()
        .map(|(name, config)| (*name, Found::Present(config)))
        .collect();
    let branch = references::branch(task, spec)
        .zip(spec)
        .map(|(branch, spec)| held(task, branch, &spec.repo));
    let held_branches: Vec<LeaseSeen> = branch.iter().filter_map(|branch| branch.lease.clone()).collect();
    let dependencies = dependencies(task, promise);
    let decided = axon_plan::plan(&Observed {
        now: now(),
        settings: &settings,
        task,
        admission,
        defaults: found(defaults.as_ref()),
        provider: found(provider.as_ref()),
        agent_configs: &configs,
        workspace: found(workspace.as_ref()),
        secrets: &secrets,
        dependencies: &dependencies,
        dependency_cycle: None,
        is_awaited: false,
        branch: branch.as_ref(),
        held_branches: &held_branches,
        token_expires: None,
        refused_token: None,
        jobs: &[],
        pods: &[],
        conflicting_job: None,
        refused_job: None,
    });
    let made: Vec<Value> = decided.steps.iter().filter_map(made).collect();
    let phase = decided
        .status
        .phase
        .map_or_else(String::new, |phase| phase.to_string());
    let has_job = decided
        .steps
        .iter()
        .any(|step| matches!(step, Step::CreateJob(_)));
    assert_eq!(has_job, phase == "Pending", "{}: {}", decided.why, promise.of);
    let mut shown = String::new();
    flatten("", &Value::from(made), &mut shown);
    if let Some(message) = decided.status.message {
        let _ = writeln!(shown, "message={message}");
    }
    (phase, shown)
}

/// The branch as it is when this Task holds it.
fn held(task: &Task, branch: &str, repo: &str) -> BranchSeen {
    let uid = task.metadata.uid.clone().unwrap_or_default();
    let name = task.metadata.name.clone().unwrap_or_default();
    BranchSeen {
        lease: Some(LeaseSeen {
            name: names::branch_lease(&repository::identity(repo), branch),
            uid: "lease-uid".to_owned(),
            resource_version: "1".to_owned(),
            holder_uid: uid,
            holder: format!("default/{name}"),
        }),
        ..BranchSeen::default()
    }
}

/// What the Task depends on: still running when it is to wait, else done.
fn dependencies(task: &Task, promise: &Promise) -> Vec<Dependency> {
    let waits = promise.phase == "Waiting";
    task.spec
        .depends_on
        .iter()
        .map(|name| Dependency {
            name: name.clone(),
            task: Some(DependencyTask {
                uid: format!("{name}-uid"),
                phase: Some(if waits { Phase::Running } else { Phase::Succeeded }),
                outputs: Vec::new(),
                results: task
                    .spec
                    .branch
                    .iter()
                    .map(|branch| ("branch".to_owned(), branch.clone()))
                    .collect(),
            }),
        })
        .collect()
}

/// A run description as its Secret has it.
fn unpacked(bytes: &[u8]) -> Option<Value> {
    serde_json::from_reader(flate2::read::GzDecoder::new(bytes)).ok()
}

fn made(step: &Step) -> Option<Value> {
    match step {
        Step::CreateJob(job) => serde_json::to_value(job).ok(),
        Step::CreateClaim(claim) => serde_json::to_value(claim).ok(),
        Step::CreateRunSecret(secret) => secret
            .data
            .as_ref()?
            .values()
            .find_map(|value| unpacked(&value.0)),
        _ => None,
    }
}

/// What becomes of the first item of a spawner: its Task, and what is decided about that.
fn of_spawner(world: &World, name: &str, promise: &Promise) -> (String, String) {
    let task = super::spawners::task(world, name, now());
    let spawner: Value = world.find("TaskSpawner", name).expect("the spawner");
    let (phase, mut shown) = of_task(world, &task, false, promise);
    flatten("task", &serde_json::to_value(&task).expect("JSON"), &mut shown);
    flatten("spawner", &spawner, &mut shown);
    (phase, shown)
}

/// The first thing that the operator does for a pipeline.
fn of_pipeline(world: &World, name: &str) -> (String, String) {
    let pipeline: TaskPipeline = world.find("TaskPipeline", name).expect("the pipeline");
    let mut status = pipeline.status.clone();
    let mut made = Vec::new();
    // A run is written into the status before its Task is created.
    for _ in 0..3 {
        let mut seen = pipeline.clone();
        seen.status = status;
        let plan = pipeline::plan(&PipelineObserved {
            now: now(),
            pipeline: &seen,
            workspace: Found::NotNamed,
            default_type: "claude-code",
            task: Found::Missing,
            kept: &BTreeMap::new(),
            refused: None,
        });
        for step in &plan.steps {
            if let pipeline::Step::CreateTask(task) = step {
                made.push(serde_json::to_value(task).expect("JSON"));
            }
        }
        status = Some(plan.status);
        if !made.is_empty() {
            break;
        }
    }
    let mut shown = String::new();
    flatten("", &Value::from(made), &mut shown);
    let phase = status
        .and_then(|status| status.phase)
        .map_or_else(String::new, |phase| {
            serde_json::to_value(phase)
                .expect("JSON")
                .as_str()
                .unwrap_or_default()
                .to_owned()
        });
    (phase, shown)
}

/// Every value with its path, one a line; JSON within a text too.
fn flatten(path: &str, value: &Value, into: &mut String) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&format!("{path}.{name}"), value, into);
            }
        }
        Value::Array(items) => {
            let named: BTreeSet<_> = items.iter().filter_map(|item| item["name"].as_str()).collect();
            for (index, item) in items.iter().enumerate() {
                match item["name"].as_str().filter(|_| named.len() == items.len()) {
                    Some(name) => flatten(&format!("{path}[{name}]"), item, into),
                    None => flatten(&format!("{path}[{index}]"), item, into),
                }
            }
        }
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner) if inner.is_object() => flatten(path, &inner, into),
            _ => writeln_into(into, path, text),
        },
        other => writeln_into(into, path, other),
    }
}

fn writeln_into(into: &mut String, path: &str, value: impl Display) {
    let _ = writeln!(into, "{path}={value}");
}
