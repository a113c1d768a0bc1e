//! One round for one pipeline: observe, plan, apply.

use std::sync::Arc;
use std::time::Duration;

use axon_plan::Settings;
use axon_plan::pipeline::{PipelinePlan, Step};
use k8s_openapi::jiff::Timestamp;
use kube::Client;

use super::apply::{Applied, Applier, ApplyError};
use super::observe::{ObserveError, observe};
use super::wakes::Wakes;
use crate::key::Key;
use crate::notices::Notices;
use crate::queue::Next;
use crate::scope::SecretScope;

/// How long to wait before what is otherwise by now is looked at again.
const CATCH_UP: Duration = Duration::from_millis(50);
/// How long to wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How many decisions are made in one round at most, each upon what the one before has brought.
const MOST_DECISIONS: usize = 4;

/// What rounds are done with.
pub(super) struct Round {
    pub(super) client: Client,
    pub(super) settings: Settings,
    pub(super) notices: Notices,
    pub(super) wakes: Arc<Wakes>,
    pub(super) secrets: SecretScope,
}

/// Why a round failed.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Observe(#[from] ObserveError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl Round {
    /// Does one round for the pipeline at `key`.
    pub(super) async fn run(&self, key: &Key) -> Next {
        match self.attempt(key).await {
            Ok(next) => next,
            Err(error) => {
                let error = anyhow::Error::new(error);
                tracing::warn!(
                    pipeline = %key,
                    error = format!("{error:#}"),
                    "a round failed and will be tried again"
                );
                Next::Retry(AFTER_FAILURE)
            }
        }
    }

    async fn attempt(&self, key: &Key) -> Result<Next, RoundError> {
        let obstacle = obstacle(&self.secrets, &key.namespace);
        let mut refused = None;
        let mut is_waited_for = false;
        for _ in 0..MOST_DECISIONS {
            let Some(seen) = observe(&self.client, &self.secrets, key).await? else {
                return Ok(Next::Wait(None));
            };
            if let Some(workspace) = seen.missing_workspace()
                && !std::mem::replace(&mut is_waited_for, true)
            {
                // It may have appeared since it was looked for, so it is looked for again.
                self.wakes.when_workspace_appears(key, workspace);
                continue;
            }
            let plan = seen.decide(&self.settings, Timestamp::now(), refused.as_deref());
            tracing::debug!(pipeline = %key, steps = plan.steps.len(), why = plan.why, "planned");
            let applier = Applier {
                client: &self.client,
                notices: &self.notices,
                pipeline: &seen.pipeline,
                task_ended: seen.task_ended(),
            };
            match apply_all(&applier, &plan, obstacle.as_deref()).await? {
                Applied::Done if plan.wake == Some(Duration::ZERO) => refused = None,
                Applied::Done => return Ok(Next::Wait(plan.wake)),
                // What was refused is decided upon once; a second refusal waits its time.
                Applied::Refused(why) if refused.is_none() => refused = Some(why),
                Applied::Stale | Applied::Refused(_) => return Ok(Next::Retry(CATCH_UP)),
            }
        }
        Ok(Next::Retry(CATCH_UP))
    }
}

/// Why no step of a pipeline can be run in this namespace. It is as if the server refused it: told before
/// an agent is paid for whose text could not be read back.
fn obstacle(secrets: &SecretScope, namespace: &str) -> Option<String> {
    (!secrets.has_all_of(namespace)).then(|| {
        format!(
            "the operator may not read the Secrets in which it keeps the texts of steps; list namespace `{namespace}` whole: `{namespace}/*` in --secrets, in the chart a pair of rbac.secrets without a name"
        )
    })
}

/// Does the steps in order and stops at the first that is not simply done. With an `obstacle`, no Task is
/// created and no text kept.
async fn apply_all(
    applier: &Applier<'_>,
    plan: &PipelinePlan,
    obstacle: Option<&str>,
) -> Result<Applied, ApplyError> {
    for step in &plan.steps {
        if let (Step::CreateTask(_) | Step::KeepRun { .. }, Some(why)) = (step, obstacle) {
            return Ok(Applied::Refused(why.to_owned()));
        }
        match applier.apply(&plan.status, step).await? {
            Applied::Done => {}
            stop => return Ok(stop),
        }
    }
    Ok(Applied::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_agent_is_paid_for_whose_text_could_not_be_read_back() {
        for (listed, is_run) in [
            ("all", true),
            ("dev/*", true),
            ("dev/key", false),
            ("other/*", false),
        ] {
            let secrets: SecretScope = listed.parse().expect("a list");
            let why = obstacle(&secrets, "dev");
            assert_eq!(why.is_none(), is_run, "{listed}");
            assert!(why.is_none_or(|why| why.contains("`dev/*` in --secrets")));
        }
    }
}
