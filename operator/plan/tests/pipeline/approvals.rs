//! Steps that a person has to approve.

use serde_json::json;

use crate::world::{World, says};

fn plan_to_approve() -> World {
    let mut world = World::of(json!({
        "prompt": "p",
        "steps": [{ "name": "plan", "approval": true }, { "name": "implement" }],
    }));
    world.settle();
    world.ends(says("the plan"));
    world
}

fn approved(world: &World) -> Option<String> {
    let conditions = world.status().conditions;
    let condition = conditions
        .into_iter()
        .find(|condition| condition.type_ == "Approved");
    condition.map(|condition| condition.status)
}

#[test]
fn nothing_goes_on_before_a_person_has_decided() {
    let mut world = plan_to_approve();
    assert_eq!(world.said().0, "AwaitingApproval");
    assert_eq!(approved(&world).as_deref(), Some("False"));
    world.decide_on("fix-plan-7", "Approved", None);
    world.settle();
    assert_eq!(
        world.said().0,
        "AwaitingApproval",
        "the decision is about another Task"
    );
    world.decide("Approved", None);
    assert_eq!(world.said().0, "Implementing");
    assert_eq!(approved(&world).as_deref(), Some("True"));
    assert_eq!(world.status().runs[0].decided_by.as_deref(), Some("ann"));
}

#[test]
fn a_step_that_was_denied_with_feedback_is_done_again_with_it_and_that_is_no_retry() {
    let mut world = plan_to_approve();
    for number in 0..5 {
        world.decide("Denied", Some("smaller steps, please"));
        assert_eq!(world.said().0, "Planning");
        assert!(world.prompt().contains("smaller steps, please"));
        world.ends(says(&format!("plan {number}")));
    }
    assert!(world.status().failures.is_empty());
    world.decide("Approved", None);
    assert!(world.prompt().contains("plan 4"));
    assert!(!world.prompt().contains("smaller steps"));
}

#[test]
fn a_step_that_was_denied_without_feedback_ends_the_pipeline() {
    let mut world = plan_to_approve();
    world.decide("Denied", Some("  "));
    let (phase, reason, message) = world.said();
    assert_eq!((&*phase, &*reason), ("Failed", "Denied"));
    assert!(message.contains("`ann` denied Task `fix-plan-1`"), "{message}");
}

#[test]
fn what_waits_for_an_approval_can_be_cancelled() {
    let mut world = plan_to_approve();
    world.cancel();
    assert_eq!(world.said().0, "Cancelled");
}

#[test]
fn a_decision_stands_though_its_task_is_gone() {
    let mut world = plan_to_approve();
    world.tasks.clear();
    world.settle();
    assert_eq!(world.said().0, "AwaitingApproval");
    world.decide("Approved", None);
    assert!(world.prompt().contains("the plan"), "the text was kept");
}
