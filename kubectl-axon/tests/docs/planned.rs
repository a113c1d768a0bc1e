//! What the operator does first for an object of an example, without any server.

use std::collections::BTreeMap;

use axon_api::{
    AgentConfig, AgentProvider, Phase, Task, TaskDefaults, TaskPipeline, Workspace, names, repository,
};
use axon_plan::pipeline::{self, PipelineObserved};
use axon_plan::{
    Admission, BranchSeen, Dependency, DependencyTask, Found, LeaseSeen, Observed, SecretKeys, Settings,
    Step, references,
};
use k8s_openapi::jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The objects of one example.
pub(crate) struct World<'a>(pub(crate) &'a [Value]);

impl World<'_> {
    /// The object of this kind and name, as a server has it.
    pub(crate) fn find<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Option<T> {
        let found = self
            .0
            .iter()
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)?;
        let mut object = found.clone();
        object["metadata"]["namespace"] = json!("default");
        object["metadata"]["uid"] = json!(format!("uid-of-{name}"));
        Some(serde_json::from_value(object).expect("an object of its kind"))
    }

    /// The keys of a Secret.
    fn keys(&self, name: &str) -> Option<SecretKeys> {
        let secret = self
            .0
            .iter()
            .find(|object| object["kind"] == "Secret" && object["metadata"]["name"] == name)?;
        Some(secret["stringData"].as_object()?.keys().cloned().collect())
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_770_454_800).expect("a moment")
}

fn found<T>(named: bool, object: Option<&T>) -> Found<'_, T> {
    match object {
        Some(object) => Found::Present(object),
        None if named => Found::Missing,
        None => Found::NotNamed,
    }
}

