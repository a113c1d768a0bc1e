//! Whether an object is one that the definitions of axon.io take.
//!
//! The server says so too, but only when the object is applied; a conversion says it at once.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use kube_cel::{CompiledSchema, Validator, compile_schema};
use regex::Regex;
use serde_json::Value;

use super::metadata;
use super::notes::Notes;

/// The definition of one kind.
struct Definition {
    schema: Value,
    rules: OnceCell<CompiledSchema>,
}

thread_local! {
    // Rules cannot be shared between threads, and compiling those of one kind takes a while.
    static DEFINITIONS: BTreeMap<String, Definition> = definitions();
    static VALIDATOR: Validator = Validator::new();
}

fn definitions() -> BTreeMap<String, Definition> {
    axon_api::crd::all()
        .into_iter()
        .filter_map(|definition| {
            let value = serde_json::to_value(&definition).ok()?;
            let schema = value.pointer("/spec/versions/0/schema/openAPIV3Schema")?.clone();
            let rules = OnceCell::new();
            Some((definition.spec.names.kind, Definition { schema, rules }))
        })
        .collect()
}

/// One thing that the server would refuse.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) path: String,
    pub(super) message: String,
}

/// Tells what the server will refuse, and what this build does not define.
pub(super) fn note_problems(object: &Value, notes: &mut Notes) {
    if super::group_of(object) != axon_api::GROUP {
        return;
    }
    let kind = object["kind"].as_str().unwrap_or_default();
    match problems(object) {
        None => notes.hand_work(
            "kind",
            format!("this version of Axon has no kind {kind} yet, so that it cannot be applied or checked"),
        ),
        Some(problems) => {
            for problem in problems {
                notes.hand_work(
                    problem.path,
                    format!("the server will refuse it: {}", problem.message),
                );
            }
        }
    }
}

/// What the server would refuse; `None` when the kind is not defined.
pub(super) fn problems(object: &Value) -> Option<Vec<Problem>> {
    let kind = object["kind"].as_str().unwrap_or_default();
    DEFINITIONS.with(|definitions| {
        let definition = definitions.get(kind)?;
        let mut found = Vec::new();
        if metadata::name(object).is_empty() && object["metadata"]["generateName"].as_str().is_none() {
            found.push(problem("metadata.name", "it is required"));
        }
        let spec = &object["spec"];
        value(&definition.schema["properties"]["spec"], spec, "spec", &mut found);
        if found.is_empty() {
            let rules = definition
                .rules
                .get_or_init(|| compile_schema(&definition.schema));
            let broken = VALIDATOR
                .with(|validator| validator.validate_compiled(rules, object, None))
                .err()
                .map(kube_cel::ValidationErrors::into_vec)
                .unwrap_or_default();
            found.extend(
                broken
                    .into_iter()
                    .map(|error| problem(&error.field_path, error.message)),
            );
        }
        Some(found)
    })
}

fn problem(path: &str, message: impl Into<String>) -> Problem {
    Problem {
        path: path.to_owned(),
        message: message.into(),
    }
}

fn value(schema: &Value, at: &Value, path: &str, found: &mut Vec<Problem>) {
    if let Some(message) = wrong_type(schema, at) {
        found.push(problem(path, message));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(at)
    {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        found.push(problem(path, format!("it must be one of {}", allowed.join(", "))));
    }
    match at {
        Value::String(content) => text(schema, content, path, found),
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            limits(schema, "minimum", "maximum", number, ("it", ""), path, found);
        }
        Value::Array(items) => list(schema, items, path, found),
        Value::Object(_) => fields(schema, at, path, found),
        Value::Null | Value::Bool(_) => {}
    }
}

