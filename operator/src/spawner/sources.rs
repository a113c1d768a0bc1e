//! The sources of spawners: who is asked what, whatever the source is.

#![cfg_attr(
    not(any(feature = "github", feature = "webhook")),
    expect(
        clippy::unused_async,
        reason = "nobody is waited for in a build without GitHub and webhooks"
    )
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use axon_api::TaskSpawner;
use axon_api::sources::{Candidate, Fetched};
use axon_plan::spawner::memory::Memory;
use axon_plan::spawner::{SourceSeen, TicksSeen, Trouble};
use k8s_openapi::jiff::Timestamp;
use kube::Client;

use crate::config::Config;
use crate::key::Key;
use crate::metrics::Metrics;
use crate::queue::Queue;
#[cfg(any(feature = "github", feature = "webhook"))]
use crate::queue::Urgency;
use crate::watch::Watches;
use crate::world::SharedWorld;

#[cfg(feature = "github")]
mod catch_up;
#[cfg(feature = "cron")]
mod cron;
#[cfg(feature = "github")]
mod github;
mod request;

#[cfg(feature = "github")]
pub use self::github::ask as ask_of;

/// Those who ask the sources of spawners. Cheap to clone.
#[derive(Clone)]
pub struct Sources {
    /// Who polls GitHub.
    #[cfg(feature = "github")]
    pub hub: crate::forge::Hub,
    /// What was delivered to the webhook server.
    #[cfg(any(feature = "github", feature = "webhook"))]
    pub deliveries: crate::webhook::Deliveries,
    /// Who has GitHub send again what was lost.
    #[cfg(feature = "github")]
    catch_up: catch_up::CatchUp,
}

/// What a source has to say, owned.
#[derive(Debug, Default)]
pub(super) struct Heard {
    when: Option<Timestamp>,
    candidates: Arc<[Candidate]>,
    absence_counts: bool,
    open: BTreeSet<String>,
    ticks: TicksSeen,
    trouble: Option<Trouble>,
    down_proof: Option<(bool, String)>,
}

impl Heard {
    /// As a decision sees it.
    pub(super) fn seen(&self) -> SourceSeen<'_> {
        SourceSeen {
            heard: self.when,
            candidates: &self.candidates,
            absence_counts: self.absence_counts,
            open: self.open.clone(),
            ticks: self.ticks,
            trouble: self.trouble.clone(),
            down_proof: self.down_proof.clone(),
        }
    }

    /// A source that cannot be asked.
    fn trouble(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            trouble: Some(Trouble {
                reason,
                message: message.into(),
                passes: false,
            }),
            ..Self::default()
        }
    }

    /// Leaves out the candidates that are not wanted now.
    pub(super) fn without(&mut self, is_unwanted: impl Fn(&str) -> bool) {
        if self
            .candidates
            .iter()
            .any(|candidate| is_unwanted(&candidate.key))
        {
            let kept = self.candidates.iter();
            self.candidates = kept
                .filter(|candidate| !is_unwanted(&candidate.key))
                .cloned()
                .collect();
            self.absence_counts = false;
        }
    }

    fn add(&mut self, candidate: Candidate) {
        let others = self.candidates.iter();
        let others = others.filter(|other| other.key != candidate.key).cloned();
        let mut all: Vec<Candidate> = others.collect();
        all.push(candidate);
        self.candidates = all.into();
    }
}

/// What a spawner's source is asked with.
pub(super) struct Asker<'a> {
    pub(super) key: &'a Key,
    pub(super) spawner: &'a TaskSpawner,
    /// Repository and Secret of the template's workspace, when it was found.
    pub(super) workspace: Option<&'a axon_api::WorkspaceSpec>,
    /// Version of the workspace's Secret.
    pub(super) secret_version: Option<u64>,
}

impl Sources {
    /// Starts those who ask. `queue` is that of the spawners, which are woken when there is something
    /// new to hear.
    pub fn start(
        watches: &mut Watches<'_>,
        client: &Client,
        config: &Config,
        metrics: &Metrics,
        world: &Arc<SharedWorld>,
        queue: &Arc<Queue>,
    ) -> Self {
        let _ = (&watches, client, config, metrics, world, queue);
        #[cfg(feature = "github")]
        let hub = {
            let queue = Arc::clone(queue);
            let apps = crate::github_app::GitHub::new(config.github_api_url.clone());
            let wake: crate::forge::Wake = Arc::new(move |key: &Key| queue.wake(key, Urgency::Normal));
            let api_url = config.github_api_url.clone();
            crate::forge::Hub::new(client.clone(), api_url, apps, metrics.clone(), wake)
        };
        #[cfg(feature = "github")]
        watches.tasks.spawn(hub.clone().run());
        #[cfg(feature = "github")]
        let asks = crate::webhook::HubForge::new(
            hub.clone(),
            client.clone(),
            Arc::clone(world),
            Arc::new(config.secrets.clone()),
        );
        #[cfg(any(feature = "github", feature = "webhook"))]
        let deliveries = {
            let queue = Arc::clone(queue);
            let wake = move |key: &Key| queue.wake(key, Urgency::Normal);
            #[cfg(feature = "github")]
            let forge: Option<Arc<dyn crate::webhook::Forge>> = Some(Arc::new(asks.clone()));
            #[cfg(not(feature = "github"))]
            let forge = None;
            crate::webhook::start(watches, client.clone(), config, metrics.clone(), forge, wake)
        };
        #[cfg(feature = "github")]
        let catch_up = catch_up::CatchUp::new(deliveries.clone(), asks, Arc::clone(world), Arc::clone(queue));
        #[cfg(feature = "github")]
        watches.tasks.spawn(catch_up.clone().keep());
        Self {
            #[cfg(feature = "github")]
            hub,
            #[cfg(any(feature = "github", feature = "webhook"))]
            deliveries,
            #[cfg(feature = "github")]
            catch_up,
        }
    }

