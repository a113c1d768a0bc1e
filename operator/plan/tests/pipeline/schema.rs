//! Every field of a pipeline's spec does something: a walk over the schema, with a case for each.

use std::collections::{BTreeMap, BTreeSet};

use axon_api::crd;
use serde_json::{Value, json};

use crate::world::{World, says};

/// Fields of Kubernetes' own and of other kinds, whose inside is walked where it is used.
const ELSEWHERE: &[&str] = &[
    "workspace",
    "provider",
    "podOverrides",
    "credentials",
    "agentConfigRefs",
    "workspaceRef",
    "providerRef",
];

/// Each field, and a change of it.
fn changes() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("prompt", json!({ "prompt": "something else" })),
        ("source.type", json!({ "source": { "type": "chat" } })),
        (
            "source.github.owner",
            json!({ "source": { "type": "github-issue", "github": { "owner": "x", "repo": "r", "issueNumber": 1 } } }),
        ),
        (
            "source.github.repo",
            json!({ "source": { "type": "github-issue", "github": { "owner": "o", "repo": "x", "issueNumber": 1 } } }),
        ),
        (
            "source.github.issueNumber",
            json!({ "source": { "type": "github-issue", "github": { "owner": "o", "repo": "r", "issueNumber": 2 } } }),
        ),
        (
            "source.chat.sessionId",
            json!({ "source": { "type": "chat", "chat": { "sessionId": "x", "userId": "u" } } }),
        ),
        (
            "source.chat.userId",
            json!({ "source": { "type": "chat", "chat": { "sessionId": "s", "userId": "x" } } }),
        ),
        (
            "workspaceRef",
            json!({ "workspace": null, "workspaceRef": { "name": "x" } }),
        ),
        (
            "workspace",
            json!({ "workspace": { "repo": "https://git.example/x.git" } }),
        ),
        ("branch", json!({ "branch": "x" })),
        ("type", json!({ "type": "codex" })),
        ("model", json!({ "model": "x" })),
        ("image", json!({ "image": "x" })),
        ("credentials", json!({ "credentials": { "type": "none" } })),
        ("providerRef", json!({ "providerRef": { "name": "x" } })),
        ("provider", json!({ "provider": { "baseURL": "https://x" } })),
        ("agentConfigRefs", json!({ "agentConfigRefs": [{ "name": "x" }] })),
        ("maxRetries", json!({ "maxRetries": 0 })),
        ("stepTimeout", json!({ "stepTimeout": "7m" })),
        (
            "podOverrides",
            json!({ "podOverrides": { "serviceAccountName": "x" } }),
        ),
        (
            "approvals.task",
            json!({ "approvals": [{ "task": "fix-last-2", "decision": "Approved", "user": "ann" }] }),
        ),
        (
            "approvals.decision",
            json!({ "approvals": [{ "task": "fix-first-1", "decision": "Denied", "user": "ann" }] }),
        ),
        (
            "approvals.user",
            json!({ "approvals": [{ "task": "fix-first-1", "decision": "Approved", "user": "x" }] }),
        ),
        (
            "approvals.feedback",
            json!({ "approvals": [{ "task": "fix-first-1", "decision": "Denied", "user": "ann", "feedback": "x" }] }),
        ),
        ("cancel", json!({ "cancel": true })),
        ("steps.name", step(json!({ "name": "other" }))),
        ("steps.prompt", step(json!({ "prompt": "x" }))),
        ("steps.type", step(json!({ "type": "codex" }))),
        ("steps.model", step(json!({ "model": "x" }))),
        ("steps.timeout", step(json!({ "timeout": "9m" }))),
        ("steps.maxTurns", step(json!({ "maxTurns": 2 }))),
        ("steps.approval", first_step(json!({ "approval": false }))),
        ("steps.onFailure", step(json!({ "onFailure": "first" }))),
    ])
}

fn base() -> Value {
    let template = "{{.Prompt}} {{.Source.Type}} {{.Source.Owner}} {{.Source.Repo}} {{.Source.IssueNumber}} \
                    {{.Source.SessionID}} {{.Source.UserID}} {{.Feedback}}";
    json!({
        "prompt": "p",
        "workspace": { "repo": "https://git.example/o/r.git" },
        "approvals": [{ "task": "fix-first-1", "decision": "Approved", "user": "ann" }],
        "steps": [{ "name": "first", "prompt": template, "approval": true }, { "name": "last", "prompt": template }],
    })
}

/// A change of the first step.
fn first_step(change: Value) -> Value {
    let mut steps = base()["steps"].clone();
    merge(&mut steps[0], change);
    json!({ "steps": steps })
}

/// A change of the last step.
fn step(change: Value) -> Value {
    let mut steps = base()["steps"].clone();
    merge(&mut steps[1], change);
    json!({ "steps": steps })
}

fn merge(into: &mut Value, change: Value) {
    let Value::Object(change) = change else { return };
    for (name, value) in change {
        match value {
            Value::Null => drop(into.as_object_mut().expect("an object").remove(&name)),
            value => into[&name] = value,
        }
    }
}

/// All that a person can see of a pipeline that fails at its last step: its Tasks and its status.
fn seen(spec: Value) -> Value {
    let is_named = spec.get("workspaceRef").is_some();
    let mut world = World::of(spec);
    if is_named {
        world.workspace =
            serde_json::from_value(json!({ "metadata": { "name": "x" }, "spec": { "repo": "https://e/r" } }))
                .ok();
    }
    world.settle();
    if !world.created.is_empty() {
        world.ends(says("one"));
        if world.created.len() > 1 {
            world.ends(crate::world::fails("no"));
        }
    }
    let tasks: Vec<Value> = world
        .tasks
        .values()
        .map(|task| json!({ "name": task.metadata.name, "labels": task.metadata.labels, "spec": task.spec }))
        .collect();
    json!({ "tasks": tasks, "status": world.status() })
}

fn fields(schema: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    let properties = schema["properties"].as_object().into_iter().flatten();
    for (name, property) in properties {
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        let inner = if property["type"] == "array" {
            &property["items"]
        } else {
            property
        };
        let has_own = inner["properties"].is_object() && !ELSEWHERE.contains(&name.as_str());
        if has_own {
            fields(inner, &path, found);
        } else {
            found.insert(path);
        }
    }
}

#[test]
fn every_field_changes_what_one_sees() {
    let definitions = crd::all();
    let pipeline = definitions
        .iter()
        .find(|definition| definition.spec.names.kind == "TaskPipeline")
        .expect("its definition");
    let definition = serde_json::to_value(pipeline).expect("JSON");
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut expected = BTreeSet::new();
    fields(schema, "", &mut expected);
    let changes = changes();
    let tried: BTreeSet<String> = changes.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(expected, tried, "each field of the schema has a change");
    let before = seen(base());
    for (name, change) in changes {
        let mut spec = base();
        merge(&mut spec, change);
        assert_ne!(seen(spec), before, "{name} changes nothing");
    }
}
