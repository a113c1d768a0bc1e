//! Connections to GitHub: over TLS with the system's certificates, through the proxy that the
//! environment names, kept open between requests.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use tokio::net::TcpStream;
use tower::Service;

/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(90);
/// Connections kept to one server while nobody uses them.
const MOST_IDLE: usize = 8;

/// A client whose requests carry no credential of their own. To be called within a runtime.
pub(super) fn connect() -> Result<Octocrab, rustls::Error> {
    let client: Client<HttpsConnector<Connector>, OctoBody> = Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(MOST_IDLE)
        .pool_timer(TokioTimer::new())
        .build(https()?);
    let octocrab = OctocrabBuilder::new_empty()
        .with_service(client)
        .with_auth(AuthState::None)
        .build();
    match octocrab {
        Ok(octocrab) => Ok(octocrab),
        Err(impossible) => match impossible {},
    }
}

fn https() -> Result<HttpsConnector<Connector>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let connector = Connector::new();
    if let Ok(builder) = HttpsConnectorBuilder::new().with_provider_and_native_roots(Arc::clone(&provider)) {
        return Ok(builder.https_or_http().enable_http1().wrap_connector(connector));
    }
    // A machine without certificates can still talk to a server without TLS; the others are refused
    // by the handshake.
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(HttpsConnector::from((connector, config)))
}

/// Connects directly, or through the proxy that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and
/// `NO_PROXY`, in capitals or not, say for the address.
#[derive(Clone)]
struct Connector {
    direct: HttpConnector,
    proxies: Arc<Matcher>,
}

type Connecting = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>, tower::BoxError>> + Send>>;

impl Connector {
    fn new() -> Self {
        let mut direct = HttpConnector::new();
        direct.enforce_http(false);
        direct.set_connect_timeout(Some(CONNECT));
        direct.set_nodelay(true);
        Self {
            direct,
            proxies: Arc::new(Matcher::from_env()),
        }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = tower::BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, address: Uri) -> Connecting {
        let Some(proxy) = self.proxies.intercept(&address) else {
            let connecting = self.direct.call(address);
            return Box::pin(async move { Ok(connecting.await?) });
        };
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.direct.clone());
        if let Some(credential) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credential.clone());
        }
        let connecting = tunnel.call(address);
        Box::pin(async move { Ok(connecting.await?) })
    }
}
