//! The two doors of the plane: a Unix socket for this user, and TLS on loopback for plain kubectl.

use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use nix::unistd::Uid;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use super::activity::{Activity, Answer};
use super::credentials::Token;
use crate::directory::Directory;
use crate::plane::{Body, Plane};

/// How long one waits when no connection can be accepted, such as without free descriptors.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// The plane as it is seen from outside.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) plane: Plane,
    pub(super) activity: Activity,
    /// What a request must show; the Unix socket asks for nothing.
    pub(super) token: Option<Arc<Token>>,
}

/// Opens the Unix socket. The caller holds the folder's lock, so that a socket that is there is left
/// from a plane that was killed.
pub(super) fn bind_socket(directory: &Directory) -> anyhow::Result<UnixListener> {
    let path = directory.socket();
    let failed = || format!("failed to open the socket `{}`", path.display());
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(failed);
        }
        _ => {}
    }
    let listener = UnixListener::bind(&path).with_context(failed)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).with_context(failed)?;
    Ok(listener)
}

/// Opens the loopback port: the former one if it is free, so that open programs find it again.
pub(super) async fn bind_port(former: Option<u16>) -> anyhow::Result<TcpListener> {
    if let Some(port) = former
        && let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await
    {
        return Ok(listener);
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    listener.context("failed to open a port on 127.0.0.1")
}

/// Serves the Unix socket, to processes of this user alone.
pub(super) async fn serve_socket(listener: UnixListener, door: Door) {
    let own = Uid::effective().as_raw();
    loop {
        let Some((stream, _)) = accepted(listener.accept().await).await else {
            continue;
        };
        let peer = stream.peer_cred().map(|peer| peer.uid());
        if peer.is_ok_and(|peer| peer == own || peer == 0) {
            tokio::spawn(connection(stream, door.clone()));
        }
    }
}

/// Serves the loopback port.
pub(super) async fn serve_port(listener: TcpListener, tls: TlsAcceptor, door: Door) {
    loop {
        let Some((stream, _)) = accepted(listener.accept().await).await else {
            continue;
        };
        let (tls, door) = (tls.clone(), door.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            if let Ok(stream) = tls.accept(stream).await {
                connection(stream, door).await;
            }
        });
    }
}

async fn accepted<T>(accepted: io::Result<T>) -> Option<T> {
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::warn!("failed to accept a connection: {error}");
            tokio::time::sleep(AFTER_ERROR).await;
            None
        }
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, door: Door) {
    let service = service_fn(|request| answer(door.clone(), request));
    let served = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!("a connection ended: {error}");
    }
}

async fn answer(door: Door, request: Request<Incoming>) -> Result<Response<Answer<Body>>, Infallible> {
    let open = door.activity.request();
    let authorization = request.headers().get(header::AUTHORIZATION);
    let admitted = door
        .token
        .is_none_or(|token| token.admits(authorization.map(http::HeaderValue::as_bytes)));
    let response = if admitted {
        door.plane.respond(request).await
    } else {
        unauthorized()
    };
    Ok(response.map(|body| Answer { body, _request: open }))
}

/// The answer of a Kubernetes API server to a request without the right token.
fn unauthorized() -> Response<Body> {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Unauthorized",
        "reason": "Unauthorized",
        "code": 401,
    });
    let mut response = Response::new(Full::new(Bytes::from(status.to_string())).boxed_unsync());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}
