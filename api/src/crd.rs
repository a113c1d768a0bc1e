//! The CustomResourceDefinitions as they are installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use crate::kinds::agent_config::AgentConfig;
use crate::kinds::agent_provider::AgentProvider;
use crate::kinds::task::Task;
use crate::kinds::task_defaults::TaskDefaults;
use crate::kinds::task_pipeline::TaskPipeline;
use crate::kinds::task_spawner::TaskSpawner;
use crate::kinds::workspace::Workspace;

/// Fields of a Task's spec that may change after it was created.
const MUTABLE_TASK_FIELDS: &[&str] = &["cancel", "ttlSecondsAfterFinished"];

/// Fields of a spec that are of Kubernetes' own types.
const BORROWED_FIELDS: &[&str] = &["resources", "env"];

/// Fields of a TaskPipeline's spec that may change after it was created.
const MUTABLE_PIPELINE_FIELDS: &[&str] = &["approvals", "cancel"];

/// All CustomResourceDefinitions of Axon.
pub fn all() -> Vec<CustomResourceDefinition> {
    [
        Task::crd(),
        Workspace::crd(),
        AgentConfig::crd(),
        AgentProvider::crd(),
        TaskDefaults::crd(),
        TaskPipeline::crd(),
        TaskSpawner::crd(),
    ]
    .iter()
    .map(finish)
    .collect()
}

/// Turns a derived definition into the one to install: schema made structural and small, and a
/// Task's spec made immutable.
fn finish(crd: &CustomResourceDefinition) -> CustomResourceDefinition {
    let mut value = serde_json::to_value(crd).expect("a definition is JSON");
    for version in value["spec"]["versions"]
        .as_array_mut()
        .expect("a definition has versions")
    {
        let schema = &mut version["schema"]["openAPIV3Schema"];
        strip_unknown_formats(schema);
        strip_borrowed_descriptions(&mut schema["properties"]["spec"]);
        // Asking for it by index would give every kind such a field.
        if let Some(template) = schema.pointer_mut("/properties/spec/properties/taskTemplate") {
            strip_borrowed_descriptions(template);
        }
        match crd.spec.names.kind.as_str() {
            "Task" => make_immutable(&mut schema["properties"]["spec"], "Task", MUTABLE_TASK_FIELDS),
            "TaskPipeline" => {
                make_immutable(
                    &mut schema["properties"]["spec"],
                    "TaskPipeline",
                    MUTABLE_PIPELINE_FIELDS,
                );
            }
            _ => {}
        }
    }
    serde_json::from_value(value).expect("a finished definition is still one")
}

/// The API server knows few formats and warns about others, such as schemars' `uint32`.
fn strip_unknown_formats(schema: &mut Value) {
    walk(schema, &mut |object| {
        let unknown = object
            .get("format")
            .and_then(Value::as_str)
            .is_some_and(|format| format.starts_with("uint"));
        if unknown {
            object.remove("format");
        }
    });
}

/// Kubernetes' own types come with long descriptions; with them a Task's definition would be too
/// large for `kubectl apply -f`, which keeps a copy in an annotation of at most 262,144 bytes.
fn strip_borrowed_descriptions(spec: &mut Value) {
    if let Some(overrides) = spec.pointer_mut("/properties/podOverrides/properties") {
        for (_, property) in overrides.as_object_mut().into_iter().flatten() {
            strip_descriptions(property);
        }
    }
    for name in BORROWED_FIELDS {
        if let Some(property) = spec["properties"].get_mut(name) {
            strip_descriptions(property);
        }
    }
}

/// Removes all descriptions of a property but its own.
fn strip_descriptions(property: &mut Value) {
    let own = property.get("description").cloned();
    walk(property, &mut |object| {
        // A property may itself be called `description`; only the schema keyword is text.
        if object.get("description").is_some_and(Value::is_string) {
            object.remove("description");
        }
    });
    if let Some(text) = own {
        property["description"] = text;
    }
}

/// One comparison of the whole spec is refused by the API server for its cost, so each property
/// compares itself, and the spec compares which properties are there.
fn make_immutable(spec: &mut Value, kind: &str, mutable: &[&str]) {
    let required: Vec<String> = spec["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let mut presence = Vec::new();
    let Some(properties) = spec["properties"].as_object_mut() else {
        return;
    };
    for (name, property) in properties {
        if mutable.contains(&name.as_str()) {
            continue;
        }
        add_rule(
            property,
            "self == oldSelf",
            &format!("{name} cannot be changed once the {kind} is created"),
        );
        if !required.contains(name) {
            presence.push(name.clone());
        }
    }
    for name in presence {
        let field = if name == "type" {
            "self.type".to_owned()
        } else {
            format!("self.{name}")
        };
        add_rule(
            spec,
            &format!("has({field}) == has({})", field.replacen("self", "oldSelf", 1)),
            &format!("{name} cannot be added or removed once the {kind} is created"),
        );
    }
    add_rule(
        spec,
        "!(has(oldSelf.cancel) && oldSelf.cancel) || (has(self.cancel) && self.cancel)",
        "cancel cannot be taken back",
    );
}

fn add_rule(schema: &mut Value, rule: &str, message: &str) {
    let rules = schema
        .as_object_mut()
        .expect("a schema is an object")
        .entry("x-kubernetes-validations")
        .or_insert_with(|| json!([]));
    rules
        .as_array_mut()
        .expect("rules are a list")
        .push(json!({ "rule": rule, "message": message }));
}

/// Calls `visit` on every object of a schema, outermost first.
fn walk(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values_mut().for_each(|child| walk(child, visit));
        }
        Value::Array(items) => items.iter_mut().for_each(|child| walk(child, visit)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_fits_a_client_side_apply() {
        for crd in all() {
            let size = serde_json::to_vec(&crd).expect("JSON").len();
            assert!(size < 100 * 1024, "{} has {size} bytes", crd.spec.names.plural);
        }
    }

    #[test]
    fn only_the_prompt_of_a_task_is_required() {
        let crd = serde_json::to_value(&all()[0]).expect("JSON");
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        assert_eq!(spec["required"], json!(["prompt"]));
    }

    #[test]
    fn every_field_but_the_mutable_ones_compares_itself() {
        let crd = serde_json::to_value(&all()[0]).expect("JSON");
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        for (name, property) in spec["properties"].as_object().expect("properties") {
            let rules = property["x-kubernetes-validations"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let compares = rules.iter().any(|rule| rule["rule"] == "self == oldSelf");
            assert_eq!(compares, !MUTABLE_TASK_FIELDS.contains(&name.as_str()), "{name}");
        }
    }
}
