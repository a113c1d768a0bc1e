//! What `OpenAPI` 3.0 says in words of its own, said as JSON Schema says it.

use std::collections::BTreeSet;

use anyhow::Context as _;
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

/// How many of the faults of a value are told.
const FAULTS: usize = 5;

/// Turns a description of `OpenAPI` 3.0 into one whose schemas are JSON Schemas: what is `nullable`
/// may be null. Prose is dropped; examples stay as they are.
pub(super) fn from_open_api(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(from_open_api),
        Value::Object(fields) => {
            // A schema may have a property of this name, which is then an object.
            for prose in ["description", "summary"] {
                if fields.get(prose).is_some_and(Value::is_string) {
                    fields.remove(prose);
                }
            }
            for (name, field) in fields.iter_mut() {
                if name != "examples" {
                    from_open_api(field);
                }
            }
            if fields.get("nullable") == Some(&Value::Bool(true)) {
                fields.remove("nullable");
                let schema = Value::Object(std::mem::take(fields));
                fields.insert("anyOf".to_owned(), json!([schema, {"type": "null"}]));
            }
        }
        _ => {}
    }
}

/// Makes a validator of a schema of `document`, together with those that it refers to.
pub(super) fn compile(schema: &Value, document: &Value) -> anyhow::Result<Validator> {
    let mut needed = BTreeSet::new();
    collect_references(schema, document, &mut needed);
    let mut schemas = Map::new();
    for name in needed {
        schemas.insert(name.clone(), document["components"]["schemas"][&name].clone());
    }
    let whole = json!({
        "allOf": [schema],
        "components": {"schemas": schemas},
    });
    jsonschema::options()
        .with_draft(Draft::Draft7)
        .should_validate_formats(true)
        .build(&whole)
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("failed to read a schema of GitHub's description")
}

fn collect_references(value: &Value, document: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => {
            for item in items {
                collect_references(item, document, found);
            }
        }
        Value::Object(fields) => {
            let name = fields
                .get("$ref")
                .and_then(|reference| reference.as_str()?.strip_prefix("#/components/schemas/"));
            if let Some(name) = name
                && found.insert(name.to_owned())
            {
                collect_references(&document["components"]["schemas"][name], document, found);
            }
            for field in fields.values() {
                collect_references(field, document, found);
            }
        }
        _ => {}
    }
}

/// What is wrong with a value, each fault with its place; nothing when it is valid.
pub(super) fn faults(validator: &Validator, value: &Value) -> Vec<String> {
    validator
        .iter_errors(value)
        .take(FAULTS)
        .map(|error| {
            let mut what = error.to_string();
            // A fault among alternatives repeats the whole value.
            if let Some((end, _)) = what.char_indices().nth(300) {
                what.truncate(end);
            }
            format!("`{}`: {what}", error.instance_path())
        })
        .collect()
}
