//! Which fields the kinds have, read from their definitions: finds a misspelled field before
//! anything is sent.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axon_api::crd;
use serde_json::Value;

use crate::resources::Kind;
use crate::text::closest;

/// A field that the kind does not have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownField {
    /// The path from the object's root, such as `spec.podOverrides.evn`.
    pub(crate) path: String,
    /// The field that was probably meant.
    pub(crate) meant: Option<String>,
}

/// Fields of every object, and of a Secret.
const OBJECT_FIELDS: &[&str] = &["apiVersion", "kind", "metadata"];
const SECRET_FIELDS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "data",
    "stringData",
    "type",
    "immutable",
];

/// Looks for a field that the kind does not have. Values are left to the server.
pub(crate) fn check(kind: Kind, object: &Value) -> Result<(), UnknownField> {
    let plural = match kind {
        Kind::Secret => return known(object, SECRET_FIELDS.iter().copied(), ""),
        _ => kind.plural(),
    };
    let Some(schema) = schemas().get(plural) else {
        return Ok(());
    };
    let own = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str());
    known(object, own.chain(OBJECT_FIELDS.iter().copied()), "")?;
    for field in ["spec", "status"] {
        descend(&object[field], &schema["properties"][field], field)?;
    }
    Ok(())
}

/// The schema of each kind by its plural. They are made once: a manifest may have many objects.
fn schemas() -> &'static BTreeMap<String, Value> {
    static SCHEMAS: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        crd::all()
            .into_iter()
            .filter_map(|definition| {
                let plural = definition.spec.names.plural.clone();
                let schema = serde_json::to_value(definition)
                    .ok()?
                    .pointer("/spec/versions/0/schema/openAPIV3Schema")?
                    .clone();
                Some((plural, schema))
            })
            .collect()
    })
}

fn descend(value: &Value, schema: &Value, path: &str) -> Result<(), UnknownField> {
    match value {
        Value::Object(fields) => {
            if schema["x-kubernetes-preserve-unknown-fields"] == true {
                return Ok(());
            }
            if let Some(properties) = schema["properties"].as_object() {
                known(value, properties.keys().map(String::as_str), path)?;
            }
            for (name, field) in fields {
                let inner = schema["properties"]
                    .get(name)
                    .unwrap_or(&schema["additionalProperties"]);
                descend(field, inner, &format!("{path}.{name}"))?;
            }
            Ok(())
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| descend(item, &schema["items"], &format!("{path}[{index}]"))),
        _ => Ok(()),
    }
}

fn known<'a>(
    value: &Value,
    names: impl Iterator<Item = &'a str> + Clone,
    path: &str,
) -> Result<(), UnknownField> {
    let join = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
        if !names.clone().any(|known| known == name) {
            return Err(UnknownField {
                path: join(name),
                meant: closest(name, names).map(join),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn unknown(object: &Value) -> Option<String> {
        check(Kind::Task, object).err().map(|problem| problem.path)
    }

    #[test]
    fn a_misspelled_field_is_found_at_any_depth() {
        for (object, path) in [
            (json!({"sepc": {}}), "sepc"),
            (json!({"spec": {"promt": "x"}}), "spec.promt"),
            (json!({"spec": {"workspace": {"rpo": "x"}}}), "spec.workspace.rpo"),
            (
                json!({"spec": {"workspace": {"repo": "x", "files": [{"path": "a", "contents": "b"}]}}}),
                "spec.workspace.files[0].contents",
            ),
            (
                json!({"spec": {"podOverrides": {"env": [{"nam": "x"}]}}}),
                "spec.podOverrides.env[0].nam",
            ),
        ] {
            assert_eq!(unknown(&object).as_deref(), Some(path));
        }
    }

    #[test]
    fn a_suggestion_is_made() {
        let problem = check(Kind::Task, &json!({"spec": {"promt": "x"}})).expect_err("unknown");
        assert_eq!(problem.meant.as_deref(), Some("spec.prompt"));
    }

    #[test]
    fn maps_of_the_users_own_keys_take_any_key() {
        let object = json!({"kind": "Task", "metadata": {"anything": 1}, "spec": {
            "prompt": "x",
            "podOverrides": {"nodeSelector": {"disk": "ssd"}, "resources": {"limits": {"cpu": 1}}},
        }});
        assert_eq!(unknown(&object), None);
    }
}
