//! Follows an attempt from its Job to its end.
//!
//! At most one pod of an attempt is ever let go: the one whose UID the status has. The status is
//! written on condition that the Task is as it was observed, and only then is the gate removed, so
//! that a decision from stale state lets nothing go. The record is replaced only when that pod is
//! known to have ended without having started the agent.

use std::time::Duration;

use axon_api::{Phase, labels};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::again::{self, RETRY_BACKOFF};
use crate::branch::{self, Turn};
use crate::conditions::{self, Verdict};
use crate::draft::{Draft, whole_seconds};
use crate::effective;
use crate::ending::{self, Ending};
use crate::job;
use crate::observed::Observed;
use crate::plan::{Plan, Step};
use crate::progress::{self, Cause, Progress, Retry};
use crate::requirements::{self, Blocked};
use crate::start;
use crate::token;

/// The Job is made and has no pod yet.
pub(crate) const JOB_CREATED: &str = "JobCreated";
/// The node of the running pod is not heard from.
pub(crate) const NODE_UNREACHABLE: &str = "NodeUnreachable";
/// The Task was cancelled and its pod is on its way out.
const CANCELLING: &str = "Cancelling";
/// The pod took too long to start the agent. As the reason of the condition Started it marks that
/// the pod has been given up.
const START_TIMEOUT: &str = "StartTimeout";
/// The recorded pod is not observed. As the reason of the condition Ready it marks since when.
const POD_MISSING: &str = "PodMissing";

/// How long a pod may be missing before it is taken for gone: a list that an API server answers
/// from its cache can be older than the status.
const MISSING_GRACE: Duration = Duration::from_secs(5);

/// Follows attempt `number`, which the status records.
pub(crate) fn follow<'a>(draft: Draft<'a, '_>, number: i32) -> Plan {
    let observed: &'a Observed<'_> = draft.observed;
    let job = job_named(observed, &job::name(observed.task, number));
    let Some(uid) = draft.status.pod_uid.as_deref() else {
        return follow_unrecorded(draft, number, job);
    };
    let pod = observed
        .pods
        .iter()
        .find(|pod| pod.metadata.uid.as_deref() == Some(uid));
    match pod {
        Some(pod) => follow_pod(draft, number, pod, job),
        None => follow_missing(draft, number, job),
    }
}

/// The Job of that name among those that the Task controls.
pub(crate) fn job_named<'a>(observed: &'a Observed<'_>, name: &str) -> Option<&'a Job> {
    observed
        .jobs
        .iter()
        .copied()
        .find(|job| job.metadata.name.as_deref() == Some(name))
}

/// Follows an attempt of which no pod was let go yet.
pub(crate) fn follow_unrecorded(mut draft: Draft<'_, '_>, number: i32, job: Option<&Job>) -> Plan {
    let Some(job) = job else {
        // Nothing was let go, so the same attempt may have its Job once more. A Job that is only
        // not observed yet is as good.
        return if draft.status.reason.as_deref() == Some(RETRY_BACKOFF) {
            start::begin(draft, number.saturating_add(1))
        } else {
            start::begin(draft, number)
        };
    };
    if draft.is_cancelled() {
        return cancelled(draft);
    }
    if !branch::is_proven(draft.observed.task.status.as_ref()) {
        // The Job is found, but it is not known that its Task has the branch yet.
        match branch_of_found_job(draft.observed) {
            Ok(Turn::Granted) => {}
            Ok(Turn::Take(step)) => draft.before_status(step),
            Ok(Turn::Wait(blocked)) | Err(blocked) => return start::wait_or_fail(draft, number, &blocked),
        }
    }
    if job.metadata.deletion_timestamp.is_some() {
        return draft.finish("waits until the Job that is being deleted is gone");
    }
    if let Some(failure) = ending::job_failure(job) {
        let word = failure.reason.as_deref().unwrap_or("JobFailed");
        let said = failure.message.as_deref().unwrap_or("no cause was given");
        let cause = Cause::new(word, format!("the Job failed before its pod was let go: {said}"));
        let at = failure.last_transition_time.as_ref().map(|time| time.0);
        return again::before_start(draft, number, job_or_now(at, job), &cause, Retry::Allowed);
    }
    if let Some(pod) = pod_to_let_go(draft.observed, job) {
        return let_go(draft, number, job, pod);
    }
    await_pod(draft, job)
}

