//! Has GitHub send again what it sent spawners in vain: when they are first seen, and once an hour.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axon_api::TaskSpawner;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::Asker;
use crate::key::Key;
use crate::queue::{Next, Queue, Urgency};
use crate::webhook::{Deliveries, HubForge};
use crate::work::work;
use crate::world::{Known, SharedWorld};

/// How often GitHub is asked.
const EVERY: Duration = Duration::from_hours(1);
/// By how much more at most, so that spawners that began together part.
const SPREAD_SECONDS: u64 = 300;

/// Looks into the hooks of spawners, one after the other. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub(super) struct CatchUp {
    deliveries: Deliveries,
    hooks: HubForge,
    world: Arc<SharedWorld>,
    /// Of spawners that have something new to hear.
    spawners: Arc<Queue>,
    queue: Arc<Queue>,
    /// What was looked at last of each spawner.
    seen: Arc<Mutex<HashMap<Key, Version>>>,
}

/// What tells whether a spawner has to be looked at again before the hour is over.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    uid: String,
    generation: Option<i64>,
    secret: Option<u64>,
}

impl CatchUp {
    pub(super) fn new(
        deliveries: Deliveries,
        hooks: HubForge,
        world: Arc<SharedWorld>,
        spawners: Arc<Queue>,
    ) -> Self {
        Self {
            deliveries,
            hooks,
            world,
            spawners,
            queue: Arc::default(),
            seen: Arc::default(),
        }
    }

    /// A spawner asks: one that is new or has changed is looked at soon.
    pub(super) fn note(&self, asker: &Asker<'_>) {
        if asker.spawner.spec.when.github_webhook.is_none() {
            return;
        }
        let version = Version {
            uid: asker.spawner.uid().unwrap_or_default(),
            generation: asker.spawner.metadata.generation,
            secret: asker.secret_version,
        };
        let mut seen = self.seen();
        if seen.get(asker.key) != Some(&version) {
            seen.insert(asker.key.clone(), version);
            self.queue.wake(asker.key, Urgency::Normal);
        }
    }

    /// Looks at all spawners that are noted, for ever.
    pub(super) async fn keep(self) -> anyhow::Error {
        let queue = Arc::clone(&self.queue);
        work(queue, |key| {
            let catch_up = self.clone();
            async move { catch_up.round(&key).await }
        })
        .await
    }

    async fn round(&self, key: &Key) -> Next {
        let known = self.world.lock().object::<TaskSpawner>(key).known();
        let spawner = match known {
            Known::Present(spawner)
                if spawner.spec.when.github_webhook.is_some() && !spawner.is_suspended() =>
            {
                spawner
            }
            _ => {
                if let Some(version) = self.seen().remove(key) {
                    self.deliveries.forget(&version.uid);
                }
                return Next::Wait(None);
            }
        };
        let before = self.deliveries.down_proof(&spawner);
        self.deliveries
            .catch_up(&self.hooks, &spawner, Timestamp::now())
            .await;
        if self.deliveries.down_proof(&spawner) != before {
            self.spawners.wake(key, Urgency::Normal);
        }
        Next::Wait(Some(EVERY + spread(key)))
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<Key, Version>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a spawner waits more than others.
fn spread(key: &Key) -> Duration {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    Duration::from_secs(hasher.finish() % SPREAD_SECONDS)
}
