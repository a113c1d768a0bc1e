//! The watches: one per kind, shared by all that look at it.

use std::fmt::Debug;
use std::sync::Arc;

use anyhow::Context as _;
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How many objects a listing holds at once.
const PAGE: u32 = 100;

/// Starts watches, and counts those that have listed what there is.
pub struct Watches<'a> {
    /// Where the watches run. None of them ends by itself.
    pub tasks: &'a mut JoinSet<anyhow::Error>,
    client: Client,
    listed: Arc<watch::Sender<usize>>,
    started: usize,
}

/// Tells when every watch that was started has listed what there is.
#[derive(Debug)]
pub struct Listed {
    receiver: watch::Receiver<usize>,
    wanted: usize,
}

/// What is asked for of a kind: all objects, without a selector.
pub fn all() -> Config {
    Config::default().page_size(PAGE)
}

/// What is asked for of a kind: the objects with this label.
pub fn labelled(name: &str, value: &str) -> Config {
    all().labels(&format!("{name}={value}"))
}

impl<'a> Watches<'a> {
    /// Watches that are to run in `tasks`.
    pub fn new(tasks: &'a mut JoinSet<anyhow::Error>, client: Client) -> Self {
        let (listed, _) = watch::channel(0);
        Self {
            tasks,
            client,
            listed: Arc::new(listed),
            started: 0,
        }
    }

    /// Watches the objects of a kind in `namespace`, or in all of them. Each event is handed to
    /// `take_in`, in order; an interrupted watch is resumed. `kind` is for the log.
    pub fn start<K>(
        &mut self,
        kind: &'static str,
        namespace: Option<&str>,
        config: Config,
        take_in: impl FnMut(Event<K>) + Send + 'static,
    ) where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let api: Api<K> = match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let stream = watcher(api, config).default_backoff();
        self.started += 1;
        self.tasks
            .spawn(follow(kind, stream, Arc::clone(&self.listed), take_in));
    }

    /// Tells when all that were started have listed what there is.
    pub fn listed(&self) -> Listed {
        Listed {
            receiver: self.listed.subscribe(),
            wanted: self.started,
        }
    }
}

impl Listed {
    /// Whether a complete listing of every kind was taken in.
    pub fn is_complete(&self) -> bool {
        *self.receiver.borrow() >= self.wanted
    }

    /// Waits until a complete listing of every kind was taken in.
    pub async fn wait(&mut self) -> anyhow::Result<()> {
        let wanted = self.wanted;
        let answer = self.receiver.wait_for(|listed| *listed >= wanted).await;
        answer.context("all watches have ended")?;
        Ok(())
    }
}

async fn follow<K>(
    kind: &'static str,
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    listed: Arc<watch::Sender<usize>>,
    mut take_in: impl FnMut(Event<K>),
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
        let complete = matches!(event, Event::InitDone);
        take_in(event);
        if complete && std::mem::take(&mut first) {
            tracing::info!(kind, "listed");
            listed.send_modify(|listed| *listed += 1);
        }
    }
    anyhow::anyhow!("the watch of {kind} has ended")
}
