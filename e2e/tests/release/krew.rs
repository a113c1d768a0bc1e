//! krew's own programs take the manifest and the archive, and kubectl then finds the plugin and
//! completes it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use axon_e2e::plane::{built, kubectl};

use crate::files::{PLATFORMS, Release, VERSION, own_platform, say};

#[test]
fn the_manifest_follows_the_rules_of_krew() -> anyhow::Result<()> {
    let release = packed(Release::new()?)?;
    let said = say(Command::new(built("validate-krew-manifest")?)
        .arg("-skip-install")
        .arg("-manifest")
        .arg(release.assets().join("axon.yaml")))?;
    for rule in [
        "structural validation OK",
        "all spec.platform[] items are used",
        "no overlapping",
    ] {
        ensure!(said.contains(rule), "{said}");
    }
    let manifest = std::fs::read_to_string(release.assets().join("axon.yaml"))?;
    ensure!(!manifest.contains('@'), "every name is filled in: {manifest}");
    ensure!(
        manifest.contains(&format!("\n  version: v{VERSION}\n")),
        "{manifest}"
    );
    let short = manifest
        .lines()
        .find_map(|line| line.trim().strip_prefix("shortDescription: "))
        .context("a short description")?;
    // What the index of krew asks of authors, and its program does not check.
    ensure!(
        short.len() <= 50 && !short.to_lowercase().contains("kubectl"),
        "{short}"
    );
    Ok(())
}

#[test]
fn krew_installs_the_archive_of_each_platform() -> anyhow::Result<()> {
    let release = packed(Release::new()?)?;
    for platform in PLATFORMS {
        let shell = Shell::new(&release)?;
        shell.install(platform)?;
        let store = shell.krew_root().join(format!("store/axon/v{VERSION}"));
        for file in ["LICENSE", "kubectl-axon", "kubectl_complete-axon"] {
            ensure!(store.join(file).exists(), "{platform}: no `{file}`");
        }
    }
    Ok(())
}

#[test]
fn kubectl_finds_the_plugin_that_krew_installed_and_completes_names_of_tasks() -> anyhow::Result<()> {
    let release = packed(Release::with_own_program()?)?;
    let shell = Shell::new(&release)?;
    shell.install(own_platform())?;
    let version = shell.type_in("kubectl axon version --client")?;
    ensure!(
        version.starts_with(&format!("Client Version: {VERSION}\n")),
        "{version}"
    );

    // Before the script is there, kubectl has nothing to offer.
    let nothing = shell.type_in("kubectl __complete axon get task ''")?;
    ensure!(!nothing.contains("first-task"), "{nothing}");
    let manifest = std::fs::read_to_string(release.assets().join("axon.yaml"))?;
    let advised = manifest
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("cp "))
        .context("the caveats say how completion is installed")?;
    shell.type_in(advised)?;

    let outcome = completes(&shell);
    let _ = shell.type_in("kubectl axon local stop");
    outcome
}

fn completes(shell: &Shell<'_>) -> anyhow::Result<()> {
    shell.type_in("kubectl axon run --local -t shell --name first-task -p true -w")?;
    let local = "export KUBECONFIG=$(kubectl axon local kubeconfig) && ";
    let names = shell.type_in(&format!("{local}kubectl __complete axon get task ''"))?;
    ensure!(
        names.lines().any(|line| line.starts_with("first-task")),
        "{names}"
    );
    ensure!(
        names.lines().any(|line| line == ":4"),
        "no file names are offered: {names}"
    );
    let none = shell.type_in(&format!("{local}kubectl __complete axon get task z"))?;
    ensure!(!none.contains("first-task"), "{none}");
    let verbs = shell.type_in("kubectl __complete axon de")?;
    for verb in ["delete", "deny", "describe"] {
        ensure!(verbs.lines().any(|line| line.starts_with(verb)), "{verbs}");
    }
    Ok(())
}

fn packed(release: Release) -> anyhow::Result<Release> {
    release.run("archives", &[])?;
    release.run("krew", &[])?;
    Ok(release)
}

/// A shell of somebody who has kubectl and krew, and nothing of Axon.
struct Shell<'a> {
    release: &'a Release,
    folder: tempfile::TempDir,
}

impl<'a> Shell<'a> {
    fn new(release: &'a Release) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("axon-krew-").tempdir()?;
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin)?;
        std::fs::create_dir(folder.path().join("home"))?;
        std::os::unix::fs::symlink(kubectl()?, bin.join("kubectl"))?;
        std::os::unix::fs::symlink(built("krew")?, bin.join("kubectl-krew"))?;
        Ok(Self { release, folder })
    }

    fn krew_root(&self) -> PathBuf {
        self.folder.path().join("krew")
    }

    /// Installs the archive of a platform, as if this machine were of that kind.
    fn install(&self, platform: &str) -> anyhow::Result<()> {
        let (system, architecture) = platform.split_once('-').context("SYSTEM-ARCHITECTURE")?;
        let said = self.type_in(&format!(
            "KREW_OS={system} KREW_ARCH={architecture} kubectl krew install --manifest='{}' --archive='{}'",
            self.release.assets().join("axon.yaml").display(),
            self.release.archive(platform).display(),
        ))?;
        ensure!(said.contains("Installed plugin: axon"), "{said}");
        Ok(())
    }

    /// What a command says that is typed into this shell.
    fn type_in(&self, command: &str) -> anyhow::Result<String> {
        let home = self.folder.path().join("home");
        let path = [
            &self.krew_root().join("bin"),
            &self.folder.path().join("bin"),
            Path::new("/usr/local/bin"),
            Path::new("/usr/bin"),
            Path::new("/bin"),
        ];
        say(Command::new("bash")
            .args(["-euo", "pipefail", "-c", command])
            .current_dir(&home)
            .env_clear()
            .env("PATH", std::env::join_paths(path)?)
            .env("HOME", &home)
            .env("KREW_ROOT", self.krew_root())
            .env("KREW_NO_UPGRADE_CHECK", "1")
            .env("AXON_LOCAL_DIR", self.folder.path().join("local")))
    }
}
