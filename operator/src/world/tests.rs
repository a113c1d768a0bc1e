//! Which Tasks an event concerns, and what is remembered of it.

use std::collections::BTreeSet;

use axon_plan::SecretKeys;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use serde_json::json;

use super::*;

fn task(name: &str, version: u64, spec: serde_json::Value) -> Task {
    let mut task: Task = serde_json::from_value(json!({
        "apiVersion": "axon.io/v1alpha1",
        "kind": "Task",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": format!("{name}-uid"),
            "resourceVersion": version.to_string(),
        },
        "spec": { "prompt": "do it" },
    }))
    .expect("a Task");
    let mut value = serde_json::to_value(&task.spec).expect("a spec");
    json_patch(&mut value, spec);
    task.spec = serde_json::from_value(value).expect("a spec");
    task
}

fn json_patch(target: &mut serde_json::Value, patch: serde_json::Value) {
    if let (Some(target), serde_json::Value::Object(patch)) = (target.as_object_mut(), patch) {
        target.extend(patch);
    }
}

fn in_phase(mut task: Task, version: u64, phase: Phase) -> Task {
    task.metadata.resource_version = Some(version.to_string());
    task.status = Some(axon_api::TaskStatus {
        phase: Some(phase),
        ..axon_api::TaskStatus::default()
    });
    task
}

fn loose<K: serde::Serialize>(object: &K) -> Loose<K> {
    Loose::of(object).expect("an object")
}

fn applied<K: serde::Serialize>(object: K) -> Event<Loose<K>> {
    Event::Apply(loose(&object))
}

/// `object` without a field that its spec must have.
fn unreadable<K: serde::Serialize>(object: &K, field: &str) -> Loose<K> {
    let mut value = serde_json::to_value(object).expect("JSON");
    value["spec"].as_object_mut().expect("a spec").remove(field);
    serde_json::from_value(value).expect("an object")
}

fn workspace(version: u64, secret: Option<&str>) -> Workspace {
    let mut workspace = Workspace::new("ws", axon_api::WorkspaceSpec::default());
    workspace.metadata.namespace = Some("default".to_owned());
    workspace.metadata.uid = Some("ws-uid".to_owned());
    workspace.metadata.resource_version = Some(version.to_string());
    workspace.spec.secret_ref = secret.map(|name| axon_api::kinds::reference::LocalReference {
        name: name.to_owned(),
    });
    workspace
}

fn secret(version: u64) -> PartialObjectMeta<Secret> {
    PartialObjectMeta {
        metadata: ObjectMeta {
            name: Some("token".to_owned()),
            namespace: Some("default".to_owned()),
            uid: Some("token-uid".to_owned()),
            resource_version: Some(version.to_string()),
            ..ObjectMeta::default()
        },
        ..PartialObjectMeta::default()
    }
}

fn job(name: &str, owner: &str) -> Job {
    Job {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("default".to_owned()),
            uid: Some(format!("{name}-uid")),
            resource_version: Some("5".to_owned()),
            owner_references: Some(vec![OwnerReference {
                kind: "Task".to_owned(),
                name: owner.to_owned(),
                uid: format!("{owner}-uid"),
                controller: Some(true),
                ..OwnerReference::default()
            }]),
            ..ObjectMeta::default()
        },
        ..Job::default()
    }
}

fn key(name: &str) -> Key {
    Key::new("default", name)
}

fn urgent(name: &str) -> Wake {
    (key(name), Urgency::Urgent)
}

fn normal(name: &str) -> Wake {
    (key(name), Urgency::Normal)
}

fn jobs_of(world: &World, name: &str) -> Vec<String> {
    let gathered = world.gather(&key(name)).expect("a Task");
    let (_, jobs, _) = gathered.unpack().expect("readable");
    jobs.iter().map(ResourceExt::name_any).collect()
}

#[test]
fn a_task_is_woken_by_its_workspace_and_its_dependencies_and_by_no_others() {
    let mut world = World::default();
    let spec = json!({ "workspaceRef": { "name": "ws" }, "dependsOn": ["first"] });
    assert_eq!(
        world.on_task(applied(task("second", 1, spec))),
        [urgent("second")]
    );
    world.on_task(applied(task("third", 1, json!({}))));
    assert_eq!(world.on_object(applied(workspace(2, None))), [urgent("second")]);
    let first = task("first", 3, json!({}));
    assert_eq!(
        world.on_task(applied(first.clone())),
        [urgent("first"), urgent("second")]
    );
    assert_eq!(
        world.on_task(applied(in_phase(first, 4, Phase::Succeeded))),
        [normal("first"), urgent("second")]
    );
}

