//! Logs of containers.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::Value;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, SeekFrom};

use super::Answer;
use crate::plane::Server;
use crate::plane::route::{Query, Target};
use crate::plane::status::Failure;
use crate::plane::store::{Key, Object};

/// How often a followed log is looked at.
const INTERVAL: Duration = Duration::from_millis(100);
/// How much is read at a time.
const CHUNK: usize = 64 * 1024;

pub(super) fn read(server: &Arc<Server>, target: &Target, query: &Query) -> Result<Answer, Failure> {
    let name = target.name.clone().unwrap_or_default();
    let key = Key {
        resource: "pods".into(),
        namespace: target.namespace.clone(),
        name: name.clone(),
    };
    let pod = server.store.read().get(&key);
    let pod = pod.ok_or_else(|| Failure::not_found("", "pods", &name))?;
    let container = container(&pod.value, query.get("container"), &name)?;
    let follow = query.is_set("follow");
    let started = state_of(&pod.value, &container).is_some_and(|state| state != State::Waiting);
    let path = server.directory.container_log(pod.uid(), &container);
    if !started && !path.exists() {
        return Err(Failure::bad_request(format!(
            "container \"{container}\" in pod \"{name}\" is waiting to start: {}",
            reason(&pod.value, &container)
        )));
    }
    let reader = Reader {
        server: Arc::downgrade(server),
        pod,
        container,
        path,
        file: None,
        tail: query.number("tailLines")?,
        left: query.number("limitBytes")?,
        follow,
    };
    let chunks = futures::stream::unfold(reader, |mut reader| async move {
        let chunk = reader.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(chunk)), reader))
    });
    let mut response = Response::new(StreamBody::new(chunks).boxed_unsync());
    let plain = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    Ok(Answer::Raw(response))
}

fn names(pod: &Value, list: &str) -> Vec<String> {
    pod.pointer(&format!("/spec/{list}"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|container| container.get("name").and_then(Value::as_str))
        .map(str::to_owned)
        .collect()
}

/// The container that is meant.
fn container(pod: &Value, asked: Option<&str>, name: &str) -> Result<String, Failure> {
    let containers = names(pod, "containers");
    let init = names(pod, "initContainers");
    if let Some(asked) = asked {
        if containers.iter().chain(&init).any(|one| one == asked) {
            return Ok(asked.to_owned());
        }
        return Err(Failure::bad_request(format!(
            "container {asked} is not valid for pod {name}"
        )));
    }
    let preferred = pod
        .pointer("/metadata/annotations/kubectl.kubernetes.io~1default-container")
        .and_then(Value::as_str);
    if let Some(preferred) = preferred.filter(|name| containers.iter().any(|one| one == name)) {
        return Ok(preferred.to_owned());
    }
    if let [only] = containers.as_slice() {
        return Ok(only.clone());
    }
    let of_init = if init.is_empty() {
        String::new()
    } else {
        format!(" or one of the init containers: [{}]", init.join(" "))
    };
    Err(Failure::bad_request(format!(
        "a container name must be specified for pod {name}, choose one of: [{}]{of_init}",
        containers.join(" ")
    )))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Terminated,
}

fn status_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .iter()
        .filter_map(|list| pod.pointer(list).and_then(Value::as_array))
        .flatten()
        .find(|status| status.get("name").and_then(Value::as_str) == Some(container))
}

fn state_of(pod: &Value, container: &str) -> Option<State> {
    let state = status_of(pod, container)?.get("state")?;
    if state.get("terminated").is_some() {
        Some(State::Terminated)
    } else if state.get("running").is_some() {
        Some(State::Running)
    } else {
        Some(State::Waiting)
    }
}

fn reason(pod: &Value, container: &str) -> String {
    status_of(pod, container)
        .and_then(|status| status.pointer("/state/waiting/reason"))
        .and_then(Value::as_str)
        .unwrap_or("ContainerCreating")
        .to_owned()
}

struct Reader {
    server: Weak<Server>,
    pod: Arc<Object>,
    container: String,
    path: PathBuf,
    file: Option<File>,
    tail: Option<u64>,
    left: Option<u64>,
    follow: bool,
}

impl Reader {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            // Asked before the file is read: what is written before the end is then read too.
            let ended = self.has_ended();
            if let Some(chunk) = self.chunk().await {
                return Some(chunk);
            }
            if self.left == Some(0) || !self.follow || ended {
                return None;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn has_ended(&self) -> bool {
        let Some(server) = self.server.upgrade() else {
            return true;
        };
        let Some(pod) = server.store.read().get(&self.pod.key) else {
            return true;
        };
        let over = pod.value.pointer("/status/phase").and_then(Value::as_str);
        pod.uid() != self.pod.uid()
            || state_of(&pod.value, &self.container) == Some(State::Terminated)
            || over.is_some_and(|phase| ["Succeeded", "Failed"].contains(&phase))
    }

    async fn chunk(&mut self) -> Option<Bytes> {
        if self.file.is_none() {
            let mut file = File::open(&self.path).await.ok()?;
            if let Some(lines) = self.tail {
                let start = tail_start(&mut file, lines).await.unwrap_or(0);
                file.seek(SeekFrom::Start(start)).await.ok()?;
            }
            self.file = Some(file);
        }
        let file = self.file.as_mut()?;
        let most = self
            .left
            .map_or(CHUNK, |left| usize::try_from(left).unwrap_or(CHUNK).min(CHUNK));
        let mut chunk = Vec::with_capacity(most);
        file.take(most as u64).read_to_end(&mut chunk).await.ok()?;
        if chunk.is_empty() {
            return None;
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(chunk.len() as u64);
        }
        Some(chunk.into())
    }
}

/// Where the last `lines` lines of a file begin, found by reading it from its end.
async fn tail_start(file: &mut File, lines: u64) -> std::io::Result<u64> {
    let length = file.seek(SeekFrom::End(0)).await?;
    let mut end = length;
    let mut found = 0;
    if lines == 0 {
        return Ok(length);
    }
    while end > 0 {
        let start = end.saturating_sub(CHUNK as u64);
        file.seek(SeekFrom::Start(start)).await?;
        let mut chunk = Vec::new();
        (&mut *file).take(end - start).read_to_end(&mut chunk).await?;
        for (index, byte) in chunk.iter().enumerate().rev() {
            let at = start + index as u64;
            // The newline at the very end belongs to the last line.
            if *byte == b'\n' && at + 1 != length {
                found += 1;
                if found == lines {
                    return Ok(at + 1);
                }
            }
        }
        end = start;
    }
    Ok(0)
}
