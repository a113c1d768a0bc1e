//! Check runs that tell of Tasks.

use axon_e2e::github::{Access, Fault, PullRequest};
use axon_operator::queue::Next;
use http::Method;
use serde_json::{Value, json};

use crate::harness::World;

const SHA: &str = "00000000000000000000000000000000000000aa";

fn pull_request(world: &World) -> Value {
    let number = world
        .repository()
        .open_pull_request(PullRequest::new("Oil it").sha(SHA));
    json!({
        "kind": "PullRequest", "number": number, "comments": "PerTask", "headSha": SHA, "check": "Axon: review",
    })
}

#[tokio::test]
async fn a_check_run_is_made_and_completed() {
    let world = World::new(Access::installation()).await;
    world.task("review", pull_request(&world)).await;
    let operator = world.operator();
    assert_eq!(operator.round("review").await, Next::Wait(None));
    let runs = world.repository().check_runs(SHA);
    assert_eq!(runs[0]["status"], "in_progress", "{runs:?}");
    world.end("review", "Failed").await;
    operator.round("review").await;
    let runs = world.repository().check_runs(SHA);
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["status"], "completed");
    assert_eq!(runs[0]["conclusion"], "failure");
    assert_eq!(world.github.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn tasks_for_one_commit_have_a_check_run_each_that_is_made_once() {
    let world = World::new(Access::installation()).await;
    let target = pull_request(&world);
    for name in ["one", "two"] {
        world.task(name, target.clone()).await;
        world.operator().round(name).await;
    }
    let writes = world.writes();
    for name in ["one", "two"] {
        world.forget(name).await;
        world.operator().round(name).await;
    }
    assert_eq!(world.writes(), writes);
    assert_eq!(world.repository().check_runs(SHA).len(), 2);
}

#[tokio::test]
async fn one_who_dies_between_comment_and_check_run_writes_the_comment_once() {
    let world = World::new(Access::installation()).await;
    let target = pull_request(&world);
    let number = target["number"].as_u64().expect("a number");
    world.task("review", target).await;
    world
        .github
        .fail(Fault::status(500).on(Method::POST, "/check-runs"));
    assert!(matches!(world.operator().round("review").await, Next::Retry(_)));
    assert_eq!(world.operator().round("review").await, Next::Wait(None));
    assert_eq!(world.reports(number).len(), 1);
    assert_eq!(world.repository().check_runs(SHA).len(), 1);
}

#[tokio::test]
async fn a_persons_token_writes_comments_though_it_may_write_no_check_run() {
    let world = World::new(Access::user("robot")).await;
    let target = pull_request(&world);
    let number = target["number"].as_u64().expect("a number");
    world.task("review", target).await;
    let operator = world.operator();
    assert_eq!(operator.round("review").await, Next::Wait(None));
    world.end("review", "Succeeded").await;
    operator.round("review").await;
    assert_eq!(world.reports(number).len(), 1);
    assert!(world.repository().check_runs(SHA).is_empty());
    let notices = world.notices("ReportFailed").await;
    assert_eq!(notices[0].count, Some(1), "it is told once: {notices:?}");
    let message = notices[0].message.as_deref().unwrap_or_default();
    assert!(message.contains("check run `Axon: review`"), "{message}");
}
