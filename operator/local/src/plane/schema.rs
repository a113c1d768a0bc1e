//! Structural schemas: unknown fields are pruned, defaults filled in and values validated, with
//! the API server's words.

use regex::Regex;
use serde_json::{Map, Value};

use super::status::{Cause, shown};

/// Fields that every object has, whatever its schema says.
const METADATA_FIELDS: &[&str] = &[
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Removes what the schema of a whole object does not know, and returns the paths of it in order.
pub(crate) fn prune(schema: &Value, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    let Some(fields) = object.as_object_mut() else {
        return unknown;
    };
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, _| {
            let known = METADATA_FIELDS.contains(&name.as_str());
            if !known {
                unknown.push(format!("metadata.{name}"));
            }
            known
        });
    }
    let properties = schema.get("properties");
    let preserves = keeps_unknown(schema);
    fields.retain(|name, value| {
        if ["apiVersion", "kind", "metadata"].contains(&name.as_str()) {
            return true;
        }
        match properties.and_then(|properties| properties.get(name)) {
            Some(schema) => {
                prune_value(schema, value, name, &mut unknown);
                true
            }
            None if preserves => true,
            None => {
                unknown.push(name.clone());
                false
            }
        }
    });
    unknown.sort();
    unknown
}

fn keeps_unknown(schema: &Value) -> bool {
    schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true))
}

fn prune_value(schema: &Value, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let properties = schema.get("properties");
            let additional = schema.get("additionalProperties");
            let preserves = keeps_unknown(schema) || additional == Some(&Value::Bool(true));
            fields.retain(|name, child| {
                let at = format!("{path}.{name}");
                let declared = properties.and_then(|properties| properties.get(name));
                match declared.or_else(|| additional.filter(|schema| schema.is_object())) {
                    Some(schema) => {
                        prune_value(schema, child, &at, unknown);
                        true
                    }
                    None if preserves => true,
                    None => {
                        unknown.push(at);
                        false
                    }
                }
            });
        }
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else {
                return;
            };
            for (index, item) in items.iter_mut().enumerate() {
                prune_value(schema, item, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Fills in the defaults that the schema gives. A null where none is allowed counts as absent.
pub(crate) fn fill_defaults(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, schema) in properties.into_iter().flatten() {
                if fields.get(name) == Some(&Value::Null) && !is_nullable(schema) {
                    fields.remove(name);
                }
                if let Some(default) = schema.get("default") {
                    fields.entry(name.clone()).or_insert_with(|| default.clone());
                }
                if let Some(child) = fields.get_mut(name) {
                    fill_defaults(schema, child);
                }
            }
            if let Some(schema) = schema
                .get("additionalProperties")
                .filter(|schema| schema.is_object())
            {
                fields.values_mut().for_each(|child| fill_defaults(schema, child));
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    fill_defaults(schema, item);
                }
            }
        }
        _ => {}
    }
}

fn is_nullable(schema: &Value) -> bool {
    schema.get("nullable") == Some(&Value::Bool(true))
}

/// Validates the part of an object that its schema describes: all but apiVersion, kind and
/// metadata.
pub(crate) fn validate(schema: &Value, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let Some(fields) = object.as_object() else {
        return causes;
    };
    check_required(schema, fields, "", &mut causes);
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        if ["apiVersion", "kind", "metadata"].contains(&name.as_str()) {
            continue;
        }
        if let Some(value) = fields.get(name) {
            validate_value(schema, value, name, &mut causes);
        }
    }
    causes
}

fn check_required(schema: &Value, fields: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            causes.push(Cause::required(join(path, name), ""));
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// What JSON calls the type of a value, with whole numbers as integers.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(number) if number.as_f64().is_some_and(|float| float.fract() == 0.0) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn has_type(schema: &Value, value: &Value) -> Result<(), String> {
    let found = type_of(value);
    if found == "null" && is_nullable(schema) {
        return Ok(());
    }
    if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        return if ["integer", "string"].contains(&found) {
            Ok(())
        } else {
            Err("integer,string".to_owned())
        };
    }
    let Some(wanted) = schema.get("type").and_then(Value::as_str) else {
        return Ok(());
    };
    if wanted == found || (wanted == "number" && found == "integer") {
        return Ok(());
    }
    Err(wanted.to_owned())
}