/// Records the pod, and only then takes its gate off.
fn let_go(mut draft: Draft<'_, '_>, number: i32, job: &Job, pod: &Pod) -> Plan {
    let (Some(name), Some(uid)) = (pod.metadata.name.clone(), pod.metadata.uid.clone()) else {
        return draft.finish("the pod has no UID");
    };
    draft.status.job_name.clone_from(&job.metadata.name);
    draft.status.job_uid.clone_from(&job.metadata.uid);
    draft.status.pod_name = Some(name.clone());
    draft.status.pod_uid = Some(uid.clone());
    draft.is_ready();
    draft.set(conditions::STARTED, Verdict::False, "PodLetGo", "");
    if !progress::is_gated(pod) {
        return follow_pod(draft, number, pod, Some(job));
    }
    draft.enter(Phase::Pending, "PodStarting", "the pod is starting");
    draft.after_status(Step::RemoveStartGate { pod: name, uid });
    wake_for_start(&mut draft);
    draft.finish("the first pod of the Job is the one that may start")
}

/// Whose turn it is when a Job is found that the status does not tell of. While its workspace is
/// not there, nobody knows which branch it works on.
fn branch_of_found_job(observed: &Observed<'_>) -> Result<Turn, Blocked> {
    if observed.task.spec.workspace_ref.is_some() && branch::workspace(observed).is_none() {
        requirements::check(observed)?;
    }
    Ok(branch::turn(observed))
}

/// The oldest pod of the Job that has not ended. One without a gate comes first: someone else took
/// it off, and it runs already.
fn pod_to_let_go<'a>(observed: &'a Observed<'_>, job: &Job) -> Option<&'a Pod> {
    let uid = job.metadata.uid.as_deref()?;
    let pods = observed.pods.iter().copied();
    pods.filter(|pod| pod.metadata.deletion_timestamp.is_none() || !progress::is_gated(pod))
        .filter(|pod| !(progress::is_gated(pod) && progress::is_terminal(pod)))
        .filter(|pod| {
            let owners = pod.metadata.owner_references.iter().flatten();
            owners.into_iter().any(|owner| owner.uid == uid)
        })
        .min_by_key(|pod| {
            (
                progress::is_gated(pod),
                pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
                pod.metadata.name.as_deref(),
            )
        })
}

fn await_pod(mut draft: Draft<'_, '_>, job: &Job) -> Plan {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    draft.is_ready();
    let created = job.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let deadline = created.and_then(|created| created.checked_add(allowance(draft.observed)).ok());
    if deadline.is_some_and(|deadline| deadline <= draft.now) {
        let message = format!(
            "Job `{name}` had no pod within {}; a quota or an admission rule may forbid it, which the Job's events tell",
            spelled_allowance(draft.observed)
        );
        let ending = Ending::bare(Phase::Failed, Cause::new(START_TIMEOUT, message));
        return draft.end(&ending, "the Job got no pod in time");
    }
    if let Some(deadline) = deadline {
        draft.wake_at(deadline);
    }
    draft.enter(Phase::Pending, JOB_CREATED, &format!("Job `{name}` was created"));
    draft.finish("the Job has no pod yet")
}

