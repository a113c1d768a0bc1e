//! The Helm chart, rendered.

use std::path::PathBuf;

use anyhow::ensure;
use tokio::process::Command;

use crate::plane::helm;

/// The Kubernetes for which the chart is rendered where no cluster is asked.
pub const KUBERNETES: &str = "1.34.0";

/// The folder of the chart.
pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/axon"))
}

/// The files with values for which the chart has to be right, sorted.
pub fn values() -> anyhow::Result<Vec<PathBuf>> {
    let files = std::fs::read_dir(folder().join("ci"))?;
    let mut files: Vec<PathBuf> = files
        .map(|file| Ok(file?.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    Ok(files)
}

/// Real Helm.
pub fn command() -> anyhow::Result<Command> {
    let mut command = Command::new(helm()?);
    command.kill_on_drop(true);
    Ok(command)
}

/// The release `axon` in namespace `axon-system` as YAML, rendered with these arguments more.
///
/// # Errors
///
/// When Helm refuses, with its words.
pub async fn template(arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = command()?;
    command
        .args(["template", "axon"])
        .arg(folder())
        .args(["--namespace=axon-system", "--kube-version", KUBERNETES])
        .args(arguments);
    let out = command.output().await?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(String::from_utf8(out.stdout)?)
}
