//! What is made of each answer that the API server may give, and of each event.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axon_api::outcome::{Outcome, RunResult};
use axon_api::{Task, TaskPipeline, TaskPipelineStatus, printed_text};
use axon_plan::pipeline::{KeptRun, Step};
use http::{Request, Response};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::client::Body;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use tower::service_fn;

use super::apply::{Applied, Applier, ApplyError};
use super::wakes::Wakes;
use crate::key::Key;
use crate::notices::notices;
use crate::queue::Queue;
use crate::world::Loose;

/// Requests as the server got them: method, path with query, body.
type Sent = Arc<Mutex<Vec<(String, String, Value)>>>;

/// A server that gives these answers in turn and remembers what it was asked.
fn server(answers: Vec<(u16, String)>) -> (Client, Sent) {
    let sent = Sent::default();
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let log = Arc::clone(&sent);
    let service = service_fn(move |request: Request<Body>| {
        let answers = Arc::clone(&answers);
        let log = Arc::clone(&log);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await.expect("a body");
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let asked = (head.method.to_string(), head.uri.to_string(), body);
            log.lock().expect("no panic").push(asked);
            let (code, answer) = answers.lock().expect("no panic").next().expect("one more answer");
            let body = Body::from(answer.into_bytes());
            Ok::<_, Infallible>(Response::builder().status(code).body(body).expect("a response"))
        }
    });
    (Client::new(service, "default"), sent)
}

fn failure(code: u16, reason: &str, message: &str) -> (u16, String) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    (code, status.to_string())
}

fn pipeline() -> TaskPipeline {
    serde_json::from_value(json!({
        "apiVersion": "axon.io/v1alpha1",
        "kind": "TaskPipeline",
        "metadata": { "name": "fix", "namespace": "dev", "uid": "u", "resourceVersion": "7" },
        "spec": { "prompt": "p" },
        "status": { "phase": "Testing", "reason": "StepRunning", "conditions": [
            { "type": "Approved", "status": "True", "reason": "r", "message": "", "lastTransitionTime": "2027-01-15T08:00:00Z" },
        ] },
    }))
    .expect("a TaskPipeline")
}

/// What a step comes to when the server gives these answers, and what it was asked.
async fn apply(
    step: Step,
    ended: Option<Timestamp>,
    answers: Vec<(u16, String)>,
) -> (Result<Applied, ApplyError>, Vec<(String, String, Value)>) {
    let (client, sent) = server(answers);
    let (notices, _writer) = notices(client.clone(), "test".to_owned());
    let applier = Applier {
        client: &client,
        notices: &notices,
        pipeline: &pipeline(),
        task_ended: ended,
    };
    let status = TaskPipelineStatus {
        phase: serde_json::from_value(json!("Complete")).ok(),
        ..TaskPipelineStatus::default()
    };
    let result = applier.apply(&status, &step).await;
    let sent = std::mem::take(&mut *sent.lock().expect("no panic"));
    (result, sent)
}

fn create_task() -> Step {
    let task = json!({ "metadata": { "name": "fix-plan-1", "namespace": "dev" }, "spec": { "prompt": "p" } });
    Step::CreateTask(Box::new(serde_json::from_value::<Task>(task).expect("a Task")))
}

fn keep() -> Step {
    Step::KeepRun {
        task: "fix-plan-1".to_owned(),
        pod: Some("pod-1".to_owned()),
        run: Box::default(),
    }
}

fn pod(message: &str) -> (u16, String) {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "pod-1" },
        "status": { "containerStatuses": [{
            "name": "agent", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "terminated": { "exitCode": 0, "message": message } },
        }] },
    });
    (200, pod.to_string())
}

/// A pod whose runner has proven `text`, and the log that ends with it.
fn proven(text: &str) -> ((u16, String), String) {
    let (log, proof) = printed_text::block(text);
    let mut outcome = Outcome::new(RunResult::Succeeded, "Completed", "");
    outcome.printed_text = Some(proof);
    (pod(&outcome.to_json(3840)), log)
}

fn created() -> (u16, String) {
    (
        201,
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" } }).to_string(),
    )
}

/// What was kept by the last request.
fn kept(sent: &[(String, String, Value)]) -> KeptRun {
    let (_, _, body) = sent.last().expect("a request");
    let secret = serde_json::from_value(body.clone()).expect("a Secret");
    match axon_plan::pipeline::KeptSeen::read(&secret, &pipeline()) {
        axon_plan::pipeline::KeptSeen::Kept(run) => *run,
        axon_plan::pipeline::KeptSeen::Foreign { .. } => panic!("not ours"),
    }
}

#[tokio::test]
async fn a_task_that_is_there_is_looked_at_again_and_one_that_is_invalid_is_refused() {
    let exists = failure(
        409,
        "AlreadyExists",
        "tasks.axon.io \"fix-plan-1\" already exists",
    );
    assert_eq!(
        apply(create_task(), None, vec![exists])
            .await
            .0
            .expect("no failure"),
        Applied::Stale
    );
    let invalid = failure(422, "Invalid", "spec.branch: Invalid value");
    let refused = Applied::Refused("spec.branch: Invalid value".to_owned());
    assert_eq!(
        apply(create_task(), None, vec![invalid])
            .await
            .0
            .expect("no failure"),
        refused
    );
    let quota = failure(403, "Forbidden", "exceeded quota: q");
    assert!(apply(create_task(), None, vec![quota]).await.0.is_err());
}

