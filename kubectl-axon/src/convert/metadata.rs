//! What every object has: identity, and the server's bookkeeping, which is left behind.

use axon_api::labels::LAST_APPLIED;
use serde_json::{Map, Value};

use super::notes::Notes;

/// What the server writes; an object that has it cannot be created elsewhere.
const BOOKKEEPING: &[&str] = &[
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The groups whose objects are converted. Their controllers' finalizers and owners do not exist
/// where the objects go.
pub(super) const CONVERTED_GROUPS: &[&str] = &[
    super::kelos::GROUP,
    super::xonovex::GROUP,
    super::wearn::GROUP,
    axon_api::GROUP,
];

/// Labels and annotations of Kelos that mean the same to Axon, after their slash.
const KELOS_KEYS: &[&str] = &["task", "taskspawner", "spawner-credential"];

/// Phases in which a run of one of the systems has ended.
const ENDED: &[&str] = &["Succeeded", "Failed", "TimedOut", "Cancelled", "Complete"];

/// Removes the server's bookkeeping, the status and the owner; renames known labels.
pub(super) fn clean(object: &mut Value, group: &str, notes: &mut Notes) {
    let is_converted = CONVERTED_GROUPS.contains(&group);
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    if is_converted {
        note_end(fields, notes);
        fields.remove("status");
    }
    let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    for name in BOOKKEEPING {
        metadata.remove(*name);
    }
    if is_converted {
        note_owners(metadata, notes);
        metadata.remove("ownerReferences");
        metadata.remove("finalizers");
    }
    for name in ["labels", "annotations"] {
        let Some(entries) = metadata.get_mut(name).and_then(Value::as_object_mut) else {
            continue;
        };
        entries.remove(LAST_APPLIED);
        if group == super::kelos::GROUP {
            rename_keys(entries, name, notes);
        }
        if entries.is_empty() {
            metadata.remove(name);
        }
    }
}

fn note_end(fields: &Map<String, Value>, notes: &mut Notes) {
    let phase = fields
        .get("status")
        .and_then(|status| status["phase"].as_str())
        .unwrap_or_default();
    if ENDED.contains(&phase) {
        notes.hand_work(
            "status.phase",
            format!("this run has ended there ({phase}); when it is applied it runs again"),
        );
    }
}

fn note_owners(metadata: &Map<String, Value>, notes: &mut Notes) {
    let owner = metadata.get("ownerReferences").and_then(|owners| owners.get(0));
    if let Some(owner) = owner {
        notes.changed(
            "metadata.ownerReferences",
            format!(
                "the object belonged to {} `{}`; it belongs to nothing after the conversion",
                owner["kind"].as_str().unwrap_or("object"),
                owner["name"].as_str().unwrap_or_default()
            ),
        );
    }
}

fn rename_keys(entries: &mut Map<String, Value>, name: &str, notes: &mut Notes) {
    for key in KELOS_KEYS {
        let from = format!("{}/{key}", super::kelos::GROUP);
        if let Some(value) = entries.remove(&from) {
            let to = format!("{}/{key}", axon_api::GROUP);
            notes.changed(format!("metadata.{name}[{from}]"), format!("it is {to}"));
            entries.insert(to, value);
        }
    }
}

/// The name of an object; empty when it has none.
pub(super) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The namespace of an object; empty when it is that of whoever applies it.
pub(super) fn namespace(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

/// `Task/fix`, for people.
pub(super) fn kind_and_name(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or("document");
    let name = match name(object) {
        "" => object["metadata"]["generateName"].as_str().unwrap_or_default(),
        name => name,
    };
    format!("{kind}/{name}")
}

/// What tells two objects apart. Objects whose name the server makes are all different.
pub(super) fn identity(object: &Value) -> (String, String) {
    let group = super::group_of(object);
    let key = match name(object) {
        "" => object.to_string(),
        name => format!("{}/{name}", namespace(object)),
    };
    (
        format!("{group}/{}", object["kind"].as_str().unwrap_or_default()),
        key,
    )
}
