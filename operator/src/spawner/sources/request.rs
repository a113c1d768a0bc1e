//! A person's wish for a Task now, left as an annotation of the spawner.

use axon_api::sources::{Candidate, Cause};
use axon_api::{TaskSpawner, labels};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde::Deserialize;

/// The annotation's value.
#[derive(Debug, Deserialize)]
struct Request {
    /// Unique to the wish.
    request: String,
    /// Key of an item; absent for a schedule, which ticks now.
    item: Option<String>,
}

/// The item that is wished for. `None` without a wish, and for one that cannot be read.
pub(super) fn candidate(spawner: &TaskSpawner, now: Timestamp) -> Option<Candidate> {
    let annotation = spawner.annotations().get(labels::TRIGGER_REQUEST)?;
    let request: Request = serde_json::from_str(annotation).ok()?;
    let is_word = |text: &str, longest: usize| {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !text.is_empty() && text.len() <= longest && text.chars().all(known)
    };
    if !is_word(&request.request, 40) {
        return None;
    }
    // A schedule has no items: each wish is one of its own, and the same in every round.
    let key = match request.item {
        Some(item) => item,
        None if spawner.spec.when.cron.is_some() => format!("request-{}", request.request),
        None => return None,
    };
    if !is_word(&key, 100) {
        return None;
    }
    let id = key.split_once('-').map_or(key.as_str(), |(_, id)| id).to_owned();
    Some(Candidate {
        key,
        id,
        cause: Cause::Manual {
            request: request.request,
        },
        labels: Vec::new(),
        created: now,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn asked(when: &Value, annotation: &str) -> Option<Candidate> {
        let spawner: TaskSpawner = serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "TaskSpawner",
            "metadata": { "name": "s", "annotations": { "axon.io/trigger-request": annotation } },
            "spec": { "when": when, "taskTemplate": {} },
        }))
        .expect("a spawner");
        candidate(&spawner, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_wish_names_an_item_or_is_a_tick_of_its_own() {
        let issue = asked(
            &json!({ "githubIssues": {} }),
            r#"{"request":"r1","item":"issue-42"}"#,
        );
        let issue = issue.expect("a candidate");
        assert_eq!((&*issue.key, &*issue.id), ("issue-42", "42"));
        let tick = asked(
            &json!({ "cron": { "schedule": "0 3 * * *" } }),
            r#"{"request":"r1"}"#,
        );
        assert_eq!(tick.expect("a candidate").key, "request-r1");
    }

    #[test]
    fn what_cannot_be_meant_is_no_wish() {
        let issues = json!({ "githubIssues": {} });
        for annotation in [
            "",
            "now",
            "{}",
            r#"{"request":"r1"}"#,
            r#"{"request":"a b","item":"issue-1"}"#,
        ] {
            assert_eq!(asked(&issues, annotation), None, "{annotation}");
        }
    }
}
