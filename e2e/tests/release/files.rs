//! The repository's files and scripts, and the folder of a release that is made for a test.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use axon_e2e::plane::program;

/// The version of this workspace.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The kinds of machines that a release has programs for.
pub(crate) const PLATFORMS: [&str; 4] = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"];

/// A file or folder of the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// The text of a file of the repository.
pub(crate) fn read(name: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path(name)).with_context(|| format!("failed to read `{name}`"))
}

/// What a command says, standard error included.
///
/// # Errors
/// When it cannot be started, or ends with anything but 0: the error has what it said.
pub(crate) fn say(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .output()
        .with_context(|| format!("failed to start {command:?}"))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {said}",
        output.status
    );
    Ok(said)
}

/// A folder in which a release is made.
pub(crate) struct Release {
    folder: tempfile::TempDir,
}

impl Release {
    /// Each platform has a file that stands for its program: it is packed and unpacked as a program
    /// is, and never run.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("axon-release-").tempdir()?;
        let release = Self { folder };
        for platform in PLATFORMS {
            std::fs::create_dir_all(release.programs(platform))?;
            let stand_in = format!("a program for {platform}\n");
            std::fs::write(release.programs(platform).join("kubectl-axon"), stand_in)?;
        }
        Ok(release)
    }

    /// The platform that the test runs on has the debug build of kubectl-axon.
    pub(crate) fn with_own_program() -> anyhow::Result<Self> {
        let release = Self::new()?;
        let plugin = release.programs(own_platform()).join("kubectl-axon");
        say(Command::new("strip")
            .arg("-o")
            .arg(plugin)
            .arg(program("kubectl-axon")?))?;
        Ok(release)
    }

    /// Where the programs of a platform are.
    pub(crate) fn programs(&self, platform: &str) -> PathBuf {
        self.folder().join("programs").join(platform)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn assets(&self) -> PathBuf {
        self.folder().join("assets")
    }

    pub(crate) fn archive(&self, platform: &str) -> PathBuf {
        let platform = platform.replace('-', "_");
        self.assets()
            .join(format!("kubectl-axon_{VERSION}_{platform}.tar.gz"))
    }

    /// Runs a script of `e2e/release` on this folder.
    pub(crate) fn run(&self, script: &str, arguments: &[&str]) -> anyhow::Result<String> {
        say(Command::new(path("e2e/release").join(script))
            .args(arguments)
            .env("DIST", self.folder()))
    }
}

/// The platform that the tests run on, which is Linux.
pub(crate) fn own_platform() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "linux-arm64"
    } else {
        "linux-amd64"
    }
}
