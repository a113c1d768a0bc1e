//! Gives every pod of the plane a worker, and clears the folders of pods that are gone.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::Arc;

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::context::Context;
use super::worker::{self, View};

/// Watches the pods until the watch cannot go on. Dropped at any moment, it leaves what it started
/// to the next one.
pub(super) async fn run(context: Arc<Context>) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::all(context.client.clone());
    let events = watcher(pods, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events);
    let mut workers = Workers {
        context,
        views: HashMap::new(),
        listed: HashSet::new(),
        tasks: JoinSet::new(),
    };
    loop {
        match events.try_next().await {
            Ok(Some(event)) => workers.take(event),
            Ok(None) => anyhow::bail!("the watch of pods ended"),
            Err(error) => tracing::warn!("failed to watch pods: {error}"),
        }
        while workers.tasks.try_join_next().is_some() {}
    }
}

struct Workers {
    context: Arc<Context>,
    views: HashMap<String, watch::Sender<View>>,
    /// The UIDs of the list that is being received.
    listed: HashSet<String>,
    tasks: JoinSet<()>,
}

impl Workers {
    fn take(&mut self, event: Event<Pod>) {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(pod) => {
                self.listed.extend(pod.uid());
                self.show(pod);
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                self.views.retain(|uid, view| {
                    let stays = listed.contains(uid);
                    if !stays {
                        view.send_replace(View::Gone);
                    }
                    stays
                });
                self.clear_folders(&listed);
            }
            Event::Apply(pod) => self.show(pod),
            Event::Delete(pod) => {
                if let Some(view) = pod.uid().and_then(|uid| self.views.remove(&uid)) {
                    view.send_replace(View::Gone);
                }
            }
        }
    }

    fn show(&mut self, pod: Pod) {
        let Some(uid) = pod.uid() else {
            return;
        };
        let pod = Arc::new(pod);
        if let Some(view) = self.views.get(&uid) {
            view.send_replace(View::Present(pod));
            return;
        }
        let (sender, receiver) = watch::channel(View::Present(Arc::clone(&pod)));
        self.views.insert(uid, sender);
        let context = Arc::clone(&self.context);
        self.tasks.spawn(worker::live(context, pod, receiver));
    }

    /// Ends and removes what belongs to pods that no longer exist.
    fn clear_folders(&mut self, listed: &HashSet<String>) {
        let pods = self.context.directory.root().join("pods");
        for entry in fs::read_dir(pods).into_iter().flatten().flatten() {
            let Ok(uid) = entry.file_name().into_string() else {
                continue;
            };
            if !listed.contains(&uid) && !self.views.contains_key(&uid) {
                self.tasks.spawn(worker::clear(entry.path()));
            }
        }
    }
}
