//! Which items become Tasks, how often, and in which order.

use axon_api::sources::Cause;
use serde_json::json;

use crate::world::{World, at, candidate, issue, issues};

#[test]
fn an_issue_that_is_open_for_a_hundred_polls_gets_one_task_though_that_is_deleted_at_once() {
    let mut world = World::of(issues());
    world.candidates = vec![issue(42)];
    for _ in 0..100 {
        world.now += 300;
        world.settle();
        world.end_all();
        world.expire();
    }
    assert_eq!(world.created, ["issue-42 match-1"]);
    assert_eq!(world.started, world.created);
}

#[test]
fn a_label_that_is_taken_off_and_put_back_queues_the_issue_again() {
    let mut world = World::of(issues());
    for _ in 0..3 {
        world.candidates = vec![issue(42)];
        world.settle();
        world.end_all();
        world.candidates = Vec::new();
        world.settle();
    }
    assert_eq!(
        world.started,
        ["issue-42 match-1", "issue-42 match-2", "issue-42 match-3"]
    );
    let names: Vec<&str> = world.tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["fix-42", "fix-42-2", "fix-42-3"]);
}

#[test]
fn an_issue_that_is_not_listed_by_a_source_that_tells_only_of_events_still_matches() {
    let mut world = World::of(issues());
    world.candidates = vec![issue(42)];
    world.settle().end_all();
    world.absence_counts = false;
    world.candidates = Vec::new();
    world.settle();
    world.candidates = vec![issue(42)];
    world.settle();
    assert_eq!(world.started.len(), 1);
}

#[test]
fn a_newer_command_asks_once_more_when_the_task_has_ended() {
    let mut world = World::of(issues());
    world.candidates = vec![candidate("issue-7", Cause::Command { comment: 10 })];
    world.settle();
    world.candidates = vec![candidate("issue-7", Cause::Command { comment: 12 })];
    world.settle();
    assert_eq!(world.started, ["issue-7 comment-10"], "the first has not ended");
    world.end("fix-7");
    assert_eq!(world.started, ["issue-7 comment-10", "issue-7 comment-12"]);
    world.end("fix-7-2");
    world.candidates = vec![candidate("issue-7", Cause::Command { comment: 11 })];
    world.settle();
    assert_eq!(world.started.len(), 2, "an older comment asks for nothing");
}

#[test]
fn a_newer_command_is_heard_though_the_task_before_it_was_deleted() {
    let mut world = World::of(issues());
    world.candidates = vec![candidate("issue-7", Cause::Command { comment: 10 })];
    world.settle().end_all();
    world.expire();
    world.settle();
    world.candidates = vec![candidate("issue-7", Cause::Command { comment: 12 })];
    world.settle();
    assert_eq!(world.started.len(), 2);
}

#[test]
fn a_newer_review_asks_once_more() {
    let mut world = World::of(json!({ "when": { "githubPullRequests": {} } }));
    for (review, tasks) in [(5, 1), (5, 1), (9, 2)] {
        world.candidates = vec![candidate("pull-7", Cause::Review { review })];
        world.settle().end_all();
        world.settle();
        assert_eq!(world.started.len(), tasks, "{review}");
    }
}

#[test]
fn an_event_becomes_a_task_once_and_is_settled_when_it_is_remembered() {
    let mut world = World::of(json!({ "when": { "githubWebhook": { "events": ["push"] } } }));
    world.absence_counts = false;
    world.candidates = vec![candidate("delivery-1f3a", Cause::Event)];
    let plan = world.plan();
    assert!(
        !format!("{:?}", plan.steps).contains("Settle"),
        "nothing is remembered yet"
    );
    world.settle();
    assert_eq!(world.settled, ["delivery-1f3a"]);
    assert_eq!(world.started, ["delivery-1f3a event"]);
    world.candidates = vec![candidate("delivery-1f3a", Cause::Event)];
    world.settle();
    assert_eq!(world.started.len(), 1, "sent once more");
}