fn wrong_type(schema: &Value, at: &Value) -> Option<String> {
    if schema["x-kubernetes-int-or-string"] == true {
        return (!at.is_i64() && !at.is_u64() && !at.is_string())
            .then(|| "it must be an integer or a string".to_owned());
    }
    let wanted = schema["type"].as_str()?;
    let fits = match wanted {
        "object" => at.is_object(),
        "array" => at.is_array(),
        "string" => at.is_string(),
        "boolean" => at.is_boolean(),
        "integer" => at.is_i64() || at.is_u64(),
        "number" => at.is_number(),
        _ => true,
    };
    let nullable = at.is_null() && schema["nullable"] == true;
    (!fits && !nullable).then(|| match at {
        Value::Null => "it is required".to_owned(),
        _ => format!("it must be of type {wanted}"),
    })
}

fn text(schema: &Value, content: &str, path: &str, found: &mut Vec<Problem>) {
    #[expect(clippy::cast_precision_loss, reason = "no text is that long")]
    let length = content.chars().count() as f64;
    limits(
        schema,
        "minLength",
        "maxLength",
        length,
        ("it", " characters"),
        path,
        found,
    );
    let pattern = schema["pattern"]
        .as_str()
        .and_then(|pattern| Regex::new(pattern).ok());
    if let Some(pattern) = pattern
        && !pattern.is_match(content)
    {
        found.push(problem(path, format!("it must match {pattern}")));
    }
}

fn list(schema: &Value, items: &[Value], path: &str, found: &mut Vec<Problem>) {
    #[expect(clippy::cast_precision_loss, reason = "no list is that long")]
    let length = items.len() as f64;
    limits(
        schema,
        "minItems",
        "maxItems",
        length,
        ("it", " items"),
        path,
        found,
    );
    let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        value(&schema["items"], item, &path, found);
        let key: Vec<String> = keys.iter().map(|key| item[*key].to_string()).collect();
        if !keys.is_empty() && !seen.insert(key) {
            found.push(problem(
                &path,
                format!("an earlier item has the same {}", keys.join(" and ")),
            ));
        }
    }
}

fn fields(schema: &Value, at: &Value, path: &str, found: &mut Vec<Problem>) {
    let Some(members) = at.as_object() else {
        return;
    };
    #[expect(clippy::cast_precision_loss, reason = "no object has that many fields")]
    let count = members.len() as f64;
    limits(
        schema,
        "minProperties",
        "maxProperties",
        count,
        ("it", " entries"),
        path,
        found,
    );
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        if !members.contains_key(name) {
            found.push(problem(&format!("{path}.{name}"), "it is required"));
        }
    }
    for (name, member) in members {
        let path = format!("{path}.{name}");
        match schema_of(schema, name) {
            Known::By(inner) => value(inner, member, &path, found),
            Known::Anyhow => {}
            Known::Not => found.push(problem(&path, "there is no such field")),
        }
    }
}

/// Adds a problem when `number` is out of the limits that the schema gives under the two names.
fn limits(
    schema: &Value,
    low: &str,
    high: &str,
    number: f64,
    (what, unit): (&str, &str),
    path: &str,
    found: &mut Vec<Problem>,
) {
    if let Some(limit) = schema[low].as_f64().filter(|limit| number < *limit) {
        found.push(problem(path, format!("{what} must have at least {limit}{unit}")));
    }
    if let Some(limit) = schema[high].as_f64().filter(|limit| number > *limit) {
        found.push(problem(path, format!("{what} must have at most {limit}{unit}")));
    }
}

/// What a schema says about one field.
enum Known<'a> {
    By(&'a Value),
    Anyhow,
    Not,
}

fn schema_of<'a>(schema: &'a Value, name: &str) -> Known<'a> {
    let additional = &schema["additionalProperties"];
    if let Some(inner) = schema["properties"].get(name) {
        return Known::By(inner);
    }
    if additional.is_object() {
        return Known::By(additional);
    }
    if schema["x-kubernetes-preserve-unknown-fields"] == true || additional == true {
        return Known::Anyhow;
    }
    Known::Not
}

