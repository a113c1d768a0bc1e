//! Starts an attempt, once all that the Task names is there.

use axon_api::{Phase, run};

use crate::attempt;
use crate::branch::{self, Turn};
use crate::conditions::{self, Verdict};
use crate::dependencies;
use crate::draft::Draft;
use crate::ending::Ending;
use crate::job::{self, TooLarge};
use crate::observed::{Admission, Observed};
use crate::plan::{Plan, Step};
use crate::progress::Cause;
use crate::requirements::{self, Blocked, Lasting};
use crate::token;

/// Creates the Job of attempt `number`, or tells what keeps it from being created. A Job of that
/// name that is there already is gone on with.
pub(crate) fn begin(mut draft: Draft<'_, '_>, number: i32) -> Plan {
    let observed = draft.observed;
    let task = observed.task;
    let name = job::name(task, number);
    forget_pod(&mut draft);
    draft.status.dependencies = dependencies::record(observed);
    if draft.is_cancelled() {
        let cause = Cause::new("Cancelled", "the Task was cancelled before the agent started");
        return draft.end(
            &Ending::bare(Phase::Cancelled, cause),
            "cancelled before a pod was let go",
        );
    }
    if let Some(job) = attempt::job_named(observed, &name) {
        draft.status.attempts = Some(number);
        draft.status.job_name = Some(name);
        // The Job is made before anything is written of it.
        if let Ok(requirements) = requirements::check(observed) {
            draft.status.effective = requirements.effective;
        }
        return attempt::follow_unrecorded(draft, number, Some(job));
    }
    if let Some(other) = observed.conflicting_job {
        let message = format!("the name of Job `{other}` is taken by one that is not this Task's");
        return fail(draft, "NameConflict", message);
    }
    if let Some(why) = observed.refused_job {
        let message = format!("the API server does not take Job `{name}`: {why}");
        return fail(draft, "JobRefused", message);
    }
    if observed.admission == Admission::Held && number == 1 {
        return hold(observed);
    }
    let requirements = match requirements::check(observed) {
        Ok(requirements) => requirements,
        Err(blocked) => return wait_or_fail(draft, number, &blocked),
    };
    let built = match job::build(task, number, &requirements, observed.settings) {
        Ok(built) => built,
        Err(TooLarge(bytes)) => {
            let message = format!(
                "the run description with prompt, files, instructions, plugins and MCP servers has {bytes} bytes after compression, and at most {} are possible",
                run::MAX_SECRET_BYTES
            );
            return fail(draft, "RunTooLarge", message);
        }
    };
    let take = match branch::turn(observed) {
        Turn::Granted => None,
        Turn::Take(step) => Some(step),
        Turn::Wait(blocked) => return wait_or_fail(draft, number, &blocked),
    };
    // The branch is taken last, so that what cannot be prepared keeps nobody waiting.
    let is_job = |step: &Step| matches!(step, Step::CreateJob(_));
    let (jobs, preparations): (Vec<Step>, Vec<Step>) = built.steps.into_iter().partition(is_job);
    for step in preparations.into_iter().chain(take).chain(jobs) {
        draft.before_status(step);
    }
    let is_first = task
        .status
        .as_ref()
        .is_none_or(|status| status.attempts.is_none());
    let lockless = branch::without_workspace(task).filter(|_| is_first);
    for notice in built.notice.into_iter().chain(lockless) {
        draft.after_status(Step::Notify(notice));
    }
    draft.status.effective = requirements.effective;
    draft.status.attempts = Some(number);
    draft.is_ready();
    draft.enter(
        Phase::Pending,
        attempt::JOB_CREATED,
        &format!("Job `{name}` was created"),
    );
    draft.status.job_name = Some(name);
    if let Ok(deadline) = draft.now.checked_add(requirements.start_timeout) {
        draft.wake_at(deadline);
    }
    draft.finish("all that the Task names is there")
}

/// The Task waits for its TaskSpawner to let it start. Nothing is written of it: mostly it is let start
/// at once, and what keeps it is told by the status of the TaskSpawner.
fn hold(observed: &Observed<'_>) -> Plan {
    Plan {
        status: observed.task.status.clone().unwrap_or_default(),
        why: "the TaskSpawner has not let the Task start yet".to_owned(),
        ..Plan::default()
    }
}

/// An attempt begins without a pod: what is recorded is of an earlier one.
fn forget_pod(draft: &mut Draft<'_, '_>) {
    draft.status.job_name = None;
    draft.status.job_uid = None;
    draft.status.pod_name = None;
    draft.status.pod_uid = None;
    draft.status.start_time = None;
    conditions::remove(&mut draft.status, conditions::STARTED);
}

/// Tells what keeps attempt `number` from starting.
pub(crate) fn wait_or_fail(mut draft: Draft<'_, '_>, number: i32, blocked: &Blocked) -> Plan {
    let Blocked {
        lasting,
        reason,
        message,
    } = blocked;
    match lasting {
        Lasting::Unsupported => draft.set(conditions::SUPPORTED, Verdict::False, reason, message),
        Lasting::Waiting | Lasting::Retried => {
            draft.set(conditions::SUPPORTED, Verdict::True, "Supported", "");
        }
        Lasting::Forever if *reason == "UnknownAgentType" => {
            draft.set(conditions::SUPPORTED, Verdict::False, reason, message);
        }
        Lasting::Forever => {}
    }
    draft.set(conditions::READY, Verdict::False, reason, message);
    if *lasting == Lasting::Forever {
        let ending = Ending::bare(Phase::Failed, Cause::new(*reason, message));
        return draft.end(&ending, "the spec can never be run");
    }
    // A retry that has to wait is gone on with under its own number, and keeps its branch. A Task
    // that has never started keeps nobody waiting who could.
    if number > 1 {
        draft.status.attempts = Some(number);
    } else {
        for step in branch::release(draft.observed) {
            draft.after_proof(step);
        }
    }
    if *lasting == Lasting::Retried
        && let Ok(again) = draft.now.checked_add(token::RETRY)
    {
        draft.wake_at(again);
    }
    draft.enter(lasting.phase(), reason, message);
    draft.finish("something that the Task names is missing")
}

fn fail(mut draft: Draft<'_, '_>, reason: &str, message: String) -> Plan {
    draft.set(conditions::READY, Verdict::False, reason, &message);
    draft.end(
        &Ending::bare(Phase::Failed, Cause::new(reason, message)),
        "the Job cannot be created",
    )
}
