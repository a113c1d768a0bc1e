//! Follows the log of a Task from before its pod is there to the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axon_api::{Phase, Task, labels};
use futures::{AsyncReadExt, StreamExt};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::api::LogParams;
use kube::runtime::watcher;
use kube::{Api, ResourceExt};

use crate::cluster::Cluster;
use crate::failure::{Failure, Result};
use crate::invocation;
use crate::text::without_hints;
use crate::watch::{self, Sighting};

/// The containers of an agent's pod that have something to say, in the order of their start.
pub(crate) const CONTAINERS: &[&str] = &["prepare", "agent"];

/// How long to wait before asking again for the log of a container that still runs.
const RECONNECT: Duration = Duration::from_millis(500);

/// Receives a log.
pub(crate) trait Sink {
    /// The log is not there yet: what is waited for.
    fn waiting(&mut self, why: &str);
    /// What follows is of this container.
    fn container(&mut self, name: &str) -> Result<()>;
    /// Bytes of the container's log.
    fn bytes(&mut self, bytes: &[u8]) -> Result<()>;
    /// The container's log has ended.
    fn end(&mut self) -> Result<()>;
}

/// Which log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) task: &'a str,
    /// One container, or all of [`CONTAINERS`].
    pub(crate) container: Option<&'a str>,
}

/// What is known while following.
#[derive(Default)]
struct Known {
    task: Option<Box<Task>>,
    pods: BTreeMap<String, Pod>,
    /// Whether all pods that there are have been seen.
    listed: bool,
    /// Pod and container of logs that were given out.
    done: BTreeSet<(String, String)>,
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Stream {
        pod: String,
        container: String,
    },
    /// For this, if it is worth saying.
    Wait(Option<String>),
    Finished,
    NeverStarted(String),
}

/// Gives the log to `sink` until the Task has ended, and gives the Task as it was then.
pub(crate) async fn follow(
    cluster: &Cluster,
    choice: Choice<'_>,
    sink: &mut dyn Sink,
) -> Result<Option<Box<Task>>> {
    let task = task(cluster, choice.task).await?;
    let uid = task.uid().unwrap_or_default();
    let mut tasks = Box::pin(watch::one(cluster.api::<Task>(), choice.task));
    let pods_of_task = watcher::Config::default().labels(&format!("{}={uid}", labels::TASK_UID));
    let mut pods = Box::pin(watch::objects(cluster.api::<Pod>(), pods_of_task));
    let mut known = Known {
        task: Some(Box::new(task)),
        ..Known::default()
    };
    let mut said = String::new();
    loop {
        match next(&known, choice) {
            Next::Stream { pod, container } => {
                sink.container(&container)?;
                stream_to_end(cluster, &pod, &container, sink).await?;
                sink.end()?;
                known.done.insert((pod, container));
                continue;
            }
            Next::Finished => return Ok(known.task),
            Next::NeverStarted(message) => return Err(Failure::new(message).hint(see(choice.task))),
            Next::Wait(why) => {
                if let Some(why) = why.filter(|why| *why != said) {
                    sink.waiting(&why);
                    said = why;
                }
            }
        }
        tokio::select! {
            Some(sighting) = tasks.next() => match sighting? {
                Sighting::Seen(task) if task.uid().as_deref() == Some(&uid) => known.task = Some(task),
                Sighting::Seen(_) | Sighting::Gone(_) => known.task = None,
                Sighting::Listed => {}
                Sighting::Trouble(cause) => {
                    sink.waiting(&format!("the server to answer: {cause}"));
                    cluster.revive().await;
                }
            },
            Some(sighting) = pods.next() => match sighting? {
                Sighting::Seen(pod) => { known.pods.insert(pod.name_any(), *pod); }
                Sighting::Gone(name) => { known.pods.remove(&name); }
                Sighting::Listed => known.listed = true,
                Sighting::Trouble(_) => {}
            },
            else => return Ok(known.task),
        }
    }
}

