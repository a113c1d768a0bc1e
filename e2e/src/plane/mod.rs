//! The planes on which the scenarios run: the embedded one and a real cluster.

mod cluster;
mod embedded;
mod programs;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::process::Command;

use cluster::Cluster;
use embedded::Embedded;
pub use programs::{built, helm, kubectl, program};

/// A control plane that serves Axon's kinds and runs Tasks.
pub struct Plane {
    client: kube::Client,
    webhooks: SocketAddr,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Embedded(Embedded),
    Cluster(Box<Cluster>),
}

/// Which plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaneKind {
    Embedded,
    Cluster,
}

/// Where servers of the tests listen, and by which name agents reach them.
#[derive(Clone, Debug)]
pub struct Host {
    pub address: IpAddr,
    pub name: String,
}

impl Plane {
    /// Starts the embedded plane in a folder of its own, or the operator against the cluster that
    /// `AXON_E2E_KUBECONFIG`, else `KUBECONFIG`, names.
    pub async fn start(kind: PlaneKind) -> anyhow::Result<Self> {
        let webhooks = free_address()?;
        let kind = match kind {
            PlaneKind::Embedded => Kind::Embedded(Embedded::start(webhooks).await?),
            PlaneKind::Cluster => Kind::Cluster(Box::new(Cluster::start(webhooks).await?)),
        };
        let kubeconfig = match &kind {
            Kind::Embedded(plane) => plane.kubeconfig(),
            Kind::Cluster(plane) => plane.kubeconfig(),
        };
        let client = client(kubeconfig).await?;
        Ok(Self {
            client,
            webhooks,
            kind,
        })
    }

    pub fn kind(&self) -> PlaneKind {
        match &self.kind {
            Kind::Embedded(_) => PlaneKind::Embedded,
            Kind::Cluster(_) => PlaneKind::Cluster,
        }
    }

    /// Where servers for this plane's agents must listen.
    pub fn host(&self) -> anyhow::Result<Host> {
        match &self.kind {
            Kind::Embedded(_) => Ok(Host {
                address: IpAddr::from([127, 0, 0, 1]),
                name: "127.0.0.1".to_owned(),
            }),
            Kind::Cluster(_) => cluster::host(),
        }
    }

    /// Where the webhooks of a source arrive, `github` or that of a generic webhook.
    pub fn webhook_url(&self, source: &str) -> String {
        format!("http://{}/webhook/{source}", self.webhooks)
    }

    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Real kubectl, connected to this plane.
    pub fn kubectl(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(kubectl()?);
        self.connect(&mut command);
        Ok(command)
    }

    /// `kubectl-axon`, connected to this plane.
    pub fn axon(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(program("kubectl-axon")?);
        self.connect(&mut command);
        if self.kind() == PlaneKind::Embedded {
            command.arg("--local");
        }
        Ok(command)
    }

    fn connect(&self, command: &mut Command) {
        match &self.kind {
            Kind::Embedded(plane) => plane.connect(command),
            Kind::Cluster(plane) => plane.connect(command),
        }
        command.kill_on_drop(true);
    }

    /// Kills what works on Tasks with SIGKILL: the embedded plane, or the operator.
    pub async fn crash(&self) -> anyhow::Result<()> {
        match &self.kind {
            Kind::Embedded(plane) => plane.crash().await,
            Kind::Cluster(plane) => plane.crash().await,
        }
    }

    /// Starts it again.
    pub async fn recover(&self) -> anyhow::Result<()> {
        match &self.kind {
            Kind::Embedded(plane) => plane.serve().await,
            Kind::Cluster(plane) => plane.recover().await,
        }
    }

    /// The process that works on Tasks and spawners.
    pub async fn process(&self) -> anyhow::Result<u32> {
        match &self.kind {
            Kind::Embedded(plane) => plane.process(),
            Kind::Cluster(plane) => plane.process().await,
        }
    }

    /// The processes on this machine that belong to agents of this namespace; agents of a cluster
    /// are not seen.
    pub fn processes_with(&self, namespace: &str) -> anyhow::Result<Vec<String>> {
        match &self.kind {
            Kind::Embedded(_) => embedded::agents_of(namespace),
            Kind::Cluster(_) => Ok(Vec::new()),
        }
    }

    /// The last lines of what the plane logged, for a test's report.
    pub fn log(&self) -> String {
        let path = match &self.kind {
            Kind::Embedded(plane) => plane.log(),
            Kind::Cluster(plane) => plane.log(),
        };
        let text = std::fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Ends it. The embedded plane must leave no process behind.
    pub async fn end(&self) -> anyhow::Result<()> {
        match &self.kind {
            Kind::Embedded(plane) => plane.end().await,
            Kind::Cluster(plane) => plane.end().await,
        }
    }
}

/// An address of this machine that nobody listens on. A plane that was killed takes it again.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("failed to find a free port")?;
    Ok(listener.local_addr()?)
}

async fn client(kubeconfig: &Path) -> anyhow::Result<kube::Client> {
    let file = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("failed to read `{}`", kubeconfig.display()))?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Ok(kube::Client::try_from(config)?)
}
