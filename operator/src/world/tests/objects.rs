//! What Tasks name, and what that names in turn.

use axon_api::kinds::agent_config::AgentConfigSpec;
use axon_api::kinds::agent_provider::AgentProviderSpec;
use axon_api::kinds::task_defaults::TaskDefaultsSpec;
use futures::FutureExt;

use super::*;

fn named<K: Resource<DynamicType = ()>>(mut object: K, name: &str, version: u64) -> K {
    let metadata = object.meta_mut();
    metadata.name = Some(name.to_owned());
    metadata.namespace = Some("default".to_owned());
    metadata.uid = Some(format!("{name}-uid"));
    metadata.resource_version = Some(version.to_string());
    object
}

fn config(name: &str, version: u64) -> AgentConfig {
    let spec = json!({ "mcpServers": [{
        "name": "tools", "type": "stdio", "command": "tools",
        "envFrom": { "secretRef": { "name": "token" } },
    }] });
    let spec: AgentConfigSpec = serde_json::from_value(spec).expect("a spec");
    named(AgentConfig::new(name, spec), name, version)
}

fn provider(name: &str, version: u64) -> AgentProvider {
    let spec = json!({ "authTokenSecretRef": { "name": "token", "key": "KEY" } });
    let spec: AgentProviderSpec = serde_json::from_value(spec).expect("a spec");
    named(AgentProvider::new(name, spec), name, version)
}

fn defaults(version: u64, spec: serde_json::Value) -> TaskDefaults {
    let spec: TaskDefaultsSpec = serde_json::from_value(spec).expect("a spec");
    named(TaskDefaults::new("default", spec), "default", version)
}

fn names(wakes: &[Wake]) -> Vec<&str> {
    wakes.iter().map(|(key, _)| &*key.name).collect()
}

/// The AgentProviders that are to be looked at.
fn providers_to_look_at(world: &World) -> Vec<String> {
    let queue = world.errands().providers;
    std::iter::from_fn(|| queue.next(Urgency::Normal).now_or_never())
        .map(|(key, _)| key.name.to_string())
        .collect()
}

/// A Task that names nothing, one that names a config, one that names a provider.
fn three_tasks() -> World {
    let mut world = World::default();
    world.on_task(applied(task(
        "bare",
        1,
        json!({ "credentials": { "type": "none" } }),
    )));
    let spec = json!({ "credentials": { "type": "none" }, "agentConfigRefs": [{ "name": "config" }] });
    world.on_task(applied(task("with-config", 2, spec)));
    let spec = json!({ "providerRef": { "name": "provider" } });
    world.on_task(applied(task("with-provider", 3, spec)));
    world
}

#[test]
fn a_config_and_a_provider_wake_the_tasks_that_name_them() {
    let mut world = three_tasks();
    assert_eq!(
        names(&world.on_object(applied(config("config", 4)))),
        ["with-config"]
    );
    assert_eq!(
        names(&world.on_object(applied(provider("provider", 5)))),
        ["with-provider"]
    );
    assert_eq!(names(&world.on_object(applied(config("other", 6)))), [""; 0]);
}

#[test]
fn a_secret_wakes_those_who_need_it_through_a_config_or_a_provider() {
    let mut world = three_tasks();
    world.on_object(applied(config("config", 4)));
    world.on_object(applied(provider("provider", 5)));
    assert_eq!(
        names(&world.on_secret(Event::Apply(secret(6)))),
        ["with-config", "with-provider"]
    );
}

#[test]
fn a_provider_is_looked_at_when_it_or_its_secret_changes_and_not_otherwise() {
    let mut world = three_tasks();
    world.on_object(applied(provider("provider", 4)));
    assert_eq!(providers_to_look_at(&world), ["provider"]);
    world
        .errands()
        .providers
        .done(&key("provider"), crate::queue::Next::Wait(None));
    world.on_object(applied(config("config", 5)));
    assert_eq!(providers_to_look_at(&world), [""; 0]);
    world.on_secret(Event::Apply(secret(6)));
    assert_eq!(providers_to_look_at(&world), ["provider"]);
}

#[test]
fn defaults_wake_the_unfinished_tasks_of_their_namespace_only() {
    let mut world = three_tasks();
    let mut elsewhere = task("elsewhere", 4, json!({}));
    elsewhere.metadata.namespace = Some("other".to_owned());
    world.on_task(applied(elsewhere));
    let ended = in_phase(task("ended", 5, json!({})), 6, Phase::Failed);
    world.on_task(applied(ended));
    assert_eq!(
        names(&world.on_object(applied(defaults(7, json!({ "type": "codex" }))))),
        ["bare", "with-config", "with-provider"]
    );
}