#[tokio::test]
async fn a_task_is_cancelled_by_its_uid() {
    let step = || Step::CancelTask {
        task: "fix-plan-1".to_owned(),
        uid: "task-uid".to_owned(),
    };
    let gone = failure(404, "NotFound", "tasks.axon.io \"fix-plan-1\" not found");
    let (applied, sent) = apply(step(), None, vec![gone]).await;
    assert_eq!(applied.expect("no failure"), Applied::Stale);
    assert_eq!(
        sent[0].2,
        json!({ "metadata": { "uid": "task-uid" }, "spec": { "cancel": true } })
    );
}

#[tokio::test]
async fn a_status_is_written_on_the_version_that_was_observed_and_drops_what_is_no_more() {
    let conflict = failure(409, "Conflict", "the object has been modified");
    let (applied, sent) = apply(Step::WriteStatus, None, vec![conflict]).await;
    assert_eq!(applied.expect("no failure"), Applied::Stale);
    assert_eq!(
        sent[0].2,
        json!({
            "metadata": { "uid": "u", "resourceVersion": "7" },
            "status": { "phase": "Complete", "reason": null, "conditions": null },
        })
    );
}

#[tokio::test]
async fn a_text_is_kept_when_it_is_the_one_that_was_proven() {
    let (pod, log) = proven("the plan");
    let (applied, sent) = apply(keep(), None, vec![pod, (200, log), created()]).await;
    assert_eq!(applied.expect("no failure"), Applied::Done);
    let (_, asked, _) = &sent[1];
    for part in ["/pods/pod-1/log", "container=agent", "tailLines=3", "limitBytes="] {
        assert!(asked.contains(part), "{asked}");
    }
    assert_eq!((&*kept(&sent).text, kept(&sent).text_lost), ("the plan", None));
}

#[tokio::test]
async fn a_text_that_cannot_be_believed_or_is_gone_is_kept_as_lost() {
    let (honest, _) = proven("the plan");
    let (_, forged) = proven("another plan");
    let silent = Outcome::new(RunResult::Succeeded, "Completed", "").to_json(3840);
    for (answers, says) in [
        (
            vec![honest.clone(), (200, forged)],
            "the log ends with another one",
        ),
        (
            vec![honest.clone(), (200, "noise".to_owned())],
            "the log does not end with it",
        ),
        (
            vec![honest.clone(), failure(404, "NotFound", "no log")],
            "the log of Pod `pod-1` is gone",
        ),
        (
            vec![honest, failure(500, "InternalError", "no answer")],
            "failed to read the log",
        ),
        (vec![pod(&silent)], "has no proof"),
        (vec![pod("Segmentation fault")], "left no report"),
        (vec![failure(404, "NotFound", "no pod")], "Pod `pod-1` is gone"),
    ] {
        let answers = answers.into_iter().chain([created()]).collect();
        let (applied, sent) = apply(keep(), None, answers).await;
        assert_eq!(applied.expect("no failure"), Applied::Done, "{says}");
        let run = kept(&sent);
        assert_eq!(run.text, "");
        let lost = run.text_lost.unwrap_or_default();
        assert!(lost.contains(says), "{lost}");
    }
}

#[tokio::test]
async fn a_log_that_the_server_does_not_give_is_asked_for_again_at_first() {
    let (pod, _) = proven("the plan");
    let just_ended = Timestamp::now().saturating_add(SignedDuration::from_secs(1)).ok();
    let error = failure(500, "InternalError", "no answer");
    let (applied, sent) = apply(keep(), just_ended, vec![pod, error]).await;
    assert!(applied.is_err());
    assert_eq!(sent.len(), 2, "nothing is kept");
}

fn event<K: serde::de::DeserializeOwned + serde::Serialize>(object: Value) -> Loose<K> {
    serde_json::from_value(object).expect("an object")
}

fn task_of_fix(phase: &str) -> Loose<Task> {
    event(json!({
        "metadata": { "name": "fix-plan-1", "namespace": "dev", "ownerReferences": [
            { "apiVersion": "axon.io/v1alpha1", "kind": "TaskPipeline", "name": "fix", "uid": "u", "controller": true },
        ] },
        "spec": "not even an object",
        "status": { "phase": phase },
    }))
}

fn fix(phase: &str) -> Loose<TaskPipeline> {
    event(json!({
        "metadata": { "name": "fix", "namespace": "dev" }, "spec": {}, "status": { "phase": phase },
    }))
}

/// Whether these events wake the pipeline.
fn wakes(events: impl FnOnce(&Wakes)) -> bool {
    let queue = Arc::new(Queue::default());
    events(&Wakes::new(Arc::clone(&queue)));
    queue.depth() > 0
}

#[test]
fn a_task_wakes_its_pipeline_until_both_have_ended() {
    assert!(wakes(|wakes| wakes.on_task(Event::Apply(task_of_fix("Running")))));
    assert!(wakes(
        |wakes| wakes.on_task(Event::Apply(task_of_fix("Succeeded")))
    ));
    assert!(wakes(|wakes| wakes.on_task(Event::Delete(task_of_fix("Running")))));
    assert!(!wakes(|wakes| {
        wakes.on_pipeline(Event::InitApply(fix("Complete")));
        wakes.on_task(Event::Apply(task_of_fix("Succeeded")));
    }));
    assert!(wakes(|wakes| {
        wakes.on_pipeline(Event::InitApply(fix("Cancelled")));
        wakes.on_task(Event::Apply(task_of_fix("Running")));
    }));
}

#[test]
fn a_workspace_wakes_who_waits_for_it() {
    let appears = |name: &str| {
        wakes(|wakes| {
            wakes.when_workspace_appears(&Key::new("dev", "fix"), "code");
            let workspace = json!({ "metadata": { "name": name, "namespace": "dev" } });
            wakes.on_workspace(Event::Apply(serde_json::from_value(workspace).expect("metadata")));
        })
    };
    assert!(appears("code"));
    assert!(!appears("other"));
}
