//! The embedded plane, in a folder of its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;

use super::program;
use crate::{clis, wait};

/// How long a plane may take to end all that it started.
const END: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Embedded {
    folder: tempfile::TempDir,
    kubeconfig: PathBuf,
    /// The agent CLIs first, then what the test was started with.
    search_path: OsString,
    webhooks: SocketAddr,
}

impl Embedded {
    pub(super) async fn start(webhooks: SocketAddr) -> anyhow::Result<Self> {
        let agents = clis::install().await?;
        let folder = tempfile::Builder::new().prefix("axon-e2e-plane-").tempdir()?;
        std::fs::create_dir(folder.path().join("home"))?;
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let search_path =
            std::env::join_paths([agents].into_iter().chain(std::env::split_paths(&inherited)))?;
        let kubeconfig = folder.path().join("local/kubeconfig");
        let plane = Self {
            folder,
            kubeconfig,
            search_path,
            webhooks,
        };
        plane.serve().await?;
        Ok(plane)
    }

    pub(super) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.path().join("local/serve.log")
    }

    pub(super) fn connect(&self, command: &mut Command) {
        command
            .env("HOME", self.folder.path().join("home"))
            .env("AXON_LOCAL_DIR", self.folder.path().join("local"))
            .env("AXON_WEBHOOK_ADDRESS", self.webhooks.to_string())
            .env("PATH", &self.search_path)
            .env("KUBECONFIG", &self.kubeconfig);
    }

    /// Starts the plane unless it serves.
    pub(super) async fn serve(&self) -> anyhow::Result<()> {
        self.local("kubeconfig").await
    }

    async fn local(&self, verb: &str) -> anyhow::Result<()> {
        let mut command = Command::new(program("kubectl-axon")?);
        self.connect(&mut command);
        let out = command
            .args(["local", verb])
            .output()
            .await
            .context("failed to start kubectl-axon")?;
        ensure!(
            out.status.success(),
            "failed to run `kubectl-axon local {verb}`: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        Ok(())
    }

    pub(super) fn process(&self) -> anyhow::Result<u32> {
        let serving = self.serving()?;
        let process = serving.first().context("no plane is serving")?;
        Ok(u32::try_from(process.id.as_raw())?)
    }

    fn serving(&self) -> anyhow::Result<Vec<Process>> {
        let mut all = self.all()?;
        all.retain(|process| process.command.contains(" local serve"));
        Ok(all)
    }

    pub(super) async fn crash(&self) -> anyhow::Result<()> {
        let serving = self.serving()?;
        ensure!(!serving.is_empty(), "no plane is serving: {:?}", self.all()?);
        for process in &serving {
            kill(process.id, Signal::SIGKILL)?;
        }
        wait::until(END, "the killed plane to be gone", async || {
            Ok(serving.iter().all(|killed| has_ended(killed.id)))
        })
        .await
    }

    pub(super) async fn end(&self) -> anyhow::Result<()> {
        self.local("stop").await?;
        let gone = wait::until(END, "the plane's processes to be gone", async || {
            Ok(self.all()?.is_empty())
        })
        .await;
        gone.with_context(|| format!("left behind: {:?}", self.all()))
    }

    /// The processes that have this plane's folder in their environment or their arguments.
    fn all(&self) -> anyhow::Result<Vec<Process>> {
        processes(self.folder.path().as_os_str().as_bytes())
    }
}

/// Whether nothing of a process is left but, at most, its exit code. Its arguments vanish earlier,
/// when its sockets are still open.
fn has_ended(process: Pid) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else {
        return true;
    };
    // The state follows the name, which is in brackets and may have any character in it.
    stat.rsplit(") ")
        .next()
        .is_some_and(|rest| rest.starts_with(['Z', 'X']))
}

/// The processes of agents of this namespace.
pub(super) fn agents_of(namespace: &str) -> anyhow::Result<Vec<String>> {
    let mark = format!("{}={namespace}", axon_api::variables::TASK_NAMESPACE);
    Ok(processes(mark.as_bytes())?
        .into_iter()
        .map(|process| process.command)
        .collect())
}

/// The processes that have this text in their environment or their arguments.
fn processes(mark: &[u8]) -> anyhow::Result<Vec<Process>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let folder = entry?.path();
        let Some(id) = folder
            .file_name()
            .and_then(|name| name.to_str()?.parse::<i32>().ok())
        else {
            continue;
        };
        // A process that has just ended cannot be read any more.
        let command = std::fs::read(folder.join("cmdline")).unwrap_or_default();
        let environment = std::fs::read(folder.join("environ")).unwrap_or_default();
        let marked = |text: &[u8]| text.windows(mark.len()).any(|window| window == mark);
        if !command.is_empty() && (marked(&command) || marked(&environment)) {
            all.push(Process {
                id: Pid::from_raw(id),
                command: String::from_utf8_lossy(&command).replace('\0', " "),
            });
        }
    }
    Ok(all)
}

#[derive(Debug)]
struct Process {
    id: Pid,
    command: String,
}

impl Drop for Embedded {
    /// A test that failed must not leave processes either.
    fn drop(&mut self) {
        for process in self.all().unwrap_or_default() {
            let _ = kill(process.id, Signal::SIGKILL);
        }
    }
}
