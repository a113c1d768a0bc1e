//! Says of each AgentProvider whether Tasks may use it.

use std::sync::Arc;
use std::time::Duration;

use axon_api::AgentProvider;
use axon_api::kinds::agent_provider::AgentProviderStatus;
use axon_plan::provider::{Readiness, readiness};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::Patch;

use crate::apply::patch::status_patch;
use crate::apply::{Applied, Applier, overtaken, patching};
use crate::failure::Answer;
use crate::key::Key;
use crate::queue::Next;
use crate::read::{ReadError, Reader, Sought};
use crate::work::work;
use crate::world::{Known, Loose};

/// The condition that tells.
const READY: &str = "Ready";
/// How long to wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How long to wait for the watch to catch up.
const CATCH_UP: Duration = Duration::from_millis(50);

/// Looks at every AgentProvider that has changed, or whose Secret has.
pub async fn keep(applier: Arc<Applier>) -> anyhow::Error {
    let queue = applier.world.lock().errands().providers;
    work(queue, |key| {
        let applier = Arc::clone(&applier);
        async move { round(&applier, &key).await }
    })
    .await
}

/// Does one round for the AgentProvider at `key`.
pub async fn round(applier: &Applier, key: &Key) -> Next {
    match attempt(applier, key).await {
        Ok(Applied::Stale) => Next::Retry(CATCH_UP),
        Ok(_) => Next::Wait(None),
        Err(error) => {
            let error = anyhow::Error::new(error);
            tracing::warn!(provider = %key, error = format!("{error:#}"), "an AgentProvider could not be looked at and will be tried again");
            Next::Retry(AFTER_FAILURE)
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ProviderError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("failed to write the status of AgentProvider `{key}`")]
    Write {
        key: Key,
        #[source]
        source: Answer,
    },
}

async fn attempt(applier: &Applier, key: &Key) -> Result<Applied, ProviderError> {
    let known = applier.world.lock().object::<AgentProvider>(key);
    // One that cannot be read says so where it is used.
    let Known::Present(provider) = known else {
        return Ok(Applied::Done);
    };
    let reader = Reader {
        client: &applier.client,
        world: &applier.world,
        queue: &applier.queue,
        key,
    };
    let secret = match &provider.spec.auth_token_secret_ref {
        Some(reference) => reader.secret(&reference.name).await?,
        None => Sought::NotNamed,
    };
    let readiness = readiness(&provider, &secret.keys());
    let status = status(&provider, &readiness, Timestamp::now());
    let before = provider.status.as_ref();
    let Some(patch) = status_patch(&provider.metadata, before, &status) else {
        return Ok(Applied::Done);
    };
    applier.count("patch", "agentprovider");
    let providers: Api<Loose<AgentProvider>> = Api::namespaced(applier.client.clone(), &key.namespace);
    let answer = providers
        .patch_status(&key.name, &patching(), &Patch::Merge(&patch))
        .await;
    match answer {
        Ok(written) => {
            let wakes = applier.world.lock().note_object(&written);
            for (task, urgency) in wakes {
                applier.queue.wake(&task, urgency);
            }
            Ok(Applied::Done)
        }
        Err(source) => overtaken(source).map_err(|source| ProviderError::Write {
            key: key.clone(),
            source: source.into(),
        }),
    }
}

/// The status that tells of `readiness`. A condition that stays as it is keeps its time.
fn status(provider: &AgentProvider, readiness: &Readiness, now: Timestamp) -> AgentProviderStatus {
    let word = if readiness.ready { "True" } else { "False" };
    let before = provider.status.iter().flat_map(|status| &status.conditions);
    let before = before.into_iter().find(|condition| condition.type_ == READY);
    let since = before.filter(|before| before.status == word);
    let ready = Condition {
        type_: READY.to_owned(),
        status: word.to_owned(),
        reason: readiness.reason.to_owned(),
        message: readiness.message.clone(),
        observed_generation: provider.metadata.generation,
        last_transition_time: since.map_or(Time(now), |before| before.last_transition_time.clone()),
    };
    AgentProviderStatus {
        observed_generation: provider.metadata.generation,
        ready: readiness.ready,
        conditions: vec![ready],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readiness(ready: bool) -> Readiness {
        Readiness {
            ready,
            reason: "Because",
            message: "it is so".to_owned(),
        }
    }

    #[test]
    fn a_condition_keeps_its_time_until_it_turns() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let mut provider =
            AgentProvider::new("a", axon_api::kinds::agent_provider::AgentProviderSpec::default());
        let first = status(&provider, &readiness(true), at(10));
        provider.status = Some(first.clone());
        assert_eq!(status(&provider, &readiness(true), at(20)), first);
        let turned = status(&provider, &readiness(false), at(20));
        assert!(!turned.ready);
        assert_eq!(turned.conditions[0].last_transition_time, Time(at(20)));
    }
}
