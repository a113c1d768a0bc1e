//! The commands of the guides and of the examples' READMEs, in their blocks marked `bash`.
//!
//! Each is typed on the embedded plane, or shown to be understood by the real program, or named with
//! what runs it instead: [`HOW`]. A command that is none of these fails the test, and so does an entry
//! that is of no command.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use axon_e2e::plane::{helm, kubectl, program};
use tokio::process::Command;

/// What is done with a command.
#[derive(Clone, Copy)]
enum How {
    /// It is typed as it is written.
    Typed,
    /// It is typed with the server's checks alone, so that nothing starts.
    Applied,
    /// It needs a cluster or a secret: the program must understand all of its words. A help flag at the
    /// end makes it say so before it does anything.
    Understood,
    /// It is not run here: why, or what runs it.
    Elsewhere(&'static str),
}

/// How commands that begin so are dealt with; the first that fits counts.
const HOW: &[(&str, How)] = &[
    (
        "cargo install ",
        How::Elsewhere("`cargo build --bins` has built the same programs"),
    ),
    (
        "cargo build ",
        How::Elsewhere("has been done before any test of this package"),
    ),
    (
        "target/debug/axon-operator ",
        How::Elsewhere("the plane of the cluster's scenarios runs it"),
    ),
    (
        "make crds ",
        How::Elsewhere("the plane of the cluster's scenarios applies what it prints"),
    ),
    (
        "axon run --local --workspace-repo ./your-repository --branch typos ",
        How::Elsewhere("tests/readme.rs runs the same with a scripted provider"),
    ),
    ("axon ", How::Typed),
    ("git -C your-repository ", How::Typed),
    ("export KUBECONFIG=$(axon local kubeconfig)", How::Typed),
    ("kubectl get tasks", How::Understood),
    ("kubectl explain ", How::Typed),
    // A ServiceAccount is in it, which the embedded plane has not.
    ("kubectl apply -f examples/14-bedrock/", How::Understood),
    ("kubectl apply -f examples/", How::Applied),
    ("kubectl ", How::Understood),
    ("helm ", How::Understood),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_guides_is_typed_or_understood() -> anyhow::Result<()> {
    let place = Place::new().await?;
    let outcome = all(&place).await;
    let _ = place.shell("axon local stop").await;
    outcome
}

async fn all(place: &Place) -> anyhow::Result<()> {
    place.notices_unknown_words().await?;
    let mut used = BTreeSet::new();
    let mut done = 0;
    for page in pages(&place.root)? {
        let text = std::fs::read_to_string(&page)?;
        let mut session = String::new();
        for command in commands(&text) {
            let told = || format!("{}: `{command}`", page.display());
            let (prefix, how) = HOW
                .iter()
                .find(|(prefix, _)| command.starts_with(prefix))
                .with_context(|| format!("{} is in no class: see `HOW`", told()))?;
            used.insert(*prefix);
            match how {
                How::Elsewhere(why) => ensure!(!why.is_empty(), "{} has no reason", told()),
                How::Understood => place.understands(&command).await.with_context(told)?,
                How::Applied => {
                    let kubeconfig = "export KUBECONFIG=$(axon local kubeconfig)";
                    let checked = format!("{kubeconfig}\n{command} --dry-run=server");
                    let said = place.shell(&checked).await.with_context(told)?;
                    ensure!(
                        said.contains("created (server dry run)"),
                        "{} said: {said}",
                        told()
                    );
                }
                How::Typed => {
                    let said = place
                        .shell(&format!("{session}\n{command}"))
                        .await
                        .with_context(told)?;
                    if command.starts_with("export ") {
                        session = format!("{session}\n{command}");
                    }
                    if command.starts_with("axon run ") && command.contains(" -w") {
                        ensure!(said.contains("Succeeded"), "{} said: {said}", told());
                    }
                }
            }
            done += 1;
        }
    }
    let unused: Vec<_> = HOW
        .iter()
        .map(|(prefix, _)| *prefix)
        .filter(|prefix| !used.contains(prefix))
        .collect();
    ensure!(unused.is_empty(), "of no command: {unused:?}");
    ensure!(done > 50, "the commands were found: {done}");
    Ok(())
}

/// The guides, and the READMEs of the examples.
fn pages(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for folder in [root.join("docs"), root.join("examples")] {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let readme = path.join("README.md");
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            } else if readme.exists() {
                pages.push(readme);
            }
        }
    }
    pages.sort();
    Ok(pages)
}

/// The commands of all blocks marked `bash`, without comments, with continued lines joined.
fn commands(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut open: Option<bool> = None;
    for line in page.replace("\\\n", " ").lines() {
        if let Some(mark) = line.strip_prefix("```") {
            open = if open.is_some() {
                None
            } else {
                Some(mark == "bash")
            };
        } else if open == Some(true) && !line.trim().is_empty() && !line.starts_with('#') {
            commands.push(line.split("   #").next().unwrap_or_default().trim().to_owned());
        }
    }
    commands
}

/// A home, a repository, and a `PATH` on which the programs of this build are.
struct Place {
    root: PathBuf,
    folder: tempfile::TempDir,
    path: String,
}

impl Place {
    async fn new() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the workspace")?
            .to_path_buf();
        let folder = tempfile::Builder::new().prefix("axon-guides-").tempdir()?;
        let bin = folder.path().join("bin");
        std::fs::create_dir_all(&bin)?;
        std::fs::create_dir_all(folder.path().join("home"))?;
        for (name, found) in [
            ("axon", program("axon")?),
            ("kubectl-axon", program("kubectl-axon")?),
            ("kubectl", kubectl()?),
            ("helm", helm()?),
        ] {
            std::os::unix::fs::symlink(found, bin.join(name))?;
        }
        for name in ["examples", "charts"] {
            std::os::unix::fs::symlink(root.join(name), folder.path().join(name))?;
        }
        let inherited = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{inherited}", bin.display());
        let place = Self { root, folder, path };
        place
            .shell(
                "git init -q -b main your-repository && cd your-repository && echo one > README.md && git add . && \
                 git -c user.name=A -c user.email=a@example.com commit -qm first",
            )
            .await?;
        Ok(place)
    }

    /// Whether the program knows each word and flag of a command, up to its first pipe.
    async fn understands(&self, command: &str) -> anyhow::Result<()> {
        let end = [" | ", " > "].iter().filter_map(|mark| command.find(mark)).min();
        let own = &command[..end.unwrap_or(command.len())];
        self.shell(&format!("{own} --help")).await.map(drop)
    }

    /// The check above can fail.
    async fn notices_unknown_words(&self) -> anyhow::Result<()> {
        for command in [
            "kubectl axon run --no-such-flag",
            "kubectl axon no-such-verb",
            "kubectl get tasks --no-such-flag",
            "helm install axon charts/axon --no-such-flag",
        ] {
            if self.understands(command).await.is_ok() {
                bail!("`{command}` is understood");
            }
        }
        Ok(())
    }

    /// Types a command into a shell and returns what it said, standard error included.
    async fn shell(&self, command: &str) -> anyhow::Result<String> {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", command])
            .current_dir(self.folder.path())
            .env("AXON_LOCAL_DIR", self.folder.path().join("local"))
            .env("HOME", self.folder.path().join("home"))
            .env("PATH", &self.path)
            .env_remove("KUBECONFIG")
            .output()
            .await?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        ensure!(
            output.status.success(),
            "`{command}` ended with {}: {said}",
            output.status
        );
        Ok(said)
    }
}
