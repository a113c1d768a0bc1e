use super::*;
use serde_json::json;

fn task(status: &serde_json::Value) -> Box<Task> {
    let task = json!({
        "apiVersion": "axon.io/v1alpha1", "kind": "Task", "metadata": {"name": "t"},
        "spec": {"prompt": "x"}, "status": status,
    });
    Box::new(serde_json::from_value(task).expect("a task"))
}

/// A pod whose containers are in the given states.
fn pod(prepare: &serde_json::Value, agent: &serde_json::Value) -> BTreeMap<String, Pod> {
    let status = |name: &str, state: &serde_json::Value| json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state});
    let pod = json!({
        "metadata": {"name": "p"},
        "spec": {"initContainers": [{"name": "runner"}, {"name": "prepare"}], "containers": [{"name": "agent"}]},
        "status": {
            "initContainerStatuses": [status("prepare", prepare)],
            "containerStatuses": [status("agent", agent)],
        },
    });
    BTreeMap::from([("p".to_owned(), serde_json::from_value(pod).expect("a pod"))])
}

fn running() -> serde_json::Value {
    json!({"running": {}})
}

fn ended(code: i32) -> serde_json::Value {
    json!({"terminated": {"exitCode": code}})
}

fn idle() -> serde_json::Value {
    json!({"waiting": {"reason": "PodInitializing"}})
}

const CHOICE: Choice<'static> = Choice {
    task: "t",
    container: None,
};

fn streams(container: &str) -> Next {
    Next::Stream {
        pod: "p".into(),
        container: container.into(),
    }
}

fn done(containers: &[&str]) -> BTreeSet<(String, String)> {
    containers
        .iter()
        .map(|name| ("p".to_owned(), (*name).to_owned()))
        .collect()
}

#[test]
fn a_task_without_a_pod_is_waited_for_with_its_reason() {
    let known = Known {
        task: Some(task(
            &json!({"phase": "Waiting", "reason": "WorkspaceNotFound", "message": "no `w`"}),
        )),
        listed: true,
        ..Known::default()
    };
    assert_eq!(
        next(&known, CHOICE),
        Next::Wait(Some(
            "task `t`, which is Waiting (WorkspaceNotFound: no `w`)".into()
        ))
    );
}

#[test]
fn containers_are_streamed_in_the_order_of_their_start() {
    let mut known = Known {
        task: Some(task(&json!({"phase": "Pending", "podName": "p"}))),
        pods: pod(&running(), &idle()),
        listed: true,
        ..Known::default()
    };
    assert_eq!(next(&known, CHOICE), streams("prepare"));
    known.done = done(&["prepare"]);
    assert!(matches!(next(&known, CHOICE), Next::Wait(_)));
    known.pods = pod(&ended(0), &running());
    assert_eq!(next(&known, CHOICE), streams("agent"));
}

#[test]
fn a_finished_task_is_read_though_the_pod_looks_idle_still() {
    let mut known = Known {
        task: Some(task(&json!({"phase": "Succeeded", "podName": "p"}))),
        pods: pod(&ended(0), &idle()),
        listed: true,
        done: done(&["prepare"]),
    };
    assert_eq!(next(&known, CHOICE), streams("agent"));
    known.done = done(&["prepare", "agent"]);
    assert_eq!(next(&known, CHOICE), Next::Finished);
}

#[test]
fn nothing_is_said_while_only_the_tasks_end_is_missing() {
    let known = Known {
        task: Some(task(&json!({"phase": "Running", "podName": "p"}))),
        pods: pod(&ended(0), &ended(0)),
        listed: true,
        done: done(&["prepare", "agent"]),
    };
    assert_eq!(next(&known, CHOICE), Next::Wait(None));
}

#[test]
fn after_a_failed_preparation_the_agent_is_not_asked() {
    let known = Known {
        task: Some(task(&json!({"phase": "Failed", "podName": "p"}))),
        pods: pod(&ended(1), &idle()),
        listed: true,
        done: done(&["prepare"]),
    };
    assert_eq!(next(&known, CHOICE), Next::Finished);
}

#[test]
fn a_pod_that_is_gone_is_said() {
    let status =
        json!({"phase": "Failed", "reason": "X", "podName": "p", "startTime": "2026-01-01T00:00:00Z"});
    let mut known = Known {
        task: Some(task(&status)),
        ..Known::default()
    };
    assert!(
        matches!(next(&known, CHOICE), Next::Wait(_)),
        "the pods are not listed yet"
    );
    known.listed = true;
    let Next::NeverStarted(message) = next(&known, CHOICE) else {
        panic!("the log cannot be there");
    };
    assert_eq!(
        message,
        "pod `p` of task `t` is gone, and its log with it; the task is Failed (X)"
    );
}

#[test]
fn a_task_that_is_gone_is_said() {
    let known = Known::default();
    assert_eq!(
        next(&known, CHOICE),
        Next::NeverStarted("task `t` was deleted".into())
    );
}
