//! Reads from a pod how far the run is.

use axon_api::{labels, outcome::Outcome};
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodCondition,
};
use k8s_openapi::jiff::Timestamp;

use crate::pod_spec::{AGENT, PREPARE, RUNNER};

/// How far a pod is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Progress {
    /// The agent has not started.
    Pending(Cause),
    /// The agent runs.
    Running {
        started: Option<Timestamp>,
        reachable: bool,
    },
    /// The pod has ended and the agent was never started, as far as anyone can say.
    FailedBeforeStart {
        cause: Cause,
        at: Option<Timestamp>,
        retry: Retry,
    },
    /// The agent was started and has ended.
    Ended,
}

/// Whether a failure may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    Allowed,
    /// It would fail again, or the agent may have been started after all.
    Never,
}

/// Why a run is where it is: a word and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Cause {
    pub(crate) fn new(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            message: message.into(),
        }
    }
}

/// Reads how far the pod is.
pub(crate) fn of(pod: &Pod) -> Progress {
    let agent = state(pod, AGENT);
    if agent.is_some_and(|state| was_started(pod, state)) {
        if agent.is_some_and(|state| state.terminated.is_some()) || is_terminal(pod) {
            return Progress::Ended;
        }
        let started = agent
            .and_then(|state| state.running.as_ref())
            .and_then(|running| running.started_at.as_ref())
            .map(|time| time.0);
        return Progress::Running {
            started,
            reachable: is_reachable(pod),
        };
    }
    // A container that could not be started is terminated without the pod having ended for a moment.
    if is_terminal(pod) || agent.is_some_and(|state| state.terminated.is_some()) {
        return failed_before_start(pod);
    }
    Progress::Pending(pending(pod))
}

/// Whether the pod has the start gate.
pub(crate) fn is_gated(pod: &Pod) -> bool {
    let gates = pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref());
    gates
        .into_iter()
        .flatten()
        .any(|gate| gate.name == labels::START_GATE)
}

/// Whether the pod has ended.
pub(crate) fn is_terminal(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// The end of a container, when it has ended.
pub(crate) fn terminated<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStateTerminated> {
    state(pod, container)?.terminated.as_ref()
}

/// A condition of the pod that is True.
pub(crate) fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a PodCondition> {
    conditions(pod).find(|condition| condition.type_ == type_ && condition.status == "True")
}

fn conditions(pod: &Pod) -> impl Iterator<Item = &PodCondition> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten()
}

fn container<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let init = status.init_container_statuses.iter().flatten();
    let main = status.container_statuses.iter().flatten();
    init.chain(main).find(|container| container.name == name)
}

fn state<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerState> {
    container(pod, name)?.state.as_ref()
}

/// The ends of init containers, with their names.
fn init_ends(pod: &Pod) -> impl Iterator<Item = (&str, &ContainerStateTerminated)> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_ref());
    init.into_iter().flatten().filter_map(|container| {
        let end = container.state.as_ref()?.terminated.as_ref()?;
        Some((container.name.as_str(), end))
    })
}

/// An init container of the user's that failed: the one that did first, since those that run beside
/// others are ended, and with an exit code, when one has failed.
fn failed_init_of_user(pod: &Pod) -> Option<(&str, &ContainerStateTerminated)> {
    init_ends(pod)
        .filter(|(name, end)| ![RUNNER, PREPARE].contains(name) && end.exit_code != 0)
        .min_by_key(|(_, end)| end.finished_at.as_ref().map(|time| time.0))
}

/// Whether a process of the container was started. A terminated one counts unless the runtime says
/// that it could not: when in doubt the agent may have worked, and must not be started again.
fn was_started(pod: &Pod, state: &ContainerState) -> bool {
    if state.running.is_some() {
        return true;
    }
    let Some(terminated) = &state.terminated else {
        return false;
    };
    let never = ["StartError", "ContainerCannotRun"];
    if never
        .iter()
        .any(|reason| terminated.reason.as_deref() == Some(reason))
    {
        return false;
    }
    // When an init container fails, the kubelet may mark the others as terminated without a start.
    let init_failed = init_ends(pod).any(|(_, init)| init.exit_code != 0);
    !(init_failed && terminated.started_at.is_none())
}

/// A node that is not heard from makes its pods not ready though their containers were.
pub(crate) fn is_reachable(pod: &Pod) -> bool {
    let lost = pod.status.as_ref().and_then(|status| status.reason.as_deref()) == Some("NodeLost");
    let tainted = condition(pod, "DisruptionTarget")
        .is_some_and(|condition| condition.reason.as_deref() == Some("DeletionByTaintManager"));
    let ready = conditions(pod).find(|condition| condition.type_ == "Ready");
    let containers_ready = condition(pod, "ContainersReady").is_some();
    let unknown = ready.is_some_and(|condition| condition.status == "Unknown");
    let not_ready = ready.is_some_and(|condition| condition.status == "False") && containers_ready;
    !(lost || tainted || unknown || not_ready)
}

