//! The README's commands, typed as they are written.
//!
//! Two things stand in for what a test cannot have: a scripted provider answers instead of
//! Anthropic's, and the programs of this build are found as `axon` and `kubectl` without being
//! installed. What another test runs is named in [`RUN_ELSEWHERE`]; any other command that the
//! README has and this test does not run is an error.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use axon_e2e::clis;
use axon_e2e::llm::{Llm, Turn};
use axon_e2e::plane::{kubectl, program};
use tokio::process::Command;

/// Commands of the README that this test does not type, and what runs them.
const RUN_ELSEWHERE: &[(&str, &str)] = &[
    ("e2e/test", "is what runs this test"),
    (
        "cargo install ",
        "`cargo build --bins` has built the same programs",
    ),
    ("kubectl axon install", "tests/install.rs does, on a real cluster"),
    (
        "helm install axon ",
        "tests/chart_cluster.rs does, on a real cluster",
    ),
    ("kubectl axon doctor", "tests/install.rs does, on a real cluster"),
    (
        "kubectl create secret generic anthropic-api-key ",
        "the cluster's scenarios make such a Secret",
    ),
    (
        "kubectl axon run -p \"Add unit tests\" ",
        "the cluster's scenarios run an agent with a Secret",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_readme_works_as_it_is_written() -> anyhow::Result<()> {
    let place = Place::new().await?;
    let outcome = type_all(&place).await;
    let _ = place.shell("axon local stop").await;
    outcome
}

async fn type_all(place: &Place) -> anyhow::Result<()> {
    let readme = std::fs::read_to_string(place.root.join("README.md"))?;
    let mut session = String::new();
    for command in commands(&readme) {
        if RUN_ELSEWHERE
            .iter()
            .any(|(prefix, _)| command.starts_with(prefix))
        {
            continue;
        }
        if command.starts_with("examples/") {
            let said = place
                .shell(&format!("cd '{}' && {command}", place.root.display()))
                .await?;
            ensure!(said.contains("Succeeded"), "`{command}` said: {said}");
            continue;
        }
        // The folder and the variables that a command leaves are there for the next one.
        let typed = command.replace("axon logs --local TASK -f", "axon logs --local \"$TASK\" -f");
        let said = place.shell(&format!("{session}\n{typed}")).await?;
        if command.starts_with("cd ") || command.starts_with("export ") {
            session = format!("{session}\n{typed}");
        }
        if command.starts_with("axon init") {
            place.write_key()?;
        }
        if command.starts_with("axon run ") {
            ensure!(said.contains("Succeeded"), "`{command}` said: {said}");
            let task = said.split(['/', ' ']).nth(1).context("the Task's name")?;
            session = format!("{session}\nTASK={task}");
        }
        if command.starts_with("axon get ") || command.starts_with("kubectl get ") {
            ensure!(said.contains("claude-code"), "`{command}` said: {said}");
        }
        if command.starts_with("axon logs ") {
            ensure!(said.contains("fixed the typos"), "`{command}` said: {said}");
        }
        if command.starts_with("kubectl explain ") {
            ensure!(
                said.contains("What the agent is to do"),
                "`{command}` said: {said}"
            );
        }
    }
    ensure!(
        session.contains("KUBECONFIG"),
        "the README's sessions were typed to their end"
    );
    Ok(())
}

/// The commands of all blocks marked `bash`, without comments, with continued lines joined.
fn commands(readme: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut in_block = false;
    for line in readme.lines() {
        if line.starts_with("```") {
            in_block = line == "```bash";
        } else if in_block && !line.trim().is_empty() {
            commands.push(line.split("    #").next().unwrap_or_default().trim().to_owned());
        }
    }
    commands
}

/// A home, a repository, and a `PATH` on which the README's programs are.
struct Place {
    root: PathBuf,
    folder: tempfile::TempDir,
    path: String,
    _provider: Llm,
}

impl Place {
    async fn new() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the workspace")?
            .to_path_buf();
        let folder = tempfile::Builder::new().prefix("axon-readme-").tempdir()?;
        let provider = Llm::start([127, 0, 0, 1].into(), "127.0.0.1").await?;
        let work = "sed -i 's/teh/the/' README.md && git commit -qam 'fix typos' && git push -q origin HEAD";
        let conversation = provider.converse("readme", vec![Turn::run(work), Turn::say("fixed the typos")]);
        let bin = folder.path().join("bin");
        std::fs::create_dir_all(&bin)?;
        std::fs::create_dir_all(folder.path().join("home"))?;
        let axon = program("axon")?;
        // The provider's address is all that differs from what a person types.
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = run ] || exec '{0}' \"$@\"\nexec '{0}' \"$@\" --env ANTHROPIC_BASE_URL={1}\n",
            axon.display(),
            conversation.base_url()
        );
        write_program(&bin.join("axon"), &script)?;
        std::os::unix::fs::symlink(kubectl()?, bin.join("kubectl"))?;
        let agents = clis::install().await?;
        let inherited = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{}:{inherited}", bin.display(), agents.display());
        let place = Self {
            root,
            folder,
            path,
            _provider: provider,
        };
        place.shell(
            "git init -q -b main your-repository && cd your-repository && echo 'teh end' > README.md && git add . && \
             git -c user.name=A -c user.email=a@example.com commit -qm first",
        )
        .await?;
        Ok(place)
    }

    /// What a person does with the file that `axon init` wrote.
    fn write_key(&self) -> anyhow::Result<()> {
        let file = self.folder.path().join("home/.axon/config.yaml");
        ensure!(file.exists(), "`axon init` wrote `{}`", file.display());
        Ok(std::fs::write(file, "apiKey: a-key-for-the-scripted-provider\n")?)
    }

    /// Types a command into a shell and returns what it said, standard error included.
    async fn shell(&self, command: &str) -> anyhow::Result<String> {
        let mut shell = Command::new("bash");
        shell
            .args(["-euo", "pipefail", "-c", command])
            .current_dir(self.folder.path())
            .env("AXON_LOCAL_DIR", self.folder.path().join("local"))
            .env("PATH", &self.path);
        if !command.contains("examples/") {
            shell.env("HOME", self.folder.path().join("home"));
        }
        let output = shell.output().await?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        ensure!(
            output.status.success(),
            "`{command}` ended with {}: {said}",
            output.status
        );
        Ok(said)
    }
}

fn write_program(path: &Path, script: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, script)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}
