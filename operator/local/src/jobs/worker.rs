//! The life of one pod on this machine.
//!
//! All that matters is on disk before it happens, so that the worker can be dropped at any point:
//! by the end of the plane, after which another worker goes on, or by the deletion of the pod.

mod departure;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodStatus};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;
use tokio::sync::{Mutex, SemaphorePermit, watch};

use super::container::{agent_type, installs_the_runner, launch, start};
use super::context::Context;
use super::obstacle::Obstacle;
use super::process::Identity;
use super::record::{Files, Trace};
use super::sandbox::{self, Sandbox};
use super::status::{Reports, State};
use super::volumes;
use departure::{end, has_ended};

/// The pod as it is seen last.
#[derive(Clone, Debug)]
pub(super) enum View {
    Present(Arc<Pod>),
    Gone,
}

/// How long a sidecar may take to end by itself.
const SIDECAR_GRACE: Duration = Duration::from_secs(5);

/// The longest pause between two attempts to write to the plane.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs the pod, and returns when it no longer exists and nothing of it is left.
pub(super) async fn live(context: Arc<Context>, pod: Arc<Pod>, mut view: watch::Receiver<View>) {
    let folder = context.directory.pod(&pod.uid().unwrap_or_default());
    let worker = Worker {
        api: Api::namespaced(context.client.clone(), &pod.namespace().unwrap_or_default()),
        progress: Mutex::new(Progress {
            reports: Reports::of(&pod),
            former: pod.status.clone(),
        }),
        context,
        folder: folder.clone(),
        pod,
    };
    worker.until_gone(&mut view).await;
    drop(worker);
    clear(folder).await;
}

/// Ends what runs in a pod's folder, and removes it.
pub(super) async fn clear(folder: PathBuf) {
    let names = fs::read_dir(&folder).into_iter().flatten().flatten();
    let files: Vec<Files> = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| Some(Files::new(&folder, name.strip_suffix(".pid")?)))
        .collect();
    end(&files, Duration::ZERO).await;
    let removed = tokio::task::spawn_blocking({
        let folder = folder.clone();
        move || fs::remove_dir_all(folder)
    });
    match removed.await.map_err(io::Error::other).flatten() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("failed to remove `{}`: {error}", folder.display());
        }
        _ => {}
    }
}

struct Worker {
    context: Arc<Context>,
    api: Api<Pod>,
    /// The pod as it was when the worker began; its spec does not change.
    pod: Arc<Pod>,
    folder: PathBuf,
    progress: Mutex<Progress>,
}

struct Progress {
    reports: Reports,
    /// The status that the plane has.
    former: Option<PodStatus>,
}

impl Worker {
    async fn until_gone(&self, view: &mut watch::Receiver<View>) {
        if !has_ended(&self.pod) {
            let mut ungated = view.clone();
            let mut deleted = view.clone();
            tokio::select! {
                biased;
                () = until(&mut deleted, is_deleted) => {}
                () = async {
                    until(&mut ungated, may_start).await;
                    self.run().await;
                } => {}
            }
            volumes::remove_secrets(&self.pod, &self.folder);
        }
        until(view, is_deleted).await;
        // Again, if less grace is given meanwhile.
        loop {
            let current = view.borrow_and_update().clone();
            let View::Present(pod) = current else {
                return;
            };
            let grace = pod.metadata.deletion_grace_period_seconds;
            let mut later = view.clone();
            tokio::select! {
                biased;
                () = until(&mut later, |view| match view {
                    View::Present(pod) => pod.metadata.deletion_grace_period_seconds != grace,
                    View::Gone => true,
                }) => {}
                () = self.delete(&pod) => break,
            }
        }
        until(view, |view| matches!(view, View::Gone)).await;
    }

