//! Manifests that are of axon.io already, also those of Axon's Go predecessor.

use serde_json::Value;

use super::notes::Notes;

/// Leaves the object as it is, but for fields that its definition does not have.
pub(super) fn convert(mut object: Value, notes: &mut Notes) -> Vec<Value> {
    if object["kind"].as_str().is_none_or(str::is_empty) {
        notes.lost("kind", "this is no object of Kubernetes; it is left out");
        return Vec::new();
    }
    for path in super::check::remove_unknown(&mut object) {
        notes.lost(path, "axon.io has no such field");
    }
    vec![object]
}
