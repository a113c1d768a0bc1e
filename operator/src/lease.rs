//! Leader election: of all replicas, the one that holds the Lease runs the controllers.
//!
//! The Lease keeps two replicas from doing the same work. That nothing is done twice does not rest
//! on it: every write is conditional or creates a name that is a function of its owner.

mod decision;

use std::time::Duration;

use axon_api::labels;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::Instant;

use self::decision::{Decision, Seen, decide};
use crate::failure::{Answer, missing_namespace};

/// How long a Lease is valid that nobody renews.
const DURATION: Duration = Duration::from_secs(15);
/// How long the holder goes on without having renewed it.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How long to wait between two looks at it.
const RETRY: Duration = Duration::from_secs(2);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(5);

/// The Lease and who wants it.
#[derive(Clone)]
pub struct Election {
    leases: Api<Lease>,
    namespace: String,
    name: String,
    identity: String,
}

/// The Lease, held.
pub struct Held {
    election: Election,
    lease: Lease,
    renewed: Instant,
}

/// Why the Lease is no longer held.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Another replica has it.
    #[error("the Lease `{name}` was taken by `{holder}`")]
    Taken { name: String, holder: String },
    /// The server did not take a renewal for too long.
    #[error("the Lease `{name}` could not be renewed for {} seconds: {last}", RENEW_DEADLINE.as_secs())]
    NotRenewed { name: String, last: String },
}

