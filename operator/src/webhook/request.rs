//! One delivery from request to answer: who signed it, what it is, who wants it, and kept it is.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axon_api::sources::github::webhook::Delivery as Event;
use axon_api::sources::webhook::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::answer::Answer;
use super::choose::{self, Chosen, Granted};
use super::delivery::{Delivery, Trimming, kept_labels, pack};
use super::filters;
use super::keys::{KeyError, KeyFinder, is_source};
use super::listeners::{GITHUB, Listener, Listeners};
use super::signature::{AXON_SIGNATURE, HUB_SIGNATURE, Signature, Unsigned};
use super::store::{Store, StoreError};
use crate::key::Key;

/// The header with the name of GitHub's event.
const EVENT: &str = "x-github-event";
/// The header with GitHub's ID of the delivery.
const DELIVERY: &str = "x-github-delivery";
/// The event by which GitHub tells of a new hook.
const PING: &str = "ping";
/// How long a name or an ID in a header may be.
const LONGEST_HEADER: usize = 100;
/// How long finding keys and keeping may take: GitHub hangs up after ten seconds.
const TIME: Duration = Duration::from_secs(8);
/// Secrets of spawners that are read at once, whatever comes in.
const KEYS_AT_ONCE: usize = 16;
/// Bodies of this length and longer, in bytes, are parsed one at a time: as values they are many times
/// longer.
const LONG_BODY: usize = 1024 * 1024;

/// What it takes to answer.
pub(super) struct Desk {
    pub(super) listeners: Listeners,
    pub(super) keys: KeyFinder,
    pub(super) store: Store,
    reading_keys: Semaphore,
    parsing: Semaphore,
}

/// Who signed a delivery.
struct Signers {
    operator: bool,
    /// Secrets of spawners.
    secrets: HashSet<Key>,
    /// Whether there is any key of this source.
    has_keys: bool,
}

impl Signers {
    fn is_anybody(&self) -> bool {
        self.operator || !self.secrets.is_empty()
    }

    /// Whether one of them is whose key a spawner asks for.
    fn speaks_for(&self, listener: &Listener) -> bool {
        match listener.secret() {
            Some(name) => self.secrets.contains(&listener.key.sibling(name)),
            None => self.operator,
        }
    }
}

/// The source that a path names.
pub(super) fn source_of(method: &Method, path: &str) -> Result<String, Answer> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let source = match path {
        "" | "/webhook" | "/webhook/github" => GITHUB,
        _ => path.strip_prefix("/webhook/").unwrap_or_default(),
    };
    if !is_source(source) {
        return Err(Answer::new(
            StatusCode::NOT_FOUND,
            "there is nothing at this path: deliveries go to /webhook/github, and to /webhook/SOURCE for the source of a TaskSpawner",
        ));
    }
    if method != Method::POST {
        return Err(Answer::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "deliveries are sent with the method POST",
        ));
    }
    Ok(source.to_owned())
}

/// The signature that a request must have.
pub(super) fn signature_of(source: &str, headers: &HeaderMap) -> Result<Signature, Answer> {
    let names: &[&str] = if source == GITHUB {
        &[HUB_SIGNATURE]
    } else {
        &[HUB_SIGNATURE, AXON_SIGNATURE]
    };
    Signature::read(headers, names).map_err(|unsigned| {
        let why = match unsigned {
            Unsigned::Missing => "the request has no signature",
            Unsigned::Malformed => "the signature is not sha256= and 64 hexadecimal digits",
        };
        let sentence = format!("{why}: the header X-Hub-Signature-256 is required");
        Answer::new(StatusCode::UNAUTHORIZED, sentence)
    })
}

impl Desk {
    pub(super) fn new(listeners: Listeners, keys: KeyFinder, store: Store) -> Self {
        Self {
            listeners,
            keys,
            store,
            reading_keys: Semaphore::new(KEYS_AT_ONCE),
            parsing: Semaphore::new(1),
        }
    }

    /// Takes a delivery in, or says why not.
    pub(super) async fn take(
        &self,
        source: &str,
        headers: &HeaderMap,
        signature: &Signature,
        body: &[u8],
        now: Timestamp,
    ) -> Answer {
        let taken = self.try_take(source, headers, signature, body, now);
        match tokio::time::timeout(TIME, taken).await {
            Ok(taken) => taken.unwrap_or_else(|answer| answer),
            Err(_) => Answer::later("the API server takes too long to answer"),
        }
    }

