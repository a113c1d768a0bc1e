//! Keeps deliveries, before their senders are told that they were taken.

use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use axon_api::labels;

use super::delivery::{Delivery, MOST_SPAWNERS, Scope};
use super::pending::Pending;
use crate::failure::{Answer, is_missing_namespace, missing_namespace};

/// Deliveries that may be pending at once.
pub const MOST_PENDING: usize = 2000;
/// How often a Secret that comes and goes meanwhile is tried.
const TRIES: usize = 3;

/// Keeps deliveries in the operator's namespace. Cheap to clone.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) client: Client,
    pub(super) namespace: Arc<str>,
    /// What is kept already, as the watch tells.
    pub(super) pending: Arc<Mutex<Pending>>,
}

/// Why a delivery was not kept. The sender is to try again.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("{MOST_PENDING} deliveries wait for their Tasks already")]
    Full,
    #[error("failed to write the document of a delivery")]
    Document(#[from] serde_json::Error),
    #[error("failed to keep a delivery in Secret `{secret}`: {why}")]
    Unusable { secret: String, why: String },
    #[error("failed to keep a delivery in Secret `{secret}`")]
    Server {
        secret: String,
        #[source]
        source: Answer,
    },
}

impl Store {
    /// Keeps a delivery for all of its spawners. What is kept already is left as it is: senders
    /// repeat themselves, and replicas get the same delivery at once.
    pub(super) async fn keep(
        &self,
        delivery: &Delivery,
        scope: &Scope,
        packed: &[u8],
    ) -> Result<(), StoreError> {
        for (part, spawners) in delivery.spawners.chunks(MOST_SPAWNERS).enumerate() {
            let name = delivery.secret_name(scope, part);
            let delivery = Delivery {
                spawners: spawners.to_vec(),
                ..delivery.clone()
            };
            self.keep_part(&name, &delivery, packed).await?;
        }
        Ok(())
    }

    async fn keep_part(&self, name: &str, delivery: &Delivery, packed: &[u8]) -> Result<(), StoreError> {
        {
            let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            if pending.covers(name, &delivery.spawners) {
                return Ok(());
            }
            if pending.count() >= MOST_PENDING {
                return Err(StoreError::Full);
            }
        }
        let secret = delivery.secret(&self.namespace, name, packed.to_vec())?;
        for _ in 0..TRIES {
            match self.secrets().create(&PostParams::default(), &secret).await {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status)) if status.is_already_exists() => {}
                Err(error) if is_missing_namespace(&error, &self.namespace) => {
                    return Err(unusable(name, missing_namespace(&self.namespace)));
                }
                Err(error) => return Err(failed(name, error)),
            }
            if self.add_spawners(name, delivery).await? {
                return Ok(());
            }
        }
        Err(unusable(name, "it comes and goes".to_owned()))
    }

    /// Sees to it that a Secret that is there names these spawners too. `false` means that it is gone
    /// or has changed meanwhile.
    async fn add_spawners(&self, name: &str, delivery: &Delivery) -> Result<bool, StoreError> {
        let secrets = self.secrets();
        let there = secrets.get_metadata_opt(name).await;
        let Some(there) = there.map_err(|error| failed(name, error))? else {
            return Ok(false);
        };
        let mut kept = Delivery::read(&there.metadata).map_err(|why| unusable(name, why))?;
        let missing: Vec<_> = kept.missing(&delivery.spawners).into_iter().cloned().collect();
        if missing.is_empty() {
            return Ok(true);
        }
        kept.spawners.extend(missing);
        if kept.spawners.len() > MOST_SPAWNERS {
            return Err(unusable(
                name,
                format!("more than {MOST_SPAWNERS} spawners want it"),
            ));
        }
        let patch = json!({ "metadata": {
            "uid": there.metadata.uid,
            "resourceVersion": there.metadata.resource_version,
            "annotations": { labels::DELIVERED: serde_json::to_string(&kept)? },
        } });
        let params = PatchParams::default();
        match secrets.patch_metadata(name, &params, &Patch::Merge(&patch)).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(false),
            Err(error) => Err(failed(name, error)),
        }
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

