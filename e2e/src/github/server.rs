//! The way of a request: it is checked against GitHub's description, meets the faults that a test
//! asked for, shows who asks, is counted against their rate limit, and is done.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::bail;
use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::jiff::Timestamp;
use ring::digest;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::access;
use super::answer::Answer;
use super::calls::{self, Call};
use super::description::Operation;
use super::faults::{self, What};
use super::git;
use super::{Recorded, Shared};

/// A request may be this large.
const MAX_BODY_BYTES: usize = 16 << 20;

/// Where GitHub Enterprise Server has its API, and where the operator looks for that of a
/// repository on any other host than github.com.
const ENTERPRISE: &str = "/api/v3";

/// The headers of a request that are recorded.
const RECORDED: [&str; 6] = [
    "accept",
    "authorization",
    "content-type",
    "if-none-match",
    "user-agent",
    "x-github-api-version",
];

/// The versions of the API.
///
/// Source: <https://docs.github.com/en/rest/about-the-rest-api/api-versions>
const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];

/// Serves until it is dropped. Each connection ends with it.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files, or a client that is gone: others may have better luck.
            tokio::task::yield_now().await;
            continue;
        };
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request: Request<hyper::body::Incoming>| {
                let shared = Arc::clone(&shared);
                async move { answer(&shared, request.map(Body::new)).await }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A client may go away at any time, and a fault closes the connection on purpose.
            let _ = connection.await;
        });
    }
}

/// What a request is, once its body is here.
struct Asked {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    /// `None` when nothing was sent.
    body: Option<Value>,
    /// The URL that was asked, without its query.
    url: String,
    credential: String,
}

/// Answers a request. An error closes the connection.
async fn answer(shared: &Arc<Shared>, request: Request<Body>) -> anyhow::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, MAX_BODY_BYTES).await?;
    if let Some(target) = git::target(shared, &parts) {
        return git::forward(&target, &parts, bytes).await;
    }
    let mut recorded = Recorded {
        method: parts.method.clone(),
        path_and_query: parts.uri.to_string(),
        status: 0,
        headers: recorded_headers(&parts.headers),
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    };
    let response = match Asked::new(&parts, &bytes) {
        Ok(asked) => decide(shared, &asked).await,
        Err(refusal) => {
            shared.violation(&parts.method, parts.uri.path(), "its body is no JSON");
            Ok(respond(&refusal))
        }
    };
    let response = response.map(|response| with_standing(shared, &parts.headers, response));
    recorded.status = response.as_ref().map_or(0, |response| response.status().as_u16());
    shared.record(recorded);
    response
}

