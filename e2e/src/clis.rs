//! The real agent CLIs, from npm by exact version, installed once on this machine.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use nix::fcntl::{Flock, FlockArg};
use tokio::process::Command;

const PACKAGE: &str = include_str!("../agents/package.json");
const LOCK: &str = include_str!("../agents/package-lock.json");

/// The CLIs' programs, by the names under which npm installs them.
pub const PROGRAMS: [&str; 4] = ["claude", "codex", "gemini", "opencode"];

/// Installs the CLIs, unless they are there, and returns the folder with their programs. The
/// first installation takes about 20 seconds and 1.2 GiB below `~/.cache/axon-e2e`; several
/// processes may ask at once.
pub async fn install() -> anyhow::Result<PathBuf> {
    let prefix = prefix()?;
    let bin = prefix.join("node_modules/.bin");
    let done = prefix.join(".installed");
    if done.exists() {
        return Ok(bin);
    }
    std::fs::create_dir_all(&prefix)?;
    let lock = lock(prefix.join(".lock")).await?;
    if !done.exists() {
        npm_ci(&prefix).await?;
        for program in PROGRAMS {
            ensure!(bin.join(program).exists(), "npm installed no program `{program}`");
        }
        std::fs::write(&done, "")?;
    }
    drop(lock);
    Ok(bin)
}

/// Where they are installed: a folder for each content of the lock file.
pub fn prefix() -> anyhow::Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
        .context("failed to find a cache folder: neither XDG_CACHE_HOME nor HOME is set")?;
    let mut hasher = DefaultHasher::new();
    LOCK.hash(&mut hasher);
    Ok(cache
        .join("axon-e2e")
        .join(format!("agents-{:016x}", hasher.finish())))
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

async fn npm_ci(prefix: &Path) -> anyhow::Result<()> {
    std::fs::write(prefix.join("package.json"), PACKAGE)?;
    std::fs::write(prefix.join("package-lock.json"), LOCK)?;
    let out = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--no-update-notifier"])
        .current_dir(prefix)
        .output()
        .await
        .context("failed to start npm\nhint: install Node.js 20 or newer with npm")?;
    ensure!(
        out.status.success(),
        "failed to install the agent CLIs with npm: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    Ok(())
}
