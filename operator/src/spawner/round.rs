//! One round for one spawner: observe, plan, apply.

use std::sync::Arc;
use std::time::Duration;

use axon_api::sources::Fetched;
use axon_api::{TaskDefaults, TaskSpawner, Workspace};
use axon_plan::spawner::memory::{Entry, Memory, ShardWrite};
use axon_plan::spawner::{Spawn, SpawnerPlan, Step, Trouble};
use futures::{FutureExt as _, StreamExt as _, stream};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;

use super::apply::{Hands, Spawned, StepError};
use super::memory;
use super::observe::{Seen, workspace_spec};
use super::sources::{Asker, Sources};
use super::state::{State, States};
use crate::apply::{Applied, Applier};
use crate::config::Config;
use crate::key::Key;
use crate::queue::{Next, Urgency};
use crate::read::{Reader, Sought};
use crate::world::Known;

/// Items of one spawner that are fetched and become Tasks at once.
const AT_ONCE: usize = 16;
/// Items of one spawner that become Tasks in one round, so that others have their turn.
const PER_ROUND: usize = 64;
/// How long to wait for the watch to catch up.
const CATCH_UP: Duration = Duration::from_millis(50);
/// How long to wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How long an item that did not match any more is left alone.
const PASSED_OVER: Duration = Duration::from_secs(30);

/// What rounds are done with.
pub(super) struct Round {
    pub(super) applier: Arc<Applier>,
    pub(super) config: Arc<Config>,
    pub(super) sources: Sources,
    pub(super) states: States,
}

/// How a round ended, when it did not fail.
enum Ended {
    /// All was done; look again after this time.
    Done(Option<Duration>),
    /// Something was otherwise than it was when the plan was made.
    Stale,
}

impl Round {
    /// Does one round for the spawner at `key`.
    pub(super) async fn run(&self, key: &Key) -> Next {
        let known = self.applier.world.lock().object::<TaskSpawner>(key).known();
        let spawner = match known {
            Known::Present(spawner) => spawner,
            Known::Invalid(error) => {
                tracing::warn!(spawner = %key, error, "a TaskSpawner cannot be read");
                self.sources.leave(key);
                return Next::Wait(None);
            }
            Known::Unknown => {
                self.sources.leave(key);
                self.states.forget(key);
                return Next::Wait(None);
            }
        };
        let uid = spawner.uid().unwrap_or_default();
        let mut state = self.states.take(key, &uid, spawner.metadata.generation);
        let ended = self.attempt(key, &spawner, &mut state).await;
        self.states.put(key, state);
        match ended {
            Ok(Ended::Done(wake)) => Next::Wait(wake),
            Ok(Ended::Stale) => Next::Retry(CATCH_UP),
            Err(error) => {
                let error = anyhow::Error::new(error);
                tracing::warn!(spawner = %key, error = format!("{error:#}"), "a round of a spawner failed and will be tried again");
                Next::Retry(AFTER_FAILURE)
            }
        }
    }

    async fn attempt(&self, key: &Key, spawner: &TaskSpawner, state: &mut State) -> Result<Ended, StepError> {
        let reader = Reader {
            client: &self.applier.client,
            world: &self.applier.world,
            queue: &self.applier.queue,
            secrets: &self.applier.secrets,
            key,
        };
        let workspace = match &spawner.spec.task_template.workspace_ref {
            Some(reference) => reader.object::<Workspace>(&reference.name).await?,
            None => Sought::NotNamed,
        };
        let default_type = self.default_type(key);
        let hands = Hands {
            applier: &self.applier,
            spawner,
            key,
            default_type: &default_type,
        };
        if state.memory.is_none() {
            state.memory = Some(memory::read(&hands).await?);
        }
        let secret = workspace_spec(spawner, &workspace).and_then(|spec| spec.secret_ref.as_ref());
        let asker = Asker {
            key,
            spawner,
            workspace: workspace_spec(spawner, &workspace),
            secret_version: secret.and_then(|secret| {
                self.applier
                    .world
                    .lock()
                    .secret_version(&key.sibling(&secret.name))
            }),
        };
        let before = std::mem::replace(&mut state.secret_version, asker.secret_version);
        if let Some(secret) = secret.filter(|_| before != asker.secret_version) {
            self.sources.secret_changed(&key.namespace, &secret.name);
        }
        let nothing = Memory::default();
        let remembered = state.memory.as_ref().unwrap_or(&nothing);
        let mut heard = self.sources.heard(&asker, remembered, Timestamp::now()).await;
        let now = Instant::now();
        state.passed_over.retain(|_, until| *until > now);
        heard.without(|key| state.passed_over.contains_key(key));
        let uid = spawner.metadata.uid.as_deref().unwrap_or_default();
        let mut seen = Seen {
            spawner,
            workspace: &workspace,
            default_type: &default_type,
            heard: &heard,
            tasks: self.applier.world.lock().spawned_tasks(uid),
            gone: std::collections::BTreeSet::new(),
        };
        let plan = seen.decide(&hands, state).await?;
        tracing::debug!(spawner = %key, steps = plan.steps.len(), why = plan.why, "planned");
        self.apply(&hands, &asker, state, &plan).await
    }

