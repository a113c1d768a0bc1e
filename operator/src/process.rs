//! The operator as a process: client, pages, lease and controllers, of which the first to end ends
//! the process.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use axon_operator::lease::Election;
use axon_operator::metrics::Metrics;
use axon_operator::webhook::{Server, ServerOptions};
use axon_operator::{Config, controllers, crds, features, server};
use axum::Router;
use kube::Client;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::cli::{LogFormat, LogOptions, RunOptions};

/// Where a pod finds its own namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// The namespace of Leases outside of a cluster.
const DEFAULT_NAMESPACE: &str = "axon-system";
/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a request may take to be sent.
const WRITE: Duration = Duration::from_secs(30);

/// Threads at most: the work is waiting for the server, and each thread's heap costs memory.
const MOST_THREADS: usize = 4;

/// Runs the controllers until the process is told to end.
pub(crate) fn run(options: RunOptions) -> anyhow::Result<()> {
    start_log(&options.log)?;
    features::require(&options.expect_features)?;
    install_tls()?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(MOST_THREADS))
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    let result = runtime.block_on(operate(options));
    // What still waits, such as a connection that is being closed, must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

/// Makes ring what all TLS of this process is done with.
pub(crate) fn install_tls() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))
}

fn start_log(options: &LogOptions) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.log_level)
        .with_context(|| format!("failed to read the log level `{}`", options.log_level))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_writer(std::io::stderr);
    match options.log_format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.init(),
    }
    Ok(())
}

async fn operate(options: RunOptions) -> anyhow::Result<()> {
    let metrics = Metrics::default();
    let (ready, is_ready) = watch::channel(false);
    let health = serve("health", options.health_address, server::health(is_ready)).await?;
    let page = serve(
        "metrics",
        options.metrics_address,
        server::metrics(metrics.clone()),
    )
    .await?;
    let shutdown = Shutdown::on_signals()?;
    let client = client().await?;
    // Every replica takes deliveries, whether it leads or not.
    let webhooks = webhooks(&options, client.clone(), metrics.clone()).await?;
    let work = lead(options, client, metrics, ready, shutdown);
    tokio::select! {
        ended = work => ended,
        ended = webhooks => Err(ended),
        ended = health => Err(ended),
        ended = page => Err(ended),
    }
}

/// Does the work, as soon as this replica is the one to do it.
async fn lead(
    options: RunOptions,
    client: Client,
    metrics: Metrics,
    ready: watch::Sender<bool>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let identity = identity();
    let config = Config {
        settings: options.settings(own_namespace),
        watch_namespaces: options.watch_namespaces.clone(),
        secrets: options.secrets.clone(),
        concurrency: options.concurrency,
        instance: identity.clone(),
        github_api_url: options.github_api_url.clone(),
        webhook: options.webhook.config(),
    };
    let namespace = config.settings.lease_namespace.clone();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), identity, "started");
    crds::require_new_enough(&client).await?;
    tokio::select! {
        () = crds::wait_until_served(&client) => {}
        () = shutdown.begun() => return Ok(()),
    }
    tokio::spawn(crds::warn_of_older_definitions(client.clone()));
    if options.lease.no_leader_election {
        metrics.leader.set(1);
        return controllers::run_observed(client, config, metrics, ready, shutdown.begun()).await;
    }
    let election = Election::new(client.clone(), &namespace, &options.lease.lease_name, identity);
    // A replica that stands by is as ready as it can be.
    ready.send_replace(true);
    let mut held = tokio::select! {
        held = election.acquire() => held,
        () = shutdown.begun() => return Ok(()),
    };
    ready.send_replace(false);
    metrics.leader.set(1);
    let controllers = controllers::run_observed(client, config, metrics, ready, shutdown.begun());
    let result = tokio::select! {
        result = controllers => result,
        lost = held.keep() => return Err(lost.into()),
    };
    held.release().await;
    result
}

/// A client of the cluster that KUBECONFIG names, or that this pod is in.
pub(crate) async fn client() -> anyhow::Result<Client> {
    let mut config = kube::Config::infer()
        .await
        .context("failed to find a cluster\nhint: set KUBECONFIG, or run in a pod")?;
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(WRITE);
    let agent = concat!("axon-operator/", env!("CARGO_PKG_VERSION"));
    config.headers.push((
        axum::http::header::USER_AGENT,
        axum::http::HeaderValue::from_static(agent),
    ));
    Client::try_from(config).context("failed to make a client of the cluster's configuration")
}

/// Serves pages; the future ends only when that is no longer possible.
async fn serve(
    what: &'static str,
    address: SocketAddr,
    pages: Router,
) -> anyhow::Result<impl Future<Output = anyhow::Error>> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("failed to serve {what} on `{address}`"))?;
    tracing::info!(what, address = %listener.local_addr().unwrap_or(address), "serves");
    let server = tokio::spawn(async move { axum::serve(listener, pages).await });
    Ok(async move {
        match server.await {
            Ok(Ok(())) => anyhow::anyhow!("the {what} server has ended"),
            Ok(Err(error)) => anyhow::Error::new(error).context(format!("failed to serve {what}")),
            Err(error) => anyhow::Error::new(error).context(format!("failed to serve {what}")),
        }
    })
}

/// Takes deliveries, if there is an address for them; the future ends only when that is no longer
/// possible.
async fn webhooks(
    options: &RunOptions,
    client: Client,
    metrics: Metrics,
) -> anyhow::Result<impl Future<Output = anyhow::Error> + use<>> {
    let server = match options.webhook.address() {
        Some(address) => Some(
            Server::bind(ServerOptions {
                address,
                secrets: options.webhook.config().secrets,
                namespace: options.settings(own_namespace).lease_namespace,
                watch_namespaces: options.watch_namespaces.clone(),
            })
            .await?,
        ),
        None => None,
    };
    Ok(async move {
        match server {
            Some(server) => server.run(client, metrics).await,
            None => std::future::pending().await,
        }
    })
}

/// Tells this process from all others: the pod's name, and some digits because a pod may restart.
fn identity() -> String {
    let name = std::env::var("POD_NAME")
        .or_else(|_| std::env::var("HOSTNAME"))
        .unwrap_or_else(|_| "axon-operator".to_owned());
    let digits = RandomState::new().hash_one(std::process::id());
    format!("{name}_{digits:016x}")
}

fn own_namespace() -> String {
    std::env::var("POD_NAMESPACE")
        .or_else(|_| std::fs::read_to_string(NAMESPACE_FILE))
        .map(|namespace| namespace.trim().to_owned())
        .ok()
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned())
}

/// Whether the process was told to end.
struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Listens for SIGTERM and SIGINT.
    fn on_signals() -> anyhow::Result<Self> {
        let mut terminate = signal(SignalKind::terminate()).context("failed to watch for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("failed to watch for SIGINT")?;
        let (sender, begun) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("was told to end");
            sender.send_replace(true);
            // The channel stays, so that nobody takes its end for a signal.
            sender.closed().await;
        });
        Ok(Self(begun))
    }

    /// Resolves once the process was told to end.
    fn begun(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut begun = self.0.clone();
        async move {
            let _ = begun.wait_for(|begun| *begun).await;
        }
    }
}
