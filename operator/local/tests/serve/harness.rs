//! One plane in a folder of its own, and what tests ask of it.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axon_api::kinds::task::Task;
use axon_local::connect::{self, ConnectOptions};
use axon_local::directory::Directory;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::wait::{Condition, await_condition};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// The program with the hidden commands.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_axon-local");

/// One plane in a folder of its own.
#[derive(Clone)]
pub(crate) struct Plane {
    folder: Arc<TempDir>,
    pub(crate) directory: Directory,
}

/// Runs a test on a plane, and ends all that it left behind, also when it fails.
pub(crate) fn on_a_plane<F>(test: impl FnOnce(Plane) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let plane = Plane {
        directory: Directory::new(folder.path().join("plane")),
        folder,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let outcome = tokio::spawn(tokio::time::timeout(PATIENCE, test(plane.clone()))).await;
        plane.clean_up().await;
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(_)) => panic!("it took too long; {}", plane.log()),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => panic!("{error}"),
            },
        }
    });
}

impl Plane {
    pub(crate) fn options(&self) -> ConnectOptions {
        ConnectOptions {
            directory: self.directory.clone(),
            program: PathBuf::from(PROGRAM),
        }
    }

    /// A client; the plane serves from then on.
    pub(crate) async fn client(&self) -> Client {
        connect::client(&self.options()).await.expect("a plane")
    }

    /// A file that test and agent both reach, without a sandbox.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A pipe that holds up whoever reads it until the test lets go.
    pub(crate) fn gate(&self, name: &str) -> PathBuf {
        let path = self.file(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        path
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.log()).unwrap_or_default()
    }

    /// Kills the serving process as a crash does.
    pub(crate) async fn crash(&self) {
        let serving = connect::status(&self.directory).await.expect("an answer");
        let pid = serving.expect("serving").pid;
        let pid = rustix::process::Pid::from_raw(pid).expect("a process");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
        until(|| {
            let connected = std::os::unix::net::UnixStream::connect(self.directory.socket());
            connected.is_err()
        })
        .await;
    }

    async fn clean_up(&self) {
        let Ok(client) = connect::client(&self.options()).await else {
            return;
        };
        let none = DeleteParams::default();
        let every = ListParams::default();
        let tasks: Api<Task> = Api::default_namespaced(client.clone());
        let jobs: Api<Job> = Api::default_namespaced(client.clone());
        let pods: Api<Pod> = Api::default_namespaced(client);
        let _ = tasks.delete_collection(&none, &every).await;
        let _ = jobs.delete_collection(&none, &every).await;
        let _ = pods
            .delete_collection(&DeleteParams::default().grace_period(0), &every)
            .await;
        let pods = self.directory.root().join("pods");
        let gone = until(|| fs::read_dir(&pods).map_or(true, |mut left| left.next().is_none()));
        let _ = tokio::time::timeout(PATIENCE, gone).await;
        let _ = connect::stop(&self.directory).await;
    }
}

/// Waits for something that nobody announces.
pub(crate) async fn until(mut there: impl FnMut() -> bool) {
    while !there() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Lets go whoever reads the pipe.
pub(crate) async fn open(gate: &Path) {
    let gate = gate.to_owned();
    let opened = tokio::task::spawn_blocking(move || fs::write(gate, "go\n"));
    opened.await.expect("no panic").expect("opened");
}

pub(crate) async fn create<K>(client: &Client, object: Value) -> K
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: DeserializeOwned + serde::Serialize + Clone + std::fmt::Debug,
{
    let object = serde_json::from_value(object).expect("an object");
    let api: Api<K> = Api::default_namespaced(client.clone());
    let created = api.create(&PostParams::default(), &object).await;
    created.expect("created")
}

/// Waits until an object is as asked for, and returns it.
pub(crate) async fn reaches<K>(client: &Client, name: &str, wanted: impl Condition<K>) -> K
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: DeserializeOwned + Clone + std::fmt::Debug + Send + Sync + 'static,
{
    let api: Api<K> = Api::default_namespaced(client.clone());
    let reached = await_condition(api, name, wanted).await.expect("a watch");
    reached.expect("the object")
}

/// A Task that runs a script without a sandbox.
pub(crate) fn script(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "axon.io/v1alpha1",
        "kind": "Task",
        "metadata": {"name": name, "annotations": {"axon.io/sandbox": "none"}},
        "spec": {"type": "shell", "prompt": script},
    })
}

/// A pod of one container that runs a command of this machine.
pub(crate) fn pod(name: &str, sandbox: &str, command: &[&str]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": {"axon.io/sandbox": sandbox}},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "agent", "image": "none", "command": command}],
        },
    })
}

pub(crate) fn phase(pod: Option<&Pod>) -> Option<&str> {
    pod?.status.as_ref()?.phase.as_deref()
}

/// What the pod's container printed.
pub(crate) async fn output(client: &Client, pod: &str) -> String {
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    pods.logs(pod, &kube::api::LogParams::default())
        .await
        .expect("logs")
}
