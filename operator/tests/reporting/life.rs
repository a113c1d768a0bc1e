//! Tasks whose time is over, with all controllers.

use axon_api::Task;
use axon_e2e::github::{Access, Fault, Issue};
use axon_operator::{Config, controllers};
use kube::Api;
use serde_json::json;

use crate::harness::{TEAM, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_time_is_over_is_kept_until_its_end_is_told() {
    let world = World::new(Access::user("robot")).await;
    let number = world.repository().open_issue(Issue::new("It squeaks"));
    let target = json!({ "kind": "Issue", "number": number, "comments": "PerTask" });
    world
        .task_with("fix", target, json!({ "ttlSecondsAfterFinished": 0 }))
        .await;
    let operator = controllers::run(world.client.clone(), Config::default(), std::future::pending());
    let operator = tokio::spawn(operator);
    eventually("it is accepted", async || world.reports(number).len() == 1).await;
    world.github.forget_requests();
    world.github.fail(Fault::status(503).times(1));
    world.end("fix", "Succeeded").await;
    eventually("GitHub fails", async || {
        world.github.count(|request| request.status == 503) == 1
    })
    .await;
    let tasks: Api<Task> = Api::namespaced(world.client.clone(), TEAM);
    let kept = tasks.get_opt("fix").await.expect("an answer");
    assert!(kept.is_some(), "its end was not told yet");
    eventually("the Task goes", async || {
        tasks.get_opt("fix").await.expect("an answer").is_none()
    })
    .await;
    let reports = world.reports(number);
    assert_eq!(reports.len(), 1);
    assert!(reports[0].contains("has succeeded"), "{reports:?}");
    operator.abort();
}
