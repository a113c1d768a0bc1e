//! Comments that tell of Tasks.

use axon_e2e::github::{Access, Fault, Issue};
use axon_operator::queue::Next;
use http::Method;
use serde_json::{Value, json};

use crate::harness::World;

fn issue(number: u64, comments: &str) -> Value {
    json!({ "kind": "Issue", "number": number, "comments": comments })
}

fn robot() -> Access {
    Access::user("robot")
}

#[tokio::test]
async fn a_task_is_told_of_in_one_comment_from_its_beginning_to_its_end() {
    let world = World::new(robot()).await;
    let number = world.repository().open_issue(Issue::new("It squeaks"));
    world.task("fix", issue(number, "PerTask")).await;
    let operator = world.operator();
    assert_eq!(operator.round("fix").await, Next::Wait(None));
    assert_eq!(world.writes(), 1);
    assert!(world.reports(number)[0].contains("was accepted"));
    assert_eq!(operator.round("fix").await, Next::Wait(None));
    assert_eq!(world.writes(), 1, "nothing new is to be told");
    world.end("fix", "Succeeded").await;
    world.github.forget_requests();
    operator.round("fix").await;
    assert_eq!(world.github.requests().len(), 1, "its comment is known");
    let reports = world.reports(number);
    assert_eq!(reports.len(), 1);
    assert!(reports[0].contains("has succeeded"), "{reports:?}");
    assert_eq!(world.told("fix").await["phase"], "Succeeded");
    assert_eq!(world.github.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn one_who_dies_before_noting_what_was_told_tells_nothing_twice() {
    let world = World::new(robot()).await;
    let number = world.repository().open_issue(Issue::new("It squeaks"));
    world.task("fix", issue(number, "PerTask")).await;
    for phase in [None, Some("Failed")] {
        if let Some(phase) = phase {
            world.end("fix", phase).await;
        }
        world.operator().round("fix").await;
        let writes = world.writes();
        world.forget("fix").await;
        world.operator().round("fix").await;
        assert_eq!(world.writes(), writes, "after {phase:?}");
        assert_eq!(world.reports(number).len(), 1, "after {phase:?}");
        assert!(!world.told("fix").await.is_null());
    }
    assert!(world.reports(number)[0].contains("has failed"));
}

#[tokio::test]
async fn tasks_of_one_spawner_share_a_sticky_comment_though_they_begin_together() {
    let world = World::new(robot()).await;
    let number = world.repository().open_issue(Issue::new("It squeaks"));
    for name in ["one", "two"] {
        world.task(name, issue(number, "Sticky")).await;
    }
    let operator = world.operator();
    tokio::join!(operator.round("one"), operator.round("two"));
    assert_eq!(world.reports(number).len(), 1);
    world.task("three", issue(number, "PerTask")).await;
    operator.round("three").await;
    assert_eq!(world.reports(number).len(), 2);
}

#[tokio::test]
async fn the_comment_is_found_among_a_hundred_and_fifty_others() {
    let world = World::new(robot()).await;
    let number = world.repository().open_issue(Issue::new("It squeaks"));
    world.task("fix", issue(number, "PerTask")).await;
    world.operator().round("fix").await;
    for count in 0..150 {
        world
            .repository()
            .comment(number, "alice", &format!("Mine too, {count}"));
    }
    world.forget("fix").await;
    world.end("fix", "Succeeded").await;
    world.operator().round("fix").await;
    let reports = world.reports(number);
    assert_eq!(reports.len(), 1);
    assert!(reports[0].contains("has succeeded"), "{reports:?}");
}

#[tokio::test]
async fn a_marker_that_a_stranger_copied_is_not_taken_for_ours() {
    let world = World::new(robot()).await;
    let number = world.repository().open_issue(Issue::new("It squeaks"));
    world.task("fix", issue(number, "PerTask")).await;
    world.operator().round("fix").await;
    let copy = world.reports(number)[0].replace("accepted", "hijacked");
    let stranger = world.repository().comment(number, "mallory", &copy);
    world.forget("fix").await;
    world.end("fix", "Succeeded").await;
    world.operator().round("fix").await;
    let comments = world.repository().comments(number);
    let of_stranger = comments.iter().find(|comment| comment["id"] == stranger);
    assert_eq!(of_stranger.expect("the comment")["body"], json!(copy));
    assert!(world.reports(number)[0].contains("has succeeded"));
}

#[tokio::test]
async fn a_limit_is_waited_for_and_holds_up_all_who_ask_with_the_credential() {
    let world = World::new(robot()).await;
    let number = world.repository().open_issue(Issue::new("It squeaks"));
    for name in ["one", "two"] {
        world.task(name, issue(number, "PerTask")).await;
    }
    let operator = world.operator();
    world.github.fail(Fault::secondary_rate_limit(60).from_now_on());
    for name in ["one", "two"] {
        let next = operator.round(name).await;
        assert!(
            matches!(next, Next::Wait(Some(wait)) if wait.as_secs() > 50),
            "{next:?}"
        );
    }
    assert_eq!(world.github.requests().len(), 1, "the second does not ask");
    assert!(world.told("one").await.is_null());
}

#[tokio::test]
async fn what_github_fails_at_is_tried_again() {
    let world = World::new(robot()).await;
    let number = world.repository().open_issue(Issue::new("It squeaks"));
    world.task("fix", issue(number, "PerTask")).await;
    world
        .github
        .fail(Fault::status(502).on(Method::POST, "/comments"));
    let operator = world.operator();
    assert!(matches!(operator.round("fix").await, Next::Retry(_)));
    assert!(world.told("fix").await.is_null());
    assert_eq!(operator.round("fix").await, Next::Wait(None));
    assert_eq!(world.reports(number).len(), 1);
}

#[tokio::test]
async fn what_is_refused_is_told_once_and_given_up() {
    let world = World::new(robot()).await;
    let number = world.repository().open_issue(Issue::new("It squeaks"));
    world.task("fix", issue(number, "PerTask")).await;
    world.github.revoke("good");
    let operator = world.operator();
    assert_eq!(operator.round("fix").await, Next::Wait(None));
    world.end("fix", "Succeeded").await;
    operator.round("fix").await;
    let told = world.told("fix").await;
    assert_eq!(told["phase"], "Succeeded", "the Task is not kept for it");
    assert!(
        told["error"]
            .as_str()
            .expect("an error")
            .contains("Bad credentials"),
        "{told}"
    );
    let notices = world.notices("ReportFailed").await;
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].count, Some(1), "{notices:?}");
}

#[tokio::test]
async fn a_credential_is_shown_to_no_other_server_than_the_workspaces() {
    let world = World::new(robot()).await;
    let elsewhere = World::new(robot()).await;
    let mut target = issue(1, "PerTask");
    target["apiUrl"] = json!(elsewhere.github.api_url());
    world.task("fix", target).await;
    world.operator().round("fix").await;
    assert!(elsewhere.github.requests().is_empty());
    let told = world.told("fix").await;
    assert!(
        told["error"]
            .as_str()
            .expect("an error")
            .contains("is not the server"),
        "{told}"
    );
}
