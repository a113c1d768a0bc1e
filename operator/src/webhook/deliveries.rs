//! What waits for the spawners, for the leader.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use axon_api::sources::github::webhook::Delivery as Event;
use axon_api::sources::webhook::{self as requests, GenericWebhook, Read, Request};
use axon_api::sources::{Candidate, Fetched};
use axon_api::{TaskSpawner, Workspace, labels};
use axon_plan::spawner::Trouble;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, Preconditions};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use super::catch_up::{Hooks, catch_up};
use super::delivery::{Delivery, unpack};
use super::filters;
use super::forge::{Filters, Forge, Look};
use super::keys::{KeyFinder, WEBHOOK_SECRET};
use super::listeners::{Listener, Listens, WorkspaceOf};
use super::pending::{Pending, Spent};
use super::sweep;
use crate::config::Config;
use crate::failure::Answer;
use crate::key::Key;
use crate::metrics::Metrics;
use crate::scope::Place;
use crate::watch::{self as watches, Watches};

/// Deliveries that are kept and not yet Tasks. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct Deliveries(Arc<Shared>);

struct Shared {
    client: Client,
    pending: Mutex<Pending>,
    keys: KeyFinder,
    /// The operator's own namespace, where deliveries are kept.
    namespace: String,
    /// Whether this operator serves a webhook address.
    is_served: bool,
    metrics: Metrics,
    /// Who is asked what only the forge can tell.
    forge: Option<Arc<dyn Forge>>,
    /// Where GitHub reaches us, if that is known.
    own_url: Option<String>,
    /// Whether what is sent during a downtime is found again, and how, or why not: by the UID of the
    /// spawner.
    proofs: Mutex<HashMap<String, (bool, String)>>,
}

/// Starts the watch of deliveries, and sweeps those that nobody waits for. `wake` is called with each
/// spawner for which one has come. `forge` answers what only the forge can tell; without one, such
/// deliveries stay pending.
pub fn start(
    watches: &mut Watches<'_>,
    client: Client,
    config: &Config,
    metrics: Metrics,
    forge: Option<Arc<dyn Forge>>,
    wake: impl Fn(&Key) + Send + 'static,
) -> Deliveries {
    let deliveries = Deliveries(Arc::new(Shared {
        keys: KeyFinder::new(config.webhook.secrets.clone(), client.clone()),
        client,
        pending: Mutex::default(),
        namespace: config.settings.lease_namespace.clone(),
        is_served: config.webhook.is_served,
        metrics,
        forge,
        own_url: config.webhook.url.clone(),
        proofs: Mutex::default(),
    }));
    let kept = deliveries.clone();
    watches.start::<PartialObjectMeta<Secret>>(
        "deliveries",
        &[Place::namespace(&config.settings.lease_namespace)],
        watches::labelled(labels::DELIVERY, "true"),
        move |event| {
            let woken = {
                let mut pending = kept.lock();
                let woken = pending.take_in(event);
                kept.note_count(&pending);
                woken
            };
            for key in woken {
                wake(&key);
            }
        },
    );
    watches.tasks.spawn(sweep::keep(deliveries.clone()));
    deliveries
}

impl Deliveries {
    /// What waits for the spawner with this UID, the oldest first. Nothing is asked of the server.
    pub fn pending(&self, uid: &str) -> Arc<[Candidate]> {
        self.lock().of_spawner(uid)
    }

    /// What is wrong with how a spawner's deliveries come; `None` when nothing is, and for spawners of
    /// other sources.
    pub async fn trouble(&self, spawner: &TaskSpawner) -> Option<Trouble> {
        let listener = Listener::of(spawner)?;
        if !self.0.is_served {
            return Some(Trouble {
                reason: "WebhookNotServed",
                message: "this operator serves no webhook address, so that no event arrives\nhint: run it with --webhook-address".to_owned(),
                passes: false,
            });
        }
        let source = listener.source();
        let (keys, message) = match listener.secret() {
            None => (
                self.0.keys.of_source(source).await,
                format!(
                    "there is no key to check the signatures of `{source}` with\nhint: put it into the file `{source}` of the operator's --webhook-secrets, or name a Secret with the key {WEBHOOK_SECRET} in secretRef"
                ),
            ),
            Some(name) => (
                self.0.keys.of_secret(&listener.key.sibling(name)).await,
                format!(
                    "Secret `{name}` is missing, may not be read, or has no {WEBHOOK_SECRET}\nhint: kubectl create secret generic {name} -n {} --from-file={WEBHOOK_SECRET}=FILE",
                    listener.key.namespace
                ),
            ),
        };
        match keys {
            Ok(keys) if keys.is_empty() => Some(Trouble {
                reason: "WebhookSecretMissing",
                message,
                passes: false,
            }),
            Ok(_) => None,
            Err(error) => Some(Trouble {
                reason: "WebhookSecretUnread",
                message: format!("{:#}", anyhow::Error::new(error)),
                passes: true,
            }),
        }
    }

