//! No field of a spec is only for show: each one, changed, changes what is planned, or is refused
//! by name. The fields are read from the definitions that are installed.

use axon_api::crd;
use axon_plan::{Found, provider, references};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Value, json};

use crate::fixtures::{self, Scene, ended, keys, task};
use crate::schema_values::{map_key, values};

/// Fields that change nothing of a plan, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "AgentProvider.displayName",
        "a name for people, which `get` shows as a column",
    ),
    (
        "Task.provider.name",
        "a name for people, which messages about the provider have",
    ),
    (
        "Task.podOverrides.extraContainers[].restartPolicy",
        "an extra container always is a sidecar, which its doc says",
    ),
];

/// One field of a spec.
pub(crate) struct Leaf {
    kind: String,
    path: Vec<Segment>,
    schema: Value,
}

/// A step on the way to a field.
#[derive(Clone, PartialEq)]
pub(crate) enum Segment {
    Property(String),
    /// The first item of a list.
    Item,
    /// The one entry of a map.
    Entry(String),
}

impl Leaf {
    /// The field as people write it, such as `Task.podOverrides.env[].name`.
    fn name(&self) -> String {
        let mut name = self.kind.clone();
        for segment in &self.path {
            match segment {
                Segment::Property(property) => name.extend([".", property]),
                Segment::Item => name.push_str("[]"),
                Segment::Entry(_) => name.push_str("{}"),
            }
        }
        name
    }

    /// The last property on the way, by which a refusal has to name the field.
    fn property(&self) -> &str {
        let properties = self.path.iter().rev().filter_map(|segment| match segment {
            Segment::Property(property) => Some(property.as_str()),
            _ => None,
        });
        properties.into_iter().next().unwrap_or_default()
    }
}

/// The fields of a schema that have no fields of their own.
fn leaves(kind: &str, path: &mut Vec<Segment>, schema: &Value, found: &mut Vec<Leaf>) {
    let property = path.iter().rev().find_map(|segment| match segment {
        Segment::Property(property) => Some(property.as_str()),
        _ => None,
    });
    let key = map_key(property.unwrap_or_default()).to_owned();
    let mut below = |segment: Segment, schema: &Value| {
        path.push(segment);
        leaves(kind, path, schema, found);
        path.pop();
    };
    if let Some(properties) = schema["properties"].as_object().filter(|map| !map.is_empty()) {
        for (name, schema) in properties {
            below(Segment::Property(name.clone()), schema);
        }
    } else if schema["items"].is_object() {
        below(Segment::Item, &schema["items"]);
    } else if schema["additionalProperties"].is_object() {
        below(Segment::Entry(key), &schema["additionalProperties"]);
    } else {
        found.push(Leaf {
            kind: kind.to_owned(),
            path: path.clone(),
            schema: schema.clone(),
        });
    }
}

fn leaves_of(definition: &CustomResourceDefinition) -> Vec<Leaf> {
    let definition = serde_json::to_value(definition).expect("JSON");
    let kind = definition["spec"]["names"]["kind"].as_str().expect("a kind");
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut found = Vec::new();
    leaves(kind, &mut Vec::new(), schema, &mut found);
    found
}

/// The specs of a set of objects that belong together; null for one that is not there.
#[derive(Clone)]
struct Objects {
    task: Value,
    workspace: Value,
    agent_config: Value,
    provider: Value,
    defaults: Value,
}

const REPOSITORY: &str = "https://github.com/o/r";