#[test]
fn what_defaults_name_wakes_those_who_have_no_credentials_of_their_own() {
    let mut world = three_tasks();
    world.on_task(applied(task("defaulted", 4, json!({}))));
    let spec = json!({ "providers": { "codex": "gateway" } });
    world.on_object(applied(defaults(5, spec)));
    assert_eq!(
        names(&world.on_object(applied(provider("gateway", 6)))),
        ["defaulted"]
    );
    assert_eq!(names(&world.on_secret(Event::Apply(secret(7)))), ["defaulted"]);
    let spec = json!({ "credentials": { "type": "api-key", "secretRef": { "name": "token" } } });
    world.on_object(applied(defaults(8, spec)));
    assert_eq!(names(&world.on_secret(Event::Apply(secret(9)))), ["defaulted"]);
}

#[test]
fn that_there_are_no_defaults_is_believed_only_for_tasks_that_were_there_when_the_server_was_asked() {
    let mut world = World::default();
    let before = task("before", 5, json!({}));
    world.on_task(applied(before.clone()));
    assert!(!world.has_no_defaults(&key("before"), &before));
    world.note_no_defaults(&"default".into(), world.newest_task());
    assert!(world.has_no_defaults(&key("before"), &before));
    let after = task("after", 6, json!({}));
    assert!(!world.has_no_defaults(&key("after"), &after));
}

fn token(version: u64, expires: &str) -> PartialObjectMeta<Secret> {
    let mut secret = secret(version);
    secret.metadata.name = Some("a-token".to_owned());
    secret.metadata.labels = Some([(axon_api::labels::TASK_UID.to_owned(), "a-uid".to_owned())].into());
    secret.metadata.annotations =
        Some([(axon_api::labels::TOKEN_EXPIRES.to_owned(), expires.to_owned())].into());
    secret
}

#[test]
fn a_token_is_known_by_its_annotation_and_wakes_its_task() {
    let mut world = World::default();
    world.on_task(applied(task("a", 1, json!({}))));
    let at = "2026-01-02T03:04:05Z";
    assert_eq!(world.on_secret(Event::Apply(token(2, at))), [urgent("a")]);
    let expires = world.token_expires(&key("a-token"));
    assert_eq!(expires.map(|expires| expires.to_string()).as_deref(), Some(at));
    assert_eq!(world.on_secret(Event::Delete(token(3, at))), [urgent("a")]);
    assert_eq!(world.token_expires(&key("a-token")), None);
}

#[test]
fn a_circle_of_dependencies_is_found_once_it_is_closed() {
    let mut world = World::default();
    world.on_task(applied(task("a", 1, json!({ "dependsOn": ["b"] }))));
    world.on_task(applied(task("b", 2, json!({ "dependsOn": ["c"] }))));
    assert_eq!(world.dependency_cycle(&key("a")), None);
    world.on_task(applied(task("c", 3, json!({ "dependsOn": ["a"] }))));
    let circle = world.dependency_cycle(&key("a")).expect("a circle");
    assert_eq!(circle, ["a", "b", "c", "a"]);
}

#[test]
fn a_finished_task_is_awaited_until_its_dependents_have_recorded_it_and_is_woken_then() {
    let mut world = World::default();
    let first = in_phase(task("first", 1, json!({})), 2, Phase::Succeeded);
    world.on_task(applied(first));
    let second = task("second", 3, json!({ "dependsOn": ["first"] }));
    world.on_task(applied(second.clone()));
    assert!(world.is_awaited(&key("first")));
    let mut recorded = in_phase(second, 4, Phase::Pending);
    let finished = axon_api::kinds::task::FinishedDependency {
        name: "first".to_owned(),
        uid: "first-uid".to_owned(),
        ..Default::default()
    };
    recorded
        .status
        .as_mut()
        .expect("a status")
        .dependencies
        .push(finished);
    assert_eq!(
        world.on_task(applied(recorded)),
        [urgent("second"), normal("first")]
    );
    assert!(!world.is_awaited(&key("first")));
}

#[test]
fn a_dependent_that_is_deleted_no_longer_awaits() {
    let mut world = World::default();
    world.on_task(applied(in_phase(
        task("first", 1, json!({})),
        2,
        Phase::Succeeded,
    )));
    let second = task("second", 3, json!({ "dependsOn": ["first"] }));
    world.on_task(applied(second.clone()));
    assert_eq!(world.on_task(Event::Delete(loose(&second))), [normal("first")]);
    assert!(!world.is_awaited(&key("first")));
}
