//! How commands reach the plane of a folder: they talk to the process that serves it, and start one
//! where there is none.

mod client;
mod start;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use kube::Client;
use rustix::process::Signal;
use tokio::net::UnixStream;

use crate::directory::Directory;
use crate::serve::record::Record;
use crate::serve::unfinished_tasks;

/// Which plane, and what serves it where nobody does.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    pub directory: Directory,
    /// The program that has the hidden command `local serve`; usually the one that runs.
    pub program: PathBuf,
}

/// How long a serving process may take to end after it was asked to.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// How long one that does not answer any longer may take to end.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// A client of the plane. Starts a serving process if there is none, and replaces one of another
/// version that has nothing to do.
pub async fn client(options: &ConnectOptions) -> anyhow::Result<Client> {
    let directory = &options.directory;
    if !is_open(directory).await {
        start::serve(options).await?;
        return Ok(client::over_socket(directory.socket()));
    }
    let client = client::over_socket(directory.socket());
    let version = match client.apiserver_version().await {
        Ok(version) => version,
        // It ended, having been idle, between the two looks.
        Err(_) if has_ended(directory).await => {
            start::serve(options).await?;
            return Ok(client::over_socket(directory.socket()));
        }
        Err(error) => {
            let root = directory.root().display();
            return Err(error).with_context(|| format!("failed to talk to the plane of `{root}`"));
        }
    };
    if is_own_version(&version.git_version) {
        return Ok(client);
    }
    let unfinished = unfinished_tasks(&client).await;
    if unfinished != Ok(0) {
        bail!(
            "failed to use the plane of `{}`: `{}` serves it, this is version `{}`, and it has unfinished Tasks\n\
             hint: wait for them to end, or run `kubectl axon local stop`: agents that run go on, and this version adopts them",
            directory.root().display(),
            version.git_version,
            env!("CARGO_PKG_VERSION"),
        );
    }
    stop(directory).await?;
    start::serve(options).await?;
    Ok(client::over_socket(directory.socket()))
}

/// Path of a kubeconfig for plain kubectl, with a process that serves it.
pub async fn kubeconfig(options: &ConnectOptions) -> anyhow::Result<PathBuf> {
    client(options).await?;
    Ok(options.directory.kubeconfig())
}

/// What happened to the process that serves a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It ended. The agents that it had started go on.
    Ended,
    NotServing,
}

/// Ends the process that serves the folder, if there is one.
pub async fn stop(directory: &Directory) -> anyhow::Result<Stopped> {
    let Some(record) = serving(directory) else {
        return Ok(Stopped::NotServing);
    };
    record.process.signal(Signal::TERM);
    let ended = tokio::time::timeout(STOP_PATIENCE, record.process.ended()).await;
    match ended {
        Ok(ended) => {
            ended.context("failed to watch the serving process")?;
            Ok(Stopped::Ended)
        }
        Err(_) => bail!(
            "failed to stop the plane of `{}`: process {} still runs\nhint: kill -9 {}: nothing that was acknowledged is lost",
            directory.root().display(),
            record.process.pid,
            record.process.pid,
        ),
    }
}

/// The process that serves a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    pub pid: i32,
    pub version: String,
    pub since: Timestamp,
    pub socket: PathBuf,
    /// The loopback port for plain kubectl.
    pub port: u16,
    /// Tasks that have not finished.
    pub unfinished_tasks: usize,
}

/// Who serves the folder; `None` if nobody does. Starts nothing.
pub async fn status(directory: &Directory) -> anyhow::Result<Option<Serving>> {
    let Some(record) = serving(directory) else {
        return Ok(None);
    };
    let client = client::over_socket(directory.socket());
    let unfinished_tasks = unfinished_tasks(&client)
        .await
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("failed to talk to the plane of `{}`", directory.root().display()))?;
    Ok(Some(Serving {
        pid: record.process.pid,
        version: record.version,
        since: record.since,
        socket: directory.socket(),
        port: record.port,
        unfinished_tasks,
    }))
}

fn serving(directory: &Directory) -> Option<Record> {
    Record::read(directory).filter(|record| record.process.is_alive())
}

/// Whether the process that served the folder is gone, or is just going.
async fn has_ended(directory: &Directory) -> bool {
    let Some(record) = serving(directory) else {
        return true;
    };
    tokio::time::timeout(END_PATIENCE, record.process.ended())
        .await
        .is_ok()
}

/// Whether somebody answers on the folder's socket.
async fn is_open(directory: &Directory) -> bool {
    UnixStream::connect(directory.socket()).await.is_ok()
}

/// Whether a plane's `gitVersion` is that of this build.
fn is_own_version(git_version: &str) -> bool {
    git_version
        .split_once("+axon-")
        .is_some_and(|(_, version)| version == env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_build_is_this_version() {
        let own = env!("CARGO_PKG_VERSION");
        assert!(is_own_version(&format!("v1.34.0+axon-{own}")));
        assert!(!is_own_version(&format!("v1.34.0+axon-{own}1")));
        assert!(!is_own_version(&format!("v{own}")));
    }

    #[tokio::test]
    async fn a_folder_that_nobody_serves_is_said_to_be_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = Directory::new(folder.path());
        assert_eq!(status(&directory).await.expect("an answer"), None);
        assert_eq!(stop(&directory).await.expect("an answer"), Stopped::NotServing);
    }
}
