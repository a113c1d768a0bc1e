//! Kelos: `kelos.dev/v1alpha1` and `kelos.dev/v1alpha2`.

use serde_json::{Map, Value, json};

use super::fields::{Fields, Target, object};
use super::kelos_spawner;
use super::notes::Notes;

/// The API group.
pub(super) const GROUP: &str = "kelos.dev";

/// Fields of a Task, and of a spawner's template, that axon.io spells and means alike.
const TASK_FIELDS: &[&str] = &[
    "type",
    "credentials",
    "model",
    "effort",
    "image",
    "workspaceRef",
    "agentConfigRef",
    "agentConfigRefs",
    "dependsOn",
    "branch",
    "upstreamRepo",
    "ttlSecondsAfterFinished",
    "podOverrides",
];

/// Fields of a worker, which win over the Task's own.
const WORKER_FIELDS: &[&str] = &[
    "type",
    "credentials",
    "model",
    "effort",
    "image",
    "workspaceRef",
    "agentConfigRefs",
    "podOverrides",
];

/// Converts one object of Kelos.
pub(super) fn convert(document: Value, notes: &mut Notes) -> Vec<Value> {
    let kind = document["kind"].as_str().unwrap_or_default().to_owned();
    let mut document = Fields::of("", document, notes);
    document.take("apiVersion");
    document.take("kind");
    let metadata = document.take("metadata").unwrap_or_else(|| json!({}));
    let spec = Fields::of("spec", document.take("spec").unwrap_or_default(), notes);
    document.finish(notes);
    let converted = match kind.as_str() {
        "Task" => task(spec, notes),
        "Workspace" => workspace(spec, notes),
        "AgentConfig" => agent_config(spec, notes),
        "TaskSpawner" => match kelos_spawner::spawner(spec, notes) {
            Some(converted) => converted,
            None => return Vec::new(),
        },
        _ => {
            notes.lost("kind", without_equivalent(&kind));
            return Vec::new();
        }
    };
    vec![object(&kind, &metadata, converted)]
}

fn without_equivalent(kind: &str) -> String {
    let instead = match kind {
        "Session" | "SessionSpawner" => "; Axon runs Tasks, which end by themselves",
        "WorkerPool" => "; each Task has a pod of its own, and Workspace.spec.storage keeps a checkout",
        "TaskBudget" => "; Task.spec.limits bounds one Task",
        "TaskRecord" => "; a Task keeps its own results and usage",
        _ => "",
    };
    format!("axon.io has no kind for a {kind} of {GROUP}{instead}; it is left out")
}

fn task(mut spec: Fields, notes: &mut Notes) -> Target {
    let mut target = Target::default();
    target.keep(&mut spec, &["prompt"]);
    run_fields(&mut target, &mut spec, notes);
    spec.finish(notes);
    target
}

/// The fields that a Task and a template of Tasks share.
pub(super) fn run_fields(target: &mut Target, spec: &mut Fields, notes: &mut Notes) {
    target.keep(spec, TASK_FIELDS);
    if let Some(mut worker) = spec.inner("worker", notes) {
        notes.changed(spec.path("worker"), "its fields are fields of the Task itself");
        target.keep(&mut worker, WORKER_FIELDS);
        worker.finish(notes);
    }
    if spec.take("podFailurePolicy").is_some() {
        notes.lost(
            spec.path("podFailurePolicy"),
            "the operator decides what a failed pod means; spec.retry says whether a Task runs again",
        );
    }
    if spec.take("workerPoolRef").is_some() {
        notes.lost(
            spec.path("workerPoolRef"),
            "there are no pools: write the pool's type, credentials and workspaceRef into the Task",
        );
    }
}

fn workspace(mut spec: Fields, notes: &mut Notes) -> Target {
    let mut target = Target::default();
    target.keep(
        &mut spec,
        &["repo", "ref", "secretRef", "files", "remotes", "setupCommand"],
    );
    if spec.take("ghproxy").is_some() {
        notes.lost(
            spec.path("ghproxy"),
            "there is no proxy for GitHub: the agent talks to GitHub itself",
        );
    }
    spec.finish(notes);
    target
}

fn agent_config(mut spec: Fields, notes: &mut Notes) -> Target {
    let mut target = Target::default();
    target.keep(&mut spec, &["agentsMD", "plugins", "skills"]);
    let path = spec.path("mcpServers");
    let servers = match spec.take("mcpServers") {
        Some(Value::Array(servers)) => servers,
        Some(_) => {
            notes.lost(path.as_str(), "this is not a list");
            Vec::new()
        }
        None => Vec::new(),
    };
    let servers: Vec<Value> = servers
        .into_iter()
        .enumerate()
        .map(|(index, server)| {
            mcp_server(Fields::of(format!("{path}[{index}]"), server, notes), notes).into()
        })
        .collect();
    target.put("mcpServers", Some(servers));
    spec.finish(notes);
    target
}

fn mcp_server(mut server: Fields, notes: &mut Notes) -> Target {
    let mut target = Target::default();
    target.keep(
        &mut server,
        &[
            "name",
            "type",
            "command",
            "args",
            "envFrom",
            "url",
            "headers",
            "headersFrom",
        ],
    );
    let path = server.path("env");
    match server.take("env") {
        Some(Value::Array(variables)) => target.put("env", Some(environment(&path, variables, notes))),
        map => target.put("env", map),
    }
    server.finish(notes);
    target
}

/// A list of variables as a map. A variable from a Secret or `ConfigMap` has no place in it.
fn environment(path: &str, variables: Vec<Value>, notes: &mut Notes) -> Map<String, Value> {
    let mut map = Map::new();
    for (index, variable) in variables.into_iter().enumerate() {
        let mut variable = Fields::of(format!("{path}[{index}]"), variable, notes);
        let Some(name) = variable.text("name", notes) else {
            notes.lost(variable.path("name"), "a variable needs a name");
            continue;
        };
        let source = variable.take("valueFrom");
        let value = variable.take("value");
        match (source, value) {
            (Some(source), _) => notes.lost(variable.path("valueFrom"), other_source(&name, &source)),
            (None, value) => {
                map.insert(name, value.unwrap_or_else(|| json!("")));
            }
        }
        variable.finish(notes);
    }
    map
}

fn other_source(name: &str, source: &Value) -> String {
    let secret = &source["secretKeyRef"];
    match (secret["name"].as_str(), secret["key"].as_str()) {
        (Some(secret), Some(key)) => format!(
            "variables come from whole Secrets: make one whose key is `{name}`, from key `{key}` of Secret `{secret}`, and name it in envFrom.secretRef"
        ),
        _ => format!(
            "variables come from whole Secrets: make one whose key is `{name}`, and name it in envFrom.secretRef"
        ),
    }
}