    /// What the spawner's source has to say, from memory. A source that is polled is subscribed to.
    pub(super) async fn heard(&self, asker: &Asker<'_>, memory: &Memory, now: Timestamp) -> Heard {
        #[cfg(not(feature = "github"))]
        let _ = (memory, asker.workspace, asker.secret_version);
        let when = &asker.spawner.spec.when;
        if asker.spawner.is_suspended() {
            self.leave(asker.key);
            return Heard::default();
        }
        if let Err(wrong) = axon_api::sources::check(when) {
            self.leave(asker.key);
            return Heard::trouble("InvalidSource", wrong);
        }
        let mut heard = match when.source() {
            #[cfg(feature = "github")]
            Some("githubIssues" | "githubPullRequests") => self.github(asker, memory),
            #[cfg(feature = "cron")]
            Some("cron") => {
                self.leave(asker.key);
                cron::heard(asker.spawner, now)
            }
            #[cfg(any(feature = "github", feature = "webhook"))]
            Some("githubWebhook" | "webhook") => {
                self.leave(asker.key);
                self.delivered(asker, now).await
            }
            _ => Heard::default(),
        };
        if let Some(candidate) = request::candidate(asker.spawner, now) {
            heard.add(candidate);
        }
        heard
    }

    #[cfg(any(feature = "github", feature = "webhook"))]
    async fn delivered(&self, asker: &Asker<'_>, now: Timestamp) -> Heard {
        #[cfg(feature = "github")]
        self.catch_up.note(asker);
        let uid = asker.spawner.metadata.uid.as_deref().unwrap_or_default();
        Heard {
            when: Some(now),
            candidates: self.deliveries.pending(uid),
            trouble: self.deliveries.trouble(asker.spawner).await,
            down_proof: self.deliveries.down_proof(asker.spawner),
            ..Heard::default()
        }
    }

    /// Fetches an item with all that templates may use.
    pub(super) async fn item(&self, asker: &Asker<'_>, candidate: &Candidate) -> Result<Fetched, Trouble> {
        let _ = candidate;
        let when = &asker.spawner.spec.when;
        match when.source() {
            #[cfg(feature = "github")]
            Some("githubIssues" | "githubPullRequests") => self.hub.item(asker.key, candidate).await,
            #[cfg(feature = "cron")]
            Some("cron") => Ok(cron::item(asker.spawner, candidate)),
            #[cfg(any(feature = "github", feature = "webhook"))]
            Some("githubWebhook" | "webhook") => self.deliveries.item(asker.spawner, candidate).await,
            _ => Ok(Fetched::NoLonger(
                "is of a source that this build lacks".to_owned(),
            )),
        }
    }

    /// What kept the event with this key may go.
    pub(super) async fn settle(&self, asker: &Asker<'_>, key: &str) -> anyhow::Result<()> {
        #[cfg(any(feature = "github", feature = "webhook"))]
        if key.starts_with("delivery-") {
            let uid = asker.spawner.metadata.uid.as_deref().unwrap_or_default();
            return self.deliveries.settle(uid, key).await;
        }
        tracing::debug!(spawner = %asker.key, key, "an event is settled");
        Ok(())
    }

    /// The Secret that the spawner's source is asked with is another than before.
    #[cfg_attr(
        not(feature = "github"),
        expect(clippy::unused_self, reason = "a build without GitHub has nobody to tell")
    )]
    pub(super) fn secret_changed(&self, namespace: &str, name: &str) {
        #[cfg(feature = "github")]
        self.hub.secret_changed(namespace, name);
        tracing::debug!(namespace, name, "the Secret of a source has changed");
    }

    /// The spawner asks nothing any more.
    #[cfg_attr(
        not(feature = "github"),
        expect(clippy::unused_self, reason = "a build without GitHub has nobody to tell")
    )]
    pub(super) fn leave(&self, key: &Key) {
        #[cfg(feature = "github")]
        self.hub.unsubscribe(key);
        let _ = key;
    }
}

/// Key of the item that a person wishes for.
pub(super) fn requested_key(spawner: &TaskSpawner) -> Option<String> {
    request::candidate(spawner, Timestamp::UNIX_EPOCH).map(|candidate| candidate.key)
}
