//! A Kubernetes client over a Unix socket.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Uri};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::Body;
use tokio::net::UnixStream;
use tower::{Service, ServiceExt as _};

/// A client of the plane behind the socket. Must be made within a tokio runtime.
pub(super) fn over_socket(socket: PathBuf) -> kube::Client {
    let http = HttpClient::builder(TokioExecutor::new()).build(Connector { socket });
    let service = http.map_request(absolute);
    kube::Client::new(service, "default")
}

/// The HTTP client wants to know a host, and a socket has none.
fn absolute(mut request: Request<Body>) -> Request<Body> {
    let path = request.uri().path_and_query();
    let path = path.map_or("/", http::uri::PathAndQuery::as_str);
    if let Ok(uri) = Uri::builder()
        .scheme("http")
        .authority("localhost")
        .path_and_query(path)
        .build()
    {
        *request.uri_mut() = uri;
    }
    request
}

#[derive(Clone)]
struct Connector {
    socket: PathBuf,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let socket = self.socket.clone();
        Box::pin(async move { Ok(TokioIo::new(UnixStream::connect(socket).await?)) })
    }
}
