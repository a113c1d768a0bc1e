//! What a Task names is what is looked for, and nothing else is put into its pod.

use std::collections::BTreeSet;

use axon_plan::{Plan, references};
use k8s_openapi::api::core::v1::PodSpec;
use serde_json::{Value, json};

use crate::fixtures::{Scene, agent_config, agent_provider, created_pod, task, task_defaults, told};

/// The Secrets that a pod mounts or has variables from.
fn secrets_of(pod: &PodSpec) -> BTreeSet<String> {
    let init = pod.init_containers.iter().flatten();
    let env = init
        .chain(&pod.containers)
        .flat_map(|container| container.env.iter().flatten());
    let of_env = env.filter_map(|variable| {
        let key = variable.value_from.as_ref()?.secret_key_ref.as_ref()?;
        Some(key.name.clone())
    });
    let volumes = pod.volumes.iter().flatten();
    let of_volumes = volumes.filter_map(|volume| volume.secret.as_ref()?.secret_name.clone());
    of_env.chain(of_volumes).collect()
}

const ALL: &[&str] = &["ANTHROPIC_API_KEY", "GITHUB_TOKEN", "TOKEN"];

/// A scene in which each object names Secrets of its own.
fn scene(spec: &Value, defaults: &Value, provider: &Value) -> Scene {
    let mut spec = spec.clone();
    spec["prompt"] = json!("x");
    spec["type"] = json!("claude-code");
    spec["workspace"] = json!({
        "repo": "https://github.com/o/r",
        "secretRef": { "name": "of-workspace" },
        "cloneSecretRef": { "name": "of-clone" },
    });
    spec["agentConfigRef"] = json!({ "name": "c" });
    let mut scene = Scene::of(task(spec));
    scene.agent_configs = vec![agent_config(
        "c",
        json!({
            "skills": [{ "source": "o/s", "secretRef": { "name": "of-skill" } }],
            "mcpServers": [
                { "name": "a", "type": "stdio", "command": "c", "envFrom": { "secretRef": { "name": "of-env" } } },
                { "name": "b", "type": "http", "url": "https://e.example.com",
                  "headersFrom": { "secretRef": { "name": "of-headers" } } },
            ],
        }),
    )];
    scene.defaults = Some(task_defaults(defaults.clone()));
    scene.provider = (!provider.is_null()).then(|| agent_provider("p", provider.clone()));
    scene
}

fn looked_for(scene: &Scene) -> BTreeSet<String> {
    let configs: Vec<_> = scene.agent_configs.iter().collect();
    references::secrets(
        &scene.task,
        scene.defaults.as_ref(),
        scene.provider.as_ref(),
        scene.task.spec.workspace.as_ref(),
        &configs,
    )
}

fn planned(mut scene: Scene) -> Plan {
    for name in looked_for(&scene) {
        scene = scene.with_secret(&name, ALL);
    }
    scene.plan()
}

#[test]
fn the_secrets_that_are_looked_for_are_those_of_the_pod() {
    let credentials = |name: &str| json!({ "type": "api-key", "secretRef": { "name": name } });
    let defaults = json!({ "credentials": credentials("of-defaults") });
    let with_provider =
        json!({ "credentials": credentials("of-defaults"), "providers": { "claude-code": "p" } });
    let provider = json!({ "authTokenSecretRef": { "name": "of-provider", "key": "TOKEN" } });
    for (spec, defaults, provider, credential) in [
        (
            json!({ "credentials": credentials("of-task") }),
            &with_provider,
            Value::Null,
            "of-task",
        ),
        (
            json!({ "provider": { "authSecretRef": { "name": "in-place", "key": "TOKEN" } } }),
            &with_provider,
            Value::Null,
            "in-place",
        ),
        (
            json!({ "providerRef": { "name": "p" } }),
            &defaults,
            provider.clone(),
            "of-provider",
        ),
        (json!({}), &with_provider, provider.clone(), "of-provider"),
        (json!({}), &defaults, Value::Null, "of-defaults"),
    ] {
        let scene = scene(&spec, defaults, &provider);
        let looked_for = looked_for(&scene);
        assert!(looked_for.contains(credential), "{looked_for:?}");
        let plan = planned(scene);
        let mut of_pod = secrets_of(created_pod(&plan));
        let run = of_pod.iter().find(|name| name.ends_with("-run")).cloned();
        assert!(run.is_some_and(|run| of_pod.remove(&run)));
        assert_eq!(of_pod, looked_for);
    }
}

#[test]
fn each_secret_that_is_missing_is_named() {
    let credentials = json!({ "type": "api-key", "secretRef": { "name": "of-task" } });
    let base = || scene(&json!({ "credentials": credentials }), &json!({}), &Value::Null);
    for missing in looked_for(&base()) {
        let mut scene = base();
        for name in looked_for(&scene) {
            if name != missing {
                scene = scene.with_secret(&name, ALL);
            }
        }
        let plan = scene.plan();
        assert_eq!(told(&plan).1, "SecretNotFound");
        let message = plan.status.message.unwrap_or_default();
        assert!(message.contains(&format!("`{missing}`")), "{message}");
    }
}
