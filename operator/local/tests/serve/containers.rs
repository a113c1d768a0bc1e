//! Pods as processes of this machine.

use std::fs;
use std::path::Path;

use k8s_openapi::api::core::v1::{ContainerState, Pod, Secret};
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

use crate::harness::{Plane, create, on_a_plane, output, phase, pod, reaches, until};

fn state(pod: Option<&Pod>) -> Option<ContainerState> {
    let statuses = pod?.status.as_ref()?.container_statuses.as_ref()?;
    statuses.first()?.state.clone()
}

fn has_ended(pod: Option<&Pod>) -> bool {
    matches!(phase(pod), Some("Succeeded" | "Failed"))
}

#[test]
fn a_container_waits_for_its_secret_and_runs_once_it_is_there() {
    on_a_plane(|plane: Plane| async move {
        let client = plane.client().await;
        let mut waiting = pod("waits", "none", &["sh", "-c", "echo \"token is $TOKEN\""]);
        waiting["spec"]["containers"][0]["env"] = json!([
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "later", "key": "token"}}}
        ]);
        create::<Pod>(&client, waiting).await;
        let waits = reaches(&client, "waits", |pod: Option<&Pod>| {
            state(pod).is_some_and(|state| state.waiting.is_some())
        })
        .await;
        let waiting = state(Some(&waits))
            .and_then(|state| state.waiting)
            .expect("waiting");
        assert_eq!(waiting.reason.as_deref(), Some("CreateContainerConfigError"));
        assert_eq!(waiting.message.as_deref(), Some("secret \"later\" not found"));

        let secret = json!({"metadata": {"name": "later"}, "stringData": {"token": "abc"}});
        create::<Secret>(&client, secret).await;
        let ended = reaches(&client, "waits", has_ended).await;
        assert_eq!(phase(Some(&ended)), Some("Succeeded"));
        assert_eq!(output(&client, "waits").await, "token is abc\n");
    });
}

#[test]
fn deleting_a_pod_ends_all_its_processes_also_those_that_ignore_the_signal() {
    on_a_plane(|plane: Plane| async move {
        let client = plane.client().await;
        let numbers = plane.file("numbers");
        // In a command Kubernetes takes `$$` for one `$`.
        let script = format!(
            "trap '' TERM; (trap '' TERM; exec setsid sleep 1000) & echo $! $$$$ > {0}.draft; mv {0}.draft {0}; sleep 1000; sleep 1000",
            numbers.display()
        );
        let mut stubborn = pod("stubborn", "none", &["sh", "-c", &script]);
        stubborn["spec"]["terminationGracePeriodSeconds"] = json!(1);
        create::<Pod>(&client, stubborn).await;
        until(|| numbers.exists()).await;
        let text = fs::read_to_string(&numbers).expect("written");
        let processes: Vec<String> = text
            .split_whitespace()
            .map(|pid| format!("/proc/{pid}"))
            .collect();
        assert!(processes.len() == 2 && processes.iter().all(|process| Path::new(process).exists()));

        let pods: Api<Pod> = Api::default_namespaced(client);
        pods.delete("stubborn", &DeleteParams::default())
            .await
            .expect("deleted");
        until(|| processes.iter().all(|process| !Path::new(process).exists())).await;
        let folders = plane.directory.root().join("pods");
        until(|| fs::read_dir(&folders).is_ok_and(|mut left| left.next().is_none())).await;
        assert!(pods.get_opt("stubborn").await.expect("an answer").is_none());
    });
}

#[test]
fn a_program_that_does_not_exist_fails_the_pod_and_is_named() {
    on_a_plane(|plane: Plane| async move {
        let client = plane.client().await;
        create::<Pod>(&client, pod("gone", "none", &["/no/such/program"])).await;
        let failed = reaches(&client, "gone", has_ended).await;
        assert_eq!(phase(Some(&failed)), Some("Failed"));
        let terminated = state(Some(&failed))
            .and_then(|state| state.terminated)
            .expect("terminated");
        assert_eq!(terminated.reason.as_deref(), Some("StartError"));
        let message = terminated.message.expect("a message");
        assert!(
            message.contains("failed to start `/no/such/program`"),
            "{message}"
        );
    });
}

