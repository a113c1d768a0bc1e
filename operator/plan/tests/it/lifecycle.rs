//! From the Job to the end.

use axon_api::Phase::{self, Cancelled, Failed, Pending, Running, Succeeded, TimedOut};
use axon_api::outcome::{Outcome, RunResult};
use axon_plan::Step;
use serde_json::{Value, json};

use crate::fixtures::{
    Scene, at, condition, container, ended, job, pod, running, shell, steps, task, terminated, told,
};

fn let_go() -> Scene {
    Scene::of(shell()).let_go()
}

fn waiting(container_name: &str, reason: &str, message: &str) -> Value {
    let state = json!({ "waiting": { "reason": reason, "message": message } });
    container("Pending", container_name, &state)
}

#[test]
fn the_pod_is_recorded_before_its_gate_is_taken_off() {
    let mut scene = Scene::of(shell());
    scene.step();
    scene.jobs = vec![job(&scene.job_name(), "job-1")];
    scene.pods = vec![
        pod("pod-1", "job-1", &json!({ "phase": "Pending" })),
        pod("pod-2", "job-1", &json!({ "phase": "Pending" })),
        pod("pod-0", "another-job", &json!({ "phase": "Pending" })),
    ];
    let plan = scene.step();
    assert_eq!(
        plan.steps,
        [
            Step::WriteStatus,
            Step::RemoveStartGate {
                pod: "pod-1-name".to_owned(),
                uid: "pod-1".to_owned()
            }
        ]
    );
    assert_eq!(plan.status.pod_uid.as_deref(), Some("pod-1"));
    assert_eq!(plan.status.job_uid.as_deref(), Some("job-1"));
    assert_eq!(steps(&scene.plan()), ["RemoveStartGate"]);
}

#[test]
fn what_keeps_the_agent_from_starting_is_told() {
    let unschedulable = json!({ "phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes fit",
    }] });
    for (status, reason, says) in [
        (unschedulable, "Unschedulable", "0/1 nodes fit"),
        (
            waiting("agent", "ImagePullBackOff", "no such"),
            "ImagePullFailed",
            "`an/image:1`",
        ),
        (
            waiting("runner", "ErrImagePull", "no such"),
            "ImagePullFailed",
            "no such",
        ),
        (
            waiting("agent", "InvalidImageName", ""),
            "ImagePullFailed",
            "`an/image:1`",
        ),
        (
            waiting("agent", "CreateContainerConfigError", "couldn't find key K"),
            "ContainerConfigError",
            "couldn't find key K",
        ),
        (
            container("Pending", "prepare", &json!({ "running": {} })),
            "PreparingWorkspace",
            "prepared",
        ),
        (waiting("agent", "PodInitializing", ""), "PodStarting", "starting"),
    ] {
        let plan = let_go().with_pod(&status).plan();
        assert_eq!(told(&plan), (Pending, reason.to_owned()));
        let message = plan.status.message.unwrap_or_default();
        assert!(message.contains(says), "{message}");
        assert!(plan.wake.is_some(), "{reason} is given up at some time");
    }
}

#[test]
fn an_image_that_cannot_be_pulled_ends_the_task_once_its_pod_is_gone() {
    let mut scene = let_go().with_pod(&waiting("agent", "ErrImagePull", "no such"));
    scene.step();
    scene.now = 601;
    let plan = scene.step();
    assert_eq!(told(&plan), (Pending, "ImagePullFailed".to_owned()));
    assert_eq!(steps(&plan), ["WriteStatus", "DeleteJob"]);
    scene.jobs.clear();
    scene.pods.clear();
    scene.step();
    scene.now = 610;
    let plan = scene.plan();
    assert_eq!(told(&plan), (Failed, "ImagePullFailed".to_owned()));
    assert_eq!(condition(&plan, "Started"), "False");
    assert!(
        plan.status
            .message
            .is_some_and(|message| message.contains("given up after 10m"))
    );
}

#[test]
fn a_running_agent_has_the_start_time_of_its_container() {
    let plan = let_go().with_pod(&running()).plan();
    assert_eq!(told(&plan).0, Running);
    assert_eq!(plan.status.start_time.clone().map(|time| time.0), Some(at(5)));
    assert_eq!(condition(&plan, "Started"), "True");
}

#[test]
fn a_lost_node_is_told_and_nothing_is_started_in_its_place() {
    let mut status = running();
    status["conditions"] = json!([{ "type": "Ready", "status": "Unknown" }]);
    let plan = let_go().with_pod(&status).plan();
    assert_eq!(told(&plan), (Running, "NodeUnreachable".to_owned()));
    assert_eq!(steps(&plan), ["WriteStatus"]);
}

