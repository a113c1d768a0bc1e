//! Whether the spawners of the current namespace are ready, where the kind is served.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use serde_json::{Value, json};

use super::Place;
use super::report::Check;
use crate::failure::Failure;
use crate::install::server::resource;
use crate::invocation;

/// How many spawners that are not ready are named.
const SHOWN: usize = 3;

pub(super) async fn check(place: &Place<'_>) -> Check {
    let like =
        json!({"apiVersion": format!("{}/{}", axon_api::GROUP, axon_api::VERSION), "kind": "TaskSpawner"});
    let api: Api<DynamicObject> = Api::namespaced_with(place.client.clone(), place.current, &resource(&like));
    match api.list(&ListParams::default()).await {
        Ok(list) => {
            let spawners: Vec<Value> = list
                .items
                .iter()
                .filter_map(|spawner| serde_json::to_value(spawner).ok())
                .collect();
            judge(&spawners, place.current)
        }
        Err(kube::Error::Api(status)) if status.code == 404 => {
            Check::ok("spawners", "the cluster does not serve taskspawners")
        }
        Err(error) => Check::unseen("spawners", &Failure::api("list taskspawners", &error)),
    }
}

/// Those with a condition that is False are in trouble; one that is suspended has it by wish.
fn judge(spawners: &[Value], namespace: &str) -> Check {
    let troubles: Vec<(String, String)> = spawners.iter().filter_map(trouble).collect();
    let Some((name, _)) = troubles.first() else {
        return Check::ok(
            "spawners",
            format!("{} in namespace `{namespace}`, none in trouble", spawners.len()),
        );
    };
    let mut words: Vec<String> = troubles
        .iter()
        .take(SHOWN)
        .map(|(name, why)| format!("taskspawner `{name}`: {why}"))
        .collect();
    if troubles.len() > SHOWN {
        words.push(format!("{} more", troubles.len() - SHOWN));
    }
    Check::warn("spawners", words.join("; ")).hint(format!(
        "{} says more",
        invocation::command(&format!("describe taskspawner {name}"))
    ))
}

fn trouble(spawner: &Value) -> Option<(String, String)> {
    if spawner["spec"]["suspend"] == true {
        return None;
    }
    let conditions: Vec<Condition> =
        serde_json::from_value(spawner["status"]["conditions"].clone()).unwrap_or_default();
    let broken = conditions
        .into_iter()
        .find(|condition| condition.status == "False")?;
    let name = spawner["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    Some((
        name,
        format!("{} is False, {}: {}", broken.type_, broken.reason, broken.message),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;

    #[test]
    fn a_spawner_that_is_not_ready_is_named_unless_it_is_suspended() {
        let spawner = |suspend: bool| {
            json!({
                "metadata": {"name": "s"}, "spec": {"suspend": suspend},
                "status": {"conditions": [{
                    "type": "Ready", "status": "False", "reason": "SecretNotFound", "message": "no secret `x`",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }]},
            })
        };
        let check = judge(&[spawner(false)], "ns");
        assert_eq!(check.verdict, Verdict::Warn);
        assert!(
            check
                .message
                .contains("`s`: Ready is False, SecretNotFound: no secret `x`"),
            "{}",
            check.message
        );
        assert_eq!(judge(&[spawner(true)], "ns").verdict, Verdict::Ok);
    }
}
