//! How a pipeline begins, and what keeps it from that.

use axon_api::labels;
use serde_json::json;

use crate::world::{World, scripts};

#[test]
fn a_run_is_recorded_before_its_task_is_created() {
    let mut world = World::of(json!({ "prompt": "fix the bug" }));
    let pipeline = world.pipeline.clone();
    let plan = world.plan();
    world.apply(&pipeline, &plan, 1);
    assert_eq!(world.status().runs[0].task, "fix-plan-1");
    assert!(world.created.is_empty());
    world.settle();
    assert_eq!(world.created, ["fix-plan-1"]);
    assert_eq!(world.said().0, "Planning");
}

#[test]
fn the_task_belongs_to_the_pipeline_and_says_of_which_step_it_is() {
    let mut world = World::of(json!({ "prompt": "fix the bug", "agentConfigRefs": [{ "name": "c" }] }));
    world.pipeline.metadata.annotations = Some([(labels::SANDBOX.to_owned(), "none".to_owned())].into());
    world.settle();
    let task = world.last_task();
    let labels = task.metadata.labels.clone().expect("labels");
    assert_eq!(labels[labels::PIPELINE], "fix");
    assert_eq!(labels[labels::PIPELINE_STEP], "plan");
    let owner = &task.metadata.owner_references.as_ref().expect("owners")[0];
    assert_eq!(
        (&*owner.kind, &*owner.uid, owner.controller),
        ("TaskPipeline", "pipeline-uid", Some(true))
    );
    assert_eq!(
        task.metadata.annotations.as_ref().expect("annotations")[labels::SANDBOX],
        "none"
    );
    let spec = &task.spec;
    assert_eq!(spec.branch.as_deref(), Some("ai/fix"));
    assert_eq!(spec.timeout.as_deref(), Some("30m"));
    assert_eq!(spec.limits.as_ref().and_then(|limits| limits.turns), Some(15));
    assert_eq!(spec.agent_config_refs[0].name, "c");
    assert!(
        spec.ttl_seconds_after_finished.is_none(),
        "its pod must stay until its log is read"
    );
}

#[test]
fn a_script_is_not_given_the_agents_credential() {
    let mut spec = scripts(&["build"]);
    spec["credentials"] = json!({ "type": "api-key", "secretRef": { "name": "key" } });
    spec["model"] = json!("large");
    let mut world = World::of(spec);
    world.settle();
    let spec = &world.last_task().spec;
    assert_eq!(
        (&spec.credentials, &spec.model, &spec.limits),
        (&None, &None, &None)
    );
}

#[test]
fn names_are_cut_and_stay_their_own() {
    let mut names = Vec::new();
    for uid in ["one", "two"] {
        let mut world = World::of(scripts(&["build"]));
        world.pipeline.metadata.name = Some("a".repeat(253));
        world.pipeline.metadata.uid = Some(uid.to_owned());
        world.settle();
        let task = world.last_task();
        names.push(task.metadata.name.clone().expect("a name"));
        assert!(task.spec.branch.as_ref().expect("a branch").len() <= 255);
    }
    assert_ne!(names[0], names[1]);
    assert!(names[0].len() <= 63, "{names:?}");
}

#[test]
fn what_is_wrong_with_a_step_ends_the_pipeline_before_anything_is_paid_for() {
    for (steps, says) in [
        (json!([{ "name": "deploy" }]), "step `deploy` has no prompt"),
        (
            json!([{ "name": "test", "type": "shell" }]),
            "is of type shell and has no prompt",
        ),
        (
            json!([{ "name": "test", "onFailure": "repair" }]),
            "there is no such step",
        ),
        (
            json!([{ "name": "plan", "onFailure": "implement" }, { "name": "implement" }]),
            "comes after it",
        ),
        (
            json!([{ "name": "plan" }, { "name": "deploy", "prompt": "{{.Prompt" }]),
            "the prompt of step `deploy`: line 1",
        ),
    ] {
        let mut world = World::of(json!({ "prompt": "p", "steps": steps }));
        world.settle();
        let (phase, reason, message) = world.said();
        assert_eq!(phase, "Failed", "{reason} {message}");
        assert!(message.contains(says), "{message}");
        assert!(world.created.is_empty());
    }
}

#[test]
fn a_missing_workspace_is_waited_for() {
    let mut world = World::of(json!({ "prompt": "p", "workspaceRef": { "name": "w" } }));
    world.settle();
    assert_eq!(world.said().1, "WorkspaceNotFound");
    assert!(world.said().2.contains("`w`"));
    world.workspace = serde_json::from_value(json!({
        "metadata": { "name": "w" }, "spec": { "repo": "https://e/r.git", "ref": "develop" },
    }))
    .ok();
    world.settle();
    assert!(world.prompt().starts_with("Plan a change"));
    assert_eq!(
        world.last_task().spec.workspace_ref.as_ref().map(|r| &*r.name),
        Some("w")
    );
}

#[test]
fn a_task_of_someone_else_is_a_conflict_and_one_of_an_earlier_pipeline_is_waited_for() {
    for (owner, phase, reason) in [
        (json!([]), "Failed", "NameConflict"),
        (
            json!([{ "apiVersion": "axon.io/v1alpha1", "kind": "TaskPipeline", "name": "fix", "uid": "earlier", "controller": true }]),
            "Running",
            "NameTaken",
        ),
    ] {
        let mut world = World::of(scripts(&["build"]));
        let task = json!({
            "metadata": { "name": "fix-build-1", "uid": "x", "ownerReferences": owner },
            "spec": { "prompt": "mine" },
        });
        let task = serde_json::from_value(task).expect("a Task");
        world.tasks.insert("fix-build-1".to_owned(), task);
        world.settle();
        let said = world.said();
        assert_eq!((&*said.0, &*said.1), (phase, reason), "{}", said.2);
        if reason == "NameTaken" {
            assert!(world.plan().wake.is_some());
            world.tasks.clear();
            world.settle();
            assert_eq!(world.created, ["fix-build-1"]);
        }
    }
}

#[test]
fn a_task_that_the_server_refuses_ends_the_pipeline_with_its_words() {
    let mut world = World::of(scripts(&["build"]));
    world.refused = Some("spec.branch: Invalid value");
    world.settle();
    let (phase, reason, message) = world.said();
    assert_eq!((&*phase, &*reason), ("Failed", "TaskRefused"));
    assert!(message.contains("spec.branch: Invalid value"), "{message}");
}