#[test]
fn the_outcome_decides_how_the_task_ended() {
    for (result, phase) in [
        (RunResult::Succeeded, Succeeded),
        (RunResult::Failed, Failed),
        (RunResult::TimedOut, TimedOut),
        (RunResult::Cancelled, Cancelled),
    ] {
        let mut outcome = Outcome::new(result, "TheReason", "the message");
        outcome.exit_code = Some(3);
        outcome.branch = Some("fix".to_owned());
        outcome.text = "All done.\nReally.".to_owned();
        let scene = let_go().with_pod(&ended(1, "Error", &outcome.to_json(3840)));
        let plan = scene.plan();
        assert_eq!(told(&plan), (phase, "TheReason".to_owned()));
        assert_eq!(plan.status.exit_code, Some(3));
        assert_eq!(plan.status.outputs, ["branch: fix"]);
        assert_eq!(plan.status.results["response"], "All done.\nReally.");
        assert_eq!(
            plan.status.completion_time.clone().map(|time| time.0),
            Some(at(9))
        );
        assert_eq!(condition(&plan, "Complete"), "True");
        assert_eq!(steps(&plan), ["WriteStatus"]);
    }
}

#[test]
fn an_end_without_an_outcome_is_explained_by_what_kubernetes_knows() {
    let evicted = {
        let mut status = ended(137, "Error", "");
        status["conditions"] =
            json!([{ "type": "DisruptionTarget", "status": "True", "message": "node is drained" }]);
        status
    };
    for (status, reason, says) in [
        (ended(3, "Error", ""), "AgentFailed", "exited 3 without a report"),
        (
            ended(0, "Completed", "hello"),
            "AgentFailed",
            "exited 0 without a report",
        ),
        (ended(137, "OOMKilled", ""), "OutOfMemory", "memory limit of 64Mi"),
        (
            ended(
                137,
                "OOMKilled",
                r#"{"version":1,"result":"Failed","reason":"AgentFailed","message":"killed","exitCode":137}"#,
            ),
            "OutOfMemory",
            "memory limit of 64Mi",
        ),
        (ended(137, "ContainerStatusUnknown", ""), "PodLost", "lost track"),
        (evicted, "Evicted", "node is drained"),
    ] {
        let limits = json!({ "resources": { "limits": { "memory": "64Mi" } } });
        let spec = json!({ "type": "shell", "prompt": "x", "podOverrides": limits });
        let plan = Scene::of(task(spec)).let_go().with_pod(&status).plan();
        assert_eq!(told(&plan), (Failed, reason.to_owned()));
        let message = plan.status.message.unwrap_or_default();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_jobs_deadline_is_a_time_out() {
    let mut scene = let_go().with_pod(&ended(137, "Error", ""));
    scene.jobs[0].status = serde_json::from_value(
        json!({ "conditions": [{ "type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded" }] }),
    )
    .ok();
    assert_eq!(told(&scene.plan()), (TimedOut, "DeadlineExceeded".to_owned()));
}

fn failed_to_prepare(reason: &str) -> Value {
    let outcome = Outcome::new(RunResult::Failed, reason, "git said so").to_json(2816);
    container("Failed", "prepare", &terminated(1, "Error", &outcome))
}

#[test]
fn a_clone_that_failed_is_tried_again_after_ten_seconds() {
    let mut scene = let_go().with_pod(&failed_to_prepare("CloneFailed"));
    scene.now = 12;
    let plan = scene.step();
    assert_eq!(told(&plan), (Pending, "RetryBackoff".to_owned()));
    assert_eq!(plan.wake.map(|wake| wake.as_secs()), Some(7));
    let first = scene.job_name();
    scene.now = 19;
    let plan = scene.step();
    assert_eq!(steps(&plan), ["CreateJob", "WriteStatus"]);
    assert_eq!(plan.status.attempts, Some(2));
    assert_eq!(plan.status.pod_uid, None);
    assert_ne!(scene.job_name(), first);
}

#[test]
fn the_fourth_failure_is_the_last() {
    let mut scene = let_go().with_pod(&failed_to_prepare("CloneFailed"));
    let mut status = scene.status();
    status.attempts = Some(4);
    scene.task.status = Some(status);
    let plan = scene.plan();
    assert_eq!(told(&plan), (Failed, "CloneFailed".to_owned()));
    assert!(
        plan.status
            .message
            .is_some_and(|message| message.contains("attempt 4 of 4"))
    );
}

#[test]
fn what_a_person_has_to_correct_is_not_tried_again() {
    for reason in [
        "RefNotFound",
        "AuthenticationFailed",
        "InvalidFile",
        "HostKeyUnknown",
        "SkillNotFound",
    ] {
        let plan = let_go().with_pod(&failed_to_prepare(reason)).plan();
        assert_eq!(told(&plan), (Failed, reason.to_owned()));
        assert_eq!(condition(&plan, "Started"), "False");
    }
}

/// The status of a pod with a container of a user's own that came before the agent.
fn with_own_container(state: &Value) -> Value {
    container("Failed", "warm-up", state)
}

#[test]
fn a_users_init_container_that_fails_or_cannot_be_pulled_is_named() {
    let mut scene = let_go().with_pod(&with_own_container(&terminated(3, "Error", "")));
    scene.now = 12;
    let plan = scene.plan();
    assert_eq!(told(&plan), (Pending, "RetryBackoff".to_owned()));
    let message = plan.status.message.unwrap_or_default();
    assert!(
        message.contains("InitContainerFailed: init container `warm-up` exited 3"),
        "{message}"
    );
    let pulls = waiting("warm-up", "ImagePullBackOff", "no such");
    let plan = let_go().with_pod(&pulls).plan();
    assert_eq!(told(&plan), (Pending, "ImagePullFailed".to_owned()));
}

#[test]
fn a_sidecar_that_ends_beside_the_agent_does_not_matter() {
    let mut status = running();
    let sidecar = with_own_container(&terminated(3, "Error", ""));
    status["initContainerStatuses"] = sidecar["initContainerStatuses"].clone();
    let mut scene = let_go().with_pod(&status);
    let beside = json!([{ "name": "warm-up", "restartPolicy": "Always" }]);
    if let Some(spec) = &mut scene.pods[0].spec {
        spec.init_containers = serde_json::from_value(beside).ok();
    }
    assert_eq!(told(&scene.plan()).0, Running);
}

#[test]
fn a_lost_pod_is_waited_for_and_then_given_up() {
    let mut scene = let_go();
    scene.pods.clear();
    scene.step();
    assert_eq!(told(&scene.plan()).0, Pending);
    scene.now = 5;
    let plan = scene.plan();
    assert_eq!(told(&plan), (Failed, "PodLost".to_owned()));
    assert_eq!(steps(&plan), ["WriteStatus", "DeleteJob"]);
    scene.jobs.clear();
    assert_eq!(told(&scene.plan()), (Failed, "JobDeleted".to_owned()));
}

#[test]
fn a_cancelled_agent_is_told_to_end_and_keeps_what_it_did() {
    let mut scene = let_go().with_pod(&running());
    scene.step();
    scene.task.spec.cancel = Some(true);
    let plan = scene.step();
    assert_eq!(told(&plan), (Running, "Cancelling".to_owned()));
    assert_eq!(steps(&plan), ["WriteStatus", "DeletePod"]);
    let mut outcome = Outcome::new(RunResult::Cancelled, "Terminated", "told to end");
    outcome.commit = Some("abc".to_owned());
    let scene = scene.with_pod(&ended(143, "Error", &outcome.to_json(3840)));
    let plan = scene.plan();
    assert_eq!(told(&plan), (Cancelled, "Cancelled".to_owned()));
    assert_eq!(plan.status.results["commit"], "abc");
}

#[test]
fn a_run_that_succeeded_before_the_cancel_reached_it_has_succeeded() {
    let outcome = Outcome::new(RunResult::Succeeded, "Completed", "done").to_json(3840);
    let mut scene = let_go().with_pod(&ended(0, "Completed", &outcome));
    scene.task.spec.cancel = Some(true);
    assert_eq!(told(&scene.plan()).0, Succeeded);
}

fn finished(phase: Phase) -> Scene {
    let mut scene = Scene::of(shell());
    let status = json!({ "phase": phase, "completionTime": at(0).to_string(), "attempts": 1 });
    scene.task.status = serde_json::from_value(status).ok();
    scene
}

#[test]
fn final_is_final() {
    for phase in [Succeeded, Failed, TimedOut, Cancelled] {
        let mut scene = finished(phase);
        assert_eq!(steps(&scene.plan()), [""; 0]);
        scene.jobs = vec![job("fix-bug-1-fc603e", "job-1")];
        scene.pods = vec![pod("pod-1", "job-1", &json!({ "phase": "Pending" }))];
        let plan = scene.plan();
        assert_eq!(steps(&plan), ["DeleteJob"]);
        assert_eq!(Some(&plan.status), scene.task.status.as_ref());
    }
}

#[test]
fn a_task_is_deleted_when_its_time_is_over() {
    let mut scene = finished(Succeeded);
    scene.task.spec.ttl_seconds_after_finished = Some(60);
    scene.now = 20;
    assert_eq!(scene.plan().wake.map(|wake| wake.as_secs()), Some(40));
    scene.now = 60;
    assert_eq!(steps(&scene.plan()), ["DeleteTask"]);
}
