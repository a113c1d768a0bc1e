//! `kubectl-axon` as people use it.

use std::process::Stdio;

use anyhow::{Context as _, ensure};
use axon_api::Phase;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::world::{PATIENCE, World, phase};

pub(super) async fn run_watches_to_the_end_and_exits_as_the_task_did(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    world.workspace("site", json!({"repo": repository.url})).await?;
    let push = "git -c user.name=A -c user.email=a@example.com commit -q --allow-empty -m x && git push -q origin HEAD";
    let said = world
        .axon(&[
            "run",
            "-t",
            "shell",
            "--name",
            "good",
            "--workspace",
            "site",
            "--branch",
            "feature/x",
            "-p",
            push,
            "-w",
        ])
        .await?;
    said.expect(0, &["task.axon.io/good created", "Succeeded", "feature/x"])?;
    ensure!(repository.commit("feature/x").await?.is_some());
    world
        .axon(&["run", "-t", "shell", "--name", "bad", "-p", "exit 4", "-w"])
        .await?
        .expect(1, &["Failed", "4"])?;
    world
        .axon(&[
            "run",
            "-t",
            "shell",
            "--name",
            "slow",
            "-p",
            "sleep 1000",
            "--timeout",
            "1s",
            "-w",
        ])
        .await?
        .expect(10, &["TimedOut"])
}

pub(super) async fn run_says_what_is_wrong_with_its_arguments(world: &World) -> anyhow::Result<()> {
    let said = world.axon(&["run", "-t", "shell"]).await?;
    ensure!(said.code != Some(0) && said.err.contains("prompt"), "{said:?}");
    let said = world.axon(&["run", "-t", "no-such-agent", "-p", "x"]).await?;
    ensure!(
        said.code != Some(0) && said.err.contains("no-such-agent") && said.err.contains("claude-code"),
        "{said:?}"
    );
    let said = world
        .axon(&["run", "-t", "shell", "--name", "Bad_Name", "-p", "x"])
        .await?;
    ensure!(said.code == Some(1) && said.err.contains("Bad_Name"), "{said:?}");
    world
        .axon(&["run", "-t", "shell", "--name", "once", "-p", "true"])
        .await?
        .expect(0, &["created"])?;
    let said = world
        .axon(&["run", "-t", "shell", "--name", "once", "-p", "true"])
        .await?;
    ensure!(
        said.code == Some(1) && said.err.contains("`once`") && said.err.contains("exists"),
        "{said:?}"
    );
    let said = world
        .axon(&["run", "-t", "shell", "-p", "x", "--config", "/no/such/file"])
        .await?;
    ensure!(
        said.code == Some(1) && said.err.contains("/no/such/file"),
        "{said:?}"
    );
    Ok(())
}

pub(super) async fn get_describe_and_logs_show_a_task(world: &World) -> anyhow::Result<()> {
    let task = world
        .run(
            "shown",
            json!({"type": "shell", "prompt": "echo words of the agent"}),
        )
        .await?;
    world.expect(&task, Phase::Succeeded).await?;
    world
        .axon(&["get"])
        .await?
        .expect(0, &["NAME", "shown", "shell", "Succeeded"])?;
    world
        .axon(&["get", "tasks", "-o", "name"])
        .await?
        .expect(0, &["task.axon.io/shown"])?;
    world
        .axon(&["get", "task", "shown", "-o", "yaml"])
        .await?
        .expect(0, &["kind: Task", "phase: Succeeded"])?;
    world
        .axon(&["describe", "shown"])
        .await?
        .expect(0, &["shown", "Succeeded"])?;
    world
        .axon(&["logs", "shown"])
        .await?
        .expect(0, &["words of the agent"])?;
    world
        .axon(&["logs", "shown", "-f"])
        .await?
        .expect(0, &["words of the agent"])?;
    let said = world.axon(&["logs", "nobody"]).await?;
    ensure!(said.code == Some(1) && said.err.contains("`nobody`"), "{said:?}");
    Ok(())
}

pub(super) async fn a_cancelled_task_can_be_seen_and_deleted(world: &World) -> anyhow::Result<()> {
    world
        .task("long", json!({"type": "shell", "prompt": "exec sleep 1000"}))
        .await?;
    world
        .wait_for("long", "Running", |task| phase(task) == Some(Phase::Running))
        .await?;
    world.axon(&["cancel", "long"]).await?.expect(0, &["long"])?;
    let task = world.ended("long").await?;
    world.expect(&task, Phase::Cancelled).await?;
    world
        .axon(&["get", "task", "long"])
        .await?
        .expect(0, &["Cancelled"])?;
    world.axon(&["delete", "long"]).await?.expect(0, &["deleted"])?;
    world.gone("long").await
}

pub(super) async fn an_interrupted_watch_leaves_the_task_running(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    world.workspace("site", json!({"repo": repository.url})).await?;
    let prompt = "until git ls-remote --exit-code origin refs/heads/go >/dev/null; do sleep 0.2; done";
    let mut command = world.axon_command(&[
        "run",
        "-t",
        "shell",
        "--name",
        "long",
        "--workspace",
        "site",
        "-p",
        prompt,
        "-w",
    ])?;
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let id = child.id().context("the command has ended already")?;
    let created = crate::wait::until(PATIENCE, "the Task to be created", async || {
        Ok(world.api::<axon_api::Task>().get_opt("long").await?.is_some())
    });
    created.await?;
    world
        .wait_for("long", "Running", |task| phase(task) == Some(Phase::Running))
        .await?;
    kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGINT)?;
    let out = tokio::time::timeout(PATIENCE, child.wait_with_output()).await??;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    ensure!(out.status.code() == Some(130), "{:?} {said}", out.status);
    ensure!(
        said.contains("logs") && said.contains("long"),
        "no word on how to come back: {said}"
    );
    repository.make_branch("go", "main").await?;
    let task = world.ended("long").await?;
    world.expect(&task, Phase::Succeeded).await
}

pub(super) async fn a_dry_run_prints_and_creates_nothing(world: &World) -> anyhow::Result<()> {
    let said = world
        .axon(&[
            "run",
            "-t",
            "shell",
            "--name",
            "unborn",
            "-p",
            "true",
            "--dry-run",
            "-o",
            "yaml",
        ])
        .await?;
    said.expect(0, &["kind: Task", "name: unborn"])?;
    ensure!(world.api::<axon_api::Task>().get_opt("unborn").await?.is_none());
    // What it prints can be applied.
    world
        .kubectl_with(&["apply", "-f", "-"], &said.out)
        .await?
        .expect(0, &["task.axon.io/unborn created"])
}
