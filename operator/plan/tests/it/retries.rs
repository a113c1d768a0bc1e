//! Runs that failed and are tried again, and Tasks that are given up by force.

use axon_api::Phase::{self, Cancelled, Failed, Pending, Running, Succeeded, TimedOut};
use axon_api::labels;
use axon_api::outcome::{Outcome, RunResult};
use axon_plan::Step;
use serde_json::{Value, json};

use crate::fixtures::{
    Scene, at, condition, container, ended, job, pod, running, steps, task, terminated, told,
};

/// A Task that may run this often again, with its pod let go.
fn with_retries(limit: i32) -> Scene {
    let spec = json!({ "type": "shell", "prompt": "x", "retry": { "limit": limit } });
    Scene::of(task(spec)).let_go()
}

fn reported(result: RunResult, reason: &str) -> Value {
    let outcome = Outcome::new(result, reason, "the message");
    ended(1, "Error", &outcome.to_json(3840))
}

#[test]
fn a_run_that_failed_is_tried_again_as_often_as_asked() {
    let mut scene = with_retries(2).with_pod(&reported(RunResult::Failed, "AgentFailed"));
    // The agent ended at second 9.
    scene.now = 12;
    let plan = scene.step();
    assert_eq!(told(&plan), (Pending, "RetryBackoff".to_owned()));
    assert_eq!(plan.wake.map(|wake| wake.as_secs()), Some(7));
    let message = plan.status.message.unwrap_or_default();
    assert!(
        message.starts_with("attempt 1 of 3 failed: AgentFailed: the message; the next one starts at"),
        "{message}"
    );
    assert!(scene.plan().steps.is_empty());
    scene.now = 19;
    let plan = scene.step();
    assert_eq!(steps(&plan), ["CreateJob", "WriteStatus"]);
    assert_eq!(plan.status.attempts, Some(2));
    assert_eq!((plan.status.pod_uid, plan.status.start_time), (None, None));
    let mut status = scene.status();
    status.attempts = Some(3);
    status.job_uid = Some("job-3".to_owned());
    status.pod_uid = Some("pod-1".to_owned());
    scene.task.status = Some(status);
    let plan = scene.plan();
    assert_eq!(told(&plan), (Failed, "AgentFailed".to_owned()));
    assert_eq!(plan.status.attempts, Some(3));
}

#[test]
fn what_was_ended_on_purpose_or_cannot_help_is_not_tried_again() {
    for (status, phase, reason) in [
        (
            reported(RunResult::Succeeded, "Completed"),
            Succeeded,
            "Completed",
        ),
        (reported(RunResult::TimedOut, "TimedOut"), TimedOut, "TimedOut"),
        (
            reported(RunResult::Failed, "LimitExceeded"),
            Failed,
            "LimitExceeded",
        ),
        (
            reported(RunResult::Failed, "AuthenticationFailed"),
            Failed,
            "AuthenticationFailed",
        ),
    ] {
        let mut scene = with_retries(3).with_pod(&status);
        scene.now = 12;
        assert_eq!(told(&scene.plan()), (phase, reason.to_owned()));
    }
}

#[test]
fn without_a_policy_nothing_is_paid_for_twice() {
    let scene = Scene::of(task(json!({ "type": "shell", "prompt": "x" }))).let_go();
    let scene = scene.with_pod(&reported(RunResult::Failed, "AgentFailed"));
    assert_eq!(told(&scene.plan()), (Failed, "AgentFailed".to_owned()));
}

#[test]
fn a_task_cancelled_between_two_attempts_has_no_more() {
    let mut scene = with_retries(3).with_pod(&reported(RunResult::Failed, "AgentFailed"));
    scene.now = 12;
    scene.step();
    scene.task.spec.cancel = Some(true);
    let plan = scene.plan();
    assert_eq!(told(&plan), (Cancelled, "Cancelled".to_owned()));
    assert_eq!(plan.status.exit_code, Some(1));
}

#[test]
fn a_retry_whose_last_pod_is_gone_starts_at_once() {
    let mut scene = with_retries(1).with_pod(&reported(RunResult::Failed, "AgentFailed"));
    scene.now = 12;
    scene.step();
    scene.pods.clear();
    scene.jobs.clear();
    let plan = scene.plan();
    assert_eq!(steps(&plan), ["CreateJob", "WriteStatus"]);
    assert_eq!(plan.status.attempts, Some(2));
}

