//! The repositories for git: requests below the URL of a repository go to a git server, as one host
//! of GitHub has both.

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use http::request::Parts;
use http::{Request, Response, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::Shared;

/// What git asks a repository for over HTTP.
///
/// Source: <https://git-scm.com/docs/http-protocol>
const SERVICES: [&str; 3] = ["/info/refs", "/git-upload-pack", "/git-receive-pack"];

/// Where at the git server a request of git is answered; `None` for any other request, and for a
/// repository that has no git.
pub(super) fn target(shared: &Shared, parts: &Parts) -> Option<String> {
    let path = parts.uri.path();
    let (repository, service) = SERVICES
        .iter()
        .find_map(|service| Some((path.strip_suffix(service)?, service)))?;
    let full_name = repository.trim_start_matches('/');
    let full_name = full_name.strip_suffix(".git").unwrap_or(full_name);
    let remote = shared.state().repository(full_name)?.git.clone()?;
    // Its name is that by which agents know it, which this machine may not.
    let remote: http::Uri = remote.parse().ok()?;
    let server = SocketAddr::new(shared.address, remote.port_u16()?);
    let path = remote.path();
    let query = parts.uri.query().map(|query| format!("?{query}"));
    Some(format!(
        "http://{server}{path}{service}{}",
        query.unwrap_or_default()
    ))
}

/// Lets the git server answer. An error when it does not.
pub(super) async fn forward(target: &str, parts: &Parts, body: Bytes) -> anyhow::Result<Response<Body>> {
    let mut request = Request::builder().method(parts.method.clone()).uri(target);
    for (name, value) in &parts.headers {
        if name != header::HOST && name != header::TRANSFER_ENCODING && name != header::CONTENT_LENGTH {
            request = request.header(name, value);
        }
    }
    let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request.body(Body::from(body))?).await?;
    Ok(answer.map(Body::new))
}
