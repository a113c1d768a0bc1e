//! The Job controller and the "kubelet" of one machine.
//!
//! A Job gets its pod, and a pod whose gates are gone runs as processes of this machine: one after
//! the other its init containers, then the others. Each container has a supervising process of its own
//! ([`container_main`]) that outlives the plane. What happened is in the pod's folder before it is
//! anywhere else, so that a plane that is killed at any moment starts nothing twice: the next one
//! adopts what runs and reports what has ended.
//!
//! # What a container gets here
//!
//! - Images do not exist: a program is looked for on the `PATH` that the serving process was started
//!   with.
//! - Of the user's environment it gets `PATH`, language, terminal, proxies and certificates. Keys
//!   come from Secrets alone, and the home is a folder of the pod: a login of the user's own is not
//!   used.
//! - In bubblewrap it sees the machine read-only, without homes, `/run` and scratch folders, but with
//!   the programs of `PATH` wherever they are. What such a program needs besides, as a toolchain in
//!   `~/.rustup`, is hidden. The network is the machine's, and so are abstract sockets.
//! - Without a sandbox, variables, arguments and the working directory that name a path of a volume
//!   are translated to the folder of the machine.
//! - One pod at a time for a Job; no limits of CPU or memory; no `envFrom`, no probes, no volumes but
//!   `emptyDir`, `secret`, `configMap` and `persistentVolumeClaim`. A claim is a folder of the plane,
//!   of any size, and a sidecar that has ended is not started again.

mod claims;
mod configuration;
mod container;
mod context;
mod controller;
mod environment;
mod expansion;
mod job;
mod kubelet;
mod mounts;
mod obstacle;
pub(crate) mod process;
mod record;
mod sandbox;
mod status;
mod supervisor;
mod volumes;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client};
use tokio::sync::{OnceCell, Semaphore, watch};

pub use supervisor::container_main;

use crate::directory::Directory;
use context::Context;

/// What the Job runner is told.
#[derive(Clone, Debug)]
pub struct Options {
    pub directory: Directory,
    /// The program that has the hidden commands `local container` and `local runner`.
    pub program: PathBuf,
    /// At most this many pods run at once; the others wait.
    pub parallel_pods: usize,
}

/// How many pods run at once unless told otherwise.
pub const DEFAULT_PARALLEL_PODS: usize = 16;

/// Tries the sandbox that agents get; the reason when it does not work.
pub async fn sandbox_works() -> Result<(), String> {
    match sandbox::bubblewrap::probe().await {
        sandbox::Bubblewrap::Works => Ok(()),
        sandbox::Bubblewrap::Fails(reason) => Err(reason),
    }
}

/// Runs Jobs and pods until a watch cannot go on. Dropped, it leaves what runs to the next one.
pub async fn run(client: Client, options: Options) -> anyhow::Result<()> {
    let (changes, configuration) = watch::channel(0);
    let changes = Arc::new(changes);
    let claims = claims::run(client.clone(), options.directory.clone(), Arc::clone(&changes));
    let context = Arc::new(Context {
        client: client.clone(),
        directory: options.directory,
        program: options.program,
        environment: environment::base(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        ),
        homes: homes(),
        node_name: node_name(),
        permits: Semaphore::new(options.parallel_pods.max(1)),
        configuration,
        bubblewrap: OnceCell::new(),
    });
    // Tried before a pod needs the answer.
    context.bubblewrap().await;
    tokio::select! {
        ended = controller::run(client.clone()) => ended,
        ended = kubelet::run(context) => ended,
        ended = claims => ended,
        () = count_changes(client, &changes) => anyhow::bail!("the watch of Secrets ended"),
    }
}

/// Counts the changes of Secrets and `ConfigMap`s, for those who wait for one.
async fn count_changes(client: Client, changes: &watch::Sender<u64>) {
    let secrets: Api<Secret> = Api::all(client.clone());
    let maps: Api<ConfigMap> = Api::all(client);
    let secrets = watcher(secrets, watcher::Config::default())
        .default_backoff()
        .map(|event| event.map(|_| ()));
    let maps = watcher(maps, watcher::Config::default())
        .default_backoff()
        .map(|event| event.map(|_| ()));
    futures::stream::select(secrets, maps)
        .for_each(|event| {
            match event {
                Ok(()) => changes.send_modify(|count| *count += 1),
                Err(error) => tracing::warn!("failed to watch Secrets: {error}"),
            }
            std::future::ready(())
        })
        .await;
}

/// The user's homes: what the environment says, and what the system says.
fn homes() -> Vec<PathBuf> {
    let said = std::env::var_os("HOME").map(PathBuf::from);
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::current());
    let known = user.ok().flatten().map(|user| user.dir);
    said.into_iter()
        .chain(known)
        .filter(|home| home.is_absolute())
        .collect()
}

/// The name of this machine.
fn node_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}