    /// Whether events that come while every replica is down are found again, and how, or why not;
    /// `None` for spawners of other sources.
    pub fn down_proof(&self, spawner: &TaskSpawner) -> Option<(bool, String)> {
        let listener = Listener::of(spawner)?;
        if let Some(proof) = self.proofs().get(&listener.uid) {
            return Some(proof.clone());
        }
        let sentence = match listener.listens {
            Listens::GitHub(_) => {
                "GitHub was not asked yet what it sent in vain, and does not send again by itself what it sends while no replica of the operator runs
hint: redeliver it in the settings of the hook"
            }
            Listens::Generic(_) => {
                "what is sent while no replica of the operator runs arrives only if its sender tries again"
            }
        };
        Some((false, sentence.to_owned()))
    }

    /// Has GitHub send again what it sent a spawner's hooks in vain, and remembers for
    /// [`Deliveries::down_proof`] whether that works. For the leader to call when it begins and once an
    /// hour; more often does no harm.
    pub async fn catch_up(&self, hooks: &dyn Hooks, spawner: &TaskSpawner, now: Timestamp) {
        let Some(listener) = Listener::of(spawner) else {
            return;
        };
        if let Listens::GitHub(_) = listener.listens {
            let proof = catch_up(hooks, spawner, self.0.own_url.as_deref(), now).await;
            self.proofs().insert(listener.uid, proof);
        }
    }

    /// The spawner is gone: nothing is remembered of it.
    pub fn forget(&self, uid: &str) {
        self.proofs().remove(uid);
    }

    fn proofs(&self) -> MutexGuard<'_, HashMap<String, (bool, String)>> {
        self.0.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a candidate of a spawner is, with all that templates may use. What only the forge can
    /// tell is asked here.
    ///
    /// # Errors
    ///
    /// When it cannot be told now: the candidate stays pending.
    pub async fn item(&self, spawner: &TaskSpawner, candidate: &Candidate) -> Result<Fetched, Trouble> {
        let gone = || Ok(Fetched::NoLonger("is dealt with already".to_owned()));
        let uid = spawner.uid().unwrap_or_default();
        let found = {
            let pending = self.lock();
            let names = pending.secrets_of(&uid, &candidate.key);
            let name = names.into_iter().next();
            name.and_then(|name| Some((pending.delivery(&name)?.clone(), name)))
        };
        let Some((delivery, name)) = found else {
            return gone();
        };
        let secret = self.secrets().get_opt(&name).await;
        let secret = secret.map_err(|error| unread(&name, &format!("{}", Answer::from(error))))?;
        let Some(secret) = secret else { return gone() };
        let payload = match unpack(&secret) {
            Ok(payload) => payload,
            Err(why) => {
                return Ok(Fetched::NoLonger(format!(
                    "cannot be read from Secret `{name}`: {why}"
                )));
            }
        };
        let Some(listener) = Listener::of(spawner).filter(|listener| listener.source() == delivery.source)
        else {
            return Ok(Fetched::NoLonger(
                "is of another source than the spawner's".to_owned(),
            ));
        };
        match &listener.listens {
            Listens::GitHub(spec) => {
                let workspace = self.workspace(&listener).await?;
                let is_decided = delivery
                    .spawners
                    .iter()
                    .any(|wanting| wanting.uid == uid && wanting.is_decided);
                let look = Look {
                    spawner,
                    spec,
                    workspace: workspace.as_deref(),
                    event: Event {
                        event: &delivery.event,
                        id: &delivery.id,
                        received: delivery.received,
                        payload: &payload,
                    },
                    candidate,
                    // They may ask for what was lost.
                    filters: match (delivery.is_trimmed, is_decided) {
                        (true, true) => Filters::HaveSaidYes,
                        _ => Filters::Look,
                    },
                };
                look.item(self.0.forge.as_deref()).await
            }
            Listens::Generic(spec) => Ok(generic_item(spec, candidate, &delivery, &payload)),
        }
    }