/// Objects in which the field matters.
fn base(leaf: &Leaf) -> Objects {
    let name = leaf.name();
    let mut objects = Objects {
        task: json!({ "type": "claude-code", "prompt": "x" }),
        workspace: Value::Null,
        agent_config: Value::Null,
        provider: Value::Null,
        defaults: Value::Null,
    };
    let top = name.split(['.', '[', '{']).nth(1).unwrap_or_default();
    match leaf.kind.as_str() {
        "Task" => merge(&mut objects.task, task_base(top)),
        "Workspace" => {
            objects.task["workspaceRef"] = json!({ "name": "w" });
            objects.workspace = workspace_base();
        }
        "AgentConfig" => {
            objects.task["agentConfigRef"] = json!({ "name": "c" });
            let http = ["url", "headers", "headersFrom"];
            objects.agent_config = agent_config_base(http.iter().any(|field| name.contains(field)));
        }
        "AgentProvider" => {
            objects.task["providerRef"] = json!({ "name": "p" });
            objects.provider = provider_base("authTokenSecretRef");
        }
        "TaskDefaults" => {
            objects.task = json!({ "prompt": "x", "workspace": { "repo": REPOSITORY } });
            objects.defaults = json!({ "type": "claude-code" });
            if top == "credentials" {
                objects.defaults["credentials"] = credentials();
            }
        }
        other => panic!("the walk does not know kind {other}"),
    }
    if matches!(top, "providerRef" | "providers") {
        objects.provider = provider_base("authTokenSecretRef");
    }
    if top == "workspaceRef" {
        objects.workspace = workspace_base();
    }
    if top.starts_with("agentConfigRef") {
        objects.agent_config = json!({ "agentsMD": "Be kind." });
    }
    objects
}

fn credentials() -> Value {
    json!({ "type": "api-key", "secretRef": { "name": "all" } })
}

fn provider_base(secret: &str) -> Value {
    json!({
        secret: { "name": "all", "key": "TOKEN" },
        "environment": { "NOTE": "x" },
    })
}

fn workspace_base() -> Value {
    json!({
        "repo": REPOSITORY,
        "worktree": { "branch": "work" },
        "storage": { "size": "1Gi" },
        "files": [{ "path": "a.txt", "content": "x" }],
        "remotes": [{ "name": "fork", "url": "https://github.com/me/r" }],
    })
}

fn agent_config_base(is_http: bool) -> Value {
    let document = json!([{ "name": "d", "content": "x" }]);
    let server = if is_http {
        json!({ "name": "m", "type": "http", "url": "https://example.com" })
    } else {
        json!({ "name": "m", "type": "stdio", "command": "serve" })
    };
    json!({
        "plugins": [{ "name": "p", "skills": document, "agents": document }],
        "skills": [{ "source": "o/skills" }],
        "mcpServers": [server],
    })
}

/// What a Task needs beside the field for it to matter.
fn task_base(top: &str) -> Value {
    match top {
        "credentials" => json!({ "credentials": credentials() }),
        "provider" => json!({ "provider": provider_base("authSecretRef") }),
        "providerRef" => json!({ "providerRef": { "name": "p" } }),
        "workspace" => json!({ "workspace": workspace_base() }),
        "branch" | "upstreamRepo" => json!({ "workspace": { "repo": REPOSITORY } }),
        "podOverrides" => {
            let mounts = json!([{ "name": "data", "mountPath": "/data" }]);
            json!({ "podOverrides": {
                "env": [{ "name": "WALK" }],
                "volumes": [{ "name": "data" }],
                "volumeMounts": mounts,
                "extraContainers": [{ "name": "side", "image": "i", "volumeMounts": mounts }],
                "extraInitContainers": [{ "name": "before", "image": "i", "volumeMounts": mounts }],
            } })
        }
        _ => json!({}),
    }
}

/// Puts a value where the path leads, making what is not there.
fn set(place: &mut Value, path: &[Segment], value: &Value) {
    let Some((first, rest)) = path.split_first() else {
        *place = value.clone();
        return;
    };
    match first {
        Segment::Property(key) | Segment::Entry(key) => {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            set(&mut place[key.as_str()], rest, value);
        }
        Segment::Item => {
            if !place.is_array() {
                *place = json!([null]);
            }
            set(&mut place[0], rest, value);
        }
    }
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

/// Everything that is planned for these objects: before there is a Job, while its pod starts, when
/// the agent has failed, and after that.
fn consequences(mut objects: Objects, leaf: &Leaf, value: &Value) -> String {
    let spec = match leaf.kind.as_str() {
        "Task" => &mut objects.task,
        "Workspace" => &mut objects.workspace,
        "AgentConfig" => &mut objects.agent_config,
        "AgentProvider" => &mut objects.provider,
        _ => &mut objects.defaults,
    };
    set(spec, &leaf.path, value);
    let scene = || scene(&objects);
    let fresh = scene().plan();
    let keys = keys(SECRET);
    let readiness = scene()
        .provider
        .map(|provider| provider::readiness(&provider, &Found::Present(&keys)));
    if fresh.status.job_name.is_none() {
        return format!("{fresh:?} {readiness:?}");
    }
    let starting = scene().let_go();
    let started = starting.plan();
    let mut failed = starting.with_pod(&ended(1, "Error", ""));
    let (end, after) = (failed.step(), failed.plan());
    format!("{fresh:?} {readiness:?} {started:?} {end:?} {after:?}")
}

/// The keys of the one Secret that is there: everything that anyone may look for.
const SECRET: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "GITHUB_TOKEN",
    "TOKEN",
];

