//! The first sentence of a Task's description: how it stands with it, and why it does not run.

use axon_api::{Phase, Task};
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::page::last_seen;
use crate::progress::duration;
use crate::text::{one_line, without_hints};

/// What is around a Task and may keep it from running.
#[derive(Default)]
pub(super) struct Surroundings {
    pub(super) pod: Option<Pod>,
    /// The Tasks that it depends on and that could be read.
    pub(super) dependencies: Vec<Task>,
    /// Of the Task, its Job, its pod and the pod's volume claims, oldest first.
    pub(super) events: Vec<Event>,
}

/// How it stands with the Task, and why it does not run if it does not.
pub(super) fn sentence(task: &Task, around: &Surroundings, now: Timestamp) -> String {
    let name = task.name_any();
    let status = task.status.clone().unwrap_or_default();
    let message = without_hints(status.message.as_deref().unwrap_or_default()).0;
    let because = because(&message);
    let time = duration(task, now);
    if task.spec.cancel == Some(true) && !task.is_finished() {
        return format!("Task `{name}` is being cancelled: it ends when its pod is gone.");
    }
    match status.phase {
        None => format!("Task `{name}` is not looked at yet: no operator has seen it."),
        Some(Phase::Pending) => {
            // The operator's word may be older than what is seen of the pod at this moment.
            let because = match obstacle(&task.spec, around) {
                Some(seen) if message.is_empty() || is_general(status.reason.as_deref()) => {
                    format!(": {seen}")
                }
                _ => because,
            };
            format!("Task `{name}` does not run yet{because}")
        }
        Some(Phase::Waiting) => match message.strip_prefix("waits ") {
            Some(rest) => format!("Task `{name}` does not run yet, it waits {rest}"),
            None => format!("Task `{name}` does not run yet, it waits{because}"),
        },
        Some(Phase::Running) => format!("Task `{name}` has been running for {time}{because}"),
        Some(Phase::Succeeded) => format!("Task `{name}` has succeeded after {time}{because}"),
        Some(Phase::Failed) if time.is_empty() => format!("Task `{name}` has failed before it ran{because}"),
        Some(Phase::Failed) => format!("Task `{name}` has failed after {time}{because}"),
        Some(Phase::TimedOut) => format!("Task `{name}` ran out of time after {time}{because}"),
        Some(Phase::Cancelled) => format!("Task `{name}` was cancelled{because}"),
    }
}

fn because(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

/// Whether what is seen of the pod and its events says more than the operator's reason.
fn is_general(reason: Option<&str>) -> bool {
    matches!(
        reason,
        None | Some(
            "" | "JobCreated"
                | "PodLetGo"
                | "PodMissing"
                | "PodStarting"
                | "Unschedulable"
                | "PreparingWorkspace"
        )
    )
}

/// What keeps a Task with a Job from running, as far as pod and events show it.
fn obstacle(spec: &axon_api::TaskSpec, around: &Surroundings) -> Option<String> {
    let Some(pod) = &around.pod else {
        return no_pod(&around.events);
    };
    let seen = unscheduled(pod, &around.events)
        .or_else(|| blocked_container(pod, spec.image.as_deref()))
        .or_else(|| unmounted(&around.events));
    Some(seen.unwrap_or_else(|| preparing(pod)))
}

/// The last event of one of these reasons.
fn last_event<'a>(events: &'a [Event], kind: &str, reasons: &[&str]) -> Option<&'a str> {
    events
        .iter()
        .filter(|event| event.involved_object.kind.as_deref() == Some(kind))
        .filter(|event| {
            event
                .reason
                .as_deref()
                .is_some_and(|reason| reasons.contains(&reason))
        })
        .max_by_key(|event| last_seen(event))
        .and_then(|event| event.message.as_deref())
}

fn no_pod(events: &[Event]) -> Option<String> {
    let message = one_line(last_event(events, "Job", &["FailedCreate"])?);
    Some(if message.contains("exceeded quota") {
        // "Error creating: pods "x" is forbidden: exceeded quota: team, requested: ..."
        let detail = message
            .split_once("exceeded quota: ")
            .map_or(message.as_str(), |(_, detail)| detail);
        format!("a quota of the namespace has no room for its pod: {detail}")
    } else {
        format!("its pod cannot be made: {message}")
    })
}

