//! Kubernetes' API in one process: what Axon and kubectl use of it, answered as a real server
//! answers it.
//!
//! A request goes through [`route`] to a handler, the handler prepares and validates the object,
//! and [`store`] makes it durable. Watches read the store's log of changes.

mod decode;
mod discovery;
mod garbage;
mod handlers;
mod kinds;
mod metadata;
mod negotiate;
mod openapi;
mod patch;
mod protobuf;
mod registry;
mod route;
mod rules;
mod schema;
mod selector;
mod status;
mod store;
mod table;
mod typed;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;

use crate::directory::Directory;
use registry::Registry;
pub use store::OpenError;
use store::Store;

/// The body of an answer: whole, or a stream of watch events or log lines.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What all handlers share.
pub(crate) struct Server {
    store: Store,
    registry: Registry,
    directory: Directory,
}

/// One embedded control plane; cheap to clone.
#[derive(Clone)]
pub struct Plane {
    server: Arc<Server>,
}

impl Plane {
    /// Opens the plane of a folder; its database is made if it is absent.
    pub fn open(directory: &Directory) -> Result<Self, OpenError> {
        let registry = Registry::new();
        let store = Store::open(&directory.database(), |state| {
            handlers::seed::missing(&registry, state)
        })?;
        let server = Arc::new(Server {
            store,
            registry,
            directory: directory.clone(),
        });
        garbage::start(&server)?;
        Ok(Self { server })
    }

    /// A client that calls the plane without any connection. It must be made within a tokio
    /// runtime.
    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.clone(), "default")
    }

    /// Answers one request.
    pub async fn respond<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body + Send,
        B::Error: std::fmt::Display,
    {
        handlers::respond(&self.server, request).await
    }
}

impl tower::Service<Request<kube::client::Body>> for Plane {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let plane = self.clone();
        Box::pin(async move { Ok(plane.respond(request).await) })
    }
}