    /// `owner/name` of the repository of a spawner's workspace.
    async fn workspace(&self, listener: &Listener) -> Result<Option<String>, Trouble> {
        let name = match &listener.workspace {
            WorkspaceOf::None => return Ok(None),
            WorkspaceOf::Inline(url) => return Ok(Some(filters::owner_and_name(url))),
            WorkspaceOf::Named(name) => name,
        };
        let workspaces: Api<Workspace> = Api::namespaced(self.0.client.clone(), &listener.key.namespace);
        match workspaces.get_opt(name).await {
            Ok(Some(workspace)) => Ok(Some(filters::owner_and_name(&workspace.spec.repo))),
            Ok(None) => Err(Trouble {
                reason: "WorkspaceMissing",
                message: format!("Workspace `{name}`, whose events are wanted, does not exist"),
                passes: true,
            }),
            Err(error) => Err(Trouble {
                reason: "WorkspaceUnread",
                message: format!("failed to get Workspace `{name}`: {}", Answer::from(error)),
                passes: true,
            }),
        }
    }

    /// The spawner is done with a delivery. The Secret goes when all are who want it; until then
    /// nothing is written, since each of them remembers its own.
    pub async fn settle(&self, spawner_uid: &str, key: &str) -> anyhow::Result<()> {
        let names = self.lock().secrets_of(spawner_uid, key);
        for name in names {
            self.settle_secret(spawner_uid, &name).await?;
        }
        Ok(())
    }

    pub(super) async fn settle_secret(&self, spawner_uid: &str, name: &Arc<str>) -> anyhow::Result<()> {
        let spent = {
            // Of two who are the last at once, one sees that the other was before.
            let mut pending = self.lock();
            let spent = pending.spent_without(name, spawner_uid);
            if spent.is_none() {
                pending.settle(name, spawner_uid);
            }
            spent
        };
        match spent {
            Some(spent) => self.remove(&spent).await,
            None => Ok(()),
        }
    }

    /// Deletes the Secret of a delivery that all are done with, unless it has changed meanwhile.
    pub(super) async fn remove(&self, spent: &Spent) -> anyhow::Result<()> {
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(spent.uid.clone()),
                // A spawner may have been added.
                resource_version: Some(spent.resource_version.clone()),
            }),
            ..DeleteParams::default()
        };
        match self.secrets().delete(&spent.name, &parameters).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => {
                let why = anyhow::Error::new(Answer::from(error));
                return Err(why).with_context(|| format!("failed to delete Secret `{}`", spent.name));
            }
        }
        let mut pending = self.lock();
        pending.gone(spent);
        self.note_count(&pending);
        Ok(())
    }

    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_count(&self, pending: &Pending) {
        let count = i64::try_from(pending.count()).unwrap_or(i64::MAX);
        self.0.metrics.deliveries_pending.set(count);
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.0.client.clone(), &self.0.namespace)
    }
}

/// What a generic webhook is for templates.
fn generic_item(
    spec: &GenericWebhook,
    candidate: &Candidate,
    delivery: &Delivery,
    payload: &Value,
) -> Fetched {
    let request = Request {
        body: payload,
        received: delivery.received,
    };
    match requests::read(spec, &request) {
        Read::Match(mut item) => {
            item.candidate = candidate.clone();
            Fetched::Item(item)
        }
        Read::NoMatch(why) | Read::Unreadable(why) => Fetched::NoLonger(why),
    }
}

fn unread(name: &str, why: &str) -> Trouble {
    Trouble {
        reason: "DeliveryUnread",
        message: format!("failed to get Secret `{name}`, which keeps a delivery: {why}"),
        passes: true,
    }
}
