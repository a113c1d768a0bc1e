//! Two values for every field of a schema.

use serde_json::{Value, json};

/// Values for fields whose schema says too little, by the end of their name.
const BY_NAME: &[(&str, &str, &str)] = &[
    ("Task.type", "claude-code", "codex"),
    ("TaskDefaults.type", "claude-code", "codex"),
    ("agentTypes[]", "claude-code", "codex"),
    ("limits.costUSD", "1.50", "2.50"),
    ("secretRef.name", "all", "missing"),
    ("cloneSecretRef.name", "all", "missing"),
    ("SecretRef.name", "all", "missing"),
    ("SecretRef.key", "TOKEN", "OTHER"),
    ("providerRef.name", "p", "q"),
    ("providers{}", "p", "q"),
    ("workspaceRef.name", "w", "v"),
    ("agentConfigRef.name", "c", "d"),
    ("agentConfigRefs[].name", "c", "d"),
    ("volumeMounts[].name", "data", "workspace"),
];

/// Values for strings of a pattern.
const BY_PATTERN: &[(&str, &str, &str)] = &[
    (r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$", "5m", "7m"),
    (
        r"^(https?://|git://|ssh://|file:///|git@)[^\s]+$",
        "https://github.com/o/one",
        "https://github.com/o/two",
    ),
    (
        r"^https?://[^\s]+$",
        "https://one.example.com",
        "https://two.example.com",
    ),
    (r"^[^\s\-][^\s]*$", "one", "two"),
    (r"^[^/\s]+/[^/\s]+$", "o/one", "o/two"),
    (r"^[0-9a-f]{7,64}$", "abcdef1", "abcdef2"),
    (
        r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E)?$",
        "2Gi",
        "3Gi",
    ),
    (
        r"^(blob:none|blob:limit=[0-9]+[kmg]?|tree:[0-9]+)$",
        "blob:none",
        "tree:0",
    ),
    (r"^[A-Za-z_][A-Za-z0-9_]*$", "ONE", "TWO"),
    (
        r"^([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+|(https?://|ssh://|git@|file:///)[^\s]+)$",
        "o/one",
        "o/two",
    ),
];

/// The key of a map with one entry.
pub(crate) fn map_key(property: &str) -> &'static str {
    match property {
        "providers" => "claude-code",
        "limits" | "requests" => "cpu",
        "environment" => "NOTE",
        _ => "key",
    }
}

/// Two values of the field that its schema takes.
pub(crate) fn values(name: &str, schema: &Value) -> Option<(Value, Value)> {
    let known = BY_NAME.iter().find(|(end, ..)| name.ends_with(end));
    if let Some((_, one, other)) = known {
        return Some((json!(one), json!(other)));
    }
    let options = schema["enum"].as_array().into_iter().flatten();
    let options: Vec<&Value> = options.filter(|option| !option.is_null()).collect();
    if let [one, .., other] = options.as_slice() {
        return Some(((*one).clone(), (*other).clone()));
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return Some((json!("1"), json!("2")));
    }
    if schema["format"] == "date-time" {
        return Some((json!("2026-01-01T00:00:00Z"), json!("2026-01-02T00:00:00Z")));
    }
    match schema["type"].as_str()? {
        "boolean" => Some((json!(true), json!(false))),
        "integer" | "number" => {
            let least = schema["minimum"].as_i64().unwrap_or(0);
            Some((json!(least + 1), json!(least + 2)))
        }
        "string" => match schema["pattern"].as_str() {
            None => Some((json!("one"), json!("two"))),
            Some(pattern) => {
                let (_, one, other) = BY_PATTERN.iter().find(|(known, ..)| *known == pattern).or({
                    // Names of many shapes, all of which take a plain word.
                    if pattern.contains("A-Za-z0-9") || pattern.contains("a-z0-9") {
                        Some(&("", "one", "two"))
                    } else {
                        None
                    }
                })?;
                Some((json!(one), json!(other)))
            }
        },
        "object" => Some((json!({}), Value::Null)),
        _ => None,
    }
}
