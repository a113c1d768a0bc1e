//! How a run ended whose agent was started.

use axon_api::outcome::{Outcome, RunResult};
use axon_api::{Phase, Task};
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use k8s_openapi::jiff::Timestamp;

use crate::pod_spec::AGENT;
use crate::progress::{self, Cause};

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ending {
    pub(crate) phase: Phase,
    pub(crate) cause: Cause,
    pub(crate) exit_code: Option<i32>,
    pub(crate) started: Option<Timestamp>,
    pub(crate) finished: Option<Timestamp>,
    pub(crate) outcome: Option<Outcome>,
}

impl Ending {
    /// An ending of which nothing is known but this.
    pub(crate) fn bare(phase: Phase, cause: Cause) -> Self {
        Self {
            phase,
            cause,
            exit_code: None,
            started: None,
            finished: None,
            outcome: None,
        }
    }
}

/// Reads how the run in `pod` ended. `job` is the pod's Job, if it is still there.
pub(crate) fn of(task: &Task, pod: &Pod, job: Option<&Job>) -> Ending {
    let end = progress::terminated(pod, AGENT);
    let outcome = end
        .and_then(|end| end.message.as_deref())
        .and_then(Outcome::parse);
    let (phase, cause) = match &outcome {
        Some(outcome) if killed_for_memory(outcome, end) => (Phase::Failed, out_of_memory(task)),
        Some(outcome) if outcome.result != RunResult::Cancelled => reported(outcome),
        _ => stopped(task, pod, job).unwrap_or_else(|| match &outcome {
            Some(outcome) => reported(outcome),
            None => unreported(task, end),
        }),
    };
    Ending {
        phase,
        cause,
        exit_code: outcome
            .as_ref()
            .and_then(|outcome| outcome.exit_code)
            .or_else(|| end.map(|end| end.exit_code)),
        started: end.and_then(|end| end.started_at.as_ref()).map(|time| time.0),
        finished: end.and_then(|end| end.finished_at.as_ref()).map(|time| time.0),
        outcome,
    }
}

/// The condition with which a Job ended or is about to end.
pub(crate) fn job_failure(job: &Job) -> Option<&JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| {
        matches!(condition.type_.as_str(), "Failed" | "FailureTarget") && condition.status == "True"
    })
}

/// Whether the Job has ended and will make no more pods.
pub(crate) fn is_job_finished(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| {
        matches!(condition.type_.as_str(), "Failed" | "Complete") && condition.status == "True"
    })
}

/// Whether the Job's deadline ended it.
pub(crate) fn is_deadline_exceeded(job: &Job) -> bool {
    job_failure(job).is_some_and(|condition| condition.reason.as_deref() == Some("DeadlineExceeded"))
}

/// Whether the kernel killed the agent for want of memory. The runner lives on and reports the
/// signal; where the control group does not tell it the cause, the container's runtime does.
fn killed_for_memory(outcome: &Outcome, end: Option<&ContainerStateTerminated>) -> bool {
    let oom = end.is_some_and(|end| end.reason.as_deref() == Some("OOMKilled"));
    oom && outcome.result == RunResult::Failed && outcome.exit_code == Some(137)
}

fn reported(outcome: &Outcome) -> (Phase, Cause) {
    let phase = match outcome.result {
        RunResult::Succeeded => Phase::Succeeded,
        RunResult::Failed => Phase::Failed,
        RunResult::TimedOut => Phase::TimedOut,
        RunResult::Cancelled => Phase::Cancelled,
    };
    (phase, Cause::new(&outcome.reason, &outcome.message))
}

/// Who stopped the agent from outside, if someone did.
fn stopped(task: &Task, pod: &Pod, job: Option<&Job>) -> Option<(Phase, Cause)> {
    if task.spec.cancel == Some(true) {
        return Some((
            Phase::Cancelled,
            Cause::new("Cancelled", "the Task was cancelled while the agent ran"),
        ));
    }
    if job.is_some_and(is_deadline_exceeded) {
        return Some((
            Phase::TimedOut,
            Cause::new("DeadlineExceeded", "the Job's deadline ended the agent"),
        ));
    }
    let status = pod.status.as_ref();
    if let Some(condition) = progress::condition(pod, "DisruptionTarget") {
        let detail = condition.message.as_deref().unwrap_or("no cause was given");
        return Some((
            Phase::Failed,
            Cause::new("Evicted", format!("the pod was evicted: {detail}")),
        ));
    }
    if status.and_then(|status| status.reason.as_deref()) == Some("Evicted") {
        let detail = status
            .and_then(|status| status.message.as_deref())
            .unwrap_or("no cause was given");
        return Some((
            Phase::Failed,
            Cause::new("Evicted", format!("the pod was evicted: {detail}")),
        ));
    }
    pod.metadata.deletion_timestamp.as_ref()?;
    let job_is_going = job.is_none_or(|job| job.metadata.deletion_timestamp.is_some());
    Some(if job_is_going {
        (
            Phase::Failed,
            Cause::new("JobDeleted", "the Job was deleted while the agent ran"),
        )
    } else {
        (
            Phase::Failed,
            Cause::new("PodDeleted", "the pod was deleted while the agent ran"),
        )
    })
}

/// The end of an agent whose runner did not come to report.
fn unreported(task: &Task, end: Option<&ContainerStateTerminated>) -> (Phase, Cause) {
    let Some(end) = end else {
        return (
            Phase::Failed,
            Cause::new("PodLost", "the pod ended and nothing is known of the agent's end"),
        );
    };
    let cause = match end.reason.as_deref() {
        Some("OOMKilled") => out_of_memory(task),
        Some("ContainerStatusUnknown") => Cause::new(
            "PodLost",
            "the node lost track of the agent container; nothing is known of its end",
        ),
        _ => Cause::new(
            "AgentFailed",
            format!("the agent container exited {} without a report", end.exit_code),
        ),
    };
    (Phase::Failed, cause)
}

fn out_of_memory(task: &Task) -> Cause {
    let limit = memory_limit(task).map_or_else(
        || "the memory of its node".to_owned(),
        |limit| format!("its memory limit of {limit}"),
    );
    Cause::new(
        "OutOfMemory",
        format!("the agent container was ended for using more than {limit}"),
    )
}

/// The limit that the Task asks for: the operator does not keep the containers of a pod's spec.
fn memory_limit(task: &Task) -> Option<&str> {
    let resources = task.spec.pod_overrides.as_ref()?.resources.as_ref()?;
    Some(&resources.limits.as_ref()?.get("memory")?.0)
}
