//! The real agent CLIs, from npm by exact version, installed once on this machine.

use std::path::PathBuf;

use anyhow::ensure;

use crate::npm::Packages;

const CLIS: Packages = Packages {
    name: "agents",
    what: "the agent CLIs",
    package: include_str!("../agents/package.json"),
    lock: include_str!("../agents/package-lock.json"),
};

/// The CLIs' programs, by the names under which npm installs them.
pub const PROGRAMS: [&str; 4] = ["claude", "codex", "gemini", "opencode"];

/// The folder below a prefix of npm that has the programs.
const BIN: &str = "node_modules/.bin";

/// Installs the CLIs, unless they are there, and returns the folder with their programs. The
/// first installation takes about 20 seconds and 1.2 GiB below `~/.cache/axon-e2e`; several
/// processes may ask at once.
pub async fn install() -> anyhow::Result<PathBuf> {
    let prefix = CLIS
        .install(|prefix| {
            for program in PROGRAMS {
                ensure!(
                    prefix.join(BIN).join(program).exists(),
                    "npm installed no program `{program}`"
                );
            }
            Ok(())
        })
        .await?;
    Ok(prefix.join(BIN))
}

/// Where they are installed: a folder for each content of the lock file.
pub fn prefix() -> anyhow::Result<PathBuf> {
    CLIS.prefix()
}
