//! What the server itself writes into an object's metadata, and what it demands of names.

use serde_json::{Map, Value, json};

use super::schema::type_of;
use super::status::{Cause, Failure};

/// `metadata` of an object, made if it is absent or not an object.
pub(crate) fn of(object: &mut Value) -> &mut Map<String, Value> {
    if !object.is_object() {
        *object = json!({});
    }
    let Value::Object(fields) = object else {
        unreachable!("it was just made an object")
    };
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    if !metadata.is_object() {
        *metadata = json!({});
    }
    let Value::Object(metadata) = metadata else {
        unreachable!("it was just made an object")
    };
    metadata
}

/// A text field of `metadata`; empty when it is absent.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object
        .get("metadata")
        .and_then(|metadata| metadata.get(field))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

pub(crate) fn finalizers(object: &Value) -> Vec<&str> {
    object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

pub(crate) fn is_being_deleted(object: &Value) -> bool {
    !text(object, "deletionTimestamp").is_empty()
}

/// The current time as metadata has it: whole seconds, UTC.
pub(crate) fn now() -> String {
    let seconds = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |time| time.to_string())
}

/// Characters of generated names: without vowels and without what looks alike.
const SUFFIX: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A name from `generateName`: the prefix, cut to fit, and five random characters.
pub(crate) fn generated(prefix: &str) -> String {
    let mut name: String = prefix.chars().take(248).collect();
    for byte in uuid::Uuid::new_v4().into_bytes().into_iter().take(5) {
        let index = usize::from(byte) % SUFFIX.len();
        name.extend(SUFFIX.get(index).map(|byte| char::from(*byte)));
    }
    name
}

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// All annotations of one object together, in bytes.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    alphanumeric(bytes.first())
        && alphanumeric(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_qualified(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    ends(bytes.first())
        && ends(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// Which names a resource allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameRule {
    Subdomain,
    Label,
}

/// What is wrong with an object's metadata.
pub(crate) fn check(object: &Value, rule: NameRule) -> Vec<Cause> {
    let mut causes = Vec::new();
    check_name(text(object, "name"), rule, &mut causes);
    check_labels(object, &mut causes);
    check_annotations(object, &mut causes);
    check_owners(object, &mut causes);
    check_finalizers(object, &mut causes);
    causes
}

fn check_name(name: &str, rule: NameRule, causes: &mut Vec<Cause>) {
    if name.is_empty() {
        causes.push(Cause::required(
            "metadata.name",
            "name or generateName is required",
        ));
        return;
    }
    let value = Value::from(name);
    let (most, valid, words) = match rule {
        NameRule::Subdomain => (253, is_subdomain(name), SUBDOMAIN),
        NameRule::Label => (63, is_label(name), LABEL),
    };
    if name.len() > most {
        let detail = format!("must be no more than {most} characters");
        causes.push(Cause::invalid("metadata.name", &value, &detail));
    }
    if rule == NameRule::Label && name.contains('.') {
        causes.push(Cause::invalid("metadata.name", &value, "must not contain dots"));
    } else if !valid {
        causes.push(Cause::invalid("metadata.name", &value, words));
    }
}

fn check_key(key: &str, field: &str, causes: &mut Vec<Cause>) {
    let value = Value::from(key);
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if let Some(prefix) = prefix {
        if prefix.is_empty() {
            causes.push(Cause::invalid(field, &value, "prefix part must be non-empty"));
        } else if !is_subdomain(prefix) {
            causes.push(Cause::invalid(field, &value, &format!("prefix part {SUBDOMAIN}")));
        }
    }
    if name.is_empty() {
        causes.push(Cause::invalid(field, &value, "name part must be non-empty"));
    } else if name.len() > 63 {
        let detail = "name part must be no more than 63 characters";
        causes.push(Cause::invalid(field, &value, detail));
    }
    if !is_qualified(name) {
        causes.push(Cause::invalid(field, &value, QUALIFIED));
    }
}

fn check_labels(object: &Value, causes: &mut Vec<Cause>) {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        check_key(key, "metadata.labels", causes);
        let text = value.as_str().unwrap_or_default();
        if text.len() > 63 {
            let detail = "must be no more than 63 characters";
            causes.push(Cause::invalid("metadata.labels", value, detail));
        }
        if !text.is_empty() && !is_qualified(text) {
            causes.push(Cause::invalid("metadata.labels", value, LABEL_VALUE));
        }
    }
}

fn check_annotations(object: &Value, causes: &mut Vec<Cause>) {
    let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
    let mut size = 0;
    for (key, value) in annotations.into_iter().flatten() {
        check_key(&key.to_lowercase(), "metadata.annotations", causes);
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_LIMIT {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            field: "metadata.annotations".to_owned(),
            message: format!("Too long: may not be more than {ANNOTATIONS_LIMIT} bytes"),
        });
    }
}

fn check_owners(object: &Value, causes: &mut Vec<Cause>) {
    let owners = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    let mut controllers = Vec::new();
    for owner in owners.into_iter().flatten() {
        let field = |name: &str| owner.get(name).and_then(Value::as_str).unwrap_or_default();
        for (name, words) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if field(name).is_empty() {
                // The server names the field without the index of the reference.
                let path = format!("metadata.ownerReferences.{name}");
                causes.push(Cause::invalid(path, &Value::from(""), words));
            }
        }
        if owner.get("controller") == Some(&Value::Bool(true)) {
            controllers.push(field("name").to_owned());
        }
    }
    if controllers.len() > 1 {
        causes.push(Cause::invalid(
            "metadata.ownerReferences",
            object
                .pointer("/metadata/ownerReferences")
                .unwrap_or(&Value::Null),
            "Only one reference can have Controller set to true",
        ));
    }
}

fn check_finalizers(object: &Value, causes: &mut Vec<Cause>) {
    for finalizer in finalizers(object) {
        check_key(finalizer, "metadata.finalizers", causes);
    }
}

/// Checks that the fields of `metadata` have the types that they must have.
pub(crate) fn check_types(object: &Value, kind: &str, version: &str) -> Result<(), Failure> {
    let Some(metadata) = object.get("metadata") else {
        return Ok(());
    };
    let wrong = |field: &str, found: &Value, wanted: &str| {
        let found = match type_of(found) {
            "integer" => "number",
            "boolean" => "bool",
            other => other,
        };
        Err(Failure::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: json: cannot unmarshal {found} into Go struct field ObjectMeta.{field} of type {wanted}"
        )))
    };
    let given = metadata.as_object();
    if given.is_none() && !metadata.is_null() {
        return wrong("metadata", metadata, "v1.ObjectMeta");
    }
    for (field, value) in given.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        match field.as_str() {
            "name" | "namespace" | "generateName" | "uid" | "resourceVersion" if !value.is_string() => {
                return wrong(field, value, "string");
            }
            "labels" | "annotations" => {
                let Some(texts) = value.as_object() else {
                    return wrong(field, value, "map[string]string");
                };
                if let Some(odd) = texts.values().find(|text| !text.is_string()) {
                    return wrong(field, odd, "string");
                }
            }
            "ownerReferences" | "finalizers" if !value.is_array() => {
                return wrong(field, value, "slice");
            }
            _ => {}
        }
    }
    Ok(())
}