/// Gives what is there of the log to `sink`.
pub(crate) async fn once(cluster: &Cluster, choice: Choice<'_>, sink: &mut dyn Sink) -> Result<()> {
    let name = choice.task;
    let task = task(cluster, name).await?;
    let status = task.status.clone().unwrap_or_default();
    let phase = status.phase.unwrap_or(Phase::Pending);
    let Some(pod) = status.pod_name else {
        let failure = Failure::new(format!("task `{name}` has no pod yet: it is {}", describe(&task)));
        return Err(if phase.is_final() {
            Failure::new(never_started(&task)).hint(see(name))
        } else {
            failure.hint(format!(
                "{} waits for it",
                invocation::command(&format!("logs {name} -f"))
            ))
        });
    };
    let api: Api<Pod> = cluster.api();
    let found = api
        .get_opt(&pod)
        .await
        .map_err(|error| Failure::api(&format!("get pod `{pod}`"), &error))?;
    let Some(found) = found else {
        return Err(pod_is_gone(name, &pod));
    };
    let mut any = false;
    for container in containers(&found, choice.container) {
        if has_started(&found, container) {
            any = true;
            sink.container(container)?;
            let parameters = log_parameters(container, Following::No);
            stream(cluster, &pod, &parameters, 0, sink).await?;
            sink.end()?;
        }
    }
    if any {
        return Ok(());
    }
    Err(if phase.is_final() {
        Failure::new(never_started(&task)).hint(see(name))
    } else {
        Failure::new(format!("task `{name}` has no log yet: it is {}", describe(&task))).hint(format!(
            "{} waits for it",
            invocation::command(&format!("logs {name} -f"))
        ))
    })
}

/// The Task of this name.
pub(crate) async fn task(cluster: &Cluster, name: &str) -> Result<Task> {
    let api: Api<Task> = cluster.api();
    let found = api
        .get_opt(name)
        .await
        .map_err(|error| Failure::api(&format!("get task `{name}`"), &error))?;
    found.ok_or_else(|| not_found(name, &cluster.namespace))
}

/// There is no Task of that name.
pub(crate) fn not_found(name: &str, namespace: &str) -> Failure {
    Failure::new(format!("task `{name}` not found in namespace `{namespace}`"))
        .hint(format!("{} lists all tasks", invocation::command("get tasks -A")))
}

fn pod_is_gone(task: &str, pod: &str) -> Failure {
    Failure::new(format!(
        "pod `{pod}` of task `{task}` is gone, and its log with it"
    ))
    .hint(see(task))
}

fn see(task: &str) -> String {
    format!(
        "{} shows what is known",
        invocation::command(&format!("describe task {task}"))
    )
}

/// Decides from what is known.
fn next(known: &Known, choice: Choice<'_>) -> Next {
    let Some(task) = &known.task else {
        return Next::NeverStarted(format!("task `{}` was deleted", choice.task));
    };
    let is_final = task.is_finished();
    let status = task.status.clone().unwrap_or_default();
    if let Some(name) = status.pod_name {
        if let Some(pod) = known.pods.get(&name) {
            for container in containers(pod, choice.container) {
                if known.done.contains(&(name.clone(), container.to_owned())) {
                    continue;
                }
                // The Task's end may be seen before the pod's, so a container that looks idle
                // then is asked nevertheless.
                if has_started(pod, container) || (is_final && never_will(pod, container).is_none()) {
                    return Next::Stream {
                        pod: name,
                        container: container.to_owned(),
                    };
                }
                break;
            }
        } else if !known.listed {
            return Next::Wait(None);
        }
    }
    if !is_final {
        // Between the end of the log and the end of the Task there is nothing to wait for.
        let is_running = status.phase == Some(Phase::Running);
        let why = format!("task `{}`, which is {}", choice.task, describe(task));
        return Next::Wait((known.listed && !is_running).then_some(why));
    }
    if known.done.is_empty() && known.listed {
        return Next::NeverStarted(never_started(task));
    }
    if known.done.is_empty() {
        return Next::Wait(None);
    }
    Next::Finished
}

/// `Pending`, or `Waiting (WorkspaceNotFound: workspace `x` not found)`.
pub(crate) fn describe(task: &Task) -> String {
    let status = task.status.clone().unwrap_or_default();
    let phase = status.phase.unwrap_or(Phase::Pending);
    let message = status.message.map(|message| without_hints(&message).0);
    match (status.reason, message) {
        (Some(reason), Some(message)) => format!("{phase} ({reason}: {message})"),
        (Some(reason), None) => format!("{phase} ({reason})"),
        (None, Some(message)) => format!("{phase} ({message})"),
        (None, None) => phase.to_string(),
    }
}

fn never_started(task: &Task) -> String {
    match task.status.as_ref().and_then(|status| status.pod_name.as_deref()) {
        Some(pod)
            if task
                .status
                .as_ref()
                .is_some_and(|status| status.start_time.is_some()) =>
        {
            format!(
                "pod `{pod}` of task `{}` is gone, and its log with it; the task is {}",
                task.name_any(),
                describe(task)
            )
        }
        _ => format!(
            "task `{}` ended before it started: it is {}",
            task.name_any(),
            describe(task)
        ),
    }
}

