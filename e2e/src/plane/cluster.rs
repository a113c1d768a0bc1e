//! A real cluster, with the operator as a process of this machine, which has the rights that the chart
//! gives to it and no more.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use kube::ResourceExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use super::{Host, kubectl, program};
use crate::chart;
use crate::world::PATIENCE;

/// The service account that the chart makes.
const ACCOUNT: &str = "axon-controller-manager";

#[derive(Debug)]
pub(super) struct Cluster {
    kubeconfig: PathBuf,
    folder: tempfile::TempDir,
    operator: Mutex<Option<Child>>,
    webhooks: SocketAddr,
}

/// Where servers of the tests listen: `AXON_E2E_HOST_ADDRESS`, an address of this machine, which
/// pods reach by the name `AXON_E2E_HOST_NAME`, or else by the address.
pub(super) fn host() -> anyhow::Result<Host> {
    let address = std::env::var("AXON_E2E_HOST_ADDRESS").context(
        "AXON_E2E_HOST_ADDRESS is not set: an address of this machine that pods can reach\nhint: e2e/run sets it",
    )?;
    let name = std::env::var("AXON_E2E_HOST_NAME").unwrap_or_else(|_| address.clone());
    let address: IpAddr = address
        .parse()
        .with_context(|| format!("AXON_E2E_HOST_ADDRESS is no address: `{address}`"))?;
    Ok(Host { address, name })
}

impl Cluster {
    pub(super) async fn start(webhooks: SocketAddr) -> anyhow::Result<Self> {
        let kubeconfig = std::env::var_os("AXON_E2E_KUBECONFIG")
            .or_else(|| std::env::var_os("KUBECONFIG"))
            .context("no cluster is named\nhint: set AXON_E2E_KUBECONFIG, or call e2e/run")?;
        let cluster = Self {
            kubeconfig: kubeconfig.into(),
            folder: tempfile::Builder::new().prefix("axon-e2e-operator-").tempdir()?,
            operator: Mutex::new(None),
            webhooks,
        };
        cluster.apply_definitions().await?;
        cluster.make_namespace().await?;
        cluster.give_rights().await?;
        cluster.recover().await?;
        Ok(cluster)
    }

    pub(super) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.path().join("operator.log")
    }

    pub(super) fn connect(&self, command: &mut Command) {
        command
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", &self.kubeconfig);
    }

    /// Makes the namespace of the operator's Lease, which an installation would have.
    async fn make_namespace(&self) -> anyhow::Result<()> {
        let mut apply = Command::new(kubectl()?);
        self.connect(&mut apply);
        let out = apply
            .args(["create", "namespace", "axon-system"])
            .output()
            .await?;
        let said = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success() || said.contains("AlreadyExists"), "{said}");
        Ok(())
    }

    /// `axon-operator crd --with-admission | kubectl apply -f -`, as people do it.
    async fn apply_definitions(&self) -> anyhow::Result<()> {
        let out = Command::new(program("axon-operator")?)
            .args(["crd", "--with-admission"])
            .output()
            .await
            .context("failed to start axon-operator")?;
        ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        self.kubectl_with(&["apply", "-f", "-"], &out.stdout)
            .await
            .context("failed to apply the definitions")?;
        let mut established = Command::new(kubectl()?);
        self.connect(&mut established);
        let status = established
            .args(["wait", "--for=condition=Established", "--timeout=60s", "crd"])
            .args(axon_api::crd::all().iter().map(ResourceExt::name_any))
            .stdout(Stdio::null())
            .status()
            .await?;
        ensure!(status.success(), "the definitions were not established");
        Ok(())
    }

    /// What the chart installs but for a running operator, and a kubeconfig with the token of its service
    /// account.
    async fn give_rights(&self) -> anyhow::Result<()> {
        let values = [
            "--set=crds.enabled=false,admission.enabled=false,replicas=0",
            "--skip-tests",
        ];
        let objects = chart::template(&values).await?;
        self.kubectl_with(
            &["apply", "--server-side", "--force-conflicts", "-f", "-"],
            objects.as_bytes(),
        )
        .await
        .context("failed to install the chart without an operator")?;
        let token = self
            .kubectl_with(
                &[
                    "create",
                    "token",
                    ACCOUNT,
                    "--namespace=axon-system",
                    "--duration=12h",
                ],
                &[],
            )
            .await?;
        let whole = self
            .kubectl_with(&["config", "view", "--raw", "--minify", "--output=json"], &[])
            .await?;
        let mut kubeconfig: Value = serde_json::from_str(&whole)?;
        kubeconfig["users"][0]["user"] = json!({ "token": token.trim() });
        let path = self.operators_kubeconfig();
        std::fs::write(&path, serde_json::to_vec(&kubeconfig)?)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(())
    }

    fn operators_kubeconfig(&self) -> PathBuf {
        self.folder.path().join("operator.kubeconfig")
    }

    /// Runs kubectl, which is to succeed, and answers with what it printed.
    async fn kubectl_with(&self, arguments: &[&str], input: &[u8]) -> anyhow::Result<String> {
        let mut command = Command::new(kubectl()?);
        self.connect(&mut command);
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input).await?;
        }
        let out = child.wait_with_output().await?;
        ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8(out.stdout)?)
    }

    pub(super) async fn process(&self) -> anyhow::Result<u32> {
        let operator = self.operator.lock().await;
        let id = operator.as_ref().and_then(Child::id);
        id.context("no operator is running")
    }

    pub(super) async fn crash(&self) -> anyhow::Result<()> {
        let mut operator = self.operator.lock().await;
        let mut child = operator.take().context("no operator is running")?;
        child.kill().await?;
        Ok(())
    }

    pub(super) async fn recover(&self) -> anyhow::Result<()> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())?;
        let mut command = Command::new(program("axon-operator")?);
        command
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", self.operators_kubeconfig());
        let arguments = std::env::var("AXON_E2E_OPERATOR_ARGS").unwrap_or_default();
        let child = command
            .args(["run", "--log-format=text"])
            // Nobody asks for these here, and free ports keep clear of what else runs.
            .args(["--health-address=127.0.0.1:0", "--metrics-address=127.0.0.1:0"])
            .arg(format!("--webhook-address={}", self.webhooks))
            .args(arguments.split_whitespace())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("failed to start axon-operator")?;
        *self.operator.lock().await = Some(child);
        Ok(())
    }

    pub(super) async fn end(&self) -> anyhow::Result<()> {
        let mut operator = self.operator.lock().await;
        let Some(mut child) = operator.take() else {
            return Ok(());
        };
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("the operator had ended: {status}");
        }
        // Asked to end, it gives its Lease back, and the next one need not wait for it.
        if let Some(id) = child.id() {
            kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGTERM)?;
        }
        let status = tokio::time::timeout(PATIENCE, child.wait())
            .await
            .context("the operator does not end when it is asked to")??;
        ensure!(status.success(), "the operator ended with {status}");
        Ok(())
    }
}