#[test]
fn a_deadline_that_passed_before_the_start_is_a_time_out() {
    let mut scene = with_retries(3).with_pod(&container("Failed", "prepare", &terminated(1, "Error", "")));
    scene.jobs[0].status = serde_json::from_value(
        json!({ "conditions": [{ "type": "Failed", "status": "True", "reason": "DeadlineExceeded" }] }),
    )
    .ok();
    let plan = scene.plan();
    assert_eq!(told(&plan), (TimedOut, "DeadlineExceeded".to_owned()));
    assert_eq!(condition(&plan, "Started"), "False");
}

fn unreachable() -> Value {
    let mut status = running();
    status["conditions"] = json!([{ "type": "Ready", "status": "Unknown" }]);
    status
}

fn force(scene: &mut Scene) {
    let annotations = [(labels::FORCE.to_owned(), "true".to_owned())];
    scene.task.metadata.annotations = Some(annotations.into());
    scene.task.spec.cancel = Some(true);
}

#[test]
fn a_pod_on_a_lost_node_is_given_up_only_when_a_person_says_so() {
    let mut scene = with_retries(3).with_pod(&unreachable());
    scene.step();
    scene.task.spec.cancel = Some(true);
    let plan = scene.step();
    assert_eq!(told(&plan).0, Running);
    assert_eq!(steps(&plan), ["WriteStatus", "DeletePod"]);
    scene.pods[0].metadata.deletion_timestamp = Some(at(30).into());
    scene.now = 3600;
    assert_eq!(steps(&scene.plan()), [""; 0]);
    force(&mut scene);
    let plan = scene.step();
    assert_eq!(
        plan.steps,
        [Step::ForceDeletePod {
            pod: "pod-1-name".to_owned(),
            uid: "pod-1".to_owned(),
        }]
    );
    // It has ended only when the pod is gone, which is not believed at once.
    scene.pods.clear();
    assert_eq!(told(&scene.step()).0, Running);
    scene.now += 5;
    assert_eq!(told(&scene.plan()), (Cancelled, "Cancelled".to_owned()));
}

#[test]
fn force_gives_a_pod_that_is_heard_from_its_grace_period() {
    let mut scene = with_retries(3).with_pod(&running());
    force(&mut scene);
    assert_eq!(steps(&scene.step()), ["WriteStatus", "DeletePod"]);
    scene.pods[0].metadata.deletion_timestamp = Some(at(30).into());
    let plan = scene.step();
    assert_eq!(steps(&plan), [""; 0]);
    assert_eq!(plan.wake.map(|wake| wake.as_secs()), Some(31));
    scene.now = 31;
    assert_eq!(steps(&scene.plan()), ["ForceDeletePod"]);
}

#[test]
fn a_pod_that_never_started_is_given_up_by_force_too() {
    let mut scene = with_retries(3);
    scene.pods[0] = pod(
        "pod-1",
        "job-1",
        &json!({ "phase": "Pending", "reason": "NodeLost" }),
    );
    force(&mut scene);
    let plan = scene.step();
    assert_eq!(told(&plan), (Pending, "Cancelling".to_owned()));
    assert_eq!(steps(&plan), ["WriteStatus", "ForceDeletePod"]);
}

#[test]
fn failures_before_and_after_the_start_are_counted_together() {
    let failed_clone = container(
        "Failed",
        "prepare",
        &terminated(
            1,
            "Error",
            &Outcome::new(RunResult::Failed, "CloneFailed", "git said so").to_json(2816),
        ),
    );
    for (limit, attempt, expected) in [
        (1, 3, Pending),
        (1, 4, Failed),
        (10, 10, Pending),
        (10, 11, Failed),
    ] {
        let mut scene = with_retries(limit).with_pod(&failed_clone);
        let mut status = scene.status();
        status.attempts = Some(attempt);
        scene.task.status = Some(status);
        scene.jobs = vec![job("other", "job-1")];
        scene.now = 9;
        let phase: Phase = told(&scene.plan()).0;
        assert_eq!(phase, expected, "attempt {attempt} of limit {limit}");
    }
}
