//! What every plane has from its first start.

use serde_json::{Value, json};

use crate::plane::metadata;
use crate::plane::registry::Registry;
use crate::plane::store::{Key, State, Write};

/// The namespaces that every plane has: the users' and the operator's, which holds its Leases.
const NAMESPACES: &[&str] = &["default", "axon-system"];

/// What is not there yet: the namespaces, and the definitions of this build.
pub(in crate::plane) fn missing(registry: &Registry, state: &State) -> Vec<(Key, Write)> {
    let mut writes = Vec::new();
    for name in NAMESPACES {
        let key = Key {
            resource: "namespaces".into(),
            namespace: String::new(),
            name: (*name).to_owned(),
        };
        if state.get(&key).is_some() {
            continue;
        }
        let value = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": identity(name, json!({ "kubernetes.io/metadata.name": name })),
            "spec": { "finalizers": ["kubernetes"] },
            "status": { "phase": "Active" },
        });
        writes.push((key, Write::Create(value)));
    }
    for definition in registry.definitions() {
        let definition = &completed(definition);
        let name = metadata::text(definition, "name").to_owned();
        let key = Key {
            resource: "customresourcedefinitions.apiextensions.k8s.io".into(),
            namespace: String::new(),
            name: name.clone(),
        };
        let current = state.get(&key);
        if current
            .as_ref()
            .is_some_and(|object| object.value.get("spec") == definition.get("spec"))
        {
            continue;
        }
        let mut value = definition.clone();
        value["apiVersion"] = "apiextensions.k8s.io/v1".into();
        value["kind"] = "CustomResourceDefinition".into();
        value["status"] = status(definition);
        writes.push(match current {
            None => {
                value["metadata"] = identity(&name, Value::Null);
                (key, Write::Create(value))
            }
            Some(object) => {
                value["metadata"] = object.value["metadata"].clone();
                let expected = object.version;
                (key, Write::Replace { expected, value })
            }
        });
    }
    writes
}

/// A definition with what the server adds to it.
fn completed(definition: &Value) -> Value {
    let mut definition = definition.clone();
    let kind = definition
        .pointer("/spec/names/kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let list = format!("{kind}List");
    definition["spec"]["names"]["listKind"] = list.into();
    definition["spec"]["conversion"] = json!({ "strategy": "None" });
    definition
}

fn identity(name: &str, labels: Value) -> Value {
    let mut metadata = json!({
        "name": name,
        "uid": uuid::Uuid::new_v4().to_string(),
        "creationTimestamp": metadata::now(),
        "generation": 1,
    });
    if !labels.is_null() {
        metadata["labels"] = labels;
    }
    metadata
}

fn status(definition: &Value) -> Value {
    let since = metadata::now();
    let condition = |name: &str, reason: &str, message: &str| {
        json!({
            "type": name,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": since,
        })
    };
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    let stored: Vec<&Value> = versions
        .into_iter()
        .flatten()
        .filter(|version| version["storage"] == true)
        .map(|version| &version["name"])
        .collect();
    json!({
        "acceptedNames": definition.pointer("/spec/names"),
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "storedVersions": stored,
    })
}