/// The volume claims of a pod.
pub(super) fn claims(pod: &Pod) -> impl Iterator<Item = &str> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes
        .filter_map(|volume| volume.persistent_volume_claim.as_ref())
        .map(|claim| claim.claim_name.as_str())
}

fn unscheduled(pod: &Pod, events: &[Event]) -> Option<String> {
    let condition = pod
        .status
        .as_ref()?
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    let message = one_line(condition.message.as_deref().unwrap_or_default());
    Some(match condition.reason.as_deref() {
        Some("SchedulingGated") => "its pod is there, and the operator has not let it go yet".to_owned(),
        _ if message.to_lowercase().contains("persistentvolumeclaim") => {
            let reasons = &["ProvisioningFailed", "FailedBinding"];
            let why = last_event(events, "PersistentVolumeClaim", reasons).map_or(message, one_line);
            format!("the volume of its workspace is not there: {why}")
        }
        _ if message.is_empty() => "no node takes its pod".to_owned(),
        _ => format!("no node takes its pod: {message}"),
    })
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_ref());
    let main = status.and_then(|status| status.container_statuses.as_ref());
    init.into_iter().chain(main).flatten()
}

fn blocked_container(pod: &Pod, image: Option<&str>) -> Option<String> {
    containers(pod).find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let message = one_line(waiting.message.as_deref().unwrap_or_default());
        let detail = because(&message);
        match waiting.reason.as_deref()? {
            "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" => {
                let of_container = Some(container.image.as_str()).filter(|image| !image.is_empty());
                let image = of_container.or(image).unwrap_or_default();
                Some(format!("image `{image}` cannot be pulled{detail}"))
            }
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => Some(format!(
                "container `{}` cannot be started{detail}",
                container.name
            )),
            "CrashLoopBackOff" => Some(format!(
                "container `{}` ends again and again{detail}",
                container.name
            )),
            _ => None,
        }
    })
}

fn unmounted(events: &[Event]) -> Option<String> {
    let reasons = &["FailedMount", "FailedAttachVolume"];
    let message = last_event(events, "Pod", reasons)?;
    Some(format!("its volumes cannot be mounted: {}", one_line(message)))
}