/// Follows the pod that was let go.
fn follow_pod(mut draft: Draft<'_, '_>, number: i32, pod: &Pod, job: Option<&Job>) -> Plan {
    let task = draft.observed.task;
    match progress::of(pod) {
        Progress::Ended => {
            let mut ending = ending::of(task, pod, job);
            draft.is_ready();
            if is_given_up(&draft) && ending.phase != Phase::Succeeded {
                ending.phase = Phase::Failed;
                ending.cause = recorded_cause(&draft);
                return draft.end(&ending, "the agent has ended");
            }
            again::after_run(draft, number, &ending)
        }
        Progress::FailedBeforeStart { cause, at, retry } => {
            if draft.is_cancelled() {
                return cancelled(draft);
            }
            if is_given_up(&draft) {
                return give_up_for_good(draft);
            }
            draft.is_ready();
            if job.is_some_and(ending::is_deadline_exceeded) {
                return draft.end(
                    &deadline_exceeded("the Job's deadline passed before the agent started"),
                    "the deadline has passed",
                );
            }
            let at = at.or_else(|| conditions::false_since(&draft.status, conditions::STARTED, None));
            let at = at.unwrap_or(draft.now);
            again::before_start(draft, number, at, &cause, retry)
        }
        Progress::Running { started, reachable } => follow_running(draft, pod, started, reachable),
        Progress::Pending(cause) => follow_pending(draft, pod, job, &cause),
    }
}

fn follow_running(mut draft: Draft<'_, '_>, pod: &Pod, started: Option<Timestamp>, reachable: bool) -> Plan {
    let started = started.map_or(draft.now, whole_seconds);
    draft.status.start_time.get_or_insert(Time(started));
    draft.is_ready();
    draft.set(conditions::STARTED, Verdict::True, "AgentStarted", "");
    if draft.is_cancelled() {
        draft.enter(Phase::Running, CANCELLING, "the agent is told to end");
        end_pod(&mut draft, pod);
        return draft.finish("cancelled while the agent runs");
    }
    let kind = effective::recorded_type(draft.observed.task, &draft.status).to_owned();
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    if reachable {
        token::refresh(&mut draft);
        let message = format!("agent `{kind}` runs in pod `{name}`");
        draft.enter(Phase::Running, "AgentStarted", &message);
        if let Some(step) = branch::restore(draft.observed) {
            draft.after_status(step);
        }
        return draft.finish("the agent runs");
    }
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let message = format!(
        "node `{}` is not heard from; agent `{kind}` in pod `{name}` may run on, so nothing is started in its place",
        node.unwrap_or_default()
    );
    draft.enter(Phase::Running, NODE_UNREACHABLE, &message);
    draft.finish("the agent's node is not heard from")
}

fn follow_pending(mut draft: Draft<'_, '_>, pod: &Pod, job: Option<&Job>, cause: &Cause) -> Plan {
    draft.is_ready();
    if draft.is_cancelled() {
        draft.enter(
            Phase::Pending,
            CANCELLING,
            "the pod is deleted before the agent starts",
        );
        end_pod(&mut draft, pod);
        return draft.finish("cancelled before the agent started");
    }
    if is_given_up(&draft) {
        delete_all(&mut draft, pod, job);
        return draft.finish("waits until the pod that was given up is gone");
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return draft.finish("waits until the pod that is being deleted is gone");
    }
    if start_deadline(&draft).is_some_and(|deadline| deadline <= draft.now) {
        return give_up(draft, pod, job, cause);
    }
    if progress::is_gated(pod) {
        if let (Some(pod), Some(uid)) = (pod.metadata.name.clone(), pod.metadata.uid.clone()) {
            draft.after_status(Step::RemoveStartGate { pod, uid });
        }
        wake_for_start(&mut draft);
        return draft.finish("the recorded pod still has its gate");
    }
    let message = steady_message(&draft, cause);
    draft.enter(Phase::Pending, &cause.reason, &message);
    wake_for_start(&mut draft);
    token::refresh(&mut draft);
    draft.finish("the agent has not started yet")
}