/// Removes each null for which the definition has a field that is not nullable: to a server such a
/// field is absent.
pub(super) fn remove_nulls(object: &mut Value) {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    DEFINITIONS.with(|definitions| {
        if let (Some(definition), Some(spec)) = (definitions.get(&kind), object.get_mut("spec")) {
            absent(&definition.schema["properties"]["spec"], spec);
        }
    });
}

fn absent(schema: &Value, at: &mut Value) {
    match at {
        Value::Object(members) => members.retain(|name, member| {
            let declared = schema["properties"].get(name);
            if member.is_null() && declared.is_some_and(|declared| declared["nullable"] != true) {
                return false;
            }
            absent(declared.unwrap_or(&schema["additionalProperties"]), member);
            true
        }),
        Value::Array(items) => items.iter_mut().for_each(|item| absent(&schema["items"], item)),
        _ => {}
    }
}

/// Removes the fields of an object's spec that its definition does not have, and gives their paths.
/// An object without a definition stays whole.
pub(super) fn remove_unknown(object: &mut Value) -> Vec<String> {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    DEFINITIONS.with(|definitions| {
        let mut removed = Vec::new();
        if let (Some(definition), Some(spec)) = (definitions.get(&kind), object.get_mut("spec")) {
            prune(
                &definition.schema["properties"]["spec"],
                spec,
                "spec",
                &mut removed,
            );
        }
        removed
    })
}

fn prune(schema: &Value, at: &mut Value, path: &str, removed: &mut Vec<String>) {
    match at {
        Value::Object(members) => members.retain(|name, member| {
            let path = format!("{path}.{name}");
            match schema_of(schema, name) {
                Known::By(inner) => {
                    prune(inner, member, &path, removed);
                    true
                }
                Known::Anyhow => true,
                Known::Not => {
                    removed.push(path);
                    false
                }
            }
        }),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                prune(&schema["items"], item, &format!("{path}[{index}]"), removed);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn task(spec: &Value) -> Value {
        json!({"apiVersion": "axon.io/v1alpha1", "kind": "Task", "metadata": {"name": "t"}, "spec": spec})
    }

    #[test]
    fn what_the_server_refuses_is_found() {
        for (spec, path) in [
            (json!({}), "spec.prompt"),
            (json!({"prompt": ""}), "spec.prompt"),
            (json!({"prompt": 1}), "spec.prompt"),
            (json!({"prompt": "x", "promt": "y"}), "spec.promt"),
            (json!({"prompt": "x", "timeout": "1w"}), "spec.timeout"),
            (
                json!({"prompt": "x", "credentials": {"type": "key"}}),
                "spec.credentials.type",
            ),
            (
                json!({"prompt": "x", "credentials": {"type": "oauth"}}),
                "spec.credentials",
            ),
            (json!({"prompt": "x", "dependsOn": "a"}), "spec.dependsOn"),
            (json!({"prompt": "x", "dependsOn": ["A"]}), "spec.dependsOn[0]"),
            (
                json!({"prompt": "x", "limits": {"turns": 0}}),
                "spec.limits.turns",
            ),
            (
                json!({"prompt": "x", "workspace": {"repo": "nowhere"}}),
                "spec.workspace.repo",
            ),
            (
                json!({"prompt": "x", "workspace": {"repo": "https://h/r"}, "workspaceRef": {"name": "w"}}),
                "spec",
            ),
        ] {
            let found = problems(&task(&spec)).expect("a kind");
            assert!(
                found.iter().any(|problem| problem.path == path),
                "{spec}: {found:?}"
            );
        }
    }

    #[test]
    fn what_the_server_takes_is_not_complained_about() {
        let spec = json!({"prompt": "x", "podOverrides": {
            "resources": {"limits": {"cpu": 2, "memory": "1Gi"}}, "nodeSelector": {"a": "b"},
            "volumes": [{"name": "v", "emptyDir": {}}],
        }});
        assert_eq!(problems(&task(&spec)), Some(Vec::new()));
        assert_eq!(problems(&json!({"kind": "Spoon"})), None);
    }
}
