//! The watches: one per kind, shared by all that look at it.

use std::fmt::Debug;
use std::sync::Arc;

use axon_api::{Task, Workspace, labels};
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::queue::Queue;
use crate::world::{LeanJob, LeanPod, Loose, SharedWorld, Wake, World};

/// How many objects a listing holds at once.
const PAGE: u32 = 100;
/// How many kinds are watched.
const KINDS: usize = 5;

/// Starts all watches in `tasks`. The receiver counts the kinds of which a complete listing is in
/// the world; [`synced`] waits for all of them.
pub fn start(
    tasks: &mut JoinSet<anyhow::Error>,
    client: &Client,
    config: &Config,
    world: &Arc<SharedWorld>,
    queue: &Arc<Queue>,
) -> watch::Receiver<usize> {
    let (listed, receiver) = watch::channel(0);
    let mut start = Start {
        tasks,
        client,
        config,
        world,
        queue,
        listed: Arc::new(listed),
    };
    // Without a selector, since these are the users' own.
    let all = watcher::Config::default().page_size(PAGE);
    let ours = all
        .clone()
        .labels(&format!("{}={}", labels::MANAGED_BY, labels::MANAGER));
    start.kind::<Loose<Task>>("tasks", all.clone(), World::on_task);
    start.kind::<Loose<Workspace>>("workspaces", all.clone(), World::on_workspace);
    start.kind::<PartialObjectMeta<Secret>>("secrets", all, World::on_secret);
    start.kind::<LeanJob>("jobs", ours.clone(), World::on_job);
    start.kind::<LeanPod>("pods", ours, World::on_pod);
    receiver
}

/// Waits until a complete listing of every kind is in the world.
pub async fn synced(listed: &mut watch::Receiver<usize>) {
    // An error means that all watches have ended, which ends the process by itself.
    let _ = listed.wait_for(|listed| *listed >= KINDS).await;
}

struct Start<'a> {
    tasks: &'a mut JoinSet<anyhow::Error>,
    client: &'a Client,
    config: &'a Config,
    world: &'a Arc<SharedWorld>,
    queue: &'a Arc<Queue>,
    listed: Arc<watch::Sender<usize>>,
}

impl Start<'_> {
    fn kind<K>(
        &mut self,
        kind: &'static str,
        config: watcher::Config,
        take_in: fn(&mut World, watcher::Event<K>) -> Vec<Wake>,
    ) where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let api: Api<K> = match &self.config.watch_namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let stream = watcher(api, config).default_backoff();
        self.tasks.spawn(follow(
            kind,
            stream,
            Arc::clone(self.world),
            Arc::clone(self.queue),
            Arc::clone(&self.listed),
            take_in,
        ));
    }
}

async fn follow<K>(
    kind: &'static str,
    stream: impl Stream<Item = watcher::Result<watcher::Event<K>>>,
    world: Arc<SharedWorld>,
    queue: Arc<Queue>,
    listed: Arc<watch::Sender<usize>>,
    take_in: fn(&mut World, watcher::Event<K>) -> Vec<Wake>,
) -> anyhow::Error {
    let mut stream = std::pin::pin!(stream);
    let mut first = true;
    while let Some(event) = stream.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                let error = anyhow::Error::new(error);
                tracing::warn!(
                    kind,
                    error = format!("{error:#}"),
                    "a watch was interrupted and is resumed"
                );
                continue;
            }
        };
        let complete = matches!(event, watcher::Event::InitDone);
        let wakes = take_in(&mut world.lock(), event);
        for (key, urgency) in wakes {
            queue.wake(&key, urgency);
        }
        if complete && std::mem::take(&mut first) {
            tracing::info!(kind, "listed");
            listed.send_modify(|listed| *listed += 1);
        }
    }
    anyhow::anyhow!("the watch of {kind} has ended")
}