/// An image that cannot be pulled is told in turns as an error and as a wait after it. The first
/// telling stays, so that the status is not written anew at each turn.
fn steady_message(draft: &Draft<'_, '_>, cause: &Cause) -> String {
    let told = draft.status.message.as_deref().unwrap_or_default();
    let subject = cause.message.split(": ").next().unwrap_or_default();
    let same = cause.reason == "ImagePullFailed"
        && draft.status.reason.as_deref() == Some("ImagePullFailed")
        && told.starts_with(subject);
    if same {
        told.to_owned()
    } else {
        cause.message.clone()
    }
}

/// The pod has had its time. It is final only when the pod is gone: until then its agent could
/// still start.
fn give_up(mut draft: Draft<'_, '_>, pod: &Pod, job: Option<&Job>, cause: &Cause) -> Plan {
    let time = spelled_allowance(draft.observed);
    let specific = !matches!(cause.reason.as_str(), "PodStarting" | "PreparingWorkspace");
    let (reason, message) = if specific {
        (
            cause.reason.as_str(),
            format!(
                "{}; given up after {time}",
                crate::bounded::text(&cause.message, 900)
            ),
        )
    } else {
        (
            START_TIMEOUT,
            format!("the agent did not start within {time}: {}", cause.message),
        )
    };
    draft.enter(Phase::Pending, reason, &message);
    draft.set(conditions::STARTED, Verdict::False, START_TIMEOUT, "");
    delete_all(&mut draft, pod, job);
    draft.finish("the agent did not start in time")
}

fn is_given_up(draft: &Draft<'_, '_>) -> bool {
    conditions::false_since(&draft.status, conditions::STARTED, Some(START_TIMEOUT)).is_some()
}

fn give_up_for_good(draft: Draft<'_, '_>) -> Plan {
    let ending = Ending::bare(Phase::Failed, recorded_cause(&draft));
    draft.end(&ending, "the pod that was given up is gone")
}

fn recorded_cause(draft: &Draft<'_, '_>) -> Cause {
    Cause::new(
        draft.status.reason.clone().unwrap_or_default(),
        draft.status.message.clone().unwrap_or_default(),
    )
}

/// Follows an attempt whose recorded pod is not there.
fn follow_missing(mut draft: Draft<'_, '_>, number: i32, job: Option<&Job>) -> Plan {
    let reason = draft.status.reason.as_deref();
    if reason == Some(RETRY_BACKOFF) {
        // What was recorded is that another attempt follows; only the time is not known.
        return start::begin(draft, number.saturating_add(1));
    }
    let since = conditions::false_since(&draft.status, conditions::READY, Some(POD_MISSING));
    let Some(since) = since else {
        let name = draft.status.pod_name.clone().unwrap_or_default();
        let message = format!("pod `{name}` is not there");
        draft.set(conditions::READY, Verdict::False, POD_MISSING, &message);
        wake_after(&mut draft, None);
        return draft.finish("the recorded pod is not there, which may be an old view");
    };
    let known_gone = since
        .checked_add(MISSING_GRACE)
        .is_ok_and(|moment| moment <= draft.now);
    if !known_gone {
        wake_after(&mut draft, Some(since));
        return draft.finish("the recorded pod is not there, which may be an old view");
    }
    if draft.is_cancelled() {
        return cancelled(draft);
    }
    if is_given_up(&draft) {
        return give_up_for_good(draft);
    }
    let name = draft.status.pod_name.clone().unwrap_or_default();
    let ending = match job {
        Some(job) if ending::is_deadline_exceeded(job) => {
            deadline_exceeded("the Job's deadline ended the agent")
        }
        Some(job) if job.metadata.deletion_timestamp.is_none() => Ending::bare(
            Phase::Failed,
            Cause::new(
                "PodLost",
                format!("pod `{name}` vanished before its end was seen"),
            ),
        ),
        _ => Ending::bare(
            Phase::Failed,
            Cause::new(
                "JobDeleted",
                format!("the Job was deleted, and with it pod `{name}`"),
            ),
        ),
    };
    draft.end(&ending, "the recorded pod is gone")
}