#[test]
fn the_last_word_and_the_exit_code_are_in_the_status() {
    on_a_plane(|plane: Plane| async move {
        let client = plane.client().await;
        let mut speaks = pod(
            "speaks",
            "none",
            &["sh", "-c", "printf bye > $LAST; echo out; echo err >&2; exit 7"],
        );
        speaks["spec"]["containers"][0]["env"] = json!([{"name": "LAST", "value": "/dev/termination-log"}]);
        create::<Pod>(&client, speaks).await;
        let ended = reaches(&client, "speaks", has_ended).await;
        let terminated = state(Some(&ended))
            .and_then(|state| state.terminated)
            .expect("terminated");
        assert_eq!(
            (terminated.exit_code, terminated.reason.as_deref()),
            (7, Some("Error"))
        );
        assert_eq!(terminated.message.as_deref(), Some("bye"));
        assert_eq!(output(&client, "speaks").await, "out\nerr\n");
    });
}

#[test]
fn init_containers_come_first_and_share_the_volumes() {
    on_a_plane(|plane: Plane| async move {
        let client = plane.client().await;
        let mount = json!([{"name": "shared", "mountPath": "/shared"}]);
        let environment = json!([{"name": "FILE", "value": "/shared/file"}]);
        let mut both = pod("both", "none", &["sh", "-c", "cat $FILE"]);
        both["spec"]["volumes"] = json!([{"name": "shared", "emptyDir": {}}]);
        both["spec"]["containers"][0]["volumeMounts"] = mount.clone();
        both["spec"]["containers"][0]["env"] = environment.clone();
        both["spec"]["initContainers"] = json!([{
            "name": "first", "image": "none", "command": ["sh", "-c", "echo from first > $FILE"],
            "volumeMounts": mount, "env": environment,
        }]);
        create::<Pod>(&client, both).await;
        let ended = reaches(&client, "both", has_ended).await;
        assert_eq!(phase(Some(&ended)), Some("Succeeded"));
        assert_eq!(output(&client, "both").await, "from first\n");
    });
}

#[test]
fn an_agent_without_a_sandbox_is_refused_unless_asked_for() {
    on_a_plane(|plane: Plane| async move {
        let client = plane.client().await;
        create::<Pod>(&client, pod("odd", "docker", &["true"])).await;
        let failed = reaches(&client, "odd", has_ended).await;
        let status = failed.status.expect("a status");
        assert_eq!(status.reason.as_deref(), Some("SandboxRequired"));
        assert!(status.message.expect("a message").contains("`docker`"));
    });
}

#[test]
fn in_bubblewrap_a_container_sees_its_volumes_and_not_the_plane() {
    let works = std::process::Command::new("bwrap")
        .args(["--unshare-pid", "--ro-bind", "/", "/", "true"])
        .status()
        .is_ok_and(|status| status.success());
    on_a_plane(move |plane: Plane| async move {
        let client = plane.client().await;
        let script = format!(
            "echo mine > /data/file; cat /data/file; ls {} 2>/dev/null | wc -l; echo $HOME",
            plane.directory.root().display()
        );
        let mut confined = pod("confined", "bubblewrap", &["sh", "-c", &script]);
        confined["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
        confined["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
        create::<Pod>(&client, confined).await;
        let ended = reaches(&client, "confined", has_ended).await;
        if works {
            assert_eq!(output(&client, "confined").await, "mine\n0\n/home/agent\n");
            assert_eq!(phase(Some(&ended)), Some("Succeeded"));
        } else {
            let status = ended.status.expect("a status");
            assert_eq!(status.reason.as_deref(), Some("SandboxRequired"));
        }
    });
}
