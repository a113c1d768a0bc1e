//! Watches.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::list::Selectors;
use super::{Answer, Call, Place, shown};
use crate::plane::Server;
use crate::plane::negotiate::Form;
use crate::plane::status::Failure;
use crate::plane::store::{Change, Key, Object, Since};

/// How often a watch that wants bookmarks gets one when nothing happens.
const BOOKMARK_INTERVAL: Duration = Duration::from_mins(1);
/// How long a watch goes on when the client does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(45);
/// How many changes are read from the log at a time.
const READ_AT_ONCE: usize = 256;

pub(super) fn start(
    server: &Arc<Server>,
    place: Place,
    name: Option<String>,
    call: &Call,
) -> Result<Answer, Failure> {
    let form = call.form()?;
    let selectors = Selectors::parse(&place, call)?;
    let timeout = call
        .query
        .number("timeoutSeconds")?
        .filter(|seconds| *seconds > 0);
    let version = call
        .query
        .number("resourceVersion")?
        .filter(|version| *version > 0);
    let streams_list = call.query.is_set("sendInitialEvents");
    let bookmarks = call.query.is_set("allowWatchBookmarks");
    if streams_list && call.query.get("resourceVersionMatch") != Some("NotOlderThan") {
        return Err(Failure::invalid(
            "meta.k8s.io",
            "ListOptions",
            "",
            &[crate::plane::status::Cause::forbidden(
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            )],
        ));
    }
    let newest = server.store.newest();
    let now = Instant::now();
    let mut watcher = Watcher {
        server: Arc::downgrade(server),
        place,
        name,
        selectors,
        form,
        newest,
        cursor: 0,
        bookmarks,
        deadline: now + timeout.map_or(DEFAULT_TIMEOUT, Duration::from_secs),
        next_bookmark: now + BOOKMARK_INTERVAL,
        queue: VecDeque::new(),
        described: false,
        ends: false,
    };
    watcher.begin(server, version, streams_list)?;
    let events = futures::stream::unfold(watcher, |mut watcher| async move {
        let bytes = watcher.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), watcher))
    });
    let mut response = Response::new(StreamBody::new(events).boxed_unsync());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(Answer::Raw(response))
}

/// One watch. It holds no events but those just read: what it has not read yet is in the log, and
/// if it reads too slowly the log forgets and the watch ends with 410.
struct Watcher {
    // A watch does not keep the plane open.
    server: Weak<Server>,
    place: Place,
    name: Option<String>,
    selectors: Selectors,
    form: Form,
    newest: watch::Receiver<u64>,
    /// Everything up to this version was read from the log.
    cursor: u64,
    bookmarks: bool,
    deadline: Instant,
    next_bookmark: Instant,
    queue: VecDeque<Bytes>,
    /// Whether a table's columns were described already.
    described: bool,
    /// Whether the watch is over once the queue is empty.
    ends: bool,
}

impl Watcher {
    /// Decides where the watch starts, and queues what is there when it starts with that.
    fn begin(&mut self, server: &Server, version: Option<u64>, streams_list: bool) -> Result<(), Failure> {
        let state = server.store.read();
        self.cursor = state.version();
        if let Some(version) = version {
            if version > state.version() {
                return Err(Failure::too_new(version, state.version()));
            }
            if !streams_list {
                self.cursor = version;
                return Ok(());
            }
        }
        let objects = state.list(&self.place.resource.storage, &self.place.namespace);
        drop(state);
        for object in objects {
            let value = shown(&self.place.resource, &object);
            if self.wants(&object.key) && self.selectors.match_all(&value) {
                self.push("ADDED", &value);
            }
        }
        if streams_list {
            self.push_bookmark(true);
        }
        Ok(())
    }

    fn wants(&self, key: &Key) -> bool {
        key.resource == self.place.resource.storage
            && (self.place.namespace.is_empty() || key.namespace == self.place.namespace)
            && self.name.as_ref().is_none_or(|name| *name == key.name)
    }

    /// The next event; `None` when the watch is over.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.queue.pop_front() {
                return Some(bytes);
            }
            if self.ends {
                return None;
            }
            // Seen before the log is read, so that a change in between wakes the next wait.
            let newest = *self.newest.borrow_and_update();
            if newest > self.cursor {
                self.read()?;
                continue;
            }
            let until = if self.bookmarks {
                self.deadline.min(self.next_bookmark)
            } else {
                self.deadline
            };
            tokio::select! {
                changed = self.newest.changed() => changed.ok()?,
                () = tokio::time::sleep_until(until) => {
                    if until == self.deadline {
                        return None;
                    }
                    self.push_bookmark(false);
                }
            }
        }
    }

    fn read(&mut self) -> Option<()> {
        let server = self.server.upgrade()?;
        let since = server
            .store
            .read()
            .since(self.cursor, |key| self.wants(key), READ_AT_ONCE);
        match since {
            Since::Changes { changes, upto } => {
                self.cursor = upto;
                for change in changes {
                    self.push_change(&change);
                }
            }
            Since::Expired { oldest } => {
                let message = format!("too old resource version: {} ({oldest})", self.cursor);
                let status = Failure::expired(message).to_json();
                self.queue.push_back(line("ERROR", &status));
                self.ends = true;
            }
        }
        Some(())
    }

    /// Turns a change of an object into what happened to the set of selected objects.
    fn push_change(&mut self, change: &Change) {
        let selected = |object: &Option<Arc<Object>>| {
            let value = shown(&self.place.resource, object.as_deref()?);
            self.selectors.match_all(&value).then_some(value)
        };
        match (selected(&change.before), selected(&change.after)) {
            (None, Some(after)) => self.push("ADDED", &after),
            (Some(_), Some(after)) => self.push("MODIFIED", &after),
            (Some(mut before), None) => {
                before["metadata"]["resourceVersion"] = change.version.to_string().into();
                self.push("DELETED", &before);
            }
            (None, None) => {}
        }
    }

    fn push(&mut self, kind: &str, value: &Value) {
        let mut object = self.form.one(&self.place.resource, value);
        if matches!(self.form, Form::Table(_)) && std::mem::replace(&mut self.described, true) {
            object["columnDefinitions"] = json!([]);
        }
        self.queue.push_back(line(kind, &object));
    }

    fn push_bookmark(&mut self, ends_initial: bool) {
        self.next_bookmark = Instant::now() + BOOKMARK_INTERVAL;
        let resource = &self.place.resource;
        let mut value = json!({
            "kind": resource.kind,
            "apiVersion": resource.api_version(),
            "metadata": { "resourceVersion": self.cursor.to_string() },
        });
        if ends_initial {
            value["metadata"]["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        self.queue.push_back(bookmark(self.form, resource, &value));
    }
}

fn bookmark(form: Form, resource: &crate::plane::registry::Resource, value: &Value) -> Bytes {
    match form {
        Form::Whole => line("BOOKMARK", value),
        Form::Metadata => line("BOOKMARK", &form.one(resource, value)),
        Form::Table(_) => {
            let metadata = value["metadata"].clone();
            line("BOOKMARK", &form.many(resource, &[], &metadata))
        }
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    let mut text = json!({ "type": kind, "object": object }).to_string();
    text.push('\n');
    text.into()
}
