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
    let kept = applier.world.lock().object::<AgentProvider>(key);
    // One that cannot be read says so where it is used.
    let Known::Present(provider) = kept.known() else {
        return Ok(Applied::Done);
    };
    let reader = Reader {
        client: &applier.client,
        world: &applier.world,
        queue: &applier.queue,
        key,
        secrets: &applier.secrets,
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
    use axon_api::kinds::agent_provider::AgentProviderSpec;
    use http::Method;
    use kube::Client;
    use kube::runtime::watcher::Event;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{failure, server};

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
        let mut provider = AgentProvider::new("a", AgentProviderSpec::default());
        let first = status(&provider, &readiness(true), at(10));
        provider.status = Some(first.clone());
        assert_eq!(status(&provider, &readiness(true), at(20)), first);
        let turned = status(&provider, &readiness(false), at(20));
        assert!(!turned.ready);
        assert_eq!(turned.conditions[0].last_transition_time, Time(at(20)));
    }

    fn provider() -> Value {
        json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "AgentProvider",
            "metadata": {
                "name": "gateway", "namespace": "default", "uid": "uid", "resourceVersion": "7",
                "generation": 1,
            },
            "spec": { "authTokenSecretRef": { "name": "token", "key": "KEY" } },
        })
    }

    fn key() -> Key {
        Key::new("default", "gateway")
    }

    /// An applier whose world has the provider.
    fn applier(client: Client) -> Applier {
        let provider = serde_json::from_value(provider()).expect("a provider");
        let applier = Applier::for_tests(client);
        applier
            .world
            .lock()
            .on_object::<AgentProvider>(Event::Apply(provider));
        applier
    }

    fn secret(data: &Value) -> (u16, Value) {
        let secret = json!({
            "metadata": { "name": "token", "namespace": "default", "uid": "s", "resourceVersion": "5" },
            "data": data,
        });
        (200, secret)
    }

    /// What the server answers to a patch that it takes.
    fn written(ready: bool, condition: &Value) -> (u16, Value) {
        let mut provider = provider();
        provider["metadata"]["resourceVersion"] = json!("8");
        provider["status"] = json!({
            "observedGeneration": 1, "ready": ready, "conditions": [condition],
        });
        (200, provider)
    }

    fn condition(status: &str) -> Value {
        json!({
            "type": "Ready", "status": status, "reason": "R", "message": "m",
            "observedGeneration": 1, "lastTransitionTime": "2026-01-02T03:04:05Z",
        })
    }

    #[tokio::test]
    async fn a_provider_is_ready_when_its_secret_has_the_key_and_it_is_said_once() {
        let key_is_there = json!({ "KEY": "dmFsdWU=" });
        let found = json!({
            "type": "Ready", "status": "True", "reason": "Found",
            "message": "Secret `token` has the key `KEY`",
            "observedGeneration": 1, "lastTransitionTime": "2026-01-02T03:04:05Z",
        });
        let (client, asked) = server(vec![secret(&key_is_there), written(true, &found)]);
        let applier = applier(client);
        assert_eq!(round(&applier, &key()).await, Next::Wait(None));
        assert_eq!(
            round(&applier, &key()).await,
            Next::Wait(None),
            "nothing is asked"
        );
        let asked = asked.lock().expect("no panic");
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[1].method, Method::PATCH);
        assert!(asked[1].path.ends_with("/agentproviders/gateway/status"));
        assert_eq!(asked[1].body["status"]["ready"], true);
        assert_eq!(asked[1].body["metadata"]["resourceVersion"], "7");
        assert!(
            !asked[1].body.to_string().contains("dmFsdWU="),
            "no value is told"
        );
    }

    #[tokio::test]
    async fn a_provider_without_its_secret_or_key_is_not_ready() {
        let gone = failure(404, "NotFound", "secrets \"token\" not found");
        for answer in [gone, secret(&json!({})), secret(&json!({ "KEY": "" }))] {
            let (client, asked) = server(vec![answer, written(false, &condition("False"))]);
            assert_eq!(round(&applier(client), &key()).await, Next::Wait(None));
            let asked = asked.lock().expect("no panic");
            assert_eq!(asked[1].body["status"]["ready"], false);
            assert_eq!(asked[1].body["status"]["conditions"][0]["status"], "False");
        }
    }

    #[tokio::test]
    async fn a_provider_that_has_changed_meanwhile_is_looked_at_again() {
        let conflict = failure(409, "Conflict", "the object has been modified");
        let (client, _) = server(vec![secret(&json!({})), conflict]);
        assert_eq!(round(&applier(client), &key()).await, Next::Retry(CATCH_UP));
        let broken = failure(500, "InternalError", "etcdserver: request timed out");
        let (client, _) = server(vec![broken]);
        assert_eq!(round(&applier(client), &key()).await, Next::Retry(AFTER_FAILURE));
    }

    #[tokio::test]
    async fn a_secret_that_may_not_be_read_is_not_asked_for_and_it_is_said() {
        let (client, asked) = server(vec![written(false, &condition("False"))]);
        let mut applier = applier(client);
        applier.secrets = Arc::new("default/other".parse().expect("a list"));
        assert_eq!(round(&applier, &key()).await, Next::Wait(None));
        let asked = asked.lock().expect("no panic");
        assert_eq!(asked[0].method, Method::PATCH, "nothing is read");
        let message = &asked[0].body["status"]["conditions"][0]["message"];
        assert!(
            message
                .to_string()
                .contains("add `default/token` to its --secrets"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_provider_that_is_gone_is_left_alone() {
        let (client, asked) = server(Vec::new());
        let applier = Applier::for_tests(client);
        assert_eq!(round(&applier, &key()).await, Next::Wait(None));
        assert!(asked.lock().expect("no panic").is_empty());
    }
}
