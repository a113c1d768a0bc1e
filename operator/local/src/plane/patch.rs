//! Merging patches into objects.

use serde_json::{Map, Value};

use super::registry::{Nature, Resource};
use super::status::Failure;

/// RFC 7386.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

/// Whether a strategic merge of `patch` is understood for this resource: on Secrets and `ConfigMap`s
/// all of it, on others metadata only.
pub(crate) fn check_strategic(resource: &Resource, patch: &Value) -> Result<(), Failure> {
    match resource.nature {
        Nature::Secret | Nature::ConfigMap | Nature::Namespace | Nature::Lease | Nature::Event(_) => {
            return Ok(());
        }
        Nature::Custom(_) => {
            return Err(Failure::unsupported_media_type(
                "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
            ));
        }
        _ => {}
    }
    let touched = patch
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .find(|name| !["metadata", "apiVersion", "kind"].contains(name));
    match touched {
        None => Ok(()),
        Some(field) => Err(Failure::unsupported_media_type(format!(
            "the embedded control plane takes a strategic merge patch of a {} only for its metadata, and this one changes `{field}`: use a merge patch (kubectl patch --type=merge)",
            resource.kind
        ))),
    }
}

/// A strategic merge: as a merge, but lists of finalizers and owners are merged by their keys.
pub(crate) fn strategic(target: &mut Value, patch: &Value) {
    strategic_at(target, patch, "");
}

fn strategic_at(target: &mut Value, change: &Value, path: &str) {
    let Value::Object(changes) = change else {
        *target = change.clone();
        return;
    };
    if changes.get("$patch").and_then(Value::as_str) == Some("replace") {
        let mut replacement = changes.clone();
        replacement.remove("$patch");
        *target = Value::Object(replacement);
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (name, change) in changes {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = change.as_array().cloned().unwrap_or_default();
            if let Some(items) = fields.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        if name.starts_with('$') {
            continue;
        }
        let at = format!("{path}/{name}");
        match (change, list_key(&at)) {
            (Value::Null, _) => {
                fields.remove(name);
            }
            (Value::Array(changes), Some(key)) => {
                let items = fields
                    .entry(name.clone())
                    .or_insert_with(|| Value::Array(Vec::new()));
                merge_list(items, changes, key);
            }
            _ => strategic_at(fields.entry(name.clone()).or_insert(Value::Null), change, &at),
        }
    }
}

/// What tells the items of a list apart: a field of each, or the whole item.
#[derive(Clone, Copy)]
enum ListKey {
    Field(&'static str),
    Whole,
}

fn list_key(path: &str) -> Option<ListKey> {
    match path {
        "/metadata/ownerReferences" => Some(ListKey::Field("uid")),
        "/metadata/finalizers" => Some(ListKey::Whole),
        _ => None,
    }
}

fn merge_list(items: &mut Value, changes: &[Value], key: ListKey) {
    if !items.is_array() {
        *items = Value::Array(Vec::new());
    }
    let Value::Array(items) = items else { return };
    let identity = |item: &Value| match key {
        ListKey::Field(name) => item.get(name).cloned().unwrap_or_default(),
        ListKey::Whole => item.clone(),
    };
    let mut added = 0;
    for change in changes {
        let wanted = identity(change);
        let found = items.iter().position(|item| identity(item) == wanted);
        let deletes = change.get("$patch").and_then(Value::as_str) == Some("delete");
        match (found, deletes) {
            (Some(index), true) => {
                items.remove(index);
            }
            (Some(index), false) => {
                if let Some(item) = items.get_mut(index) {
                    merge(item, change);
                }
            }
            // The server puts what a patch adds in front, in the order of the patch.
            (None, false) => {
                items.insert(added.min(items.len()), change.clone());
                added += 1;
            }
            (None, true) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn merges_follow_the_examples_of_rfc_7386() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
            (json!([1]), json!({"a": {"b": null}}), json!({"a": {}})),
        ];
        for (mut target, patch, expected) in cases {
            merge(&mut target, &patch);
            assert_eq!(target, expected, "{patch}");
        }
    }

    #[test]
    fn strategic_merges_keep_the_finalizers_and_owners_of_others() {
        let cases = [
            (
                json!({"metadata": {"finalizers": ["a/b"]}}),
                json!({"metadata": {"finalizers": ["a/c"]}}),
                json!({"metadata": {"finalizers": ["a/c", "a/b"]}}),
            ),
            (
                json!({"metadata": {"finalizers": ["a/b", "a/c"]}}),
                json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/b"]}}),
                json!({"metadata": {"finalizers": ["a/c"]}}),
            ),
            (
                json!({"metadata": {"ownerReferences": [{"uid": "1", "name": "x"}]}}),
                json!({"metadata": {"ownerReferences": [{"uid": "1", "name": "y"}, {"uid": "2"}]}}),
                json!({"metadata": {"ownerReferences": [{"uid": "2"}, {"uid": "1", "name": "y"}]}}),
            ),
            (
                json!({"metadata": {"ownerReferences": [{"uid": "1"}, {"uid": "2"}]}}),
                json!({"metadata": {"ownerReferences": [{"uid": "1", "$patch": "delete"}]}}),
                json!({"metadata": {"ownerReferences": [{"uid": "2"}]}}),
            ),
            (
                json!({"data": {"a": "b", "c": "d"}}),
                json!({"data": {"$patch": "replace", "e": "f"}}),
                json!({"data": {"e": "f"}}),
            ),
        ];
        for (mut target, patch, expected) in cases {
            strategic(&mut target, &patch);
            assert_eq!(target, expected, "{patch}");
        }
    }

    proptest! {
        #[test]
        fn a_merge_is_the_same_done_twice(names in proptest::collection::vec("[a-c]", 0..6), value in 0..3) {
            let patch: Value = names.iter().map(|name| (name.clone(), json!({ name: value }))).collect::<Map<_, _>>().into();
            let mut once = json!({"a": {"b": 1}, "c": []});
            merge(&mut once, &patch);
            let mut twice = once.clone();
            merge(&mut twice, &patch);
            prop_assert_eq!(once, twice);
        }
    }
}