    /// Runs the containers that have not been run, and reports all of them.
    async fn run(&self) {
        let begun = self.files().iter().any(|files| files.read_claim().is_some());
        let _permit = self.permit(begun).await;
        let outcome = tokio::select! {
            biased;
            outcome = self.run_containers(begun) => outcome,
            () = self.follow_configuration() => Ok(()),
        };
        if let Err(obstacle) = outcome {
            self.progress.lock().await.reports.failure = Some(match obstacle {
                Obstacle::Waiting { reason, message } | Obstacle::Final { reason, message } => {
                    (reason.to_owned(), message)
                }
            });
        }
        self.publish().await;
    }

    /// Waits until the pod may run. What runs already is not held up.
    async fn permit(&self, begun: bool) -> Option<SemaphorePermit<'_>> {
        let permits = &self.context.permits;
        let at_once = permits.try_acquire().ok();
        if begun || at_once.is_some() {
            return at_once;
        }
        let message = "as many pods run as this machine runs at once";
        self.progress.lock().await.reports.unscheduled = Some(message.to_owned());
        self.publish().await;
        let permit = permits.acquire().await.ok();
        self.progress.lock().await.reports.unscheduled = None;
        permit
    }

    async fn run_containers(&self, begun: bool) -> Result<(), Obstacle> {
        self.check_names()?;
        let sandbox = self.sandbox().await?;
        volumes::private_folder(&self.folder)?;
        if begun {
            // What the containers needed was there when they started.
            let _ = volumes::make(
                &self.context.client,
                &self.context.directory,
                &self.pod,
                &self.folder,
            )
            .await;
        } else {
            let first = self.containers().next().map(|container| container.name.as_str());
            self.when_possible(first.unwrap_or_default(), || {
                volumes::make(
                    &self.context.client,
                    &self.context.directory,
                    &self.pod,
                    &self.folder,
                )
            })
            .await?;
        }
        let result = self.run_in_order(sandbox).await;
        self.end_sidecars().await;
        result
    }

    /// Init containers one after the other, then the others together. A sidecar runs on beside what
    /// comes after it.
    async fn run_in_order(&self, sandbox: Sandbox) -> Result<(), Obstacle> {
        for container in self.init_containers() {
            if is_sidecar(container) {
                self.begin_sidecar(container, sandbox).await?;
            } else if self.run_container(container, sandbox).await? != 0 {
                return Ok(());
            }
        }
        let ends = self
            .main_containers()
            .iter()
            .map(|container| self.run_container(container, sandbox));
        for end in join_all(ends).await {
            end?;
        }
        Ok(())
    }

    /// Starts a sidecar, unless it was started before: here it is not started again when it ends.
    async fn begin_sidecar(&self, container: &Container, sandbox: Sandbox) -> Result<(), Obstacle> {
        let files = Files::new(&self.folder, &container.name);
        let state = match self.begin(container, &files, sandbox).await? {
            Trace::Running { claim, .. } => State::Running {
                started_at: claim.started_at,
            },
            Trace::Ended(exit) => State::Terminated {
                exit,
                message: files.termination_message(),
            },
            Trace::NotClaimed => return Err(disappeared(container)),
        };
        self.set(container, state).await;
        self.publish().await;
        Ok(())
    }

    /// Ends the sidecars, the last one first, once all others have ended.
    async fn end_sidecars(&self) {
        let sidecars = self
            .init_containers()
            .iter()
            .filter(|container| is_sidecar(container));
        for container in sidecars.rev() {
            let files = Files::new(&self.folder, &container.name);
            end(std::slice::from_ref(&files), SIDECAR_GRACE).await;
            if let Trace::Ended(exit) = files.trace() {
                let message = files.termination_message();
                self.set(container, State::Terminated { exit, message }).await;
            }
        }
    }

    /// Starts a container that was not started yet, as soon as that is possible.
    async fn begin(&self, container: &Container, files: &Files, sandbox: Sandbox) -> Result<Trace, Obstacle> {
        let trace = files.trace();
        if trace != Trace::NotClaimed {
            return Ok(trace);
        }
        let launch = self
            .when_possible(&container.name, || {
                launch(&self.context, &self.pod, container, files, sandbox)
            })
            .await?;
        let started = start(&self.context, files, &launch).await;
        started.map_err(|error| Obstacle::Final {
            reason: "StartError",
            message: format!("failed to start container `{}`: {error}", container.name),
        })
    }

    /// Names become names of files.
    fn check_names(&self) -> Result<(), Obstacle> {
        let volumes = self
            .pod
            .spec
            .iter()
            .flat_map(|spec| spec.volumes.iter().flatten());
        let names = self.containers().map(|container| container.name.as_str());
        match names
            .chain(volumes.map(|volume| volume.name.as_str()))
            .find(|name| !is_plain(name))
        {
            Some(name) => Err(Obstacle::unsupported(format!(
                "`{name}` is no name for a container or volume"
            ))),
            None => Ok(()),
        }
    }

    async fn sandbox(&self) -> Result<Sandbox, Obstacle> {
        let annotations = self.pod.annotations();
        let annotation = annotations.get(axon_api::labels::SANDBOX).map(String::as_str);
        let bubblewrap = self.context.bubblewrap().await;
        sandbox::choose(annotation, agent_type(&self.pod), bubblewrap).map_err(|message| Obstacle::Final {
            reason: "SandboxRequired",
            message,
        })
    }

    /// Runs one container, or waits for the end of the one that runs. Returns its exit code.
    async fn run_container(&self, container: &Container, sandbox: Sandbox) -> Result<i32, Obstacle> {
        if installs_the_runner(container) {
            self.set(container, State::done(Timestamp::now())).await;
            return Ok(0);
        }
        let files = Files::new(&self.folder, &container.name);
        let mut trace = self.begin(container, &files, sandbox).await?;
        loop {
            match trace {
                Trace::Running { claim, watch } => {
                    let started_at = claim.started_at;
                    self.set(container, State::Running { started_at }).await;
                    self.publish().await;
                    wait_for(&watch).await;
                    trace = files.trace();
                }
                Trace::Ended(exit) => {
                    let exit_code = exit.exit_code;
                    let message = files.termination_message();
                    self.set(container, State::Terminated { exit, message }).await;
                    return Ok(exit_code);
                }
                Trace::NotClaimed => return Err(disappeared(container)),
            }
        }
    }

    /// Does a thing that may lack a Secret or `ConfigMap`, again at each change of one until it can be
    /// done. Meanwhile the container waits.
    async fn when_possible<T, F>(&self, container: &str, attempt: impl Fn() -> F) -> Result<T, Obstacle>
    where
        F: Future<Output = Result<T, Obstacle>>,
    {
        let mut configuration = self.context.configuration.clone();
        loop {
            configuration.mark_unchanged();
            match attempt().await {
                Err(Obstacle::Waiting { reason, message }) => {
                    let reason = reason.to_owned();
                    self.progress
                        .lock()
                        .await
                        .reports
                        .set(container, State::Waiting { reason, message });
                    self.publish().await;
                }
                done => return done,
            }
            if configuration.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Brings the volumes up to date at each change of a Secret or `ConfigMap`; never returns.
    async fn follow_configuration(&self) {
        let mut configuration = self.context.configuration.clone();
        configuration.mark_unchanged();
        let follows = volumes::follow_configuration(&self.pod);
        while follows && configuration.changed().await.is_ok() {
            if let Err(error) = volumes::make(
                &self.context.client,
                &self.context.directory,
                &self.pod,
                &self.folder,
            )
            .await
            {
                tracing::debug!(
                    "volumes of pod `{}` stay as they are: {error}",
                    self.pod.name_any()
                );
            }
        }
        std::future::pending::<()>().await;
    }

    async fn set(&self, container: &Container, state: State) {
        self.progress.lock().await.reports.set(&container.name, state);
    }

    /// Writes the status, if it is another than the plane has. Tries until it is written or the pod
    /// does not exist.
    async fn publish(&self) {
        let mut progress = self.progress.lock().await;
        let status = progress
            .reports
            .status(progress.former.as_ref(), Timestamp::now());
        if progress.former.as_ref() == Some(&status) {
            return;
        }
        let name = self.pod.name_any();
        let patch = Patch::Merge(json!({
            "metadata": {"uid": self.pod.uid()},
            "status": status,
        }));
        let mut pause = Pause::default();
        loop {
            let written = self
                .api
                .patch_status(&name, &PatchParams::default(), &patch)
                .await;
            match written {
                Ok(_) => break,
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
                Err(error) => tracing::warn!("failed to write status of pod `{name}`: {error}"),
            }
            pause.wait().await;
        }
        let started = |status: &PodStatus| status.start_time.is_some();
        let first = started(&status) && !progress.former.as_ref().is_some_and(started);
        progress.former = Some(status);
        drop(progress);
        if first {
            self.bind(&name).await;
        }
    }

    /// Writes the node's name, which people look for.
    async fn bind(&self, name: &str) {
        let patch = Patch::Merge(json!({"spec": {"nodeName": self.context.node_name}}));
        let bound = self.api.patch(name, &PatchParams::default(), &patch).await;
        if let Err(error) = bound {
            tracing::debug!("pod `{name}` stays without the name of its node: {error}");
        }
    }

    fn init_containers(&self) -> &[Container] {
        let spec = self.pod.spec.as_ref();
        spec.and_then(|spec| spec.init_containers.as_deref())
            .unwrap_or_default()
    }

    fn main_containers(&self) -> &[Container] {
        let spec = self.pod.spec.as_ref();
        spec.map(|spec| spec.containers.as_slice()).unwrap_or_default()
    }

    fn containers(&self) -> impl Iterator<Item = &Container> {
        self.init_containers().iter().chain(self.main_containers())
    }

    fn files(&self) -> Vec<Files> {
        self.containers()
            .filter(|container| !installs_the_runner(container) && is_plain(&container.name))
            .map(|container| Files::new(&self.folder, &container.name))
            .collect()
    }
}

/// Whether an init container runs on beside the others: one with `restartPolicy: Always`.
pub(super) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// Claims are not taken back, so a missing one means that someone removed the pod's files.
fn disappeared(container: &Container) -> Obstacle {
    io::Error::other(format!(
        "the record of container `{}` has disappeared",
        container.name
    ))
    .into()
}

/// Returns when the process has ended.
async fn wait_for(process: &Identity) {
    let mut pause = Pause::default();
    while let Err(error) = process.ended().await {
        tracing::warn!("failed to watch process {}: {error}", process.pid);
        pause.wait().await;
    }
}

/// Returns when the view is as asked for, or nobody shows it any longer.
async fn until(view: &mut watch::Receiver<View>, wanted: impl Fn(&View) -> bool) {
    if view.wait_for(wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn is_deleted(view: &View) -> bool {
    match view {
        View::Present(pod) => pod.metadata.deletion_timestamp.is_some(),
        View::Gone => true,
    }
}

fn may_start(view: &View) -> bool {
    let View::Present(pod) = view else {
        return false;
    };
    let gates = pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref());
    gates.is_none_or(Vec::is_empty) && pod.metadata.deletion_timestamp.is_none()
}

/// Whether a name is a DNS label (RFC 1123).
fn is_plain(name: &str) -> bool {
    let label = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '-');
    !name.is_empty() && name.chars().all(label)
}

/// A pause that doubles.
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_millis(50))
    }
}

impl Pause {
    async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(value: serde_json::Value) -> View {
        View::Present(Arc::new(serde_json::from_value(value).expect("a pod")))
    }

    #[test]
    fn a_pod_starts_without_gates_and_not_while_it_is_deleted() {
        let gate = json!([{"name": "axon.io/start"}]);
        for (pod, expected) in [
            (json!({"spec": {"containers": []}}), true),
            (json!({"spec": {"containers": [], "schedulingGates": []}}), true),
            (
                json!({"spec": {"containers": [], "schedulingGates": gate}}),
                false,
            ),
            (
                json!({"metadata": {"deletionTimestamp": "2024-01-01T00:00:00Z"}, "spec": {"containers": []}}),
                false,
            ),
        ] {
            assert_eq!(may_start(&view(pod.clone())), expected, "{pod}");
        }
        assert!(!may_start(&View::Gone));
    }
}
