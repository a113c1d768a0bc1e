//! What outlives a pod, and what runs beside it.

use std::fs;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::DeleteParams;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::harness::{Plane, create, on_a_plane, output, phase, pod, reaches, until};

fn has_ended(pod: Option<&Pod>) -> bool {
    matches!(phase(pod), Some("Succeeded" | "Failed"))
}

fn with_claim(name: &str, script: &str) -> serde_json::Value {
    let mut pod = pod(name, "none", &["sh", "-c", script]);
    pod["spec"]["volumes"] = json!([
        {"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}
    ]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "kept", "mountPath": "/kept"}]);
    pod["spec"]["containers"][0]["env"] = json!([{"name": "KEPT", "value": "/kept"}]);
    pod
}

#[test]
fn what_one_pod_leaves_in_a_claim_the_next_one_finds_until_the_claim_is_gone() {
    on_a_plane(|plane: Plane| async move {
        let client = plane.client().await;
        create::<Pod>(
            &client,
            with_claim("writes", "echo hello > $KEPT/file; echo $KEPT"),
        )
        .await;
        // The claim may come later than the pod that wants it.
        let claim = json!({
            "metadata": {"name": "kept"},
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "any",
                "resources": {"requests": {"storage": "1Gi"}},
            },
        });
        create::<PersistentVolumeClaim>(&client, claim).await;
        let ended = reaches(&client, "writes", has_ended).await;
        assert_eq!(phase(Some(&ended)), Some("Succeeded"));
        let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(client.clone());
        let claim = claims.get("kept").await.expect("a claim");
        let status = claim.status.clone().expect("a status");
        assert_eq!(status.phase.as_deref(), Some("Bound"));

        create::<Pod>(&client, with_claim("reads", "cat $KEPT/file; echo $KEPT")).await;
        reaches(&client, "reads", has_ended).await;
        let where_it_is = output(&client, "writes").await;
        assert_eq!(output(&client, "reads").await, format!("hello\n{where_it_is}"));

        let folder = plane.directory.claim(&claim.uid().expect("a UID"));
        assert_eq!(fs::read_to_string(folder.join("file")).expect("kept"), "hello\n");
        claims
            .delete("kept", &DeleteParams::default())
            .await
            .expect("deleted");
        until(|| !folder.exists()).await;
    });
}

#[test]
fn a_sidecar_runs_beside_the_others_and_ends_after_them() {
    on_a_plane(|plane: Plane| async move {
        let client = plane.client().await;
        let (ready, seen) = (plane.gate("ready"), plane.file("seen"));
        let beside = format!(
            "trap 'echo ended > {}; exit 3' TERM; echo here > {}; while :; do sleep 0.05; done",
            seen.display(),
            ready.display()
        );
        let mut both = pod("both", "none", &["sh", "-c", &format!("cat {}", ready.display())]);
        both["spec"]["initContainers"] = json!([{
            "name": "beside", "image": "none", "restartPolicy": "Always",
            "command": ["sh", "-c", beside],
        }]);
        create::<Pod>(&client, both).await;
        let ended = reaches(&client, "both", has_ended).await;
        // How a sidecar ends says nothing of the pod.
        assert_eq!(phase(Some(&ended)), Some("Succeeded"));
        assert_eq!(output(&client, "both").await, "here\n");
        assert_eq!(fs::read_to_string(seen).expect("written"), "ended\n");
    });
}
