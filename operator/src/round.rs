//! One round for one Task: observe, plan, apply.

use std::time::Duration;

use axon_plan::{Plan, Settings, Step};
use k8s_openapi::jiff::Timestamp;

use crate::apply::{Applied, Applier, ApplyError, Obstacle};
use crate::key::Key;
use crate::metrics::RoundResult;
use crate::observe::{ObserveError, Seen, observe};
use crate::queue::Next;

/// How long after its Job a Task's status is written, unless something happens before. By then the
/// pod is there too, in the usual case, so that one write tells of both.
const SETTLE: Duration = Duration::from_millis(100);
/// How long to wait for the watch to catch up before a stale round is tried again.
const CATCH_UP: Duration = Duration::from_millis(50);
/// How long to wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// For the counters.
    pub result: RoundResult,
    /// For the queue.
    pub next: Next,
}

/// Why a round failed.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Observe(#[from] ObserveError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// Does one round for the Task at `key`.
pub async fn round(applier: &Applier, settings: &Settings, key: &Key) -> Ended {
    match attempt(applier, settings, key).await {
        Ok(ended) => ended,
        Err(error) => {
            let error = anyhow::Error::new(error);
            tracing::warn!(task = %key, error = format!("{error:#}"), "a round failed and will be tried again");
            Ended {
                result: RoundResult::Failed,
                next: Next::Retry(AFTER_FAILURE),
            }
        }
    }
}

async fn attempt(applier: &Applier, settings: &Settings, key: &Key) -> Result<Ended, RoundError> {
    let (result, plan) = match look_and_act(applier, settings, key, None).await? {
        Some((Applied::Refused(obstacle), _)) => {
            // The steps before the one that was refused are done, such as taking the branch.
            let again = Box::pin(look_and_act(applier, settings, key, Some(&obstacle)));
            match again.await? {
                Some(acted) => acted,
                None => return Ok(done(None)),
            }
        }
        Some(acted) => acted,
        None => return Ok(done(None)),
    };
    Ok(ended(&result, &plan))
}

/// Observes, plans and applies, once. `obstacle` is what was refused before. `None` when there is no
/// such Task.
async fn look_and_act(
    applier: &Applier,
    settings: &Settings,
    key: &Key,
    obstacle: Option<&Obstacle>,
) -> Result<Option<(Applied, Plan)>, RoundError> {
    let observed = observe(applier, settings, key).await?;
    let Some(seen) = observed else {
        return Ok(None);
    };
    let plan = seen.decide(settings, Timestamp::now(), obstacle);
    let result = apply_all(applier, key, &seen, &plan).await?;
    Ok(Some((result, plan)))
}

/// Does the steps in order and stops at the first that is not simply done. After a new Job only
/// events are written: the next round knows the Job's UID and tells all of it in one write.
async fn apply_all(applier: &Applier, key: &Key, seen: &Seen, plan: &Plan) -> Result<Applied, ApplyError> {
    tracing::debug!(task = %key, steps = plan.steps.len(), why = plan.why, "planned");
    let mut result = Applied::Done;
    for step in &plan.steps {
        if result == Applied::JobCreated && !matches!(step, Step::Notify(_)) {
            continue;
        }
        match applier.apply(&seen.task, &plan.status, step).await? {
            Applied::Done => {}
            Applied::JobCreated => result = Applied::JobCreated,
            stop => return Ok(stop),
        }
    }
    Ok(result)
}

fn ended(result: &Applied, plan: &Plan) -> Ended {
    match result {
        Applied::Done => done(plan.wake),
        Applied::JobCreated => done(Some(SETTLE)),
        Applied::Stale | Applied::Refused(_) => Ended {
            result: RoundResult::Stale,
            next: Next::Retry(CATCH_UP),
        },
    }
}

fn done(wake: Option<Duration>) -> Ended {
    Ended {
        result: RoundResult::Done,
        next: Next::Wait(wake),
    }
}
