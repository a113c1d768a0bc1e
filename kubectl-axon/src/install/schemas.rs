//! Comparing the definitions of this program with those of a server. Pure.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

use super::VERSION;
use super::manifest::VERSION_LABEL;
use super::versions::is_newer;

/// What a server has of one definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// It is this program's.
    None,
    /// It lacks fields, which the server would drop from objects: paths such as `spec.branch`.
    Lacks(Vec<String>),
    /// It is a newer one: the version on it, if that is known, and the fields that this program
    /// does not know.
    Newer {
        version: Option<String>,
        fields: Vec<String>,
    },
    /// The fields are the same; rules, columns or descriptions are not.
    Details,
}

/// Compares what a server has there with this program's own definition.
pub(crate) fn compare(own: &Value, there: &Value) -> Difference {
    let version = there["metadata"]["labels"][VERSION_LABEL].as_str();
    let newer = version.filter(|version| is_newer(version, VERSION));
    let (mine, theirs) = (versions(own), versions(there));
    let (known, served) = (fields(&mine), fields(&theirs));
    let unknown: Vec<String> = served.difference(&known).cloned().collect();
    let missing: Vec<String> = known.difference(&served).cloned().collect();
    if newer.is_some() || (!unknown.is_empty() && missing.is_empty()) {
        return Difference::Newer {
            version: newer.map(str::to_owned),
            fields: unknown,
        };
    }
    if !missing.is_empty() {
        return Difference::Lacks(missing);
    }
    if mine == theirs {
        Difference::None
    } else {
        Difference::Details
    }
}

/// The versions of a definition in one form, whoever wrote it: through the type, so that what a
/// server leaves out or fills in does not count.
fn versions(definition: &Value) -> Value {
    serde_json::from_value::<CustomResourceDefinition>(definition.clone())
        .ok()
        .and_then(|definition| serde_json::to_value(definition.spec.versions).ok())
        .unwrap_or_default()
}

/// The paths of all fields.
fn fields(versions: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for version in versions.as_array().into_iter().flatten() {
        gather(&version["schema"]["openAPIV3Schema"], "", &mut found);
    }
    found
}

fn gather(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        gather(property, &path, found);
        found.insert(path);
    }
    if schema["items"].is_object() {
        gather(&schema["items"], &format!("{path}[]"), found);
    }
    if schema["additionalProperties"].is_object() {
        gather(&schema["additionalProperties"], &format!("{path}.*"), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::manifest::definitions;
    use serde_json::json;

    const SPEC: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";

    fn task() -> Value {
        definitions().expect("definitions")[0].clone()
    }

    fn spec(definition: &mut Value) -> &mut serde_json::Map<String, Value> {
        definition
            .pointer_mut(SPEC)
            .and_then(Value::as_object_mut)
            .expect("properties")
    }

    #[test]
    fn what_a_server_fills_in_is_no_difference() {
        let mut served = task();
        served["metadata"]["uid"] = json!("u");
        served["metadata"]["labels"] = json!({VERSION_LABEL: VERSION});
        served["spec"]["conversion"] = json!({"strategy": "None"});
        served["status"] = json!({"storedVersions": ["v1alpha1"], "acceptedNames": {"kind": "Task", "plural": "tasks"}, "conditions": []});
        assert_eq!(compare(&task(), &served), Difference::None);
    }

    #[test]
    fn a_field_that_the_server_lacks_is_named() {
        let mut served = task();
        spec(&mut served).remove("branch");
        assert_eq!(
            compare(&task(), &served),
            Difference::Lacks(vec!["spec.branch".to_owned()])
        );
        // Older in one place and newer in another: what is lacking hurts.
        spec(&mut served).insert("later".into(), json!({"type": "string"}));
        assert!(matches!(compare(&task(), &served), Difference::Lacks(_)));
    }

    #[test]
    fn a_field_of_a_list_has_its_place_in_the_path() {
        let mut found = BTreeSet::new();
        let schema = json!({"properties": {"a": {"items": {"properties": {"b": {}}}}, "m": {"additionalProperties": {"properties": {"c": {}}}}}});
        gather(&schema, "", &mut found);
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["a", "a[].b", "m", "m.*.c"]
        );
    }

    #[test]
    fn a_newer_definition_is_known_by_its_fields_or_its_version() {
        let mut served = task();
        spec(&mut served).insert("later".into(), json!({"type": "string"}));
        assert_eq!(
            compare(&task(), &served),
            Difference::Newer {
                version: None,
                fields: vec!["spec.later".to_owned()]
            }
        );
        let mut served = task();
        served["metadata"]["labels"] = json!({VERSION_LABEL: "99.0.0"});
        spec(&mut served).remove("branch");
        assert_eq!(
            compare(&task(), &served),
            Difference::Newer {
                version: Some("99.0.0".to_owned()),
                fields: Vec::new()
            }
        );
    }

    #[test]
    fn another_description_is_a_detail() {
        let mut served = task();
        spec(&mut served)["prompt"]["description"] = json!("other words");
        assert_eq!(compare(&task(), &served), Difference::Details);
    }
}
