//! The workflows: what actionlint says of them, and what it does not look at.

use std::process::Command;

use anyhow::ensure;
use axon_e2e::plane::built;

use crate::files::{path, read, say};

const WORKFLOWS: [&str; 2] = [".github/workflows/ci.yaml", ".github/workflows/release.yaml"];

#[test]
fn actionlint_finds_nothing_in_the_workflows() -> anyhow::Result<()> {
    // Without the checkers that it would look for on this machine, so that it says the same on all.
    say(Command::new(built("actionlint")?)
        .args(["-no-color", "-shellcheck=", "-pyflakes="])
        .args(WORKFLOWS.map(path)))?;
    Ok(())
}

#[test]
fn every_workflow_is_looked_at() -> anyhow::Result<()> {
    let mut found: Vec<String> = std::fs::read_dir(path(".github/workflows"))?
        .map(|entry| Ok(format!(".github/workflows/{}", entry?.file_name().display())))
        .collect::<anyhow::Result<_>>()?;
    found.sort();
    assert_eq!(found, WORKFLOWS);
    Ok(())
}

#[test]
fn every_action_is_pinned_by_a_commit_and_says_which_version_that_is() -> anyhow::Result<()> {
    for workflow in WORKFLOWS {
        for line in read(workflow)?.lines() {
            let Some((_, used)) = line.split_once("uses: ") else {
                continue;
            };
            let pinned = used.split_once('@').and_then(|(_, rest)| rest.split_once(" # v"));
            ensure!(
                pinned.is_some_and(|(commit, version)| {
                    commit.len() == 40
                        && commit.chars().all(|character| character.is_ascii_hexdigit())
                        && !version.is_empty()
                }),
                "{workflow}: `{used}`"
            );
        }
    }
    Ok(())
}

#[test]
fn a_workflow_may_read_the_repository_and_only_the_publishing_job_more() -> anyhow::Result<()> {
    for workflow in WORKFLOWS {
        let text = read(workflow)?;
        let (head, jobs) = text.split_once("\njobs:\n").unwrap_or_default();
        ensure!(head.contains("\npermissions:"), "{workflow} limits its token");
        ensure!(
            !head.contains(": write"),
            "{workflow} gives every job a right to write"
        );
        ensure!(
            !text.contains("pull_request_target"),
            "{workflow} runs strangers' code with rights"
        );
        for job in split_jobs(jobs) {
            ensure!(
                !job.contains(": write") || job.starts_with("  publish:"),
                "{workflow}: {job}"
            );
        }
    }
    Ok(())
}

/// The text of each job.
fn split_jobs(jobs: &str) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for line in jobs.lines() {
        let begins = line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
        if begins || texts.is_empty() {
            texts.push(String::new());
        }
        if let Some(text) = texts.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    texts
}

#[test]
fn the_workflows_call_targets_that_the_makefile_has() -> anyhow::Result<()> {
    let makefile = read("Makefile")?;
    let targets: Vec<&str> = makefile
        .lines()
        .filter_map(|line| line.split_once(": ").map(|(target, _)| target))
        .collect();
    let mut called = Vec::new();
    for workflow in WORKFLOWS {
        let text = read(workflow)?;
        for command in text.lines().filter_map(|line| line.split_once("run: ")) {
            if let Some((_, rest)) = command.1.split_once("make ") {
                called.extend(rest.split_whitespace().next().map(str::to_owned));
            }
        }
        // Those of a matrix.
        if let Some((_, list)) = text.split_once("target: [") {
            let list = list.split(']').next().unwrap_or_default();
            called.extend(list.split(", ").map(str::to_owned));
        }
    }
    called.retain(|target| target != "\"$TARGET\"");
    ensure!(
        called.len() >= 8,
        "the workflows do the Makefile's work: {called:?}"
    );
    for target in called {
        ensure!(
            targets.contains(&target.as_str()),
            "no target `{target}` among {targets:?}"
        );
    }
    Ok(())
}
