//! What is made of each answer that the API server may give to a write.

#[path = "../src/testing.rs"]
mod testing;

use std::sync::Arc;

use axon_api::{Phase, Task, TaskSpec, TaskStatus};
use axon_operator::apply::{Applied, Applier, ApplyError, LeaseHome, Obstacle};
use axon_operator::github_app::GitHub;
use axon_operator::metrics::Metrics;
use axon_operator::notices::notices;
use axon_operator::queue::Queue;
use axon_operator::world::SharedWorld;
use axon_plan::Step;
use http::Method;
use k8s_openapi::api::batch::v1::Job;
use kube::Client;
use serde_json::{Value, json};

use self::testing::{Sent, failure, server};

fn applier(client: Client) -> Applier {
    let (notices, _) = notices(client.clone(), "test".to_owned());
    Applier {
        client,
        world: Arc::new(SharedWorld::default()),
        queue: Arc::new(Queue::default()),
        notices,
        metrics: Metrics::default(),
        github: GitHub::default(),
        leases: LeaseHome::new("axon-system"),
        secrets: Arc::default(),
    }
}

fn task() -> Task {
    let mut task = Task::new("fix", TaskSpec::default());
    task.metadata.namespace = Some("default".to_owned());
    task.metadata.uid = Some("task-uid".to_owned());
    task.metadata.resource_version = Some("7".to_owned());
    task
}

fn job_of(uid: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": "fix-1", "namespace": "default", "uid": "job-uid",
            "ownerReferences": [{
                "apiVersion": "axon.io/v1alpha1", "kind": "Task", "name": "fix",
                "uid": uid, "controller": true,
            }],
        },
    })
}

fn create_job() -> Step {
    Step::CreateJob(Box::new(
        serde_json::from_value::<Job>(job_of("task-uid")).expect("a Job"),
    ))
}

fn running() -> TaskStatus {
    TaskStatus {
        phase: Some(Phase::Running),
        ..TaskStatus::default()
    }
}

/// What a step comes to when the server gives these answers, and what it was asked.
async fn apply(step: Step, answers: Vec<(u16, Value)>) -> (Result<Applied, ApplyError>, Vec<Sent>) {
    let (client, sent) = server(answers);
    let applied = applier(client).apply(&task(), &running(), &step).await;
    let sent = std::mem::take(&mut *sent.lock().expect("no panic"));
    (applied, sent)
}

#[tokio::test]
async fn a_job_that_is_there_already_and_ours_is_as_good_as_created() {
    let exists = failure(409, "AlreadyExists", "jobs.batch \"fix-1\" already exists");
    let (applied, sent) = apply(create_job(), vec![exists, (200, job_of("task-uid"))]).await;
    assert_eq!(applied.expect("no failure"), Applied::JobCreated);
    let asked: Vec<_> = sent.iter().map(|sent| (&sent.method, &*sent.path)).collect();
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    assert_eq!(
        asked,
        [(&Method::POST, jobs), (&Method::GET, &*format!("{jobs}/fix-1"))]
    );
}

#[tokio::test]
async fn a_job_of_another_owner_is_an_obstacle() {
    let exists = failure(409, "AlreadyExists", "jobs.batch \"fix-1\" already exists");
    let (applied, _) = apply(create_job(), vec![exists, (200, job_of("other-uid"))]).await;
    let obstacle = Obstacle::NameTaken("fix-1".to_owned());
    assert_eq!(applied.expect("no failure"), Applied::Refused(obstacle));
}

#[tokio::test]
async fn a_job_that_went_away_between_two_answers_is_tried_again() {
    let exists = failure(409, "AlreadyExists", "jobs.batch \"fix-1\" already exists");
    let gone = failure(404, "NotFound", "jobs.batch \"fix-1\" not found");
    let (applied, _) = apply(create_job(), vec![exists, gone]).await;
    assert_eq!(applied.expect("no failure"), Applied::Stale);
}

#[tokio::test]
async fn an_invalid_job_is_an_obstacle_and_a_quota_is_a_failure() {
    let invalid = failure(422, "Invalid", "Job.batch \"fix-1\" is invalid: spec.template");
    let (applied, _) = apply(create_job(), vec![invalid]).await;
    assert!(matches!(
        applied.expect("no failure"),
        Applied::Refused(Obstacle::Invalid(why)) if why.contains("spec.template")
    ));
    let denied = failure(403, "Forbidden", "admission webhook \"x\" denied the request: no");
    let (applied, _) = apply(create_job(), vec![denied]).await;
    assert!(matches!(
        applied.expect("no failure"),
        Applied::Refused(Obstacle::Invalid(_))
    ));
    let quota = failure(
        403,
        "Forbidden",
        "jobs.batch \"fix-1\" is forbidden: exceeded quota: q",
    );
    assert!(apply(create_job(), vec![quota]).await.0.is_err());
}

