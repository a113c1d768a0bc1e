//! What podOverrides change of the pod, and what they may not.

use axon_api::Phase::{Failed, Pending};
use serde_json::{Value, json};

use crate::fixtures::{Scene, at, container_of, created_pod, mounts_of, run_description, task, told};

fn scene(overrides: Value) -> Scene {
    Scene::of(task(
        json!({ "type": "shell", "prompt": "x", "podOverrides": overrides }),
    ))
}

#[test]
fn names_of_axon_and_names_that_meet_are_refused() {
    let container = |name: &str| json!({ "name": name, "image": "i" });
    for (overrides, field) in [
        (json!({ "volumes": [{ "name": "workspace" }] }), "volumes[0].name"),
        (json!({ "volumes": [{ "name": "git-token" }] }), "volumes[0].name"),
        (json!({ "volumes": [{ "name": "axon-mine" }] }), "volumes[0].name"),
        (
            json!({ "volumes": [{ "name": "a" }, { "name": "a" }] }),
            "volumes[1].name",
        ),
        (
            json!({ "volumeMounts": [{ "name": "home", "mountPath": "/x" }] }),
            "volumeMounts[0].name",
        ),
        (
            json!({ "volumeMounts": [{ "name": "workspace", "mountPath": "/axon/bin" }] }),
            "volumeMounts[0].mountPath",
        ),
        (
            json!({ "volumeMounts": [{ "name": "workspace", "mountPath": "/tmp/" }] }),
            "volumeMounts[0].mountPath",
        ),
        (
            json!({ "extraContainers": [container("agent")] }),
            "extraContainers[0].name",
        ),
        (
            json!({ "extraContainers": [container("axon-side")] }),
            "extraContainers[0].name",
        ),
        (
            json!({ "extraContainers": [{ "name": "side" }] }),
            "extraContainers[0].image",
        ),
        (
            json!({ "extraContainers": [container("a")], "extraInitContainers": [container("a")] }),
            "extraInitContainers[0].name",
        ),
        (
            json!({ "extraInitContainers": [
                { "name": "a", "image": "i", "volumeMounts": [{ "name": "run", "mountPath": "/run" }] },
            ] }),
            "extraInitContainers[0].volumeMounts[0].name",
        ),
    ] {
        let plan = scene(overrides).plan();
        assert_eq!(told(&plan), (Failed, "InvalidPodOverrides".to_owned()), "{field}");
        let message = plan.status.message.unwrap_or_default();
        assert!(
            message.contains(&format!("spec.podOverrides.{field} ")),
            "{message}"
        );
    }
}

#[test]
fn the_most_containers_leave_the_agent_enough_last_words() {
    let many = |kind: &str, count: usize| -> Vec<Value> {
        (0..count)
            .map(|n| json!({ "name": format!("{kind}-{n}"), "image": "i" }))
            .collect()
    };
    let of = |count| {
        scene(json!({ "extraContainers": many("side", 8), "extraInitContainers": many("init", count) }))
            .plan()
    };
    let plan = of(4);
    assert!(run_description(&plan).outcome_limit_bytes > 500);
    let plan = of(5);
    assert_eq!(told(&plan), (Failed, "InvalidPodOverrides".to_owned()));
    assert!(plan.status.message.unwrap_or_default().contains("13 containers"));
}

#[test]
fn extra_containers_run_beside_the_agent_and_do_not_outlive_it() {
    let plan = scene(json!({
        "extraContainers": [{
            "name": "database",
            "image": "postgres",
            "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
        }],
        "extraInitContainers": [
            { "name": "warm-up", "image": "i" },
            { "name": "proxy", "image": "i", "restartPolicy": "Always", "securityContext": { "runAsUser": 0 } },
        ],
        "volumes": [{ "name": "data", "emptyDir": {} }],
        "volumeMounts": [
            { "name": "data", "mountPath": "/data" },
            { "name": "workspace", "mountPath": "/src", "readOnly": true },
        ],
    }))
    .plan();
    assert_eq!(told(&plan).0, Pending, "{:?}", plan.status.message);
    let pod = created_pod(&plan);
    assert_eq!(pod.containers.len(), 1, "only the agent keeps the pod running");
    let init: Vec<_> = pod.init_containers.iter().flatten().collect();
    let told: Vec<_> = init
        .iter()
        .map(|container| (container.name.as_str(), container.restart_policy.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("runner", None),
            ("warm-up", None),
            ("proxy", Some("Always")),
            ("database", Some("Always")),
        ]
    );
    assert_eq!(
        run_description(&plan).outcome_limit_bytes,
        axon_api::outcome::limit_bytes(5),
        "all containers share what the kubelet keeps of last words"
    );
    let context = |name| {
        let container = container_of(&plan, name);
        container.and_then(|container| container.security_context.as_ref())
    };
    assert_eq!(
        context("database").and_then(|context| context.allow_privilege_escalation),
        Some(false)
    );
    assert_eq!(context("proxy").and_then(|context| context.run_as_user), Some(0));
    let mounts = mounts_of(&plan, "agent");
    assert!(mounts.ends_with(&["data at /data".to_owned(), "workspace at /src".to_owned()]));
}

