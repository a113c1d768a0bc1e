//! How many Tasks of a spawner are unfinished at once, and in all.

use serde_json::json;

use crate::world::{World, issue, issues};
use axon_plan::spawner::SpawnedTask;

fn limited(concurrency: i32, total: i32) -> World {
    let mut spec = issues();
    spec["maxConcurrency"] = json!(concurrency);
    spec["maxTotalTasks"] = json!(total);
    let mut world = World::of(spec);
    world.candidates = (1..=12).map(issue).collect();
    world
}

#[test]
fn no_more_run_at_once_than_there_are_places_and_a_free_one_is_filled_at_once() {
    let mut world = limited(3, 0);
    world.settle();
    assert_eq!(world.running().len(), 3);
    assert_eq!(
        world.status().message.as_deref(),
        Some("discovered 12 items, created 3 tasks, 9 wait for a free place")
    );
    let name = world.running()[0].to_owned();
    world.end(&name);
    assert_eq!(world.running().len(), 3);
    assert_eq!(world.created.len(), 4);
    while world.created.len() < 12 {
        world.end_all();
        world.settle();
    }
    assert_eq!(world.status().total_tasks_created, Some(12));
}

#[test]
fn zero_and_none_are_a_thousand_and_so_is_more() {
    for wanted in [json!(0), json!(null), json!(5000)] {
        let mut spec = issues();
        spec["maxConcurrency"] = wanted;
        let mut world = World::of(spec);
        world.candidates = (1..=1010).map(issue).collect();
        world.settle();
        assert_eq!(world.running().len(), 1000);
        let status = serde_json::to_vec(&world.status()).expect("JSON");
        assert!(status.len() < 16 * 1024, "{}", status.len());
    }
}

#[test]
fn a_lowered_limit_leaves_what_runs_and_lets_nothing_more_start() {
    let mut world = limited(3, 0);
    world.settle();
    world.spawner.spec.max_concurrency = Some(1);
    world.changed();
    world.settle();
    assert_eq!(world.running().len(), 3);
    for expected in [2, 1, 1] {
        let name = world.running()[0].to_owned();
        world.end(&name);
        assert_eq!(world.running().len(), expected);
    }
}

#[test]
fn no_more_are_made_than_are_allowed_in_all() {
    let mut world = limited(0, 5);
    for _ in 0..3 {
        world.settle().end_all();
        world.expire();
    }
    assert_eq!(world.created.len(), 5);
    assert_eq!(
        world.condition("MaxTotalTasksReached"),
        Some(("True".to_owned(), "LimitReached".to_owned()))
    );
    world.spawner.spec.max_total_tasks = Some(6);
    world.changed();
    world.settle();
    assert_eq!(world.created.len(), 6);
}

#[test]
fn a_task_that_is_not_in_view_keeps_its_place_until_the_server_says_that_it_is_gone() {
    let mut world = limited(1, 0);
    world.settle();
    let mut view = world.view();
    view.tasks.clear();
    let plan = world.round(1, &view, usize::MAX);
    assert_eq!(plan.status.places.len(), 1);
    assert_eq!(world.created.len(), 1);
    world.tasks.clear();
    let view = world.view();
    world.round(1, &view, usize::MAX);
    assert_eq!(world.created.len(), 2);
}

#[test]
fn a_task_without_an_item_counts_and_is_not_held() {
    let mut world = limited(2, 0);
    world.tasks.push(SpawnedTask {
        name: "by-hand".to_owned(),
        uid: "by-hand".to_owned(),
        ..SpawnedTask::default()
    });
    world.settle();
    assert_eq!(world.running(), ["by-hand", "fix-1"]);
    assert_eq!(world.status().total_tasks_created, Some(1));
}

#[test]
fn a_task_that_was_made_from_a_stale_view_never_starts_and_is_deleted() {
    let mut world = limited(0, 0);
    world.candidates = vec![issue(1)];
    let mut old = world.view();
    world.settle().end_all();
    world.expire();
    world.settle();
    old.spawner = world.spawner.clone();
    world.round(1, &old, usize::MAX);
    assert_eq!(world.created.len(), 2, "it is made once more");
    world.settle();
    assert_eq!(world.started.len(), 1);
    assert_eq!(world.tasks, []);
    assert_eq!(world.status().total_tasks_created, Some(1));
}
