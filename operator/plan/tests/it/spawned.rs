//! What is particular about a Task that a TaskSpawner made.

use std::time::Duration;

use axon_plan::branch::contends;
use axon_plan::{Admission, Step};
use serde_json::json;

use crate::fixtures::{Scene, at, running, shell, steps, task, told};

fn spawned() -> axon_api::Task {
    let mut task = shell();
    let annotations = [
        ("axon.io/item", "issue-42"),
        (
            "axon.io/report",
            r#"{"spawner":"s","kind":"Issue","owner":"o","repo":"r","number":42}"#,
        ),
    ];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
    task.metadata.annotations = Some(annotations.into_iter().collect());
    task
}

#[test]
fn a_task_that_is_held_is_left_alone() {
    let mut scene = Scene::of(spawned());
    scene.admission = Admission::Held;
    let plan = scene.plan();
    assert_eq!(plan.steps, []);
    assert_eq!(plan.status, axon_api::TaskStatus::default());
    scene.admission = Admission::Admitted;
    assert_eq!(steps(&scene.plan()), ["CreateJob", "WriteStatus"]);
}

#[test]
fn a_task_that_is_held_can_be_cancelled() {
    let mut scene = Scene::of(spawned());
    scene.admission = Admission::Held;
    scene.task.spec.cancel = Some(true);
    assert_eq!(told(&scene.plan()).1, "Cancelled");
}

#[test]
fn a_task_that_has_started_goes_on_whatever_is_known_of_its_spawner() {
    let mut scene = Scene::of(spawned()).let_go().with_pod(&running());
    scene.admission = Admission::Held;
    assert_eq!(told(&scene.plan()).0, axon_api::Phase::Running);
}

#[test]
fn a_task_that_is_held_is_not_in_the_queue_for_its_branch() {
    let mut held = task(json!({ "type": "shell", "prompt": "x", "branch": "b" }));
    assert!(contends(&held, None));
    held.metadata.annotations = spawned().metadata.annotations;
    assert!(!contends(&held, None));
}

fn ended(ttl: i32) -> Scene {
    let mut task = spawned();
    task.spec.ttl_seconds_after_finished = Some(ttl);
    task.status = serde_json::from_value(json!({
        "phase": "Succeeded",
        "completionTime": at(0).to_string(),
    }))
    .expect("a status");
    Scene::of(task)
}

fn is_deleted(scene: &Scene) -> bool {
    let steps = scene.plan().steps;
    steps.iter().any(|step| matches!(step, Step::DeleteTask { .. }))
}

#[test]
fn a_task_is_kept_until_its_end_is_reported() {
    let mut scene = ended(0);
    scene.now = 10;
    assert!(!is_deleted(&scene));
    assert_eq!(scene.plan().wake, Some(Duration::from_secs(3590)));
    for (reported, deleted) in [
        (r#"{"phase":"Running"}"#, false),
        ("not JSON", false),
        (r#"{"phase":"Succeeded"}"#, true),
    ] {
        let annotations = scene.task.metadata.annotations.as_mut().expect("annotations");
        annotations.insert("axon.io/reported".to_owned(), reported.to_owned());
        assert_eq!(is_deleted(&scene), deleted, "{reported}");
    }
}

#[test]
fn a_task_whose_end_cannot_be_reported_is_deleted_after_an_hour() {
    let mut scene = ended(0);
    scene.now = 3599;
    assert!(!is_deleted(&scene));
    scene.now = 3600;
    assert!(is_deleted(&scene));
}

#[test]
fn a_task_without_anything_to_report_is_deleted_at_once() {
    let mut scene = ended(0);
    scene.task.metadata.annotations = None;
    assert!(is_deleted(&scene));
}