#[test]
fn a_change_that_leaves_the_phase_alone_does_not_wake_dependents() {
    let mut world = World::default();
    world.on_task(applied(task("second", 1, json!({ "dependsOn": ["first"] }))));
    world.on_task(applied(task("first", 2, json!({}))));
    let again = task("first", 3, json!({ "ttlSecondsAfterFinished": 5 }));
    assert_eq!(world.on_task(applied(again)), [urgent("first")]);
}

#[test]
fn a_secret_wakes_the_tasks_that_name_it_directly_or_through_their_workspace() {
    let mut world = World::default();
    world.on_object(applied(workspace(1, Some("token"))));
    world.on_task(applied(task(
        "by-ref",
        2,
        json!({ "workspaceRef": { "name": "ws" } }),
    )));
    let inline = json!({ "workspace": { "repo": "file:///a", "secretRef": { "name": "token" } } });
    world.on_task(applied(task("inline", 3, inline)));
    let credentials = json!({ "credentials": { "type": "api-key", "secretRef": { "name": "token" } } });
    world.on_task(applied(task("credentials", 4, credentials)));
    assert_eq!(
        world.on_secret(Event::Apply(secret(5))),
        [urgent("by-ref"), urgent("credentials"), urgent("inline")]
            .into_iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_finished_task_is_woken_by_nothing_that_it_names() {
    let mut world = World::default();
    let named = task("a", 1, json!({ "workspaceRef": { "name": "ws" } }));
    world.on_task(applied(named.clone()));
    world.on_task(applied(in_phase(named, 2, Phase::Failed)));
    assert_eq!(world.on_object(applied(workspace(3, None))), []);
    assert!(world.named_by_tasks.is_empty());
}

#[test]
fn a_job_wakes_its_task_which_is_no_longer_urgent() {
    let mut world = World::default();
    world.on_task(applied(task("a", 1, json!({}))));
    assert_eq!(world.on_job(Event::Apply(job("a-1", "a").into())), [normal("a")]);
    assert_eq!(jobs_of(&world, "a"), ["a-1"]);
    assert_eq!(world.on_job(Event::Delete(job("a-1", "a").into())), [urgent("a")]);
    assert!(jobs_of(&world, "a").is_empty());
}

#[test]
fn a_job_that_only_claims_a_task_by_label_is_not_its_job() {
    let mut world = World::default();
    world.on_task(applied(task("a", 1, json!({}))));
    let mut foreign = job("foreign", "a");
    foreign.metadata.owner_references = None;
    foreign.metadata.labels = Some([(axon_api::labels::TASK_UID.to_owned(), "a-uid".to_owned())].into());
    assert_eq!(world.on_job(Event::Apply(foreign.into())), []);
    assert!(jobs_of(&world, "a").is_empty());
}

#[test]
fn an_own_write_is_seen_before_its_echo_which_wakes_nobody() {
    let mut world = World::default();
    let created = task("a", 1, json!({}));
    world.on_task(applied(created.clone()));
    let written = in_phase(created.clone(), 9, Phase::Running);
    world.note_task(&loose(&written));
    let seen = world
        .gather(&key("a"))
        .expect("a Task")
        .unpack()
        .expect("readable")
        .0;
    assert_eq!(seen.phase(), Some(Phase::Running));
    assert_eq!(world.on_task(applied(in_phase(created, 8, Phase::Pending))), []);
    assert_eq!(world.on_task(applied(written)), []);
}

#[test]
fn an_own_write_does_not_bring_back_what_is_gone() {
    let mut world = World::default();
    let created = task("a", 1, json!({}));
    world.on_task(applied(created.clone()));
    world.on_job(Event::Delete(job("a-1", "a").into()));
    world.note_job(job("a-1", "a"));
    assert!(jobs_of(&world, "a").is_empty());
    world.on_task(Event::Delete(loose(&created)));
    world.note_task(&loose(&created));
    assert!(world.gather(&key("a")).is_none());
}

#[test]
fn a_task_that_cannot_be_read_leaves_the_others_alone() {
    let mut world = World::default();
    world.on_task(applied(task("good", 1, json!({}))));
    let invalid = unreadable(&task("bad", 2, json!({})), "prompt");
    assert_eq!(world.on_task(Event::Apply(invalid)), []);
    assert!(world.gather(&key("good")).is_some());
    assert!(world.gather(&key("bad")).is_none());
}

#[test]
fn a_workspace_that_cannot_be_read_says_why() {
    let mut world = World::default();
    world.on_object(Event::Apply(unreadable(&workspace(1, None), "repo")));
    let known = world.object::<Workspace>(&key("ws")).known();
    assert!(matches!(known, Known::Invalid(why) if why.contains("repo")));
}

#[test]
fn the_keys_of_a_secret_are_those_of_its_present_version_only() {
    let mut world = World::default();
    let keys = Arc::new(SecretKeys::from(["TOKEN".to_owned()]));
    let read = |version| Secret {
        metadata: secret(version).metadata,
        ..Secret::default()
    };
    world.on_secret(Event::Apply(secret(1)));
    world.note_secret(&read(1), Arc::clone(&keys));
    assert_eq!(world.secret_keys(&key("token")), Some(Arc::clone(&keys)));
    world.on_secret(Event::Apply(secret(3)));
    assert_eq!(world.secret_keys(&key("token")), None);
    world.note_secret(&read(2), keys);
    assert_eq!(
        world.secret_keys(&key("token")),
        None,
        "an answer that was overtaken"
    );
}

#[test]
fn a_listing_tells_who_was_deleted_while_nobody_watched() {
    let mut world = World::default();
    world.on_task(applied(task("dependent", 1, json!({ "dependsOn": ["gone"] }))));
    world.on_task(applied(task("gone", 2, json!({}))));
    world.on_task(Event::Init);
    world.on_task(Event::InitApply(loose(&task(
        "dependent",
        1,
        json!({ "dependsOn": ["gone"] }),
    ))));
    assert_eq!(world.on_task(Event::InitDone), [urgent("dependent")]);
    assert!(world.dependency(&key("dependent"), "gone").is_none());
}

#[test]
fn the_census_counts_each_task_once_in_its_present_phase() {
    let mut world = World::default();
    let created = task("a", 1, json!({}));
    world.on_task(applied(created.clone()));
    world.on_task(applied(in_phase(created.clone(), 2, Phase::Running)));
    assert_eq!(world.census.count(None), 0);
    assert_eq!(world.census.count(Some(Phase::Running)), 1);
    world.on_task(Event::Delete(loose(&created)));
    assert_eq!(world.census.count(Some(Phase::Running)), 0);
}

#[test]
fn the_prompt_of_a_finished_task_is_not_kept() {
    let mut world = World::default();
    let long = task("a", 1, json!({ "prompt": "x".repeat(1 << 20) }));
    world.on_task(applied(in_phase(long, 2, Phase::Succeeded)));
    let kept = world.gather(&key("a")).expect("a Task");
    assert!(kept.unpack().expect("readable").0.spec.prompt.is_empty());
}

fn pod(name: &str, task_uid: &str, phase: &str) -> LeanPod {
    serde_json::from_value(json!({
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": name,
            "resourceVersion": "20",
            "labels": { axon_api::labels::TASK_UID: task_uid },
        },
        "status": { "phase": phase },
    }))
    .expect("a pod")
}

fn pods_of(world: &World, name: &str) -> Vec<String> {
    let gathered = world.gather(&key(name)).expect("the Task");
    let (_, _, pods) = gathered.unpack().expect("it can be read");
    pods.iter().map(ResourceExt::name_any).collect()
}

#[test]
fn the_end_of_a_pod_that_is_gone_is_kept_until_its_task_has_ended() {
    let mut world = World::default();
    let running = in_phase(task("a", 1, json!({})), 2, Phase::Running);
    let uid = running.metadata.uid.clone().expect("a UID");
    world.on_task(applied(running.clone()));
    world.on_pod(Event::Apply(pod("p", &uid, "Running")));
    let woken = world.on_pod(Event::Delete(pod("p", &uid, "Failed")));
    assert_eq!(woken.len(), 1, "the Task is looked at once more");
    assert_eq!(pods_of(&world, "a"), ["p"]);
    world.on_task(applied(in_phase(running, 3, Phase::Cancelled)));
    assert!(pods_of(&world, "a").is_empty());
}

#[test]
fn a_pod_that_goes_before_its_end_is_not_kept() {
    let mut world = World::default();
    let running = in_phase(task("a", 1, json!({})), 2, Phase::Running);
    let uid = running.metadata.uid.clone().expect("a UID");
    world.on_task(applied(running));
    world.on_pod(Event::Apply(pod("p", &uid, "Pending")));
    world.on_pod(Event::Delete(pod("p", &uid, "Pending")));
    assert!(pods_of(&world, "a").is_empty());
}

mod branches;
mod lines;
mod objects;
