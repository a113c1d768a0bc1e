//! Runs the controllers: watches in, rounds out.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axon_api::{AgentConfig, AgentProvider, Task, TaskDefaults, TaskSpawner, Workspace, labels};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use crate::apply::{Applier, LeaseHome};
use crate::config::Config;
use crate::github_app::GitHub;
use crate::key::Key;
use crate::metrics::{Metrics, RoundLabels, RoundResult};
use crate::notices::notices;
use crate::pipeline;
use crate::queue::{Next, Queue, Urgency};
#[cfg(feature = "github")]
use crate::report::{self, Reporter};
use crate::round::{Ended, round};
use crate::scope::Place;
use crate::watch::{self as watches, Watches};
use crate::world::{LeanJob, LeanPod, Loose, SharedWorld, Wake, World};
use crate::{providers, spawner, sweep};

/// How long rounds that are at work may go on after the shutdown began.
const GRACE: Duration = Duration::from_secs(4);

/// Of the rounds at work at once, one in so many may be of a Task that is not urgent.
const NORMAL_PART: usize = 2;

/// Runs all controllers until `shutdown` resolves.
///
/// # Errors
///
/// When one of them ends before.
pub async fn run(
    client: Client,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let (ready, _) = watch::channel(false);
    run_observed(client, config, Metrics::default(), ready, shutdown).await
}

/// Like [`run`], and counts in `metrics` and tells `ready` when every watch has listed what there
/// is.
///
/// # Errors
///
/// When a controller ends before `shutdown` resolves.
pub async fn run_observed(
    client: Client,
    config: Config,
    metrics: Metrics,
    ready: watch::Sender<bool>,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let world = Arc::new(SharedWorld::new(metrics.tasks.clone()));
    let queue = Arc::new(Queue::default());
    let (notices, writer) = notices(client.clone(), config.instance.clone());
    let mut long_running = JoinSet::new();
    let mut watches = Watches::new(&mut long_running, client.clone());
    watch_world(&mut watches, &config, &world, &queue);
    pipeline::start(&mut watches, client.clone(), &config, notices.clone());
    let spawners = world.lock().errands().spawners;
    let sources = spawner::Sources::start(&mut watches, &client, &config, &metrics, &world, &spawners);
    let (mut listed, listed_for_spawners) = (watches.listed(), watches.listed());
    long_running.spawn(async move {
        writer.run().await;
        anyhow::anyhow!("the writer of events has ended")
    });
    let applier = Arc::new(Applier {
        client,
        world: Arc::clone(&world),
        queue,
        notices,
        metrics,
        github: GitHub::new(config.github_api_url.clone()),
        leases: LeaseHome::new(&config.settings.lease_namespace),
        secrets: Arc::new(config.secrets.clone()),
    });
    long_running.spawn(providers::keep(Arc::clone(&applier)));
    let only = config.watch_namespaces.clone();
    long_running.spawn(sweep::keep(Arc::clone(&applier), only));
    let config = Arc::new(config);
    #[cfg(feature = "github")]
    {
        let reporter = Reporter::new(Arc::clone(&applier), sources.hub.clone());
        long_running.spawn(report::keep(Arc::new(reporter)));
    }
    long_running.spawn(spawner::keep(
        Arc::clone(&applier),
        Arc::clone(&config),
        sources,
        listed_for_spawners,
    ));
    let workers = Workers {
        applier,
        config,
        at_work: HashMap::new(),
        normal: 0,
        rounds: JoinSet::new(),
    };
    let rounds = async move {
        listed.wait().await?;
        world.lock().begin_sweeping();
        ready.send_replace(true);
        workers.run(shutdown).await;
        Ok(())
    };
    tokio::select! {
        ended = rounds => ended,
        Some(ended) = long_running.join_next() => {
            Err(ended.context("a controller ended")?)
        }
    }
}

