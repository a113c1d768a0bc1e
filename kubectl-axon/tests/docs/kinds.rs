//! The reference of all kinds, from their definitions.

use std::fmt::Write as _;

use serde_json::Value;

/// Fields whose type is Kubernetes' own, and its name there.
const OF_KUBERNETES: &[(&str, &str)] = &[
    ("affinity", "Affinity"),
    ("conditions", "list of Condition"),
    ("containerSecurityContext", "SecurityContext"),
    ("env", "list of EnvVar"),
    ("extraContainers", "list of Container"),
    ("extraInitContainers", "list of Container"),
    ("imagePullSecrets", "list of LocalObjectReference"),
    ("podSecurityContext", "PodSecurityContext"),
    ("resources", "ResourceRequirements"),
    ("tolerations", "list of Toleration"),
    ("volumeMounts", "list of VolumeMount"),
    ("volumes", "list of Volume"),
];

/// Fields that are the same in several kinds, and where they are written out.
const ELSEWHERE: &[(&str, &str)] = &[
    ("podOverrides", "Task"),
    ("provider", "Task"),
    ("workspace", "Workspace"),
];

const HEAD: &str = "\
# Reference of the kinds

Every field of every kind of `axon.io/v1alpha1`, with what `kubectl explain` says of it. Generated from the code: `make docs`.
A path with `[]` is of each item of a list. Types with a capital letter are Kubernetes' own.
";

/// The page.
pub(crate) fn page() -> String {
    let mut page = HEAD.to_owned();
    let definitions = axon_api::crd::all();
    page.push('\n');
    for definition in &definitions {
        let kind = &definition.spec.names.kind;
        let _ = writeln!(page, "- [{kind}](#{})", kind.to_lowercase());
    }
    for definition in &definitions {
        let definition = serde_json::to_value(definition).expect("JSON");
        section(&mut page, &definition["spec"]);
    }
    page
}

fn section(page: &mut String, spec: &Value) {
    let kind = spec["names"]["kind"].as_str().expect("a kind");
    let schema = &spec["versions"][0]["schema"]["openAPIV3Schema"];
    let plural = spec["names"]["plural"].as_str().expect("a plural");
    let short = spec["names"]["shortNames"][0].as_str();
    let short = short.map(|name| format!(", short `{name}`")).unwrap_or_default();
    let about =
        one_line(&schema["properties"]["spec"]).unwrap_or_else(|| one_line(schema).unwrap_or_default());
    let _ = write!(page, "\n## {kind}\n\n{about} Resource `{plural}`{short}.\n");
    for part in ["spec", "status"] {
        let part_schema = &schema["properties"][part];
        if !part_schema.is_object() {
            continue;
        }
        let _ = write!(page, "\n| {part} | type | what it is |\n|---|---|---|\n");
        let mut rules = Vec::new();
        rows(page, kind, part_schema, "", &mut rules);
        rules.dedup();
        if !rules.is_empty() {
            page.push_str("\nThe server refuses what breaks one of these:\n\n");
            for rule in rules {
                let _ = writeln!(page, "- {rule}");
            }
        }
    }
}

/// The rows of all fields below a schema.
fn rows(page: &mut String, kind: &str, schema: &Value, path: &str, rules: &mut Vec<String>) {
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        if let Some(message) = rule["message"].as_str() {
            rules.push(message.to_owned());
        }
    }
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let elsewhere = ELSEWHERE
            .iter()
            .find(|(field, home)| field == name && *home != kind)
            .map(|(_, home)| format!("[as in {home}](#{})", home.to_lowercase()));
        let foreign = OF_KUBERNETES
            .iter()
            .find(|(field, _)| field == name)
            .filter(|_| field["type"] != "object" || field["additionalProperties"].is_null())
            .map(|(_, type_)| (*type_).to_owned());
        let is_closed = elsewhere.is_some() || foreign.is_some();
        let type_ = elsewhere.or(foreign).unwrap_or_else(|| type_of(field));
        let must = if required.contains(&name.as_str()) {
            ", required"
        } else {
            ""
        };
        let about = one_line(field).unwrap_or_default().replace('|', "\\|");
        let _ = writeln!(page, "| `{path}` | {type_}{must} | {about} |");
        if is_closed {
            continue;
        }
        if field["type"] == "array" {
            rows(page, kind, &field["items"], &format!("{path}[]"), rules);
        } else {
            rows(page, kind, field, &path, rules);
        }
    }
}

fn type_of(field: &Value) -> String {
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<String> = values
            .iter()
            .filter_map(Value::as_str)
            .map(|value| {
                if value.is_empty() {
                    "empty".to_owned()
                } else {
                    format!("`{value}`")
                }
            })
            .collect();
        return values.join(", ");
    }
    match field["type"].as_str() {
        Some("array") => format!("list of {}", type_of(&field["items"])),
        Some("object") if field["additionalProperties"].is_object() => {
            format!("map of {}", type_of(&field["additionalProperties"]))
        }
        Some("string") if field["format"] == "date-time" => "time".to_owned(),
        Some(type_) => type_.to_owned(),
        None => "any".to_owned(),
    }
}

/// The description of a field, in one line.
fn one_line(field: &Value) -> Option<String> {
    let text = field["description"].as_str()?;
    // Angle brackets and braces would be markup on a page.
    let text = text.replace('<', "&lt;").replace('*', "\\*");
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}