/// Adds what every answer says: where the rate limit stands, and what time it is. Who reckons with
/// the time of GitHub reckons with this.
fn with_standing(shared: &Shared, asked: &HeaderMap, mut response: Response<Body>) -> Response<Body> {
    let mut state = shared.state();
    let standing = state.limits.standing(&credential(asked), Timestamp::now());
    standing.write(response.headers_mut());
    let date = state.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    if let Ok(date) = HeaderValue::from_str(&date.to_string()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// What `Authorization` says; empty when nothing was shown.
fn credential(headers: &HeaderMap) -> String {
    let shown = headers.get(header::AUTHORIZATION);
    shown
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .unwrap_or_default()
}

async fn decide(shared: &Arc<Shared>, asked: &Asked) -> anyhow::Result<Response<Body>> {
    if !asked.headers.contains_key(header::USER_AGENT) {
        shared.violation(&asked.method, &asked.path, "it has no `User-Agent`");
        return Ok(respond(&Answer::refuse(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.",
        )));
    }
    let operation = match check(shared, asked) {
        Ok(operation) => operation,
        Err(refusal) => return Ok(respond(&refusal)),
    };
    let fault = faults::take(&mut shared.faults(), &asked.method, &asked.path);
    match fault {
        None => {}
        Some(What::Close) => bail!("a fault that the test asked for"),
        Some(What::Wait(by)) => tokio::time::sleep(by).await,
        Some(What::Answer {
            status,
            headers,
            body,
        }) => {
            let mut response = respond(&Answer::new(status, body));
            for (name, value) in headers {
                response.headers_mut().insert(
                    HeaderName::from_bytes(name.as_bytes())?,
                    HeaderValue::from_str(&value)?,
                );
            }
            return Ok(response);
        }
    }
    Ok(perform(shared, asked, &operation))
}

/// The operation that a request asks for; the refusal of what GitHub does not describe, which is
/// also a violation.
fn check(shared: &Shared, asked: &Asked) -> Result<Operation, Answer> {
    let description = &shared.reference.description;
    if let Some(version) = asked.headers.get("x-github-api-version")
        && !VERSIONS.iter().any(|known| version == known)
    {
        shared.violation(
            &asked.method,
            &asked.path,
            "its `X-GitHub-Api-Version` is not known",
        );
        return Err(Answer::refuse(400, "The API version is not supported."));
    }
    let Some(operation) = description.operation(&asked.method, &asked.path) else {
        shared.violation(&asked.method, &asked.path, "no such operation is described");
        return Err(Answer::not_found());
    };
    let mut faults = description.parameter_faults(&operation, &asked.query);
    faults.extend(description.body_faults(&operation, asked.body.as_ref()));
    if faults.is_empty() {
        return Ok(operation);
    }
    for fault in &faults {
        shared.violation(&asked.method, &asked.path, fault);
    }
    Err(Answer::invalid(&faults))
}

fn perform(shared: &Arc<Shared>, asked: &Asked, operation: &Operation) -> Response<Body> {
    let now = Timestamp::now();
    let mut state = shared.state();
    let standing = state.limits.standing(&asked.credential, now);
    let is_counted = operation.id != "rate-limit/get";
    let answer = if is_counted && standing.is_exhausted() {
        Answer::refuse(
            403,
            "API rate limit exceeded. (But here's the good news: it resets.)",
        )
    } else {
        let outcome = access::caller(&state, &operation.id, &asked.headers).and_then(|caller| {
            let owner = operation
                .parameters
                .get("owner")
                .zip(operation.parameters.get("repo"));
            let full_name = owner.map(|(owner, name)| format!("{owner}/{name}"));
            let repository = full_name.as_ref().and_then(|name| state.repository(name));
            access::authorize(&caller, &operation.id, &asked.method, repository)?;
            let mut call = Call {
                state: &mut state,
                caller: &caller,
                parameters: &operation.parameters,
                query: &asked.query,
                body: asked.body.as_ref().unwrap_or(&Value::Null),
                url: &asked.url,
                rate: standing.json(),
            };
            calls::run(&operation.id, &mut call).unwrap_or_else(|| {
                let what = format!("the fake does not have `{}`", operation.id);
                shared.violation(&asked.method, &asked.path, &what);
                Err(Answer::refuse(501, &what))
            })
        });
        outcome.unwrap_or_else(|refusal| refusal)
    };
    for fault in shared
        .reference
        .description
        .answer_faults(operation, answer.status, &answer.body)
    {
        let what = format!(
            "the fake answers {} and it is not as described: {fault}",
            answer.status
        );
        shared.violation(&asked.method, &asked.path, &what);
    }
    let mut response = respond(&answer);
    let known = asked.headers.get(header::IF_NONE_MATCH);
    let is_known = asked.method == Method::GET
        && answer.status == 200
        && known.is_some_and(|known| same_tag(known, response.headers().get(header::ETAG)));
    if is_known {
        *response.status_mut() = http::StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
    } else if is_counted {
        state.limits.charge(&asked.credential, now);
    }
    drop(state);
    if let Some((hook, id)) = answer.redeliver {
        tokio::spawn(redeliver(Arc::clone(shared), hook, id));
    }
    response
}

async fn redeliver(shared: Arc<Shared>, hook: u64, id: u64) {
    let outgoing = shared.state().prepare_again(hook, id);
    if let Some(outgoing) = outgoing {
        let delivered = outgoing.send().await;
        shared.state().remember(delivered);
    }
}

/// Weak comparison (RFC 9110, section 8.8.3.2) with each tag of `If-None-Match`.
fn same_tag(known: &HeaderValue, tag: Option<&HeaderValue>) -> bool {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let tag = tag.map(text).unwrap_or_default();
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    text(known).split(',').any(|known| opaque(known) == opaque(&tag))
}

fn respond(answer: &Answer) -> Response<Body> {
    let text = match &answer.body {
        // A proxy in front of GitHub does not speak JSON.
        Value::String(text) => text.clone(),
        body => body.to_string(),
    };
    let mut tag = "W/\"".to_owned();
    for byte in digest::digest(&digest::SHA256, text.as_bytes()).as_ref() {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = http::StatusCode::from_u16(answer.status).unwrap_or_default();
    let request_id = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    let texts = [
        ("content-type", "application/json; charset=utf-8"),
        ("cache-control", "private, max-age=60, s-maxage=60"),
        ("vary", "Accept, Authorization, Cookie, X-GitHub-OTP"),
        ("x-github-media-type", "github.v3; format=json"),
        ("x-github-api-version-selected", "2022-11-28"),
        ("x-github-request-id", &request_id),
        ("etag", &tag),
        ("link", answer.link.as_deref().unwrap_or_default()),
    ];
    for (name, value) in texts {
        if let Ok(value) = HeaderValue::from_str(value)
            && !value.is_empty()
        {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    response
}

impl Asked {
    fn new(parts: &Parts, body: &[u8]) -> Result<Self, Answer> {
        let path = parts.uri.path();
        let host = parts.headers.get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        let body = match body {
            [] => None,
            body => {
                Some(serde_json::from_slice(body).map_err(|_| Answer::refuse(400, "Problems parsing JSON"))?)
            }
        };
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self {
            method: parts.method.clone(),
            path: path.strip_prefix(ENTERPRISE).unwrap_or(path).to_owned(),
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: parts.headers.clone(),
            body,
            url: format!("http://{host}{path}"),
            credential: credential(&parts.headers),
        })
    }
}

fn recorded_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    RECORDED
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), headers.get(name)?.to_str().ok()?.to_owned())))
        .collect()
}
