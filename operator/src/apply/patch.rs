//! Patches of a status, conditional on the object being as it was observed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The merge patch that makes the status of an object be `after`, on condition that the object is
/// still as it was observed: with this metadata, and `before` as its status. `None` when it is so
/// already.
pub(crate) fn status_patch<S: Serialize>(
    metadata: &ObjectMeta,
    before: Option<&S>,
    after: &S,
) -> Option<Value> {
    let change = status_change(before, after)?;
    Some(conditional(metadata, &change))
}

/// Like [`status_patch`], and asks the server whether the object is still as it was observed when
/// its status is not to be changed.
pub(crate) fn status_patch_or_proof<S: Serialize>(
    metadata: &ObjectMeta,
    before: Option<&S>,
    after: &S,
) -> Value {
    conditional(
        metadata,
        &status_change(before, after).unwrap_or_else(|| json!({})),
    )
}

fn status_change<S: Serialize>(before: Option<&S>, after: &S) -> Option<Value> {
    let before = before.map_or(Ok(Value::Null), serde_json::to_value);
    let (Ok(before), Ok(after)) = (before, serde_json::to_value(after)) else {
        return None;
    };
    merge_patch(&before, &after)
}

fn conditional(metadata: &ObjectMeta, status: &Value) -> Value {
    json!({
        "metadata": {
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
        },
        "status": status,
    })
}

/// The merge patch (RFC 7396) that turns `before` into `after`; `None` when they are equal.
fn merge_patch(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return Some(after.clone());
    };
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let mut patch: Map<String, Value> = gone.map(|key| (key.clone(), Value::Null)).collect();
    for (key, value) in after {
        let change = match before.get(key) {
            Some(old) => merge_patch(old, value),
            None => Some(value.clone()),
        };
        patch.extend(change.map(|change| (key.clone(), change)));
    }
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use axon_api::{Phase, Task, TaskStatus};

    use super::*;

    #[test]
    fn a_status_patch_holds_only_what_changes_and_the_version_that_it_is_for() {
        let mut task = Task::new("a", axon_api::TaskSpec::default());
        task.metadata.uid = Some("u".to_owned());
        task.metadata.resource_version = Some("7".to_owned());
        task.status = Some(TaskStatus {
            phase: Some(Phase::Waiting),
            reason: Some("WorkspaceNotFound".to_owned()),
            attempts: Some(1),
            ..TaskStatus::default()
        });
        let status = TaskStatus {
            phase: Some(Phase::Pending),
            attempts: Some(1),
            ..TaskStatus::default()
        };
        assert_eq!(
            status_patch(&task.metadata, task.status.as_ref(), &status),
            Some(json!({
                "metadata": { "uid": "u", "resourceVersion": "7" },
                "status": { "phase": "Pending", "reason": null },
            }))
        );
    }

    #[test]
    fn a_status_that_is_as_it_should_be_is_not_written() {
        let mut task = Task::new("a", axon_api::TaskSpec::default());
        let status = TaskStatus {
            phase: Some(Phase::Running),
            ..TaskStatus::default()
        };
        task.status = Some(status.clone());
        assert_eq!(status_patch(&task.metadata, task.status.as_ref(), &status), None);
        task.metadata.resource_version = Some("7".to_owned());
        assert_eq!(
            status_patch_or_proof(&task.metadata, task.status.as_ref(), &status),
            json!({ "metadata": { "uid": null, "resourceVersion": "7" }, "status": {} })
        );
    }

    #[test]
    fn a_merge_patch_goes_into_maps_and_replaces_lists() {
        let before = json!({ "results": { "a": "1", "b": "2" }, "outputs": ["a", "b"] });
        let after = json!({ "results": { "a": "1", "c": "3" }, "outputs": ["a"] });
        assert_eq!(
            merge_patch(&before, &after),
            Some(json!({ "results": { "b": null, "c": "3" }, "outputs": ["a"] }))
        );
    }
}
