//! Where the programs under test are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The settings of the cluster, of which the version of Kubernetes is read.
const CLUSTER_SETTINGS: &str = include_str!("../../cluster/lib.sh");

/// A program of this workspace: it lies where Cargo put the running test, or one folder above.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    test.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.exists())
        .with_context(|| {
            format!(
                "failed to find the program `{name}` beside `{}`\nhint: cargo build --workspace --bins",
                test.display()
            )
        })
}

/// kubectl of the version that the scenarios were written for, else the one on `PATH`.
pub fn kubectl() -> anyhow::Result<PathBuf> {
    built("kubectl")
}

/// Helm, likewise.
pub fn helm() -> anyhow::Result<PathBuf> {
    built("helm")
}

/// A program that `e2e/cluster/build` builds: the one in its cache, else the one on `PATH`.
pub fn built(name: &str) -> anyhow::Result<PathBuf> {
    let version = CLUSTER_SETTINGS
        .lines()
        .find_map(|line| line.strip_prefix("K8S_VERSION="))
        .context("no version of Kubernetes in e2e/cluster/lib.sh")?;
    if let Some(cache) = cache()
        && let path = cache.join(version).join("bin").join(name)
        && path.exists()
    {
        return Ok(path);
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&search)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
    {
        Some(path) => Ok(path),
        None => bail!("failed to find {name}\nhint: e2e/cluster/build {name}"),
    }
}

fn cache() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    variable("AXON_CLUSTER_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("axon-cluster")))
        .or_else(|| Some(variable("HOME")?.join(Path::new(".cache/axon-cluster"))))
}