/// The containers of the pod to be shown, in the order of their start.
fn containers<'a>(pod: &Pod, only: Option<&'a str>) -> Vec<&'a str> {
    if let Some(only) = only {
        return vec![only];
    }
    let spec = pod.spec.clone().unwrap_or_default();
    let names: Vec<String> = spec
        .init_containers
        .into_iter()
        .flatten()
        .chain(spec.containers)
        .map(|container| container.name)
        .collect();
    CONTAINERS
        .iter()
        .copied()
        .filter(|known| names.iter().any(|name| name == known))
        .collect()
}

fn state(pod: &Pod, container: &str) -> Option<ContainerState> {
    let status = pod.status.as_ref()?;
    status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten()
        .find(|status| status.name == container)
        .and_then(|status| status.state.clone())
}

fn has_started(pod: &Pod, container: &str) -> bool {
    state(pod, container).is_some_and(|state| state.running.is_some() || state.terminated.is_some())
}

fn has_ended(pod: &Pod, container: &str) -> bool {
    state(pod, container).is_some_and(|state| state.terminated.is_some())
}

/// Why the container will never start: one before it has failed.
fn never_will(pod: &Pod, container: &str) -> Option<()> {
    let before = CONTAINERS.iter().take_while(|name| **name != container);
    before
        .filter_map(|name| state(pod, name)?.terminated)
        .any(|ended| ended.exit_code != 0)
        .then_some(())
}

#[derive(Clone, Copy)]
enum Following {
    Yes,
    No,
}

fn log_parameters(container: &str, following: Following) -> LogParams {
    LogParams {
        container: Some(container.to_owned()),
        follow: matches!(following, Following::Yes),
        ..LogParams::default()
    }
}

/// Streams a container's log until the container has ended, however often the connection breaks.
async fn stream_to_end(cluster: &Cluster, pod: &str, container: &str, sink: &mut dyn Sink) -> Result<()> {
    let api: Api<Pod> = cluster.api();
    let parameters = log_parameters(container, Following::Yes);
    let mut known = 0;
    loop {
        let streamed = stream(cluster, pod, &parameters, known, sink).await;
        let Ok(after) = api.get_opt(pod).await else {
            // The server is away: what it has of the log is asked for when it is back.
            if let Ok(Streamed { bytes, .. }) = streamed {
                known += bytes;
            }
            cluster.revive().await;
            tokio::time::sleep(RECONNECT).await;
            continue;
        };
        let whole = match streamed {
            Ok(Streamed { bytes, whole }) => {
                known += bytes;
                whole
            }
            Err(failure) if failure.is_silent() => return Err(failure),
            Err(failure) if after.as_ref().is_some_and(|pod| has_started(pod, container)) => {
                return Err(failure);
            }
            // A container that never started has no log, and there is nothing to add to that.
            Err(_) => return Ok(()),
        };
        match after {
            None => return Ok(()),
            Some(pod) if whole && has_ended(&pod, container) => return Ok(()),
            Some(_) => tokio::time::sleep(RECONNECT).await,
        }
    }
}

/// What one connection gave of a log.
struct Streamed {
    /// How many bytes were given out.
    bytes: u64,
    /// Whether the server ended the log; otherwise the connection broke.
    whole: bool,
}

/// Streams a log; the first `skip` bytes are known already.
async fn stream(
    cluster: &Cluster,
    pod: &str,
    parameters: &LogParams,
    skip: u64,
    sink: &mut dyn Sink,
) -> Result<Streamed> {
    let api: Api<Pod> = cluster.api();
    let action = format!("read the log of pod `{pod}`");
    let mut log = Box::pin(
        api.log_stream(pod, parameters)
            .await
            .map_err(|error| Failure::api(&action, &error))?,
    );
    let mut buffer = vec![0; 64 * 1024];
    let (mut position, mut bytes) = (0_u64, 0_u64);
    loop {
        let count = match log.read(&mut buffer).await {
            Ok(0) => return Ok(Streamed { bytes, whole: true }),
            Ok(count) => count,
            Err(_) => return Ok(Streamed { bytes, whole: false }),
        };
        let known = usize::try_from(skip.saturating_sub(position))
            .unwrap_or(usize::MAX)
            .min(count);
        position += count as u64;
        let fresh = buffer.get(known..count).unwrap_or_default();
        bytes += fresh.len() as u64;
        sink.bytes(fresh)?;
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
