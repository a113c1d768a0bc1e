//! What is left to do for a Task that has ended.

use std::time::Duration;

use axon_api::{Phase, Task, TaskStatus, labels};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::jiff::Timestamp;

use crate::branch;
use crate::draft::whole_seconds;
use crate::ending;
use crate::observed::Observed;
use crate::plan::{Plan, Step};
use crate::progress::{self, Progress};
use crate::report;

/// Reasons with which a Task ends though nobody saw its pod end.
const UNSEEN: &[&str] = &["Cancelled", "JobDeleted", "PodLost"];

/// How long a Task whose time to live is over is kept for its end to be reported.
const REPORTED_WITHIN: Duration = Duration::from_hours(1);

/// The plan for a Task that has ended: its status stays as it is, whatever is observed.
pub(crate) fn plan(observed: &Observed<'_>, status: &TaskStatus) -> Plan {
    let mut plan = Plan {
        status: status.clone(),
        why: "the Task has ended".to_owned(),
        ..Plan::default()
    };
    if let Some(expiry) = expiry(observed.task, status) {
        let left = expiry.duration_since(whole_seconds(observed.now));
        let unreported = until_reported(observed, status);
        match Duration::try_from(left) {
            Ok(left) if !left.is_zero() => plan.wake = Some(left),
            _ if unreported.is_some() => {
                "kept until its end is reported".clone_into(&mut plan.why);
                plan.wake = unreported;
            }
            _ if observed.is_awaited && status.phase == Some(Phase::Succeeded) => {
                "kept until the Tasks that depend on it have recorded what it produced"
                    .clone_into(&mut plan.why);
            }
            _ => {
                plan.steps.extend(freed(observed, status));
                let uid = observed.task.metadata.uid.clone().unwrap_or_default();
                plan.steps.push(Step::DeleteTask { uid });
                "the Task's time to live is over".clone_into(&mut plan.why);
                return plan;
            }
        }
    }
    plan.steps = steps(observed, status);
    plan
}

/// For how long the Task has to be kept so that its end is reported to where it came from; `None` when
/// nothing is to be reported, it was, or it could not be for an hour.
fn until_reported(observed: &Observed<'_>, status: &TaskStatus) -> Option<Duration> {
    let annotations = observed.task.metadata.annotations.as_ref()?;
    if !annotations.contains_key(labels::REPORT) {
        return None;
    }
    let told = report::told(observed.task);
    if told.is_some() && told.as_deref() == status.phase.map(Phase::as_str) {
        return None;
    }
    let ended = status.completion_time.as_ref()?.0;
    let given_up = ended.checked_add(REPORTED_WITHIN).ok()?;
    let left = given_up.duration_since(whole_seconds(observed.now));
    Duration::try_from(left).ok().filter(|left| !left.is_zero())
}

/// When the Task is to be deleted, if ever.
pub(crate) fn expiry(task: &Task, status: &TaskStatus) -> Option<Timestamp> {
    let seconds = task.spec.ttl_seconds_after_finished?;
    let ended = status.completion_time.as_ref()?.0;
    let seconds = u64::try_from(seconds).unwrap_or(0);
    ended.checked_add(Duration::from_secs(seconds)).ok()
}

/// Deletes each Job that could still do something, and frees the branch once nothing can run.
pub(crate) fn steps(observed: &Observed<'_>, status: &TaskStatus) -> Vec<Step> {
    let jobs = observed.jobs.iter();
    let deleted = jobs
        .filter(|job| is_left_over(observed, status, job))
        .filter_map(|job| {
            Some(Step::DeleteJob {
                job: job.metadata.name.clone()?,
                uid: job.metadata.uid.clone()?,
            })
        });
    deleted.chain(freed(observed, status)).collect()
}

fn freed<'a>(observed: &'a Observed<'_>, status: &TaskStatus) -> impl Iterator<Item = Step> + use<'a> {
    let is_quiet = branch::is_quiet(observed, status);
    branch::release(observed).filter(move |_| is_quiet)
}

fn is_left_over(observed: &Observed<'_>, status: &TaskStatus, job: &Job) -> bool {
    if ending::is_job_finished(job) || job.metadata.deletion_timestamp.is_some() {
        return false;
    }
    let is_recorded = job.metadata.uid.is_some() && job.metadata.uid == status.job_uid;
    if !is_recorded {
        return true;
    }
    // The Job of a run that was seen to end will be marked as finished by its controller, and
    // deleting it would delete the logs too. It goes on only when its pod was taken from under it,
    // and then it has another one behind the gate.
    if has_ended_pod(observed, status) {
        return false;
    }
    let reason = status.reason.as_deref().unwrap_or_default();
    let seen = status.start_time.is_some() && !UNSEEN.contains(&reason);
    !seen || has_gated_pod(observed, job)
}

fn has_gated_pod(observed: &Observed<'_>, job: &Job) -> bool {
    let pods = observed.pods.iter().filter(|pod| progress::is_gated(pod));
    let mut owners = pods.flat_map(|pod| pod.metadata.owner_references.iter().flatten());
    owners.any(|owner| Some(&owner.uid) == job.metadata.uid.as_ref())
}

fn has_ended_pod(observed: &Observed<'_>, status: &TaskStatus) -> bool {
    observed
        .pods
        .iter()
        .filter(|pod| pod.metadata.uid.is_some() && pod.metadata.uid == status.pod_uid)
        .any(|pod| {
            matches!(
                progress::of(pod),
                Progress::Ended | Progress::FailedBeforeStart { .. }
            )
        })
}