    async fn try_take(
        &self,
        source: &str,
        headers: &HeaderMap,
        signature: &Signature,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Answer, Answer> {
        let listeners = self.listeners.of_source(source);
        let event = word(headers, EVENT);
        let event_to_look_for = event.as_deref().unwrap_or_default();
        let signers = self.signers(source, event_to_look_for, &listeners, body, signature);
        let signers = signers.await.map_err(|error| unread(&error))?;
        if !signers.is_anybody() {
            return Err(unsigned(source, &signers));
        }
        let github = if source == GITHUB {
            Some(GitHubHeaders::read(headers, event)?)
        } else {
            None
        };
        if github.as_ref().is_some_and(|github| github.event == PING) {
            return Ok(Answer::new(StatusCode::OK, "pong"));
        }
        let payload = self.parse(body).await?;
        let granted: Vec<_> = listeners
            .into_iter()
            .filter(|listener| signers.speaks_for(listener))
            .map(|listener| Granted {
                repository: self.listeners.repository(&listener),
                listener,
            })
            .collect();
        let chosen = if let Some(github) = &github {
            let event = Event {
                event: &github.event,
                id: &github.delivery,
                received: now,
                payload: &payload,
            };
            choose::github(&granted, &event)
        } else {
            let request = Request {
                body: &payload,
                received: now,
            };
            let unreadable = |why| Answer::new(StatusCode::UNPROCESSABLE_ENTITY, why);
            choose::generic(&granted, &request).map_err(unreadable)?
        };
        if chosen.is_empty() {
            return Ok(Answer::new(StatusCode::OK, "no spawner wants it"));
        }
        let event = github.map(|github| github.event).unwrap_or_default();
        self.keep(source, &event, chosen, &payload, now).await
    }

    /// Keeps a delivery for everybody who wants it.
    async fn keep(
        &self,
        source: &str,
        event: &str,
        chosen: Vec<Chosen>,
        payload: &Value,
        now: Timestamp,
    ) -> Result<Answer, Answer> {
        let labels = kept_labels(filters::labels(payload));
        let trimming = match source {
            GITHUB => Trimming::AsGitHub,
            _ => Trimming::No,
        };
        let packed = pack(payload, trimming);
        let packed = packed.map_err(|error| Answer::later(format!("failed to pack the payload: {error}")))?;
        let packed = packed.ok_or_else(|| {
            Answer::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the payload is too long to be kept",
            )
        })?;
        let mut spawners = 0;
        for Chosen {
            scope,
            id,
            spawners: wanting,
        } in chosen
        {
            spawners += wanting.len();
            let delivery = Delivery {
                source: source.to_owned(),
                event: event.to_owned(),
                id,
                received: now,
                is_trimmed: packed.is_trimmed,
                labels: labels.clone(),
                spawners: wanting,
            };
            let kept = self.store.keep(&delivery, &scope, &packed.bytes).await;
            kept.map_err(|error| unkept(&error))?;
            tracing::info!(
                source,
                event,
                delivery = delivery.id,
                spawners = delivery.spawners.len(),
                "a delivery is kept"
            );
        }
        let sentence = match spawners {
            1 => "kept for 1 spawner".to_owned(),
            _ => format!("kept for {spawners} spawners"),
        };
        Ok(Answer::new(StatusCode::ACCEPTED, sentence))
    }

    /// Whose keys made the signature. Of the spawners' Secrets, those of an event that nobody wants
    /// are read only to tell a wrong signature from an event in vain.
    async fn signers(
        &self,
        source: &str,
        event: &str,
        listeners: &[Arc<Listener>],
        body: &[u8],
        signature: &Signature,
    ) -> Result<Signers, KeyError> {
        let keys = self.keys.of_source(source).await?;
        let mut signers = Signers {
            operator: keys.verify(body, signature),
            secrets: HashSet::new(),
            has_keys: !keys.is_empty(),
        };
        let (wanting, others): (Vec<_>, Vec<_>) =
            listeners.iter().partition(|listener| listener.may_want(event));
        let mut seen = HashSet::new();
        for secret in wanting.into_iter().filter_map(secret_of) {
            if seen.insert(secret.clone()) && self.has_signed(&secret, body, signature, &mut signers).await? {
                signers.secrets.insert(secret);
            }
        }
        for secret in others.into_iter().filter_map(secret_of) {
            if signers.is_anybody() {
                break;
            }
            if seen.insert(secret.clone()) && self.has_signed(&secret, body, signature, &mut signers).await? {
                signers.secrets.insert(secret);
            }
        }
        Ok(signers)
    }