fn failed(name: &str, error: kube::Error) -> StoreError {
    StoreError::Server {
        secret: name.to_owned(),
        source: error.into(),
    }
}

fn unusable(name: &str, why: String) -> StoreError {
    StoreError::Unusable {
        secret: name.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::jiff::Timestamp;
    use kube::api::ObjectMeta;
    use kube::core::PartialObjectMeta;
    use kube::runtime::watcher::Event;

    use super::super::delivery::Wanting;
    use super::*;
    use crate::testing::{failure, server};

    fn delivery(id: &str) -> Delivery {
        Delivery {
            source: "github".to_owned(),
            event: "issues".to_owned(),
            id: id.to_owned(),
            received: Timestamp::UNIX_EPOCH,
            labels: Vec::new(),
            is_trimmed: false,
            spawners: vec![Wanting {
                namespace: "team".to_owned(),
                name: "triage".to_owned(),
                uid: "u".to_owned(),
                is_decided: true,
            }],
        }
    }

    fn kept(id: &str) -> PartialObjectMeta<Secret> {
        let json = serde_json::to_string(&delivery(id)).expect("JSON");
        PartialObjectMeta {
            metadata: ObjectMeta {
                name: Some(delivery(id).secret_name(&Scope::Operator, 0)),
                annotations: Some(BTreeMap::from([(labels::DELIVERED.to_owned(), json)])),
                ..ObjectMeta::default()
            },
            ..PartialObjectMeta::default()
        }
    }

    fn store(client: Client) -> Store {
        Store {
            client,
            namespace: "axon-system".into(),
            pending: Arc::default(),
        }
    }

    async fn keep(store: &Store, id: &str) -> Result<(), StoreError> {
        store.keep(&delivery(id), &Scope::Operator, b"payload").await
    }

    #[tokio::test]
    async fn when_too_many_are_pending_a_new_one_is_sent_away_and_a_known_one_is_not() {
        let (client, asked) = server(Vec::new());
        let store = store(client);
        for number in 0..MOST_PENDING {
            let event = Event::Apply(kept(&number.to_string()));
            store.pending.lock().expect("no panic").take_in(event);
        }
        assert!(matches!(keep(&store, "new").await, Err(StoreError::Full)));
        assert!(keep(&store, "7").await.is_ok());
        assert!(asked.lock().expect("no panic").is_empty());
    }

    #[tokio::test]
    async fn what_is_there_already_is_as_good_as_kept() {
        let exists = failure(409, "AlreadyExists", "secrets already exists");
        let there = serde_json::to_value(kept("1")).expect("JSON");
        let (client, _) = server(vec![exists, (200, there)]);
        assert!(keep(&store(client), "1").await.is_ok());
    }

    #[tokio::test]
    async fn what_went_away_between_two_answers_is_kept_anew() {
        let exists = failure(409, "AlreadyExists", "secrets already exists");
        let gone = failure(404, "NotFound", "secrets not found");
        let made = serde_json::to_value(kept("1")).expect("JSON");
        let (client, asked) = server(vec![exists, gone, (201, made)]);
        assert!(keep(&store(client), "1").await.is_ok());
        assert_eq!(asked.lock().expect("no panic").len(), 3);
    }

    #[tokio::test]
    async fn a_secret_of_somebody_else_is_left_alone() {
        let exists = failure(409, "AlreadyExists", "secrets already exists");
        let mut other = kept("1");
        other.metadata.annotations = None;
        let there = serde_json::to_value(other).expect("JSON");
        let (client, _) = server(vec![exists, (200, there)]);
        let kept = keep(&store(client), "1").await;
        assert!(matches!(kept, Err(StoreError::Unusable { .. })), "{kept:?}");
    }

    #[tokio::test]
    async fn a_server_in_trouble_keeps_nothing() {
        let (client, _) = server(vec![failure(500, "InternalError", "no")]);
        let kept = keep(&store(client), "1").await;
        assert!(matches!(kept, Err(StoreError::Server { .. })), "{kept:?}");
    }
}