fn validate_value(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if let Err(wanted) = has_type(schema, value) {
        let found = type_of(value);
        causes.push(Cause {
            reason: "FieldValueTypeInvalid",
            field: path.to_owned(),
            message: format!(
                "Invalid value: \"{found}\": {path} in body must be of type {wanted}: \"{found}\""
            ),
        });
        return;
    }
    check_enum(schema, value, path, causes);
    match value {
        Value::String(text) => check_text(schema, text, value, path, causes),
        Value::Number(_) => check_number(schema, value, path, causes),
        Value::Array(items) => check_items(schema, items, path, causes),
        Value::Object(fields) => check_fields(schema, fields, path, causes),
        Value::Null | Value::Bool(_) => {}
    }
}

fn check_enum(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(allowed) = schema.get("enum").and_then(Value::as_array) else {
        return;
    };
    if allowed.contains(value) || (value.is_null() && is_nullable(schema)) {
        return;
    }
    let values: Vec<String> = allowed.iter().map(shown).collect();
    causes.push(Cause {
        reason: "FieldValueNotSupported",
        field: path.to_owned(),
        message: format!(
            "Unsupported value: {}: supported values: {}",
            shown(value),
            values.join(", ")
        ),
    });
}

fn bound(schema: &Value, name: &str) -> Option<usize> {
    schema
        .get(name)
        .and_then(Value::as_u64)
        .and_then(|bound| usize::try_from(bound).ok())
}

fn check_text(schema: &Value, text: &str, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let length = text.chars().count();
    if let Some(most) = bound(schema, "maxLength").filter(|most| length > *most) {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            field: path.to_owned(),
            message: format!("Too long: may not be more than {most} bytes"),
        });
    }
    if let Some(least) = bound(schema, "minLength").filter(|least| length < *least) {
        let detail = format!("{path} in body should be at least {least} chars long");
        causes.push(Cause::invalid(path, value, &detail));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && let Ok(regex) = Regex::new(pattern)
        && !regex.is_match(text)
    {
        let detail = format!("{path} in body should match '{pattern}'");
        causes.push(Cause::invalid(path, value, &detail));
    }
    let is_time = schema.get("format").and_then(Value::as_str) == Some("date-time");
    if is_time && text.parse::<jiff::Timestamp>().is_err() {
        let detail = format!("{path} in body must be of type date-time: {}", shown(value));
        causes.push(Cause {
            reason: "FieldValueTypeInvalid",
            ..Cause::invalid(path, value, &detail)
        });
    }
}

fn check_number(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(number) = value.as_f64() else { return };
    if let Some(least) = schema.get("minimum")
        && least.as_f64().is_some_and(|least| number < least)
    {
        let detail = format!(
            "{path} in body should be greater than or equal to {}",
            whole(least)
        );
        causes.push(Cause::invalid(path, value, &detail));
    }
    if let Some(most) = schema.get("maximum")
        && most.as_f64().is_some_and(|most| number > most)
    {
        let detail = format!("{path} in body should be less than or equal to {}", whole(most));
        causes.push(Cause::invalid(path, value, &detail));
    }
}

/// A bound as text: `0`, where the schema may say `0.0`.
fn whole(bound: &Value) -> String {
    match bound.as_f64() {
        Some(float) => float.to_string(),
        None => bound.to_string(),
    }
}

fn check_items(schema: &Value, items: &[Value], path: &str, causes: &mut Vec<Cause>) {
    if let Some(most) = bound(schema, "maxItems").filter(|most| items.len() > *most) {
        causes.push(Cause {
            reason: "FieldValueTooMany",
            field: path.to_owned(),
            message: format!("Too many: {}: must have at most {most} items", items.len()),
        });
    }
    if let Some(least) = bound(schema, "minItems").filter(|least| items.len() < *least) {
        let detail = format!("{path} in body should have at least {least} items");
        causes.push(Cause::invalid(path, &Value::from(items.len()), &detail));
    }
    if let Some(schema) = schema.get("items") {
        for (index, item) in items.iter().enumerate() {
            validate_value(schema, item, &format!("{path}[{index}]"), causes);
        }
    }
    check_unique(schema, items, path, causes);
}

/// Items of a list that is a map or a set must differ.
fn check_unique(schema: &Value, items: &[Value], path: &str, causes: &mut Vec<Cause>) {
    let keys: Vec<&str> = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("map") => schema
            .get("x-kubernetes-list-map-keys")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect(),
        Some("set") => Vec::new(),
        _ => return,
    };
    let identity = |item: &Value| -> Value {
        if keys.is_empty() {
            return item.clone();
        }
        keys.iter()
            .map(|key| ((*key).to_owned(), item.get(*key).cloned().unwrap_or_default()))
            .collect::<Map<String, Value>>()
            .into()
    };
    let mut seen = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let identity = identity(item);
        if seen.contains(&identity) {
            causes.push(Cause {
                reason: "FieldValueDuplicate",
                field: format!("{path}[{index}]"),
                message: format!("Duplicate value: {}", shown(&identity)),
            });
        }
        seen.push(identity);
    }
}