/// The Job of a Task when all that it waits for is done, with the run description taken apart. The
/// error says why there is none.
pub(crate) fn job(world: &World<'_>, task: &Task) -> Result<Value, String> {
    let settings = Settings::default();
    let defaults: Option<TaskDefaults> = world.find("TaskDefaults", "default");
    let agent =
        references::agent_type(task, defaults.as_ref(), settings.default_type.as_deref()).expect("a type");
    let provider_name = references::provider(task, defaults.as_ref(), agent);
    let provider: Option<AgentProvider> = provider_name.and_then(|name| world.find("AgentProvider", name));
    let workspace_name = task
        .spec
        .workspace_ref
        .as_ref()
        .map(|reference| reference.name.as_str());
    let workspace: Option<Workspace> = workspace_name.and_then(|name| world.find("Workspace", name));
    let configs: Vec<(&str, Option<AgentConfig>)> = references::agent_configs(task)
        .map(|name| (name, world.find("AgentConfig", name)))
        .collect();
    let spec = workspace
        .as_ref()
        .map(|workspace| &workspace.spec)
        .or(task.spec.workspace.as_ref());
    let plain: Vec<&AgentConfig> = configs.iter().filter_map(|(_, config)| config.as_ref()).collect();
    let keys: BTreeMap<String, Option<SecretKeys>> =
        references::secrets(task, defaults.as_ref(), provider.as_ref(), spec, &plain)
            .into_iter()
            .map(|name| (name.clone(), world.keys(&name)))
            .collect();
    let secrets: BTreeMap<String, Found<'_, SecretKeys>> = keys
        .iter()
        .map(|(name, keys)| (name.clone(), found(true, keys.as_ref())))
        .collect();
    let configs: Vec<_> = configs
        .iter()
        .map(|(name, config)| (*name, found(true, config.as_ref())))
        .collect();
    let branch = references::branch(task, spec)
        .zip(spec)
        .map(|(branch, spec)| held(task, branch, &spec.repo));
    let held_branches: Vec<LeaseSeen> = branch.iter().filter_map(|branch| branch.lease.clone()).collect();
    let dependencies: Vec<Dependency> = task
        .spec
        .depends_on
        .iter()
        .map(|name| done(world, name))
        .collect();
    let decided = axon_plan::plan(&Observed {
        now: now(),
        settings: &settings,
        task,
        admission: Admission::NotSpawned,
        defaults: found(false, defaults.as_ref()),
        provider: found(provider_name.is_some(), provider.as_ref()),
        agent_configs: &configs,
        workspace: found(workspace_name.is_some(), workspace.as_ref()),
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
    let mut made: Vec<Value> = decided.steps.iter().filter_map(made).collect();
    let message = decided.status.message.unwrap_or_default();
    if !made.iter().any(|object| object["kind"] == "Job") {
        return Err(format!("{} ({message})", decided.why));
    }
    Ok(if made.len() == 1 {
        made.remove(0)
    } else {
        Value::from(made)
    })
}

/// The branch as it is when this Task holds it.
fn held(task: &Task, branch: &str, repo: &str) -> BranchSeen {
    let name = task.metadata.name.clone().unwrap_or_default();
    BranchSeen {
        lease: Some(LeaseSeen {
            name: names::branch_lease(&repository::identity(repo), branch),
            uid: "uid-of-the-lease".to_owned(),
            resource_version: "1".to_owned(),
            holder_uid: task.metadata.uid.clone().unwrap_or_default(),
            holder: format!("default/{name}"),
        }),
        ..BranchSeen::default()
    }
}

/// A dependency of the example that has pushed a commit.
fn done(world: &World<'_>, name: &str) -> Dependency {
    let task: Option<Task> = world.find("Task", name);
    let branch = task
        .as_ref()
        .and_then(|task| task.spec.branch.clone())
        .unwrap_or_default();
    let results = [
        ("branch", branch.as_str()),
        ("commit", "0123456789abcdef0123456789abcdef01234567"),
    ];
    Dependency {
        name: name.to_owned(),
        task: task.map(|task| DependencyTask {
            uid: task.metadata.uid.unwrap_or_default(),
            phase: Some(Phase::Succeeded),
            outputs: results
                .iter()
                .map(|(key, value)| format!("{key}: {value}"))
                .collect(),
            results: results
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        }),
    }
}

/// What a step makes; a run description is shown as JSON has it.
fn made(step: &Step) -> Option<Value> {
    match step {
        Step::CreateJob(job) => {
            let mut job = serde_json::to_value(job).ok()?;
            unpack(&mut job);
            Some(job)
        }
        Step::CreateClaim(claim) => serde_json::to_value(claim).ok(),
        Step::CreateRunSecret(secret) => {
            let packed = secret.data.as_ref()?.values().next()?;
            let run: Value =
                serde_json::from_reader(flate2::read::GzDecoder::new(packed.0.as_slice())).ok()?;
            Some(json!({ "kind": "Secret", "metadata": { "name": secret.metadata.name }, "run": run }))
        }
        _ => None,
    }
}

/// Replaces texts that are JSON objects by the objects.
fn unpack(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(unpack),
        Value::Array(items) => items.iter_mut().for_each(unpack),
        Value::String(text) => {
            if let Ok(inner @ Value::Object(_)) = serde_json::from_str(text) {
                *value = inner;
            }
        }
        _ => {}
    }
}

/// The first Task of a pipeline.
pub(crate) fn first_step(pipeline: &TaskPipeline) -> Result<Task, String> {
    let mut seen = pipeline.clone();
    // A run is written into the status before its Task is created.
    for _ in 0..3 {
        let plan = pipeline::plan(&PipelineObserved {
            now: now(),
            pipeline: &seen,
            workspace: Found::NotNamed,
            default_type: "claude-code",
            task: Found::Missing,
            kept: &BTreeMap::new(),
            refused: None,
        });
        for step in plan.steps {
            if let pipeline::Step::CreateTask(task) = step {
                return Ok(serde_json::from_value(serde_json::to_value(task).expect("JSON")).expect("a Task"));
            }
        }
        seen.status = Some(plan.status);
    }
    Err(format!("{:?}", seen.status))
}