    /// Does the steps in order. What is to become Tasks is done together, and shows in the next round.
    async fn apply(
        &self,
        hands: &Hands<'_>,
        asker: &Asker<'_>,
        state: &mut State,
        plan: &SpawnerPlan,
    ) -> Result<Ended, StepError> {
        let mut spawns = Vec::new();
        let mut is_admitted = false;
        for step in &plan.steps {
            if !matches!(step, Step::Remember(_) | Step::WriteStatus) && !is_admitted {
                self.admit(plan);
                is_admitted = true;
            }
            let applied = match step {
                Step::Remember(write) => remember(hands, state, write).await?,
                Step::WriteStatus => hands.write_status(&plan.status).await?,
                Step::DeleteTask { task, uid } => hands.delete_task(task, uid).await?,
                Step::CancelTask { task, uid } => hands.cancel_task(task, uid).await?,
                Step::Spawn(spawn) => {
                    spawns.push(spawn);
                    Applied::Done
                }
                Step::Settle { key } => {
                    self.settle(hands, asker, key).await?;
                    Applied::Done
                }
                Step::Notify(notice) => {
                    self.applier.notices.write(hands.spawner, notice);
                    Applied::Done
                }
            };
            if applied != Applied::Done {
                return Ok(Ended::Stale);
            }
        }
        if !is_admitted {
            self.admit(plan);
        }
        if spawns.is_empty() {
            return Ok(Ended::Done(plan.wake));
        }
        self.spawn(hands, asker, state, &spawns).await
    }

    /// Lets Tasks start: all that the plan was made from was written.
    fn admit(&self, plan: &SpawnerPlan) {
        let wakes: Vec<_> = {
            let mut world = self.applier.world.lock();
            plan.admitted.iter().filter_map(|uid| world.admit(uid)).collect()
        };
        for (task, urgency) in wakes {
            self.applier.queue.wake(&task, urgency);
        }
    }

    async fn settle(&self, hands: &Hands<'_>, asker: &Asker<'_>, key: &str) -> Result<(), StepError> {
        hands.settle_request(key).await?;
        self.sources.settle(asker, key).await.map_err(StepError::Settle)
    }

    /// Makes the Tasks of items. One that cannot become a Task hurts only itself.
    async fn spawn(
        &self,
        hands: &Hands<'_>,
        asker: &Asker<'_>,
        state: &mut State,
        spawns: &[&Spawn],
    ) -> Result<Ended, StepError> {
        let turn = &spawns[..spawns.len().min(PER_ROUND)];
        let mut open = Vec::new();
        for spawn in turn {
            open.push(self.spawn_one(hands, asker, spawn).boxed());
        }
        let made: Vec<Result<Made, StepError>> = stream::iter(open).buffered(AT_ONCE).collect().await;
        let mut failure = None;
        let mut is_stale = false;
        for (spawn, made) in turn.iter().zip(made) {
            let key = &spawn.candidate.key;
            match made {
                Ok(Made::Task(Spawned::Created)) => {}
                Ok(Made::Task(Spawned::Stale)) => is_stale = true,
                Ok(Made::Task(Spawned::Refused(why))) => {
                    tracing::warn!(spawner = %hands.key, item = key, why, "an item cannot become a Task");
                    state.refused.insert(key.clone(), why);
                }
                Ok(Made::NoLonger(why)) => {
                    tracing::debug!(spawner = %hands.key, item = key, why, "an item matches no longer");
                    if key.starts_with("delivery-") {
                        state.refused.insert(key.clone(), why);
                    } else {
                        state
                            .passed_over
                            .insert(key.clone(), Instant::now() + PASSED_OVER);
                    }
                }
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => Err(error),
            None if is_stale => Ok(Ended::Stale),
            None => {
                // What was made is remembered in a round of its own, at once.
                let queue = self.applier.world.lock().errands().spawners;
                queue.wake(hands.key, Urgency::Urgent);
                Ok(Ended::Done(None))
            }
        }
    }

    async fn spawn_one(
        &self,
        hands: &Hands<'_>,
        asker: &Asker<'_>,
        spawn: &Spawn,
    ) -> Result<Made, StepError> {
        match self.sources.item(asker, &spawn.candidate).await {
            Ok(Fetched::Item(item)) => Ok(Made::Task(hands.create(spawn, &item).await?)),
            Ok(Fetched::NoLonger(why)) => Ok(Made::NoLonger(why)),
            Err(trouble) => Err(StepError::Source(trouble)),
        }
    }

    /// Agent type of a Task that names none: the namespace's, else the operator's.
    fn default_type(&self, key: &Key) -> String {
        let defaults = key.sibling(crate::world::DEFAULTS);
        let known = self
            .applier
            .world
            .lock()
            .object::<TaskDefaults>(&defaults)
            .known();
        let named = match known {
            Known::Present(defaults) => defaults.spec.type_,
            Known::Invalid(_) | Known::Unknown => None,
        };
        named
            .or_else(|| self.config.settings.default_type.clone())
            .unwrap_or_else(|| axon_api::kinds::task::DEFAULT_TYPE.to_owned())
    }
}

/// What became of one item.
enum Made {
    Task(Spawned),
    NoLonger(String),
}

/// Writes one part of the memory, and keeps what was written.
async fn remember(hands: &Hands<'_>, state: &mut State, write: &ShardWrite) -> Result<Applied, StepError> {
    let Some(version) = hands.remember(write).await? else {
        // Somebody else has written it, so that all of it is read anew.
        state.memory = None;
        return Ok(Applied::Stale);
    };
    if let Some(shard) = state
        .memory
        .as_mut()
        .and_then(|memory| memory.shards.get_mut(write.shard))
    {
        shard.resource_version = Some(version);
        for (key, value) in &write.set {
            shard.unreadable.remove(key);
            match value.as_deref().and_then(Entry::parse) {
                Some(entry) => shard.entries.insert(key.clone(), entry),
                None => shard.entries.remove(key),
            };
        }
    }
    Ok(Applied::Done)
}

impl From<Trouble> for StepError {
    fn from(trouble: Trouble) -> Self {
        Self::Source(trouble)
    }
}