/// Starts the watches that the world is made of.
fn watch_world(watches: &mut Watches<'_>, config: &Config, world: &Arc<SharedWorld>, queue: &Arc<Queue>) {
    let mut start = WorldWatches {
        watches,
        places: Place::namespaces(&config.watch_namespaces),
        world,
        queue,
    };
    let ours = || watches::labelled(labels::MANAGED_BY, labels::MANAGER);
    // What Tasks name comes first, so that it is there when they are looked at.
    start.kind::<Loose<TaskDefaults>>("taskdefaults", watches::all(), World::on_object);
    start.kind::<Loose<Workspace>>("workspaces", watches::all(), World::on_object);
    start.kind::<Loose<AgentConfig>>("agentconfigs", watches::all(), World::on_object);
    start.kind::<Loose<AgentProvider>>("agentproviders", watches::all(), World::on_object);
    start.kind::<Loose<TaskSpawner>>("taskspawners", watches::all(), World::on_object);
    start.kind::<Loose<Task>>("tasks", watches::all(), World::on_task);
    start.kind::<LeanJob>("jobs", ours(), World::on_job);
    start.kind::<LeanPod>("pods", ours(), World::on_pod);
    start.places = vec![Place::namespace(&config.settings.lease_namespace)];
    let of_branches = watches::labelled(labels::BRANCH_LEASE, "true");
    start.kind::<Lease>("leases", of_branches, World::on_lease);
    // Their metadata only: values are asked for when they are used.
    start.places = config.secrets.places(&config.watch_namespaces);
    start.kind::<PartialObjectMeta<Secret>>("secrets", watches::all(), World::on_secret);
}

struct WorldWatches<'a, 'b> {
    watches: &'a mut Watches<'b>,
    places: Vec<Place>,
    world: &'a Arc<SharedWorld>,
    queue: &'a Arc<Queue>,
}

impl WorldWatches<'_, '_> {
    /// Events of this kind go into the world, and the Tasks that they concern into the queue.
    fn kind<K>(
        &mut self,
        kind: &'static str,
        config: watcher::Config,
        take_in: fn(&mut World, Event<K>) -> Vec<Wake>,
    ) where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let world = Arc::clone(self.world);
        let queue = Arc::clone(self.queue);
        self.watches.start(kind, &self.places, config, move |event| {
            let wakes = take_in(&mut world.lock(), event);
            for (key, urgency) in wakes {
                queue.wake(&key, urgency);
            }
        });
    }
}

/// Does rounds, a bounded number at once, never two for the same Task.
struct Workers {
    applier: Arc<Applier>,
    config: Arc<Config>,
    rounds: JoinSet<Ended>,
    at_work: HashMap<Id, AtWork>,
    /// How many of them are not urgent.
    normal: usize,
}

struct AtWork {
    key: Key,
    urgency: Urgency,
    began: Instant,
}

impl Workers {
    async fn run(mut self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        let concurrency = self.config.concurrency.max(1);
        let queue = Arc::clone(&self.applier.queue);
        // Status writes must not hold up those who wait for a Job, so that only some of the rounds
        // at once are theirs.
        let normal = concurrency.div_ceil(NORMAL_PART);
        loop {
            let least = if self.normal < normal {
                Urgency::Normal
            } else {
                Urgency::Urgent
            };
            tokio::select! {
                () = &mut shutdown => break,
                Some(ended) = self.rounds.join_next_with_id() => self.ended(ended),
                (key, urgency) = queue.next(least), if self.rounds.len() < concurrency => {
                    self.begin(key, urgency);
                }
            }
        }
        let finish = async { while self.rounds.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, finish).await.is_err() {
            tracing::warn!("rounds were cut short by the shutdown");
        }
    }

    fn begin(&mut self, key: Key, urgency: Urgency) {
        let applier = Arc::clone(&self.applier);
        let config = Arc::clone(&self.config);
        let task = key.clone();
        let handle = self
            .rounds
            .spawn(async move { round(&applier, &config.settings, &task).await });
        let at_work = AtWork {
            key,
            urgency,
            began: Instant::now(),
        };
        self.normal += usize::from(urgency == Urgency::Normal);
        self.at_work.insert(handle.id(), at_work);
    }

    fn ended(&mut self, ended: Result<(Id, Ended), tokio::task::JoinError>) {
        let (id, ended) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "a round did not come to its end");
                let ended = Ended {
                    result: RoundResult::Failed,
                    next: Next::Retry(Duration::from_secs(1)),
                };
                (error.id(), ended)
            }
        };
        let Some(at_work) = self.at_work.remove(&id) else {
            return;
        };
        self.normal -= usize::from(at_work.urgency == Urgency::Normal);
        let metrics = &self.applier.metrics;
        let result = ended.result;
        metrics.rounds.get_or_create(&RoundLabels { result }).inc();
        metrics
            .round_seconds
            .observe(at_work.began.elapsed().as_secs_f64());
        self.applier.queue.done(&at_work.key, ended.next);
        let depth = i64::try_from(self.applier.queue.depth()).unwrap_or(i64::MAX);
        metrics.queue_depth.set(depth);
    }
}