    async fn has_signed(
        &self,
        secret: &Key,
        body: &[u8],
        signature: &Signature,
        signers: &mut Signers,
    ) -> Result<bool, KeyError> {
        // The semaphore is never closed.
        let _permit = self.reading_keys.acquire().await;
        let keys = self.keys.of_secret(secret).await?;
        signers.has_keys |= !keys.is_empty();
        Ok(keys.verify(body, signature))
    }

    async fn parse(&self, body: &[u8]) -> Result<Value, Answer> {
        let bad = |sentence| Answer::new(StatusCode::BAD_REQUEST, sentence);
        let _permit = match body.len() {
            LONG_BODY.. => self.parsing.acquire().await.ok(),
            _ => None,
        };
        let text = std::str::from_utf8(body)
            .map_err(|error| bad(format!("the body is not UTF-8 at byte {}", error.valid_up_to())))?;
        serde_json::from_str(text).map_err(|error| bad(format!("the body is not JSON: {error}")))
    }
}

/// What GitHub says in headers.
struct GitHubHeaders {
    event: String,
    delivery: String,
}

impl GitHubHeaders {
    fn read(headers: &HeaderMap, event: Option<String>) -> Result<Self, Answer> {
        let missing = |name: &str| {
            let sentence = format!(
                "the header {name} is required, with at most {LONGEST_HEADER} letters, digits, - and _"
            );
            Answer::new(StatusCode::BAD_REQUEST, sentence)
        };
        Ok(Self {
            event: event.ok_or_else(|| missing("X-GitHub-Event"))?,
            delivery: word(headers, DELIVERY).ok_or_else(|| missing("X-GitHub-Delivery"))?,
        })
    }
}

/// A header that is one plain word.
fn word(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_word = (1..=LONGEST_HEADER).contains(&text.len()) && text.chars().all(is_plain);
    is_word.then(|| text.to_owned())
}

fn secret_of(listener: &Arc<Listener>) -> Option<Key> {
    Some(listener.key.sibling(listener.secret()?))
}

fn unsigned(source: &str, signers: &Signers) -> Answer {
    let sentence = if signers.has_keys {
        format!("the signature was not made of this body with a key of `{source}`")
    } else {
        format!("there is no key of `{source}` to check signatures with")
    };
    Answer::new(StatusCode::UNAUTHORIZED, sentence)
}

/// What went wrong is for the operator's log: the sender is not told of the cluster.
fn unread(error: &KeyError) -> Answer {
    tracing::warn!(error = chain(error), "a delivery could not be checked");
    Answer::later("the keys of signatures could not be read")
}

fn unkept(error: &StoreError) -> Answer {
    tracing::warn!(error = chain(error), "a delivery could not be kept");
    match error {
        StoreError::Full => Answer::later(error.to_string()),
        _ => Answer::later("the delivery could not be kept"),
    }
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(method: &Method, path: &str) -> Result<String, u16> {
        source_of(method, path).map_err(|answer| answer.status.as_u16())
    }

    #[test]
    fn a_path_names_a_source_and_github_has_three() {
        for path in [
            "/",
            "/webhook",
            "/webhook/",
            "/webhook/github",
            "/webhook/github/",
        ] {
            assert_eq!(source(&Method::POST, path), Ok("github".to_owned()), "{path}");
        }
        assert_eq!(source(&Method::POST, "/webhook/sentry"), Ok("sentry".to_owned()));
    }

    #[test]
    fn other_paths_are_not_found_and_other_methods_not_allowed() {
        for path in [
            "/webhooks",
            "/healthz",
            "/webhook/a/b",
            "/webhook/..",
            "/webhook/A",
            "//",
        ] {
            assert_eq!(source(&Method::POST, path), Err(404), "{path}");
        }
        for method in [Method::GET, Method::PUT, Method::HEAD] {
            assert_eq!(source(&method, "/webhook/github"), Err(405), "{method}");
        }
    }

    #[test]
    fn a_header_is_a_plain_word_or_is_as_good_as_missing() {
        for (text, is_word) in [
            ("issue_comment", true),
            ("72d3162e-cc78-11e3-81ab-4c9367dc0958", true),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            (&"a".repeat(101), false),
        ] {
            let headers =
                HeaderMap::from_iter([(EVENT.parse().expect("a name"), text.parse().expect("a value"))]);
            assert_eq!(word(&headers, EVENT).is_some(), is_word, "{text}");
        }
    }
}