#[tokio::test]
async fn a_run_secret_that_is_there_already_is_as_good_as_created() {
    let exists = failure(409, "AlreadyExists", "secrets \"fix-1-run\" already exists");
    let step = Step::CreateRunSecret(Box::default());
    assert_eq!(
        apply(step, vec![exists]).await.0.expect("no failure"),
        Applied::Done
    );
}

#[tokio::test]
async fn a_status_is_written_on_the_version_that_was_observed() {
    let conflict = failure(409, "Conflict", "the object has been modified");
    let (applied, sent) = apply(Step::WriteStatus, vec![conflict]).await;
    assert_eq!(applied.expect("no failure"), Applied::Stale);
    let expected = Sent {
        method: Method::PATCH,
        path: "/apis/axon.io/v1alpha1/namespaces/default/tasks/fix/status".to_owned(),
        body: json!({
            "metadata": { "uid": "task-uid", "resourceVersion": "7" },
            "status": { "phase": "Running" },
        }),
    };
    assert_eq!(sent, [expected]);
}

#[tokio::test]
async fn the_gate_of_another_pod_of_the_same_name_stays() {
    let step = || Step::RemoveStartGate {
        pod: "fix-1-abcde".to_owned(),
        uid: "pod-uid".to_owned(),
    };
    let invalid = failure(422, "Invalid", "metadata.uid: Invalid value: field is immutable");
    let conflict = failure(409, "Conflict", "Precondition failed: UID in precondition");
    let gone = failure(404, "NotFound", "pods \"fix-1-abcde\" not found");
    for answer in [invalid, conflict, gone] {
        let (applied, sent) = apply(step(), vec![answer]).await;
        assert_eq!(applied.expect("no failure"), Applied::Stale);
        let patch = json!({ "metadata": { "uid": "pod-uid" }, "spec": { "schedulingGates": null } });
        assert_eq!(sent.first().map(|sent| &sent.body), Some(&patch));
    }
}

#[tokio::test]
async fn what_is_deleted_is_named_by_its_uid_and_may_be_gone_already() {
    let step = || Step::DeleteJob {
        job: "fix-1".to_owned(),
        uid: "job-uid".to_owned(),
    };
    let gone = failure(404, "NotFound", "jobs.batch \"fix-1\" not found");
    let (applied, sent) = apply(step(), vec![gone]).await;
    assert_eq!(applied.expect("no failure"), Applied::Done);
    let options = json!({ "propagationPolicy": "Background", "preconditions": { "uid": "job-uid" } });
    assert_eq!(sent.first().map(|sent| &sent.body), Some(&options));
    let another = failure(409, "Conflict", "the UID in the precondition does not match");
    assert_eq!(
        apply(step(), vec![another]).await.0.expect("no failure"),
        Applied::Stale
    );
}

fn take_branch(version: Option<&str>) -> Step {
    let lease = json!({
        "metadata": {
            "name": "axon-branch-1", "namespace": "axon-system",
            "uid": version.map(|_| "lease-uid"), "resourceVersion": version,
        },
        "spec": { "holderIdentity": "task-uid" },
    });
    Step::TakeBranch(Box::new(serde_json::from_value(lease).expect("a Lease")))
}

fn taken() -> (u16, Value) {
    let lease = json!({
        "metadata": {
            "name": "axon-branch-1", "namespace": "axon-system", "uid": "lease-uid", "resourceVersion": "9",
        },
        "spec": { "holderIdentity": "task-uid" },
    });
    (200, lease)
}

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/axon-system/leases";

#[tokio::test]
async fn a_branch_is_taken_by_creating_its_lease_or_replacing_the_version_that_was_seen() {
    let (applied, sent) = apply(take_branch(None), vec![taken()]).await;
    assert_eq!(applied.expect("no failure"), Applied::Done);
    assert_eq!((&sent[0].method, &*sent[0].path), (&Method::POST, LEASES));
    let (applied, sent) = apply(take_branch(Some("8")), vec![taken()]).await;
    assert_eq!(applied.expect("no failure"), Applied::Done);
    let path = format!("{LEASES}/axon-branch-1");
    assert_eq!((&sent[0].method, &*sent[0].path), (&Method::PUT, &*path));
    assert_eq!(sent[0].body["metadata"]["resourceVersion"], "8");
}