fn check_fields(schema: &Value, fields: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    check_required(schema, fields, path, causes);
    if let Some(most) = bound(schema, "maxProperties").filter(|most| fields.len() > *most) {
        causes.push(Cause {
            reason: "FieldValueTooMany",
            field: path.to_owned(),
            message: format!("Too many: {}: must have at most {most} items", fields.len()),
        });
    }
    let properties = schema.get("properties");
    let additional = schema
        .get("additionalProperties")
        .filter(|schema| schema.is_object());
    for (name, value) in fields {
        let declared = properties.and_then(|properties| properties.get(name));
        if let Some(schema) = declared.or(additional) {
            validate_value(schema, value, &join(path, name), causes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrap(spec: &Value) -> Value {
        json!({ "type": "object", "properties": { "spec": spec } })
    }

    #[test]
    fn unknown_fields_are_pruned_and_named() {
        let schema = wrap(&json!({
            "type": "object",
            "properties": {
                "list": { "type": "array", "items": { "type": "object", "properties": { "a": {} } } },
                "map": { "type": "object", "additionalProperties": { "type": "object", "properties": { "a": {} } } },
                "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            },
        }));
        let mut object = json!({
            "metadata": { "name": "n", "odd": 1 },
            "other": 1,
            "spec": {
                "list": [{ "a": 1 }, { "b": 2 }],
                "map": { "k": { "a": 1, "b": 2 } },
                "free": { "x": { "y": 1 } },
            },
        });
        let unknown = prune(&schema, &mut object);
        assert_eq!(
            unknown,
            ["metadata.odd", "other", "spec.list[1].b", "spec.map.k.b"]
        );
        assert_eq!(
            object,
            json!({
                "metadata": { "name": "n" },
                "spec": { "list": [{ "a": 1 }, {}], "map": { "k": { "a": 1 } }, "free": { "x": { "y": 1 } } },
            })
        );
    }

    #[test]
    fn defaults_fill_what_is_absent_or_null() {
        let schema = json!({ "properties": { "spec": { "properties": {
            "a": { "default": 1 },
            "b": { "default": 2 },
            "c": { "type": "string" },
            "d": { "nullable": true, "default": 3 },
        } } } });
        let mut object = json!({ "spec": { "a": 5, "b": null, "c": null, "d": null } });
        fill_defaults(&schema, &mut object);
        assert_eq!(object, json!({ "spec": { "a": 5, "b": 2, "d": null } }));
    }

    #[test]
    fn values_are_refused_with_the_words_of_the_server() {
        let cases = [
            (
                json!({ "type": "string" }),
                json!(1),
                "spec: Invalid value: \"integer\": spec in body must be of type string: \"integer\"",
            ),
            (
                json!({ "type": "string", "enum": ["a", "b"] }),
                json!("c"),
                "spec: Unsupported value: \"c\": supported values: \"a\", \"b\"",
            ),
            (
                json!({ "type": "string", "maxLength": 2 }),
                json!("abc"),
                "spec: Too long: may not be more than 2 bytes",
            ),
            (
                json!({ "type": "string", "minLength": 1 }),
                json!(""),
                "spec: Invalid value: \"\": spec in body should be at least 1 chars long",
            ),
            (
                json!({ "type": "string", "pattern": "^a$" }),
                json!("b"),
                "spec: Invalid value: \"b\": spec in body should match '^a$'",
            ),
            (
                json!({ "type": "integer", "minimum": 0.0 }),
                json!(-1),
                "spec: Invalid value: -1: spec in body should be greater than or equal to 0",
            ),
            (
                json!({ "type": "integer", "maximum": 5 }),
                json!(6),
                "spec: Invalid value: 6: spec in body should be less than or equal to 5",
            ),
            (
                json!({ "type": "array", "maxItems": 1 }),
                json!([1, 2]),
                "spec: Too many: 2: must have at most 1 items",
            ),
            (
                json!({ "type": "object", "required": ["a"] }),
                json!({}),
                "spec.a: Required value",
            ),
            (
                json!({ "x-kubernetes-int-or-string": true }),
                json!(true),
                "spec: Invalid value: \"boolean\": spec in body must be of type integer,string: \"boolean\"",
            ),
        ];
        for (schema, value, text) in cases {
            let found = validate(&wrap(&schema), &json!({ "spec": value }));
            let texts: Vec<String> = found
                .iter()
                .map(|cause| format!("{}: {}", cause.field, cause.message))
                .collect();
            assert_eq!(texts, [text]);
        }
    }
}