fn pending(pod: &Pod) -> Cause {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_deref());
    let init = init.unwrap_or_default().iter().map(|status| status.name.as_str());
    let waiting = init.chain([AGENT]).find_map(|name| blocked_container(pod, name));
    if let Some(cause) = waiting {
        return cause;
    }
    let unschedulable = conditions(pod).find(|condition| {
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("Unschedulable")
    });
    if let Some(condition) = unschedulable {
        let message = condition.message.as_deref().unwrap_or("no node fits");
        return Cause::new("Unschedulable", format!("the pod cannot be scheduled: {message}"));
    }
    if state(pod, PREPARE).is_some_and(|state| state.running.is_some()) {
        return Cause::new("PreparingWorkspace", "the workspace is being prepared");
    }
    Cause::new("PodStarting", "the pod is starting")
}

/// Why a container cannot start, when it is not just its turn that it waits for.
fn blocked_container(pod: &Pod, name: &str) -> Option<Cause> {
    let status = container(pod, name)?;
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let message = waiting.message.as_deref().unwrap_or_default();
    match waiting.reason.as_deref()? {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable" => {
            let image = &status.image;
            let detail = if message.is_empty() {
                String::new()
            } else {
                format!(": {message}")
            };
            Some(Cause::new(
                "ImagePullFailed",
                format!("image `{image}` cannot be pulled{detail}"),
            ))
        }
        "CreateContainerConfigError" => Some(Cause::new(
            "ContainerConfigError",
            format!("container `{name}` cannot be configured: {message}"),
        )),
        "CreateContainerError" | "RunContainerError" => Some(Cause::new(
            "ContainerStartError",
            format!("container `{name}` cannot be started: {message}"),
        )),
        _ => None,
    }
}

fn failed_before_start(pod: &Pod) -> Progress {
    let disruption = condition(pod, "DisruptionTarget");
    let deleted_at = pod.metadata.deletion_timestamp.as_ref().map(|time| time.0);
    for name in [RUNNER, PREPARE] {
        let Some(end) = terminated(pod, name).filter(|end| end.exit_code != 0) else {
            continue;
        };
        let at = end.finished_at.as_ref().map(|time| time.0).or(deleted_at);
        let (cause, retry) = init_failure(name, end, disruption.is_some() || deleted_at.is_some());
        return Progress::FailedBeforeStart { cause, at, retry };
    }
    if disruption.is_none()
        && deleted_at.is_none()
        && let Some((name, end)) = failed_init_of_user(pod)
    {
        let at = end.finished_at.as_ref().map(|time| time.0);
        let (cause, retry) = init_failure(name, end, false);
        return Progress::FailedBeforeStart { cause, at, retry };
    }
    let status = pod.status.as_ref();
    let message = status
        .and_then(|status| status.message.as_deref())
        .unwrap_or("no cause was given");
    let disrupted_at = disruption
        .and_then(|condition| condition.last_transition_time.as_ref())
        .map(|time| time.0);
    let end = terminated(pod, AGENT);
    let at = end
        .and_then(|end| end.finished_at.as_ref())
        .map(|time| time.0)
        .or(disrupted_at)
        .or(deleted_at);
    if let Some(end) = end {
        let detail = end.message.as_deref().unwrap_or("no cause was given");
        return Progress::FailedBeforeStart {
            cause: Cause::new(
                "ContainerStartError",
                format!("container `{AGENT}` could not be started: {detail}"),
            ),
            at,
            retry: Retry::Allowed,
        };
    }
    let cause = if let Some(condition) = disruption {
        let detail = condition.message.as_deref().unwrap_or(message);
        Cause::new("Evicted", format!("the pod was evicted: {detail}"))
    } else if deleted_at.is_some() {
        Cause::new("PodDeleted", "the pod was deleted before the agent started")
    } else {
        let reason = status.and_then(|status| status.reason.as_deref());
        Cause::new(
            reason.unwrap_or("PodFailed"),
            format!("the pod failed before the agent started: {message}"),
        )
    };
    Progress::FailedBeforeStart {
        cause,
        at,
        retry: if is_believable(pod) {
            Retry::Allowed
        } else {
            Retry::Never
        },
    }
}

/// Whether it is the kubelet's word that the agent was never started. The pod of a lost node is
/// ended by a controller that knows no more than what was last heard.
fn is_believable(pod: &Pod) -> bool {
    let scheduled = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let blind = condition(pod, "DisruptionTarget").is_some_and(|condition| {
        matches!(
            condition.reason.as_deref(),
            Some("DeletionByPodGC" | "DeletionByTaintManager")
        )
    });
    let lost = pod.status.as_ref().and_then(|status| status.reason.as_deref()) == Some("NodeLost");
    !scheduled || !(blind || lost)
}

fn init_failure(name: &str, end: &ContainerStateTerminated, was_stopped: bool) -> (Cause, Retry) {
    let said = end.message.as_deref().unwrap_or_default();
    if name == PREPARE
        && let Some(outcome) = Outcome::parse(said)
    {
        let lasting = crate::retry::is_lasting(&outcome) && !was_stopped;
        let retry = if lasting { Retry::Never } else { Retry::Allowed };
        return (Cause::new(outcome.reason, outcome.message), retry);
    }
    let reason = match name {
        RUNNER => "RunnerInstallFailed",
        PREPARE => "PrepareFailed",
        _ => "InitContainerFailed",
    };
    let detail = match (said.trim(), end.reason.as_deref()) {
        ("", None | Some("Error")) => String::new(),
        ("", Some(word)) => format!(": {word}"),
        (said, _) => format!(": {said}"),
    };
    let message = format!("init container `{name}` exited {}{detail}", end.exit_code);
    (Cause::new(reason, message), Retry::Allowed)
}