#[test]
fn a_service_account_brings_its_token() {
    for (overrides, expected) in [
        (json!({}), Some(false)),
        (json!({ "serviceAccountName": "bedrock" }), None),
    ] {
        let plan = scene(overrides).plan();
        assert_eq!(created_pod(&plan).automount_service_account_token, expected);
    }
}

#[test]
fn every_container_keeps_to_the_restricted_standard_unless_the_user_says_otherwise() {
    let spec = json!({
        "type": "shell",
        "prompt": "x",
        "workspace": { "repo": "https://github.com/o/r" },
        "podOverrides": {
            "extraContainers": [{ "name": "side", "image": "i" }],
            "extraInitContainers": [{ "name": "before", "image": "i" }],
        },
    });
    let plan = Scene::of(task(spec)).plan();
    let pod = created_pod(&plan);
    let security = pod.security_context.as_ref().expect("a security context");
    assert_eq!(security.run_as_non_root, Some(true));
    assert_eq!(
        security
            .seccomp_profile
            .as_ref()
            .map(|profile| profile.type_.as_str()),
        Some("RuntimeDefault")
    );
    let all: Vec<_> = pod
        .init_containers
        .iter()
        .flatten()
        .chain(&pod.containers)
        .collect();
    assert_eq!(all.len(), 5);
    for container in all {
        let context = container.security_context.as_ref().expect("a security context");
        assert_eq!(
            context.allow_privilege_escalation,
            Some(false),
            "{}",
            container.name
        );
        let drop = context
            .capabilities
            .as_ref()
            .and_then(|capabilities| capabilities.drop.clone());
        assert_eq!(drop, Some(vec!["ALL".to_owned()]), "{}", container.name);
    }
}

fn init_status(name: &str, state: Value) -> Value {
    json!({ "name": name, "image": "an/image:1", "imageID": "", "ready": false, "restartCount": 0, "state": state })
}

#[test]
fn an_init_container_of_the_users_that_fails_is_named_and_tried_again() {
    let stopped = json!({ "terminated": { "exitCode": 143, "finishedAt": at(8).to_string() } });
    let failed = json!({ "terminated": { "exitCode": 3, "message": "no such table", "finishedAt": at(7).to_string() } });
    let agent = json!({ "terminated": { "exitCode": 137, "reason": "ContainerStatusUnknown" } });
    let status = json!({
        "phase": "Failed",
        "initContainerStatuses": [init_status("proxy", stopped), init_status("migrate", failed)],
        "containerStatuses": [init_status("agent", agent)],
    });
    let scene = scene(json!({})).let_go().with_pod(&status);
    let plan = scene.plan();
    assert_eq!(told(&plan), (Pending, "RetryBackoff".to_owned()));
    let message = plan.status.message.unwrap_or_default();
    assert!(
        message.contains("InitContainerFailed: init container `migrate` exited 3: no such table"),
        "{message}"
    );
}

#[test]
fn an_image_of_the_users_that_cannot_be_pulled_is_named() {
    let waiting = json!({ "waiting": { "reason": "ErrImagePull", "message": "not found" } });
    let status = json!({ "phase": "Pending", "initContainerStatuses": [init_status("side", waiting)] });
    let plan = scene(json!({})).let_go().with_pod(&status).plan();
    assert_eq!(told(&plan), (Pending, "ImagePullFailed".to_owned()));
}