fn scene(objects: &Objects) -> Scene {
    let is_there = |spec: &Value| !spec.is_null();
    let mut scene = Scene::of(task(objects.task.clone())).with_secret("all", SECRET);
    scene.defaults = Some(&objects.defaults)
        .filter(|spec| is_there(spec))
        .map(|spec| fixtures::task_defaults(spec.clone()));
    let workspace = scene.task.spec.workspace_ref.as_ref();
    let is_named = workspace.is_some_and(|reference| reference.name == "w");
    scene.workspace = Some(&objects.workspace)
        .filter(|spec| is_there(spec) && is_named)
        .map(|spec| fixtures::workspace(spec.clone()));
    if is_there(&objects.agent_config) {
        scene.agent_configs = vec![fixtures::agent_config("c", objects.agent_config.clone())];
    }
    let named = references::provider(&scene.task, scene.defaults.as_ref(), "claude-code");
    if is_there(&objects.provider) && named == Some("p") {
        scene.provider = Some(fixtures::agent_provider("p", objects.provider.clone()));
    }
    scene
}

/// What is wrong with the field, if something is.
fn problem(leaf: &Leaf) -> Option<String> {
    let name = leaf.name();
    let objects = base(leaf);
    let start = scene(&objects).plan();
    if start.status.job_name.is_none() {
        return Some(format!(
            "{name}: the base does not start: {:?}",
            start.status.message
        ));
    }
    let Some((first, second)) = values(&name, &leaf.schema) else {
        return Some(format!("{name}: no values are known for {}", leaf.schema));
    };
    let one = consequences(objects.clone(), leaf, &first);
    let other = consequences(objects, leaf, &second);
    let is_refused = |told: &str| {
        told.contains("phase: Some(Failed)") && told.contains(leaf.property()) && !told.contains("CreateJob")
    };
    if one == other && !is_refused(&one) {
        return Some(format!("{name}: {first} and {second} make no difference"));
    }
    None
}

/// Kinds of which decisions of their own are made, whose tests have walks of their own.
const ELSEWHERE: &[&str] = &["TaskPipeline", "TaskSpawner"];

#[test]
fn every_field_of_every_spec_changes_something_or_is_refused_by_name() {
    let definitions = crd::all();
    let walked = definitions
        .iter()
        .filter(|definition| !ELSEWHERE.contains(&definition.spec.names.kind.as_str()));
    let all: Vec<Leaf> = walked.flat_map(leaves_of).collect();
    assert!(all.len() > 500, "the walk found only {} fields", all.len());
    let is_exception = |leaf: &&Leaf| EXCEPTIONS.iter().any(|(name, _)| *name == leaf.name());
    let problems: Vec<String> = all
        .iter()
        .filter(|leaf| !is_exception(leaf))
        .filter_map(problem)
        .collect();
    assert!(
        problems.is_empty(),
        "{} of {} fields:\n{}",
        problems.len(),
        all.len(),
        problems.join("\n")
    );
    for (name, why) in EXCEPTIONS {
        let leaf = all.iter().find(|leaf| leaf.name() == *name);
        let leaf = leaf.unwrap_or_else(|| panic!("{name} is no field ({why})"));
        assert!(
            problem(leaf).is_some(),
            "{name} is no exception: it makes a difference"
        );
    }
}
