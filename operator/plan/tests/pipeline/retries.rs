//! What follows when a step fails.

use axon_api::Phase;
use serde_json::json;

use crate::world::{World, fails, says, scripts};

fn build_and_test() -> World {
    let mut world = World::of(scripts(&["implement", "test"]));
    world.settle();
    world
}

#[test]
fn a_failed_step_is_tried_again_until_its_retries_are_spent() {
    let mut spec = scripts(&["build"]);
    spec["maxRetries"] = json!(2);
    let mut world = World::of(spec);
    world.settle();
    for number in 1..=3 {
        assert_eq!(world.created.len(), number);
        world.ends(fails("exit code 3"));
    }
    let (phase, reason, message) = world.said();
    assert_eq!((&*phase, &*reason), ("Failed", "RetriesSpent"));
    assert_eq!(
        message,
        "step `build` has failed 3 times, and maxRetries is 2; the last time: Task `fix-build-3` is Failed: exit code 3"
    );
    assert_eq!(world.status().failures["build"], 3);
}

#[test]
fn a_failed_test_goes_back_to_implement_and_counts_in_all() {
    let mut world = build_and_test();
    for _ in 0..3 {
        world.ends(says("done")).ends(fails("2 tests failed"));
        assert_eq!(world.said().0, "Implementing");
    }
    world.ends(says("done")).ends(fails("2 tests failed"));
    assert_eq!(world.said().1, "RetriesSpent");
    assert_eq!(world.created.len(), 8);
    assert_eq!(world.created[7], "fix-test-8");
}

#[test]
fn a_test_that_never_began_is_tested_again() {
    let mut world = build_and_test();
    world.ends(says("done"));
    world.ends(fails("image cannot be pulled").before_it_began());
    assert_eq!(world.created, ["fix-implement-1", "fix-test-2", "fix-test-3"]);
}

#[test]
fn no_retries_are_none() {
    let mut spec = scripts(&["build"]);
    spec["maxRetries"] = json!(0);
    let mut world = World::of(spec);
    world.settle();
    world.ends(fails("no"));
    assert_eq!(world.said().0, "Failed");
    assert_eq!(world.created.len(), 1);
}

#[test]
fn a_task_that_was_deleted_is_not_made_anew_but_counts_as_a_failure() {
    let mut world = build_and_test();
    world.runs();
    world.tasks.clear();
    world.settle();
    assert_eq!(world.created, ["fix-implement-1", "fix-implement-2"]);
    assert!(
        world
            .told
            .iter()
            .any(|told| told.contains("`fix-implement-1` was deleted before it had ended"))
    );
    assert_eq!(world.status().failures["implement"], 1);
}

#[test]
fn a_task_that_was_deleted_after_its_end_was_kept_is_not_missed() {
    let mut world = build_and_test();
    world.end(says("done"));
    let pipeline = world.pipeline.clone();
    let plan = world.plan();
    world.apply(&pipeline, &plan, 1);
    world.tasks.clear();
    world.settle();
    assert_eq!(world.created, ["fix-implement-1", "fix-test-2"]);
}

#[test]
fn a_task_that_a_person_cancelled_is_not_tried_again() {
    let mut world = build_and_test();
    let mut end = fails("cancelled");
    end.phase = Phase::Cancelled;
    world.ends(end);
    assert_eq!(world.said().1, "StepCancelled");
    assert_eq!(world.created.len(), 1);
}

#[test]
fn a_cancelled_pipeline_ends_when_its_task_has() {
    let mut world = build_and_test();
    world.runs().cancel();
    assert_eq!(world.said().1, "Cancelling");
    assert_eq!(world.last_task().spec.cancel, Some(true));
    let mut end = fails("cancelled");
    end.phase = Phase::Cancelled;
    world.ends(end);
    assert_eq!(world.said().0, "Cancelled");
    assert_eq!(world.created.len(), 1);
}

#[test]
fn a_task_that_was_created_too_late_for_a_cancelled_pipeline_is_cancelled_too() {
    let mut world = World::of(scripts(&["build"]));
    let before = world.pipeline.clone();
    let plan = world.plan();
    world.apply(&before, &plan, 1);
    let recorded = world.pipeline.clone();
    let late = world.plan();
    world.cancel();
    assert_eq!(world.said().0, "Cancelled");
    world.apply(&recorded, &late, usize::MAX);
    assert_eq!(world.created.len(), 1);
    world.settle();
    assert_eq!(world.last_task().spec.cancel, Some(true));
    assert_eq!(world.said().0, "Cancelled");
}

#[test]
fn an_agents_test_is_judged_by_its_last_line() {
    for (text, next) in [
        ("fine\nAXON-RESULT: pass", "fix-pullrequest-4"),
        ("two tests fail\nAXON-RESULT: fail", "fix-implement-4"),
        ("I ran the tests.", "fix-implement-4"),
    ] {
        let mut world = World::of(json!({ "prompt": "p" }));
        world.settle();
        world.ends(says("the plan")).ends(says("done")).ends(says(text));
        assert_eq!(world.created.last().map(String::as_str), Some(next), "{text}");
    }
}

#[test]
fn an_agent_has_to_name_a_pull_request_and_only_its_address_is_kept() {
    let mut world = World::of(json!({ "prompt": "p", "steps": [{ "name": "pullRequest" }] }));
    world.settle();
    world.ends(says("I could not log in."));
    assert_eq!(world.created.len(), 2);
    world.ends(says("Opened.\nhttps://github.com/o/r/pull/12\n"));
    let pull_request = world.status().pull_request.expect("a pull request");
    assert_eq!(
        (&*pull_request.url, pull_request.number),
        ("https://github.com/o/r/pull/12", Some(12))
    );
    assert_eq!(world.said().0, "Complete");
}

#[test]
fn what_the_forge_told_counts_more_than_what_the_text_says() {
    let mut world = World::of(json!({ "prompt": "p", "steps": [{ "name": "pullRequest" }] }));
    world.settle();
    let end = says("https://github.com/o/r/pull/1").with("pr", "https://github.com/o/r/pull/2");
    world.ends(end);
    assert_eq!(
        world.status().pull_request.expect("a pull request").number,
        Some(2)
    );
}
