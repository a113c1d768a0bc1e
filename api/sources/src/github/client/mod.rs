//! Asks GitHub's REST API (<https://docs.github.com/en/rest>): one request, one answer, and what
//! each of them means. Nothing here decides when to ask, or waits.

mod answer;
mod checks;
mod comments;
mod failure;
mod hooks;
mod issues;
mod look;
mod people;
mod preview;
mod pulls;
mod transport;
mod wire;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use octocrab::Octocrab;
use serde_json::Value;

pub use answer::{Answer, Budget, Page};
pub use checks::{CheckRun, CheckState};
pub use failure::{Failure, FailureKind, Wait};
pub use hooks::{Deliveries, Delivery, DeliveryBody, DeliveryRequest, Hook, HookConfig, HookOwner};
pub use issues::{FullIssue, Listing, Scope};
pub use look::{Found, Look, Wanted, What};
pub use people::People;
pub use preview::Previewed;
pub use pulls::FullPull;

use super::endpoint::Endpoint;

/// How long GitHub may take for one answer, redirects included.
const ANSWER: Duration = Duration::from_secs(30);
/// How long one answer may be, in bytes: a hundred issues with the longest texts fit.
const LONGEST_ANSWER: usize = 24 * 1024 * 1024;
/// How much of what GitHub says is passed on, in bytes.
const LONGEST_MESSAGE: usize = 200;
/// Redirects that are followed for one question.
const MOST_REDIRECTS: usize = 3;
/// Items of one page: as many as GitHub gives.
const PER_PAGE: u32 = 100;

/// Is told of each answer: its status (0 when there was none), and what it was asked for, such as
/// `issues`.
pub type Observer = dyn Fn(u16, &'static str, Option<Budget>) + Send + Sync;

/// Asks GitHub. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct GitHubClient {
    octocrab: Result<Octocrab, String>,
    observer: Option<Arc<Observer>>,
    agent: HeaderValue,
}

/// As whom GitHub is asked. Cheap to clone; the credential is in no debug output.
#[derive(Clone, Debug, Default)]
pub struct Access(Option<HeaderValue>);

impl Access {
    /// As nobody: what is public can be read, 60 times an hour.
    pub fn anonymous() -> Self {
        Self(None)
    }

    /// With a token of a person or an App's installation, or with an App's own JSON Web Token.
    /// `None` when it cannot be sent, as text with line breaks cannot.
    pub fn token(token: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        value.set_sensitive(true);
        Some(Self(Some(value)))
    }

    /// Whether there is no credential.
    pub fn is_anonymous(&self) -> bool {
        self.0.is_none()
    }
}

/// A repository that is asked about. Cheap to clone.
#[derive(Clone)]
pub struct Repository {
    client: GitHubClient,
    endpoint: Arc<Endpoint>,
    access: Access,
}

/// What is asked.
pub(crate) struct Question<'a> {
    method: Method,
    url: String,
    body: Option<Value>,
    /// Tag of the answer that one has; the same one again is answered 304 without a body.
    etag: Option<&'a str>,
    /// What it is about, for metrics.
    resource: &'static str,
}

impl<'a> Question<'a> {
    pub(crate) fn get(url: String, resource: &'static str) -> Self {
        Self {
            method: Method::GET,
            url,
            body: None,
            etag: None,
            resource,
        }
    }

    pub(crate) fn send(method: Method, url: String, body: Value, resource: &'static str) -> Self {
        Self {
            method,
            url,
            body: Some(body),
            etag: None,
            resource,
        }
    }

    /// Has something done for which nothing is said: a body would be refused.
    pub(crate) fn post(url: String, resource: &'static str) -> Self {
        Self {
            method: Method::POST,
            ..Self::get(url, resource)
        }
    }

    fn unless(mut self, etag: Option<&'a str>) -> Self {
        self.etag = etag;
        self
    }
}

impl GitHubClient {
    /// A client that calls itself `agent`, such as `axon-operator/0.1.0`, in its requests. To be
    /// called within a runtime.
    pub fn new(agent: &str) -> Self {
        Self {
            octocrab: transport::connect().map_err(|error| error.to_string()),
            observer: None,
            agent: HeaderValue::from_str(agent).unwrap_or(HeaderValue::from_static("axon")),
        }
    }

