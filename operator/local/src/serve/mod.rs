//! The serving process: the plane, its two doors, the operator's controllers and the Job runner.
//!
//! One process serves a folder. It ends when nobody has used it for a while and no Task is
//! unfinished. What it started runs on and is adopted by the next one.

mod activity;
mod credentials;
mod listen;
mod lock;
mod operator;
pub(crate) mod record;

use std::fs;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axon_operator::metrics::Metrics;
use axon_operator::webhook::{Server, ServerOptions};
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;

pub(crate) use activity::unfinished_tasks;
pub use lock::AlreadyServing;

use crate::directory::Directory;
use crate::jobs;
use crate::plane::Plane;
use activity::Activity;
use credentials::Credentials;
use listen::Door;
use record::{Record, write_private};

/// How long the plane goes on without anybody who uses it, unless told otherwise.
pub const DEFAULT_IDLE: Duration = Duration::from_mins(10);

/// What a serving process is told.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    pub directory: Directory,
    /// The program with the hidden commands; usually the one that serves.
    pub program: PathBuf,
    /// The plane ends after this long without a request, once no Task is unfinished; `None` means
    /// that it goes on.
    pub idle: Option<Duration>,
    /// At most this many pods run at once.
    pub parallel_pods: usize,
}

impl ServeOptions {
    /// The usual options for a folder.
    pub fn new(directory: Directory, program: PathBuf) -> Self {
        Self {
            directory,
            program,
            idle: Some(DEFAULT_IDLE),
            parallel_pods: jobs::DEFAULT_PARALLEL_PODS,
        }
    }
}

/// Serves a folder until SIGTERM or SIGINT, or until nobody uses it. Logs to standard error.
///
/// The folder stays locked until the process has ended, which it is to do when this returns.
///
/// # Errors
///
/// [`AlreadyServing`] when another process serves the folder.
pub async fn run(options: ServeOptions) -> anyhow::Result<()> {
    // Of its own session, no terminal's end is its end. A process that leads a group, as in the
    // foreground of a shell, cannot leave it and need not.
    let _ = nix::unistd::setsid();
    let _ = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .try_init();
    // The supervisors of containers do not start where this process did.
    let directory = Directory::new(std::path::absolute(options.directory.root())?);
    private_root(&directory)?;
    let lock = lock::take(&directory)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let plane = Plane::open(&directory)?;
    let credentials = Credentials::of(&directory)?;
    let former = Record::read(&directory).map(|record| record.port);
    let port_listener = listen::bind_port(former).await?;
    let port = port_listener.local_addr()?.port();
    let tls = TlsAcceptor::from(Arc::new(credentials.tls()?));
    let kubeconfig = directory.kubeconfig();
    write_private(&kubeconfig, credentials.kubeconfig(port).as_bytes())
        .with_context(|| format!("failed to write `{}`", kubeconfig.display()))?;
    let record = Record {
        process: jobs::process::Identity::own()?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        since: Timestamp::now(),
        port,
    };
    record.write(&directory)?;

    let door = Door {
        plane: plane.clone(),
        activity: Activity::new(),
        token: None,
    };
    let guarded = Door {
        token: Some(Arc::new(credentials.token)),
        ..door.clone()
    };
    let activity = door.activity.clone();
    let idle = async {
        match options.idle {
            Some(limit) => activity::idle(activity, plane.client(), limit).await,
            None => pending().await,
        }
    };
    let runner = jobs::Options {
        directory: directory.clone(),
        program: options.program,
        parallel_pods: options.parallel_pods,
    };
    let told = operator::options(|name| std::env::var(name).ok())?;
    let webhooks = webhooks(told.webhooks, plane.client()).await?;
    let operator = axon_operator::controllers::run(plane.client(), told.config, pending());
    // The last thing that a waiting command sees: all that it may ask for is there.
    let socket = listen::bind_socket(&directory)?;
    tracing::info!("serving `{}`, port {port}", directory.root().display());
    let ended = tokio::select! {
        _ = terminate.recv() => Ok("asked to"),
        _ = interrupt.recv() => Ok("asked to"),
        () = idle => Ok("nobody uses it"),
        ended = jobs::run(plane.client(), runner) => ended.map(|()| "the Job runner ended"),
        ended = operator => ended.map(|()| "the operator ended"),
        ended = webhooks => Err(ended),
        () = listen::serve_socket(socket, door) => Ok("the socket closed"),
        () = listen::serve_port(port_listener, tls, guarded) => Ok("the port closed"),
    };
    // Before the lock is free: the next one makes its own.
    let _ = fs::remove_file(directory.socket());
    // Requests may still be answered until the process is gone, and so long no other may begin:
    // the kernel lets go of the lock.
    std::mem::forget(lock);
    tracing::info!("ends: {}", ended.as_ref().copied().unwrap_or("an error"));
    ended.map(|_| ())
}

/// Takes deliveries, if there is an address for them; the future ends only when that is no longer
/// possible.
async fn webhooks(
    options: Option<ServerOptions>,
    client: kube::Client,
) -> anyhow::Result<impl Future<Output = anyhow::Error>> {
    let server = match options {
        Some(options) => Some(Server::bind(options).await?),
        None => None,
    };
    Ok(async move {
        match server {
            Some(server) => server.run(client, Metrics::default()).await,
            None => pending().await,
        }
    })
}

/// Makes the folder, which only this user enters.
pub(crate) fn private_root(directory: &Directory) -> anyhow::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let root = directory.root();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(root)
        .and_then(|()| fs::set_permissions(root, fs::Permissions::from_mode(0o700)))
        .with_context(|| format!("failed to make the folder `{}`", root.display()))
}
