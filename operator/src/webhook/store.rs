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