    /// The same client, that tells `observer` of each answer.
    #[must_use]
    pub fn observed(mut self, observer: Arc<Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// A repository, asked about as `access`.
    pub fn repository(&self, endpoint: impl Into<Arc<Endpoint>>, access: Access) -> Repository {
        Repository {
            client: self.clone(),
            endpoint: endpoint.into(),
            access,
        }
    }

    /// Asks, and follows redirects to the same server. An answer that is not a success, nor 304, is
    /// a failure.
    pub(crate) async fn ask(&self, access: &Access, question: Question<'_>) -> Result<Answer, Failure> {
        let asked = format!("{} {}", question.method, without_query(&question.url));
        let answer = tokio::time::timeout(ANSWER, self.follow(access, &question, &asked)).await;
        let answer = answer.unwrap_or_else(|_| {
            let why = format!("no answer within {} seconds", ANSWER.as_secs());
            Err(unavailable(&asked, &why))
        });
        if let Some(observer) = &self.observer {
            match &answer {
                Ok(answer) => observer(answer.status.as_u16(), question.resource, answer.budget),
                Err(_) => observer(0, question.resource, None),
            }
        }
        let answer = answer?;
        if answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED {
            return Ok(answer);
        }
        Err(answer.failure(&asked))
    }

    async fn follow(&self, access: &Access, question: &Question<'_>, asked: &str) -> Result<Answer, Failure> {
        let mut url = question.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.once(access, question, &url, asked).await?;
            let keeps_method = matches!(answer.status.as_u16(), 307 | 308);
            let is_redirect = keeps_method || matches!(answer.status.as_u16(), 301 | 302);
            if !is_redirect || !(keeps_method || question.method == Method::GET) {
                return Ok(answer);
            }
            url = answer.location(&url).ok_or_else(|| {
                let why = "it was redirected to another server, which is not told the credential";
                Failure::new(FailureKind::Refused, format!("`{asked}` was not answered: {why}"))
            })?;
        }
        Err(Failure::new(
            FailureKind::Refused,
            format!("`{asked}` was redirected more than {MOST_REDIRECTS} times"),
        ))
    }

    async fn once(
        &self,
        access: &Access,
        question: &Question<'_>,
        url: &str,
        asked: &str,
    ) -> Result<Answer, Failure> {
        let octocrab = self.octocrab.as_ref().map_err(|why| unavailable(asked, why))?;
        let uri: Uri = url
            .parse()
            .map_err(|_| Failure::new(FailureKind::Refused, format!("`{url}` is no URL")))?;
        let mut request = http::Request::builder().method(&question.method).uri(uri);
        if let Some(headers) = request.headers_mut() {
            self.put_headers(headers, access, question);
        }
        let request = octocrab.build_request(request, question.body.as_ref());
        let request = request.map_err(|error| unavailable(asked, &chain(&error)))?;
        let answer = octocrab.execute(request).await;
        let answer = answer.map_err(|error| unavailable(asked, &chain(&error)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await;
        let body = body.map_err(|error| unavailable(asked, &error.to_string()))?;
        Ok(Answer::new(head.status, head.headers, body.to_bytes(), url))
    }

    fn put_headers(&self, headers: &mut HeaderMap, access: &Access, question: &Question<'_>) {
        headers.insert(header::USER_AGENT, self.agent.clone());
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("application/vnd.github+json"),
        );
        if let Some(credential) = &access.0 {
            headers.insert(header::AUTHORIZATION, credential.clone());
        }
        if let Some(Ok(etag)) = question.etag.map(HeaderValue::from_str) {
            headers.insert(header::IF_NONE_MATCH, etag);
        }
    }
}

impl Repository {
    /// Which repository it is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The address of something of the repository: `path` begins with a slash.
    fn url(&self, path: &str) -> String {
        let Endpoint {
            api,
            owner,
            repository,
        } = &*self.endpoint;
        format!("{api}/repos/{}/{}{path}", segment(owner), segment(repository))
    }

    async fn ask(&self, question: Question<'_>) -> Result<Answer, Failure> {
        self.client.ask(&self.access, question).await
    }
}

/// Text as one segment of a path or one value of a query.
fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => escaped.push(char::from(byte)),
            // A segment of dots only would lead elsewhere.
            b'.' if text.bytes().any(|byte| byte != b'.') => escaped.push('.'),
            _ => {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

fn without_query(url: &str) -> &str {
    url.split_once('?').map_or(url, |(path, _)| path)
}

fn unavailable(asked: &str, why: &str) -> Failure {
    Failure::new(
        FailureKind::Unavailable,
        format!("`{asked}` was not answered: {why}"),
    )
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let cause = error.to_string();
        // Octocrab puts a backtrace behind the first line of what it displays.
        let cause = cause.lines().next().unwrap_or_default();
        if !cause.is_empty() && !text.contains(cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(cause);
        }
        next = error.source();
    }
    text
}

fn cut(message: &str) -> &str {
    let line = message.lines().next().unwrap_or_default();
    line.get(..line.floor_char_boundary(LONGEST_MESSAGE))
        .unwrap_or(line)
}