#[tokio::test]
async fn of_two_who_take_a_branch_the_second_decides_anew() {
    let exists = failure(409, "AlreadyExists", "leases \"axon-branch-1\" already exists");
    let conflict = failure(409, "Conflict", "the object has been modified");
    let gone = failure(404, "NotFound", "leases \"axon-branch-1\" not found");
    for (version, answer) in [(None, exists), (Some("8"), conflict), (Some("8"), gone)] {
        let (applied, _) = apply(take_branch(version), vec![answer]).await;
        assert_eq!(applied.expect("no failure"), Applied::Stale);
    }
}

#[tokio::test]
async fn a_missing_namespace_for_leases_is_no_failure_of_each_round() {
    let missing = failure(404, "NotFound", "namespaces \"axon-system\" not found");
    let (applied, _) = apply(take_branch(None), vec![missing]).await;
    assert_eq!(applied.expect("no failure"), Applied::Stale);
}

#[tokio::test]
async fn a_branch_is_freed_only_in_the_version_that_was_seen() {
    let release = || Step::ReleaseBranch {
        lease: "axon-branch-1".to_owned(),
        uid: "lease-uid".to_owned(),
        resource_version: "8".to_owned(),
    };
    let gone = failure(404, "NotFound", "leases \"axon-branch-1\" not found");
    let (applied, sent) = apply(release(), vec![gone]).await;
    assert_eq!(applied.expect("no failure"), Applied::Done);
    let preconditions = json!({ "uid": "lease-uid", "resourceVersion": "8" });
    assert_eq!(sent[0].body["preconditions"], preconditions);
    let conflict = failure(409, "Conflict", "the resourceVersion does not match");
    assert_eq!(
        apply(release(), vec![conflict]).await.0.expect("no failure"),
        Applied::Stale
    );
}

#[tokio::test]
async fn a_claim_that_is_there_already_is_as_good_as_created() {
    let exists = failure(
        409,
        "AlreadyExists",
        "persistentvolumeclaims \"c\" already exists",
    );
    let step = Step::CreateClaim(Box::default());
    assert_eq!(
        apply(step, vec![exists]).await.0.expect("no failure"),
        Applied::Done
    );
}

#[tokio::test]
async fn a_pod_that_is_given_up_is_deleted_at_once_and_by_its_uid() {
    let step = Step::ForceDeletePod {
        pod: "fix-1-abcde".to_owned(),
        uid: "pod-uid".to_owned(),
    };
    let gone = failure(404, "NotFound", "pods \"fix-1-abcde\" not found");
    let (applied, sent) = apply(step, vec![gone]).await;
    assert_eq!(applied.expect("no failure"), Applied::Done);
    assert_eq!(sent[0].body["gracePeriodSeconds"], 0);
    assert_eq!(sent[0].body["preconditions"]["uid"], "pod-uid");
}

fn make_token() -> Step {
    Step::MakeToken {
        secret: "fix-token".to_owned(),
        app_secret: "app".to_owned(),
        repository: "https://github.com/org/repo".to_owned(),
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_an_obstacle_which_does_not_show_it() {
    // "NyBodW50ZXIy" is "7 hunter2", and "Nw==" is "7".
    let secret = json!({
        "metadata": { "name": "app", "namespace": "default" },
        "data": { "appID": "Nw==", "installationID": "Nw==", "privateKey": "NyBodW50ZXIy" },
    });
    let (applied, _) = apply(make_token(), vec![(200, secret)]).await;
    let Applied::Refused(Obstacle::Token(why)) = applied.expect("no failure") else {
        panic!("not refused")
    };
    assert!(why.contains("`privateKey`") && !why.contains("hunter2"), "{why}");
}

#[tokio::test]
async fn a_token_without_its_app_is_decided_anew() {
    let gone = failure(404, "NotFound", "secrets \"app\" not found");
    let (applied, _) = apply(make_token(), vec![gone]).await;
    assert_eq!(applied.expect("no failure"), Applied::Stale);
}

#[tokio::test]
async fn an_error_of_the_server_names_what_failed() {
    let steps = [
        (create_job(), "failed to create Job `fix-1`"),
        (Step::WriteStatus, "failed to write the status of Task `fix`"),
    ];
    for (step, message) in steps {
        let error = failure(500, "InternalError", "etcdserver: request timed out");
        let (applied, _) = apply(step, vec![error]).await;
        assert_eq!(applied.expect_err("a failure").to_string(), message);
    }
}
