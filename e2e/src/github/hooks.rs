//! Webhooks: signed, sent over HTTP, remembered, and sent again.
//!
//! Format: <https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers>

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{HeaderMap, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::jiff::Timestamp;
use ring::hmac;
use serde_json::Value;

use super::model::State;

/// A receiver has this long to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is kept of an answer.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// The id of a hook.
pub type HookId = u64;

/// A delivery of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id in the API.
    pub id: u64,
    /// Sent as `X-GitHub-Delivery`; a redelivery has that of the first.
    pub guid: String,
    pub hook: HookId,
    pub event: String,
    /// `OK`, or what went wrong, in GitHub's words.
    pub status: String,
    /// What the receiver answered; 0 when it did not.
    pub status_code: u16,
    pub redelivery: bool,
}

/// Where deliveries go.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) id: HookId,
    /// The full name of its repository; `None` for the App's.
    pub(super) repository: Option<String>,
    pub(super) url: String,
    pub(super) secret: String,
    pub(super) events: Vec<String>,
    pub(super) created: Timestamp,
    pub(super) deliveries: Vec<Delivered>,
}

/// A delivery and all that the API tells of it.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) delivery: Delivery,
    pub(super) at: Timestamp,
    pub(super) duration: Duration,
    pub(super) payload: Value,
    pub(super) request_headers: BTreeMap<String, String>,
    pub(super) response_headers: BTreeMap<String, String>,
    pub(super) answer: String,
}

/// A delivery that is to be made.
#[derive(Debug)]
pub(super) struct Outgoing {
    hook: HookId,
    id: u64,
    url: String,
    event: String,
    guid: String,
    redelivery: bool,
    payload: Value,
    headers: BTreeMap<String, String>,
}

impl Delivery {
    /// Whether the receiver took it.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.status_code)
    }
}

impl Hook {
    /// Whether it is of a repository, or of the App.
    pub(super) fn is_of(&self, repository: Option<&str>) -> bool {
        match (&self.repository, repository) {
            (Some(own), Some(other)) => own.eq_ignore_ascii_case(other),
            (own, other) => own.is_none() && other.is_none(),
        }
    }
}

impl State {
    pub(super) fn create_hook(
        &mut self,
        repository: Option<String>,
        url: &str,
        secret: &str,
        events: &[&str],
    ) -> HookId {
        let id = self.next_id();
        let hook = Hook {
            id,
            repository,
            url: url.to_owned(),
            secret: secret.to_owned(),
            events: events.iter().map(|&event| event.to_owned()).collect(),
            created: self.clock.now(),
            deliveries: Vec::new(),
        };
        self.hooks.insert(id, hook);
        id
    }

    /// The hook with this URL and secret of the repository of a payload, or of the App when the
    /// fake does not know that repository. It is made when there is none.
    pub(super) fn hook_for(&mut self, url: &str, secret: &str, event: &str, payload: &Value) -> HookId {
        let repository = payload["repository"]["full_name"]
            .as_str()
            .and_then(|name| Some(self.repository(name)?.full_name()));
        let found = self
            .hooks
            .values()
            .find(|hook| hook.url == url && hook.secret == secret && hook.is_of(repository.as_deref()));
        match found {
            Some(hook) => hook.id,
            None => self.create_hook(repository, url, secret, &[event]),
        }
    }

    /// A delivery to a hook; `guid` is that of one that was made before.
    pub(super) fn prepare(
        &mut self,
        hook: HookId,
        event: &str,
        payload: &Value,
        guid: Option<String>,
    ) -> Outgoing {
        let id = self.next_id();
        let redelivery = guid.is_some();
        let guid = guid.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let known = self
            .hooks
            .get(&hook)
            .unwrap_or_else(|| panic!("the test made no hook {hook}"));
        let (target, kind) = match &known.repository {
            Some(name) => (self.known(name).id, "repository"),
            None => (self.app.id, "integration"),
        };
        let body = payload.to_string();
        let secret = known.secret.as_bytes();
        let sha256 = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let sha1 = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
        let headers = [
            ("Accept", "*/*".to_owned()),
            ("Content-Type", "application/json".to_owned()),
            ("User-Agent", "GitHub-Hookshot/044aadd".to_owned()),
            ("X-GitHub-Delivery", guid.clone()),
            ("X-GitHub-Event", event.to_owned()),
            ("X-GitHub-Hook-ID", hook.to_string()),
            ("X-GitHub-Hook-Installation-Target-ID", target.to_string()),
            ("X-GitHub-Hook-Installation-Target-Type", kind.to_owned()),
            ("X-Hub-Signature", format!("sha1={}", sign(&sha1, &body))),
            ("X-Hub-Signature-256", format!("sha256={}", sign(&sha256, &body))),
        ];
        Outgoing {
            hook,
            id,
            url: known.url.clone(),
            event: event.to_owned(),
            guid,
            redelivery,
            payload: payload.clone(),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }

    /// The same delivery once more, by its id.
    pub(super) fn prepare_again(&mut self, hook: HookId, id: u64) -> Option<Outgoing> {
        let deliveries = &self.hooks.get(&hook)?.deliveries;
        let made = deliveries.iter().find(|made| made.delivery.id == id)?;
        let (event, payload) = (made.delivery.event.clone(), made.payload.clone());
        let guid = made.delivery.guid.clone();
        Some(self.prepare(hook, &event, &payload, Some(guid)))
    }

    /// Remembers a delivery that was made, or tried.
    pub(super) fn remember(&mut self, delivered: Delivered) -> Delivery {
        let delivery = delivered.delivery.clone();
        if let Some(hook) = self.hooks.get_mut(&delivery.hook) {
            hook.deliveries.push(delivered);
        }
        delivery
    }
}

impl Outgoing {
    /// Sends it, and tells what came of it.
    pub(super) async fn send(self) -> Delivered {
        let at = Timestamp::now();
        let start = Instant::now();
        let answered = tokio::time::timeout(PATIENCE, self.post()).await;
        let (status, status_code, response_headers, answer) = match answered {
            Ok(Ok((code @ 200..300, headers, answer))) => ("OK".to_owned(), code, headers, answer),
            Ok(Ok((code, headers, answer))) => {
                (format!("Invalid HTTP Response: {code}"), code, headers, answer)
            }
            Ok(Err(_)) => (
                "failed to connect to host".to_owned(),
                0,
                BTreeMap::new(),
                String::new(),
            ),
            Err(_) => ("timed out".to_owned(), 0, BTreeMap::new(), String::new()),
        };
        Delivered {
            delivery: Delivery {
                id: self.id,
                guid: self.guid,
                hook: self.hook,
                event: self.event,
                status,
                status_code,
                redelivery: self.redelivery,
            },
            at,
            duration: start.elapsed(),
            payload: self.payload,
            request_headers: self.headers,
            response_headers,
            answer,
        }
    }

    async fn post(&self) -> anyhow::Result<(u16, BTreeMap<String, String>, String)> {
        let mut request = Request::post(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(self.payload.to_string()))?;
        let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
        let (parts, body) = client.request(request).await?.into_parts();
        let body = axum::body::to_bytes(Body::new(body), MAX_ANSWER_BYTES).await?;
        let answer = String::from_utf8_lossy(&body).into_owned();
        Ok((parts.status.as_u16(), readable(&parts.headers), answer))
    }
}

fn readable(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        })
        .collect()
}

fn sign(key: &hmac::Key, body: &str) -> String {
    let mut hex = String::new();
    for byte in hmac::sign(key, body.as_bytes()).as_ref() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