fn preparing(pod: &Pod) -> String {
    let runs = |name: &str| {
        containers(pod).any(|container| {
            container.name == name
                && container
                    .state
                    .as_ref()
                    .is_some_and(|state| state.running.is_some())
        })
    };
    if runs("prepare") {
        return "its workspace is being checked out".to_owned();
    }
    "its containers are being started".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn task(status: &Value) -> Task {
        serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "Task",
            "metadata": {"name": "t", "namespace": "n"},
            "spec": {"prompt": "x", "type": "shell", "image": "example.com/agent:1"},
            "status": status,
        }))
        .expect("a task")
    }

    fn now() -> Timestamp {
        "2026-01-01T00:10:00Z".parse().expect("a time")
    }

    fn said(status: &Value) -> String {
        sentence(&task(status), &Surroundings::default(), now())
    }

    fn pending(pod: Option<Value>, events: Value) -> String {
        let around = Surroundings {
            dependencies: Vec::new(),
            pod: pod.map(|pod| serde_json::from_value(pod).expect("a pod")),
            events: serde_json::from_value(events).expect("events"),
        };
        sentence(&task(&json!({"phase": "Pending"})), &around, now())
    }

    #[test]
    fn the_first_sentence_says_how_it_stands() {
        for (status, text) in [
            (
                json!({}),
                "Task `t` is not looked at yet: no operator has seen it.",
            ),
            (
                json!({"phase": "Waiting", "message": "workspace `w` not found\nhint: make it"}),
                "Task `t` does not run yet, it waits: workspace `w` not found",
            ),
            (
                json!({"phase": "Waiting", "reason": "BranchLocked", "message":
                    "waits for branch `b` of `github.com/o/r`, which Task `n/x` holds; 2 Tasks come before this one"}),
                "Task `t` does not run yet, it waits for branch `b` of `github.com/o/r`, which Task `n/x` \
                 holds; 2 Tasks come before this one",
            ),
            (
                json!({"phase": "Running", "startTime": "2026-01-01T00:05:00Z"}),
                "Task `t` has been running for 5m",
            ),
            (
                json!({"phase": "Failed", "message": "image `x` cannot be pulled"}),
                "Task `t` has failed before it ran: image `x` cannot be pulled",
            ),
            (
                json!({"phase": "Pending", "reason": "Unschedulable", "message": "no node"}),
                "Task `t` does not run yet: no node",
            ),
        ] {
            assert_eq!(said(&status), text);
        }
    }

    #[test]
    fn a_cancelled_task_that_has_not_ended_says_so() {
        let mut task = task(&json!({"phase": "Running"}));
        task.spec.cancel = Some(true);
        assert!(sentence(&task, &Surroundings::default(), now()).contains("is being cancelled"));
        task.status = Some(axon_api::TaskStatus {
            phase: Some(Phase::Cancelled),
            ..Default::default()
        });
        assert_eq!(
            sentence(&task, &Surroundings::default(), now()),
            "Task `t` was cancelled"
        );
    }

    #[test]
    fn a_quota_is_named() {
        let event = json!([{
            "metadata": {}, "involvedObject": {"kind": "Job"}, "reason": "FailedCreate",
            "message": "Error creating: pods \"t-1-x\" is forbidden: exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2",
        }]);
        assert_eq!(
            pending(None, event),
            "Task `t` does not run yet: a quota of the namespace has no room for its pod: \
             team, requested: pods=1, used: pods=2, limited: pods=2"
        );
        let other = json!([{
            "metadata": {}, "involvedObject": {"kind": "Job"}, "reason": "FailedCreate",
            "message": "violates PodSecurity",
        }]);
        assert_eq!(
            pending(None, other),
            "Task `t` does not run yet: its pod cannot be made: violates PodSecurity"
        );
        assert_eq!(pending(None, json!([])), "Task `t` does not run yet");
    }

    #[test]
    fn what_keeps_a_pod_from_running_is_named() {
        let waiting = |reason: &str, message: &str| {
            json!({"status": {"containerStatuses": [{
                "name": "agent", "image": "example.com/agent:1", "imageID": "", "ready": false,
                "restartCount": 0, "state": {"waiting": {"reason": reason, "message": message}},
            }]}})
        };
        let unscheduled = |message: &str| {
            json!({"status": {"conditions": [{
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
            }]}})
        };
        let mount = json!([{
            "metadata": {}, "involvedObject": {"kind": "Pod"}, "reason": "FailedMount",
            "message": "secret \"s\" not found",
        }]);
        let unbound = json!([{
            "metadata": {}, "involvedObject": {"kind": "PersistentVolumeClaim"},
            "reason": "ProvisioningFailed", "message": "storageclass \"fast\" not found",
        }]);
        for (pod, events, cause) in [
            (
                unscheduled("pod has unbound immediate PersistentVolumeClaims"),
                unbound,
                "the volume of its workspace is not there: storageclass \"fast\" not found",
            ),
            (
                waiting("ImagePullBackOff", "no such image"),
                json!([]),
                "image `example.com/agent:1` cannot be pulled: no such image",
            ),
            (
                waiting("CreateContainerConfigError", "secret \"s\" not found"),
                json!([]),
                "container `agent` cannot be started: secret \"s\" not found",
            ),
            (
                unscheduled("0/3 nodes are available: 3 Insufficient cpu."),
                json!([]),
                "no node takes its pod: 0/3 nodes are available: 3 Insufficient cpu.",
            ),
            (
                unscheduled("pod has unbound immediate PersistentVolumeClaims"),
                json!([]),
                "the volume of its workspace is not there: pod has unbound immediate PersistentVolumeClaims",
            ),
            (
                waiting("ContainerCreating", ""),
                mount,
                "its volumes cannot be mounted: secret \"s\" not found",
            ),
            (
                waiting("PodInitializing", ""),
                json!([]),
                "its containers are being started",
            ),
        ] {
            assert_eq!(
                pending(Some(pod), events),
                format!("Task `t` does not run yet: {cause}")
            );
        }
    }
}
