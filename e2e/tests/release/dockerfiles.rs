//! The Dockerfiles: what they are made from, who runs in them, and which versions they have.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, ensure};
use axon_api::agents;
use serde_json::Value;

use crate::files::{path, read, say};

const OPERATOR: &str = "operator/Dockerfile";
const GIT: &str = "operator/runner/images/git/Dockerfile";
const AGENTS: &str = "operator/runner/images/agents/Dockerfile";
const DOCKERFILES: [&str; 3] = [OPERATOR, GIT, AGENTS];

/// The stages that are published as images.
fn images() -> Vec<(&'static str, &'static str)> {
    let mut images = vec![(OPERATOR, "prebuilt"), (OPERATOR, "operator"), (GIT, "git")];
    images.extend(agent_types().map(|name| (AGENTS, name)));
    images
}

/// The agent types with an image of their own: a script runs in the git image.
fn agent_types() -> impl Iterator<Item = &'static str> {
    agents::NAMES.iter().copied().filter(|name| *name != "shell")
}

/// The instructions of a Dockerfile, such as `("FROM", "scratch AS image")`, with continued lines
/// joined and comments left out.
fn instructions(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    joined
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()))
        .collect()
}

/// The instructions of each stage, by its name.
fn stages(text: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut stages = BTreeMap::new();
    let mut name = String::new();
    for (word, rest) in instructions(text) {
        if word == "FROM" {
            rest.rsplit(' ').next().unwrap_or_default().clone_into(&mut name);
        }
        stages
            .entry(name.clone())
            .or_insert_with(Vec::new)
            .push((word, rest));
    }
    stages
}

#[test]
fn every_image_is_made_from_nothing_or_from_one_that_is_pinned_by_its_digest() -> anyhow::Result<()> {
    for dockerfile in DOCKERFILES {
        let text = read(dockerfile)?;
        let stages = stages(&text);
        let arguments: BTreeMap<String, String> = instructions(&text)
            .into_iter()
            .filter(|(word, _)| word == "ARG")
            .filter_map(|(_, rest)| {
                rest.split_once('=')
                    .map(|(name, value)| (format!("${{{name}}}"), value.to_owned()))
            })
            .collect();
        for (word, rest) in instructions(&text) {
            if word != "FROM" {
                continue;
            }
            let (from, _) = rest
                .split_once(" AS ")
                .with_context(|| format!("{dockerfile}: `{rest}` has a name"))?;
            if from == "scratch" || stages.contains_key(from) {
                continue;
            }
            let image = arguments
                .get(from)
                .with_context(|| format!("{dockerfile}: `{from}` can be chosen by an argument"))?;
            let digest = image.split_once("@sha256:").map(|(_, digest)| digest);
            ensure!(
                digest.is_some_and(
                    |digest| digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit())
                ),
                "{dockerfile}: `{image}`"
            );
        }
    }
    Ok(())
}

#[test]
fn nothing_is_fetched_but_by_the_package_managers() -> anyhow::Result<()> {
    for dockerfile in DOCKERFILES {
        for (word, rest) in instructions(&read(dockerfile)?) {
            ensure!(
                word != "ADD" && !rest.contains("://"),
                "{dockerfile}: {word} {rest}"
            );
        }
    }
    for script in [
        "operator/image-root",
        "operator/runner/images/prepare",
        "operator/runner/images/agents/install-cli",
    ] {
        ensure!(!read(script)?.contains("://"), "{script}");
    }
    Ok(())
}

#[test]
fn every_image_runs_as_the_user_without_rights() -> anyhow::Result<()> {
    for (dockerfile, stage) in images() {
        let configuration = say(Command::new(path("e2e/images/config"))
            .arg(path(dockerfile))
            .arg(stage))?;
        let configuration: Value = serde_json::from_str(&configuration)?;
        assert_eq!(configuration["User"], "61100:61100", "{dockerfile}, {stage}");
    }
    Ok(())
}

#[test]
fn the_configuration_of_an_image_is_that_of_its_stages_in_their_order() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("Dockerfile");
    std::fs::write(
        &file,
        "FROM scratch AS base\nENV A=1\nUSER 1\nFROM base AS other\nENV B=2\nFROM base AS image\nENV C=3\nUSER 2\nWORKDIR /w\n",
    )?;
    let configuration = say(Command::new(path("e2e/images/config")).arg(&file).arg("image"))?;
    assert_eq!(
        configuration.trim(),
        r#"{"Env":["A=1","C=3"],"User":"2","WorkingDir":"/w"}"#
    );
    ensure!(
        say(Command::new(path("e2e/images/config")).arg(&file).arg("none")).is_err(),
        "a stage that is not there is an error"
    );
    Ok(())
}

#[test]
fn every_agent_type_has_an_image_with_its_cli_from_the_lock_file() -> anyhow::Result<()> {
    let package: Value = serde_json::from_str(&read("e2e/agents/package.json")?)?;
    let mut left: Vec<&String> = package["dependencies"]
        .as_object()
        .context("the CLIs")?
        .keys()
        .collect();
    let stages = stages(&read(AGENTS)?);
    for name in agent_types() {
        let stage = stages
            .get(name)
            .with_context(|| format!("no stage `{name}` in {AGENTS}"))?;
        let cli = stage
            .iter()
            .find_map(|(_, rest)| rest.strip_prefix("install-cli "))
            .with_context(|| format!("`{name}` installs its CLI"))?;
        let before = left.len();
        left.retain(|package| *package != cli);
        assert_eq!(left.len() + 1, before, "`{cli}` is in e2e/agents/package.json");
    }
    assert!(left.is_empty(), "no image has {left:?}");
    Ok(())
}

#[test]
fn what_an_image_sets_for_its_agent_is_what_axon_sets_for_a_run() -> anyhow::Result<()> {
    let stages = stages(&read(AGENTS)?);
    for name in agent_types() {
        let source = read(&format!("api/agents/src/{}/mod.rs", name.replace('-', "_")))?;
        for (word, rest) in &stages[name] {
            let Some((variable, value)) = rest.split_once('=').filter(|_| word == "ENV") else {
                continue;
            };
            ensure!(
                source.contains(&format!("(\"{variable}\", \"{value}\")")),
                "`{name}` is run without `{rest}`"
            );
        }
    }
    Ok(())
}

#[test]
fn the_operator_is_compiled_with_the_version_of_rust_that_the_workspace_names() -> anyhow::Result<()> {
    let workspace = read("Cargo.toml")?;
    let rust = workspace
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .context("the version of Rust")?
        .trim_matches('"');
    ensure!(
        read(OPERATOR)?.contains(&format!("/rust:{rust}-")),
        "Rust {rust} in {OPERATOR}"
    );
    Ok(())
}
