//! The webhook address of a replica: its watches, and its answers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axon_api::labels;
use axum::body::Bytes;
use axum::http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::core::PartialObjectMeta;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::answer::Answer;
use super::keys::KeyFinder;
use super::listeners::{GITHUB, Listeners};
use super::pending::Pending;
use super::request::{Desk, signature_of, source_of};
use super::store::Store;
use super::{body, connections};
use crate::metrics::{DeliveryLabels, Metrics};
use crate::scope::Place;
use crate::watch::{self as watches, Listed, Watches};

/// What the server is told.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where it serves.
    pub address: SocketAddr,
    /// Folder with the keys of each source, one file each; `None` means that only spawners have keys.
    pub secrets: Option<PathBuf>,
    /// The operator's own namespace, where deliveries are kept.
    pub namespace: String,
    /// The only namespace whose spawners are looked at; `None` means all.
    pub watch_namespaces: Vec<String>,
}

/// A server that has its address, and does not yet answer.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    options: ServerOptions,
}

/// Answers requests.
struct Reception {
    desk: Desk,
    /// A permit for each byte of all bodies together.
    memory: Semaphore,
    metrics: Metrics,
    listed: Listed,
}

impl Server {
    /// Takes the address.
    pub async fn bind(options: ServerOptions) -> anyhow::Result<Self> {
        let address = options.address;
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("failed to serve webhooks on `{address}`"))?;
        tracing::info!(what = "webhooks", address = %listener.local_addr().unwrap_or(address), "serves");
        Ok(Self { listener, options })
    }

    /// Where it serves.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves; it ends only when that is no longer possible.
    pub async fn run(self, client: Client, metrics: Metrics) -> anyhow::Error {
        let options = self.options;
        let mut tasks = JoinSet::new();
        let mut watches = Watches::new(&mut tasks, client.clone());
        let listeners = Listeners::default();
        listeners.start(&mut watches, &Place::namespaces(&options.watch_namespaces));
        let pending = Arc::new(Mutex::new(Pending::default()));
        let kept = Arc::clone(&pending);
        watches.start::<PartialObjectMeta<Secret>>(
            "kept deliveries",
            &[Place::namespace(&options.namespace)],
            watches::labelled(labels::DELIVERY, "true"),
            move |event| {
                kept.lock().unwrap_or_else(PoisonError::into_inner).take_in(event);
            },
        );
        let listed = watches.listed();
        let store = Store {
            client: client.clone(),
            namespace: options.namespace.into(),
            pending,
        };
        let reception = Arc::new(Reception {
            desk: Desk::new(listeners, KeyFinder::new(options.secrets, client), store),
            memory: Semaphore::new(body::LONGEST_TOGETHER),
            metrics,
            listed,
        });
        let serve = connections::serve(self.listener, move |request| {
            let reception = Arc::clone(&reception);
            async move { reception.answer(request).await }
        });
        tokio::select! {
            () = serve => anyhow::anyhow!("the webhook server has ended"),
            Some(ended) = tasks.join_next() => ended.unwrap_or_else(anyhow::Error::new),
        }
    }
}

impl Reception {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, mut body) = request.into_parts();
        let (source, answer) = match source_of(&head.method, head.uri.path()) {
            Ok(source) => {
                let answer = self.take(&source, &head.headers, &mut body).await;
                (source, answer.unwrap_or_else(|answer| answer))
            }
            Err(answer) => (String::new(), answer),
        };
        body::discard(&head.headers, &mut body).await;
        tracing::debug!(
            source,
            status = answer.status.as_u16(),
            answer = answer.sentence,
            "answered"
        );
        let labels = DeliveryLabels {
            // The paths that strangers try are not counted one by one.
            source: match source.as_str() {
                "" => "none",
                GITHUB => "github",
                _ => "webhook",
            },
            code: answer.status.as_u16(),
        };
        self.metrics.deliveries.get_or_create(&labels).inc();
        answer.response()
    }

    async fn take(&self, source: &str, headers: &HeaderMap, body: &mut Incoming) -> Result<Answer, Answer> {
        let signature = signature_of(source, headers)?;
        if !self.listed.is_complete() {
            return Err(Answer::later("not all spawners are listed yet"));
        }
        let held = body::read(body, &self.memory).await?;
        let taken = self
            .desk
            .take(source, headers, &signature, &held.bytes, Timestamp::now());
        Ok(taken.await)
    }
}
