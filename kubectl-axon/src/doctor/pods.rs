//! Whether agents' pods in the current namespace can start.

use axon_api::labels;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::Place;
use super::operator::next_step;
use super::report::Check;
use crate::failure::Failure;
use crate::install::deployment::trouble;

/// How many pods that do not start are named.
const SHOWN: usize = 3;

pub(super) async fn check(place: &Place<'_>) -> Check {
    let api: Api<Pod> = Api::namespaced(place.client.clone(), place.current);
    let unfinished = ListParams::default()
        .labels(labels::TASK)
        .fields("status.phase!=Succeeded,status.phase!=Failed");
    match api.list(&unfinished).await {
        Ok(list) => judge(&list.items, place.current),
        Err(error) => Check::unseen(
            "agents",
            &Failure::api(&format!("list pods in namespace `{}`", place.current), &error),
        ),
    }
}

fn judge(pods: &[Pod], namespace: &str) -> Check {
    let troubles: Vec<(String, String, String)> = pods
        .iter()
        .filter_map(|pod| {
            let (reason, message) = trouble(pod)?;
            Some((pod.name_any(), reason, message))
        })
        .collect();
    let Some((name, reason, _)) = troubles.first() else {
        return Check::ok(
            "agents",
            format!(
                "{} pods of tasks in namespace `{namespace}`, none in trouble",
                pods.len()
            ),
        );
    };
    let mut words: Vec<String> = troubles
        .iter()
        .take(SHOWN)
        .map(|(name, reason, message)| format!("pod `{name}` {reason}: {message}"))
        .collect();
    if troubles.len() > SHOWN {
        words.push(format!("{} more", troubles.len() - SHOWN));
    }
    Check::fail("agents", words.join("; ")).hint(next_step(reason, name, namespace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;
    use serde_json::json;

    #[test]
    fn a_pod_whose_image_cannot_be_pulled_is_named() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p"},
            "status": {"containerStatuses": [{
                "name": "agent", "image": "x:1", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "ErrImagePull", "message": "no such host"}},
            }]},
        }))
        .expect("a pod");
        let check = judge(&[pod], "ns");
        assert_eq!(check.verdict, Verdict::Fail);
        assert!(
            check
                .message
                .contains("pod `p` ErrImagePull: no such host (image `x:1`)"),
            "{}",
            check.message
        );
        assert!(check.hints[0].contains("--image-registry"));
        assert_eq!(judge(&[], "ns").verdict, Verdict::Ok);
    }
}