fn wake_after(draft: &mut Draft<'_, '_>, since: Option<Timestamp>) {
    let since = since.unwrap_or(draft.now);
    if let Ok(moment) = since.checked_add(MISSING_GRACE) {
        draft.wake_at(moment);
    }
}

fn deadline_exceeded(message: &str) -> Ending {
    Ending::bare(Phase::TimedOut, Cause::new("DeadlineExceeded", message))
}

fn cancelled(draft: Draft<'_, '_>) -> Plan {
    let message = if draft.status.start_time.is_some() {
        "the Task was cancelled while the agent ran"
    } else {
        "the Task was cancelled before the agent started"
    };
    let ending = Ending::bare(Phase::Cancelled, Cause::new("Cancelled", message));
    draft.end(&ending, "cancelled, and nothing runs any more")
}

/// Deletes the pod of a cancelled Task. One that cannot end, because its node is not heard from, is
/// given up when a person has said so.
fn end_pod(draft: &mut Draft<'_, '_>, pod: &Pod) {
    let annotations = draft.observed.task.metadata.annotations.as_ref();
    let force = annotations.and_then(|annotations| annotations.get(labels::FORCE));
    let is_forced = force.is_some_and(|force| force == "true");
    // The deletion timestamp is the moment in which the grace period ends.
    let overdue = pod.metadata.deletion_timestamp.as_ref().map(|time| time.0);
    let is_stuck = overdue.is_some_and(|overdue| overdue < draft.now);
    if !is_forced || (progress::is_reachable(pod) && !is_stuck) {
        if let Some(overdue) = overdue.filter(|_| is_forced) {
            draft.wake_at(overdue.checked_add(Duration::from_secs(1)).unwrap_or(overdue));
        }
        return delete_pod(draft, pod);
    }
    if let (Some(pod), Some(uid)) = (pod.metadata.name.clone(), pod.metadata.uid.clone()) {
        draft.after_status(Step::ForceDeletePod { pod, uid });
    }
}

fn delete_pod(draft: &mut Draft<'_, '_>, pod: &Pod) {
    if pod.metadata.deletion_timestamp.is_some() {
        return;
    }
    if let (Some(pod), Some(uid)) = (pod.metadata.name.clone(), pod.metadata.uid.clone()) {
        draft.after_status(Step::DeletePod { pod, uid });
    }
}

/// Deletes the Job with its pods, or the pod alone when its Job is gone.
fn delete_all(draft: &mut Draft<'_, '_>, pod: &Pod, job: Option<&Job>) {
    let Some(job) = job else {
        return delete_pod(draft, pod);
    };
    if job.metadata.deletion_timestamp.is_some() {
        return;
    }
    if let (Some(job), Some(uid)) = (job.metadata.name.clone(), job.metadata.uid.clone()) {
        draft.after_status(Step::DeleteJob { job, uid });
    }
}

/// Until when the agent must have started, counted from the moment in which its pod was let go.
fn start_deadline(draft: &Draft<'_, '_>) -> Option<Timestamp> {
    conditions::false_since(&draft.status, conditions::STARTED, None)?
        .checked_add(allowance(draft.observed))
        .ok()
}

fn wake_for_start(draft: &mut Draft<'_, '_>) {
    if let Some(deadline) = start_deadline(draft) {
        draft.wake_at(deadline);
    }
}

fn allowance(observed: &Observed<'_>) -> Duration {
    requirements::start_timeout_or_default(observed)
}

fn spelled_allowance<'a>(observed: &'a Observed<'_>) -> &'a str {
    observed.task.spec.start_timeout.as_deref().unwrap_or("10m")
}

/// A moment that does not move: when the Job's failure has no time, its creation.
fn job_or_now(at: Option<Timestamp>, job: &Job) -> Timestamp {
    let created = || job.metadata.creation_timestamp.as_ref().map(|time| time.0);
    at.or_else(created).unwrap_or(Timestamp::UNIX_EPOCH)
}