#[test]
fn what_a_person_asks_for_is_made_once_for_each_request_and_goes_first() {
    let mut spec = issues();
    spec["maxConcurrency"] = json!(1);
    let mut world = World::of(spec);
    let wish = |request: &str| {
        candidate(
            "issue-9",
            Cause::Manual {
                request: request.to_owned(),
            },
        )
    };
    world.candidates = vec![issue(1), wish("a")];
    world.settle();
    assert_eq!(world.started, ["issue-9 manual-a"]);
    assert_eq!(world.settled, ["issue-9"]);
    world.end_all();
    world.candidates = vec![issue(1), wish("a")];
    world.settle().end_all();
    world.candidates = vec![issue(1), wish("b")];
    world.settle();
    assert_eq!(
        world.started,
        ["issue-9 manual-a", "issue-1 match-1", "issue-9 manual-b"]
    );
}

#[test]
fn the_most_important_goes_first_then_the_oldest() {
    let mut spec = issues();
    spec["when"]["githubIssues"]["priorityLabels"] = json!(["urgent", "soon"]);
    spec["maxConcurrency"] = json!(1);
    let mut world = World::of(spec);
    for (number, labels, created) in [
        (1, vec![], 1),
        (2, vec![], 0),
        (3, vec!["soon"], 9),
        (4, vec!["soon", "urgent"], 9),
        (5, vec!["soon"], 8),
    ] {
        let mut item = issue(number);
        item.labels = labels.into_iter().map(str::to_owned).collect();
        item.created = at(created);
        world.candidates.push(item);
    }
    for _ in 0..5 {
        world.settle().end_all();
    }
    let order: Vec<&str> = world
        .started
        .iter()
        .filter_map(|started| started.split(' ').next())
        .collect();
    assert_eq!(order, ["issue-4", "issue-5", "issue-3", "issue-2", "issue-1"]);
}

#[test]
fn a_bad_item_hurts_only_itself() {
    let mut world = World::of(issues());
    world.candidates = vec![issue(1), issue(2)];
    world
        .refused
        .insert("issue-1".to_owned(), "the branch has a blank".to_owned());
    world.settle();
    assert_eq!(world.started, ["issue-2 match-1"]);
    let message = world.status().message.unwrap_or_default();
    assert!(message.contains("`issue-1`: the branch has a blank"), "{message}");
}

#[test]
fn an_event_that_can_never_become_a_task_is_settled_and_told() {
    let mut world = World::of(json!({ "when": { "githubWebhook": { "events": ["push"] } } }));
    world.candidates = vec![candidate("delivery-1", Cause::Event)];
    world
        .refused
        .insert("delivery-1".to_owned(), "too large".to_owned());
    world.settle();
    assert_eq!(world.settled, ["delivery-1"]);
    assert!(
        world.told.iter().any(|told| told.starts_with("ItemRefused")),
        "{:?}",
        world.told
    );
}

#[test]
fn a_suspended_spawner_makes_nothing_and_lets_start_what_is_made() {
    let mut world = World::of(issues());
    world.candidates = vec![issue(1)];
    let view = world.view();
    world.round(0, &view, usize::MAX);
    world.spawner.spec.suspend = Some(true);
    world.changed();
    world.candidates = vec![issue(1), issue(2)];
    world.settle();
    assert_eq!(world.started, ["issue-1 match-1"]);
    assert_eq!(
        world.status().phase.map(axon_api::SpawnerPhase::as_str),
        Some("Suspended")
    );
    // What is seen while nobody asks does not count.
    world.candidates = Vec::new();
    world.settle();
    world.spawner.spec.suspend = None;
    world.changed();
    world.candidates = vec![issue(1), issue(2)];
    world.settle();
    assert_eq!(world.started, ["issue-1 match-1", "issue-2 match-1"]);
}
