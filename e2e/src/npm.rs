//! Packages from npm by exact version, installed once on this machine for all who ask.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use nix::fcntl::{Flock, FlockArg};
use tokio::process::Command;

/// What is installed together: a `package.json` and its lock file.
#[derive(Clone, Copy, Debug)]
pub struct Packages {
    /// The first part of the name of the folder below `~/.cache/axon-e2e`.
    pub name: &'static str,
    /// What is installed, for people.
    pub what: &'static str,
    pub package: &'static str,
    pub lock: &'static str,
}

impl Packages {
    /// Installs the packages, unless they are there, and returns their folder. `finish` sees the
    /// folder after npm, and its failure is that of the installation. Several processes may ask
    /// at once.
    pub async fn install(&self, finish: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<PathBuf> {
        let prefix = self.prefix()?;
        let done = prefix.join(".installed");
        if done.exists() {
            return Ok(prefix);
        }
        std::fs::create_dir_all(&prefix)?;
        let lock = lock(prefix.join(".lock")).await?;
        if !done.exists() {
            self.npm_ci(&prefix).await?;
            finish(&prefix)?;
            std::fs::write(&done, "")?;
        }
        drop(lock);
        Ok(prefix)
    }

    /// Where they are installed: a folder for each content of the lock file.
    pub fn prefix(&self) -> anyhow::Result<PathBuf> {
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
            .context("failed to find a cache folder: neither XDG_CACHE_HOME nor HOME is set")?;
        let mut hasher = DefaultHasher::new();
        self.lock.hash(&mut hasher);
        Ok(cache
            .join("axon-e2e")
            .join(format!("{}-{:016x}", self.name, hasher.finish())))
    }

    async fn npm_ci(&self, prefix: &Path) -> anyhow::Result<()> {
        std::fs::write(prefix.join("package.json"), self.package)?;
        std::fs::write(prefix.join("package-lock.json"), self.lock)?;
        let out = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--no-update-notifier"])
            .current_dir(prefix)
            .output()
            .await
            .context("failed to start npm\nhint: install Node.js 20 or newer with npm")?;
        ensure!(
            out.status.success(),
            "failed to install {} with npm: {}",
            self.what,
            String::from_utf8_lossy(&out.stderr)
        );
        Ok(())
    }
}

async fn lock(path: PathBuf) -> anyhow::Result<Flock<std::fs::File>> {
    tokio::task::spawn_blocking(move || {
        let file = std::fs::File::create(&path)?;
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, error)| error)
            .with_context(|| format!("failed to lock `{}`", path.display()))
    })
    .await?
}