impl Election {
    /// An election about the Lease `name` in `namespace`; `identity` tells this process from all
    /// others.
    pub fn new(client: Client, namespace: &str, name: &str, identity: String) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity,
        }
    }

    /// Waits until this process holds the Lease.
    pub async fn acquire(self) -> Held {
        let mut seen = None;
        let mut told = None;
        loop {
            match self.try_acquire(&mut seen).await {
                Ok(Some(lease)) => {
                    tracing::info!(lease = self.name, identity = self.identity, "holds the Lease");
                    return Held {
                        election: self,
                        lease,
                        renewed: Instant::now(),
                    };
                }
                Ok(None) => {}
                Err(error) => {
                    let why = self.explain(error);
                    // The same said every two seconds helps nobody.
                    if told.as_ref() != Some(&why) {
                        tracing::warn!(
                            lease = self.name,
                            "failed to take the Lease and will try again: {why}"
                        );
                        told = Some(why);
                    }
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn explain(&self, error: LeaseError) -> String {
        match &error {
            LeaseError::Refused(answer) if answer.missing_namespace(&self.namespace) => {
                missing_namespace(&self.namespace)
            }
            _ => format!("{:#}", anyhow::Error::new(error)),
        }
    }

    async fn try_acquire(&self, seen: &mut Option<Seen>) -> Result<Option<Lease>, LeaseError> {
        let current = request(self.leases.get_opt(&self.name)).await?;
        let decision = decide(current.as_ref(), seen, &self.identity, Instant::now(), DURATION);
        let answer = match (decision, current) {
            (Decision::Wait { holder }, _) => {
                tracing::debug!(lease = self.name, holder, "another replica holds the Lease");
                return Ok(None);
            }
            (Decision::Create, _) | (Decision::Take, None) => {
                let lease = Lease {
                    metadata: ObjectMeta {
                        name: Some(self.name.clone()),
                        ..ObjectMeta::default()
                    },
                    spec: Some(self.claim(None)),
                };
                request(self.leases.create(&post(), &lease)).await
            }
            (Decision::Take, Some(mut lease)) => {
                lease.spec = Some(self.claim(lease.spec.as_ref()));
                lease.metadata.managed_fields = None;
                request(self.leases.replace(&self.name, &post(), &lease)).await
            }
        };
        match answer {
            Ok(lease) => Ok(Some(lease)),
            // Another replica was faster.
            Err(LeaseError::Refused(answer)) if is_conflict(answer.error()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The Lease's contents when this process takes it over from what was there.
    fn claim(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let transitions = before.and_then(|spec| spec.lease_transitions);
        let was_ours = before.and_then(|spec| spec.holder_identity.as_ref()) == Some(&self.identity);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: match (before, was_ours) {
                (None, _) => Some(0),
                (Some(_), true) => transitions,
                (Some(_), false) => Some(transitions.unwrap_or(0).saturating_add(1)),
            },
            ..before.cloned().unwrap_or_default()
        }
    }
}

impl Held {
    /// Renews the Lease until it is lost, and says why it is.
    pub async fn keep(&mut self) -> Lost {
        let mut failure = "no answer from the server".to_owned();
        loop {
            let left = RENEW_DEADLINE.saturating_sub(self.renewed.elapsed());
            if left.is_zero() {
                return Lost::NotRenewed {
                    name: self.election.name.clone(),
                    last: failure,
                };
            }
            tokio::time::sleep(RETRY.min(left)).await;
            match tokio::time::timeout(left, self.renew()).await {
                // Without an answer the time that is left tells whether to go on.
                Err(_) | Ok(Ok(None)) => {}
                Ok(Ok(Some(lost))) => return lost,
                Ok(Err(error)) => {
                    let error = anyhow::Error::new(error);
                    failure = format!("{error:#}");
                    tracing::warn!(
                        lease = self.election.name,
                        error = failure,
                        "failed to renew the Lease"
                    );
                }
            }
        }
    }

    async fn renew(&mut self) -> Result<Option<Lost>, LeaseError> {
        let began = Instant::now();
        let election = &self.election;
        let mut lease = self.lease.clone();
        lease.metadata.managed_fields = None;
        if let Some(spec) = &mut lease.spec {
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        match request(election.leases.replace(&election.name, &post(), &lease)).await {
            Ok(lease) => {
                self.lease = lease;
                self.renewed = began;
                Ok(None)
            }
            // Somebody wrote to it: another replica, or an answer of ours that was lost.
            Err(LeaseError::Refused(answer)) if is_conflict(answer.error()) => {
                let current = request(election.leases.get(&election.name)).await?;
                let holder = current
                    .spec
                    .as_ref()
                    .and_then(|spec| spec.holder_identity.clone());
                if holder.as_ref() == Some(&election.identity) {
                    self.lease = current;
                    return Ok(None);
                }
                Ok(Some(Lost::Taken {
                    name: election.name.clone(),
                    holder: holder.unwrap_or_default(),
                }))
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the Lease back, so that another replica need not wait for its end.
    pub async fn release(mut self) {
        let election = &self.election;
        self.lease.metadata.managed_fields = None;
        if let Some(spec) = &mut self.lease.spec {
            spec.holder_identity = None;
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        let parameters = post();
        let answer = election.leases.replace(&election.name, &parameters, &self.lease);
        match tokio::time::timeout(Duration::from_secs(1), answer).await {
            Ok(Ok(_)) => tracing::info!(lease = election.name, "gave the Lease back"),
            Ok(Err(error)) => {
                let error = Answer::from(error);
                tracing::warn!(lease = election.name, %error, "failed to give the Lease back");
            }
            Err(_) => tracing::warn!(lease = election.name, "failed to give the Lease back in time"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error("the server refused")]
    Refused(#[source] Answer),
    #[error("the server did not answer within {} seconds", REQUEST.as_secs())]
    TimedOut,
}

async fn request<T>(answer: impl Future<Output = kube::Result<T>>) -> Result<T, LeaseError> {
    match tokio::time::timeout(REQUEST, answer).await {
        Ok(answer) => answer.map_err(|error| LeaseError::Refused(error.into())),
        Err(_) => Err(LeaseError::TimedOut),
    }
}

/// Another writer came first: the name or the version is taken.
fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_conflict() || status.is_already_exists())
}

fn post() -> PostParams {
    PostParams {
        field_manager: Some(labels::OPERATOR_FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}
