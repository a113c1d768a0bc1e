//! Runs the controllers: watches in, rounds out.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::Client;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use crate::apply::Applier;
use crate::config::Config;
use crate::key::Key;
use crate::metrics::{Metrics, RoundLabels, RoundResult};
use crate::notices::notices;
use crate::queue::{Next, Queue};
use crate::round::{Ended, round};
use crate::watch as watches;
use crate::world::SharedWorld;

/// How long rounds that are at work may go on after the shutdown began.
const GRACE: Duration = Duration::from_secs(4);

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
    let mut listed = watches::start(&mut long_running, &client, &config, &world, &queue);
    long_running.spawn(async move {
        writer.run().await;
        anyhow::anyhow!("the writer of events has ended")
    });
    let workers = Workers {
        applier: Arc::new(Applier {
            client,
            world,
            queue,
            notices,
            metrics,
        }),
        config: Arc::new(config),
        at_work: HashMap::new(),
        rounds: JoinSet::new(),
    };
    let rounds = async move {
        watches::synced(&mut listed).await;
        ready.send_replace(true);
        workers.run(shutdown).await;
    };
    tokio::select! {
        () = rounds => Ok(()),
        Some(ended) = long_running.join_next() => {
            Err(ended.context("a controller ended")?)
        }
    }
}

/// Does rounds, a bounded number at once, never two for the same Task.
struct Workers {
    applier: Arc<Applier>,
    config: Arc<Config>,
    rounds: JoinSet<Ended>,
    at_work: HashMap<Id, (Key, Instant)>,
}

impl Workers {
    async fn run(mut self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        let concurrency = self.config.concurrency.max(1);
        let queue = Arc::clone(&self.applier.queue);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(ended) = self.rounds.join_next_with_id() => self.ended(ended),
                key = queue.next(), if self.rounds.len() < concurrency => self.begin(key),
            }
        }
        let finish = async { while self.rounds.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, finish).await.is_err() {
            tracing::warn!("rounds were cut short by the shutdown");
        }
    }

    fn begin(&mut self, key: Key) {
        let applier = Arc::clone(&self.applier);
        let config = Arc::clone(&self.config);
        let task = key.clone();
        let handle = self
            .rounds
            .spawn(async move { round(&applier, &config.settings, &task).await });
        self.at_work.insert(handle.id(), (key, Instant::now()));
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
        let Some((key, began)) = self.at_work.remove(&id) else {
            return;
        };
        let metrics = &self.applier.metrics;
        let result = ended.result;
        metrics.rounds.get_or_create(&RoundLabels { result }).inc();
        metrics.round_seconds.observe(began.elapsed().as_secs_f64());
        self.applier.queue.done(&key, ended.next);
        let depth = i64::try_from(self.applier.queue.depth()).unwrap_or(i64::MAX);
        metrics.queue_depth.set(depth);
    }
}
