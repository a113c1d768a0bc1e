//! What the operator gives to the pods of all Tasks, and who may say otherwise.

use axon_plan::CaBundle;
use serde_json::json;

use crate::fixtures::{
    Scene, container_of, created_pod, shell, task, task_defaults, variable, variable_of, workspace,
};

/// A script on a repository, behind a proxy.
fn scene() -> Scene {
    let spec = json!({ "type": "shell", "prompt": "make", "workspaceRef": { "name": "w" } });
    let mut scene = Scene::of(task(spec));
    scene.workspace = Some(workspace(json!({ "repo": "https://github.com/o/r.git" })));
    let proxy = ("HTTPS_PROXY".to_owned(), "http://proxy:3128".to_owned());
    scene.settings.pod_env.extend([proxy]);
    scene
}

#[test]
fn clones_and_agents_go_through_the_proxy() {
    let plan = scene().plan();
    for container in ["prepare", "agent"] {
        assert_eq!(
            variable_of(&plan, container, "HTTPS_PROXY").as_deref(),
            Some("http://proxy:3128"),
            "{container}"
        );
    }
    assert_eq!(
        variable_of(&plan, "runner", "HTTPS_PROXY"),
        None,
        "it reaches nothing"
    );
}

#[test]
fn whoever_else_sets_the_variable_wins() {
    let mut scene = scene();
    scene.defaults = Some(task_defaults(json!({
        "env": [{ "name": "HTTPS_PROXY", "value": "http://team-proxy:3128" }],
    })));
    let plan = scene.plan();
    assert_eq!(
        variable(&plan, "HTTPS_PROXY").as_deref(),
        Some("http://team-proxy:3128")
    );
    scene
        .settings
        .pod_env
        .extend([("HOME".to_owned(), "/root".to_owned())]);
    let plan = scene.plan();
    assert_eq!(variable(&plan, "HOME").as_deref(), Some("/home/agent"));
}

#[test]
fn a_value_is_no_expression_of_the_kubelet() {
    let mut scene = Scene::of(shell());
    scene
        .settings
        .pod_env
        .extend([("A".to_owned(), "$(HOME)".to_owned())]);
    assert_eq!(variable(&scene.plan(), "A").as_deref(), Some("$$(HOME)"));
}

#[test]
fn the_certificates_are_mounted_where_the_variables_say() {
    let mut scene = scene();
    scene.settings.pod_ca = Some(CaBundle {
        config_map: "trusted".to_owned(),
        key: "bundle.pem".to_owned(),
    });
    let plan = scene.plan();
    let pod = created_pod(&plan);
    let volume = pod
        .volumes
        .iter()
        .flatten()
        .find(|volume| volume.name == "axon-ca");
    let config_map = volume.and_then(|volume| volume.config_map.as_ref());
    let config_map = config_map.expect("a volume of a ConfigMap");
    assert_eq!(config_map.name, "trusted");
    assert_eq!(config_map.optional, None, "without it nothing starts");
    let item = &config_map.items.as_ref().expect("items")[0];
    assert_eq!((item.key.as_str(), item.path.as_str()), ("bundle.pem", "ca.crt"));
    for container in ["prepare", "agent"] {
        let mounts = &container_of(&plan, container).expect("a container").volume_mounts;
        let mount = mounts.iter().flatten().find(|mount| mount.name == "axon-ca");
        let path = &mount.expect("a mount").mount_path;
        for name in ["SSL_CERT_FILE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"] {
            let told = variable_of(&plan, container, name);
            assert_eq!(told, Some(format!("{path}/ca.crt")), "{container}: {name}");
        }
    }
}

#[test]
fn without_any_of_it_a_pod_has_none_of_it() {
    let plan = Scene::of(shell()).plan();
    let pod = created_pod(&plan);
    assert!(
        pod.volumes
            .iter()
            .flatten()
            .all(|volume| volume.name != "axon-ca")
    );
    assert_eq!(variable(&plan, "SSL_CERT_FILE"), None);
}

#[test]
fn resources_of_a_type_are_for_tasks_for_which_nobody_says() {
    let mut scene = Scene::of(shell());
    let resources = json!({ "limits": { "memory": "1Gi" } });
    let resources = serde_json::from_value(resources).expect("resources");
    scene
        .settings
        .agent_resources
        .extend([("shell".to_owned(), resources)]);
    let memory = |scene: &Scene| {
        let plan = scene.plan();
        let agent = container_of(&plan, "agent").expect("the agent");
        let limits = agent
            .resources
            .as_ref()
            .and_then(|resources| resources.limits.clone());
        let effective = &plan.status.effective;
        let from = effective
            .iter()
            .find(|setting| setting.field == "podOverrides.resources")
            .map(|setting| setting.from.clone());
        (limits.map(|limits| limits["memory"].0.clone()), from)
    };
    let told = |memory: &str, from: &str| (Some(memory.to_owned()), Some(from.to_owned()));
    assert_eq!(memory(&scene), told("1Gi", "operator"));
    scene.defaults = Some(task_defaults(
        json!({ "resources": { "limits": { "memory": "2Gi" } } }),
    ));
    assert_eq!(memory(&scene), told("2Gi", "TaskDefaults/default"));
    scene.task = task(json!({
        "type": "shell", "prompt": "make",
        "podOverrides": { "resources": { "limits": { "memory": "3Gi" } } },
    }));
    assert_eq!(memory(&scene), (Some("3Gi".to_owned()), None));
}
