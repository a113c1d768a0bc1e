//! What users get wrong, and how they are told.

use anyhow::ensure;
use axon_api::Phase;
use serde_json::json;

use crate::world::{Said, World, message_of, phase, reason_of};

pub(super) async fn an_unknown_type_fails_and_the_known_are_named(world: &World) -> anyhow::Result<()> {
    let task = world
        .run("odd", json!({"type": "no-such-agent", "prompt": "true"}))
        .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(reason_of(&task) == "UnknownAgentType", "{:?}", task.status);
    ensure!(message_of(&task).contains("no-such-agent") && message_of(&task).contains("claude-code"));
    Ok(())
}

pub(super) async fn an_unknown_field_is_refused(world: &World) -> anyhow::Result<()> {
    let said = apply(
        world,
        "typo",
        &json!({"type": "shell", "prompt": "true", "promt": "true"}),
    )
    .await?;
    said.expect(1, &["unknown field \"spec.promt\""])
}

pub(super) async fn a_missing_prompt_is_refused(world: &World) -> anyhow::Result<()> {
    let said = apply(world, "empty", &json!({"type": "shell"})).await?;
    said.expect(1, &["is invalid", "spec.prompt: Required value"])
}

pub(super) async fn a_spec_cannot_be_changed(world: &World) -> anyhow::Result<()> {
    apply(world, "fixed", &json!({"type": "shell", "prompt": "true"}))
        .await?
        .expect(0, &["created"])?;
    let said = apply(world, "fixed", &json!({"type": "shell", "prompt": "false"})).await?;
    said.expect(
        1,
        &["is invalid", "prompt cannot be changed once the Task is created"],
    )?;
    let said = apply(
        world,
        "fixed",
        &json!({"type": "shell", "prompt": "true", "model": "x"}),
    )
    .await?;
    said.expect(
        1,
        &[
            "is invalid",
            "model cannot be added or removed once the Task is created",
        ],
    )
}

pub(super) async fn a_cancel_cannot_be_taken_back(world: &World) -> anyhow::Result<()> {
    let spec = json!({"type": "shell", "prompt": "true", "workspaceRef": {"name": "never"}, "cancel": true});
    apply(world, "done", &spec).await?.expect(0, &["created"])?;
    let said = world
        .kubectl(&[
            "patch",
            "task",
            "done",
            "--type=merge",
            "-p",
            r#"{"spec":{"cancel":false}}"#,
        ])
        .await?;
    said.expect(1, &["is invalid", "cancel cannot be taken back"])
}

pub(super) async fn workspace_and_workspace_ref_exclude_each_other(world: &World) -> anyhow::Result<()> {
    let spec = json!({
        "type": "shell", "prompt": "true",
        "workspaceRef": {"name": "w"}, "workspace": {"repo": "https://example.com/r"},
    });
    apply(world, "both", &spec)
        .await?
        .expect(1, &["workspace and workspaceRef are mutually exclusive"])
}

pub(super) async fn a_taken_name_is_refused(world: &World) -> anyhow::Result<()> {
    let manifest = manifest("taken", &json!({"type": "shell", "prompt": "true"}));
    world
        .kubectl_with(&["create", "-f", "-"], &manifest)
        .await?
        .expect(0, &["task.axon.io/taken created"])?;
    let said = world.kubectl_with(&["create", "-f", "-"], &manifest).await?;
    said.expect(1, &["AlreadyExists", "tasks.axon.io \"taken\" already exists"])
}

pub(super) async fn a_bad_name_is_refused(world: &World) -> anyhow::Result<()> {
    let said = apply(world, "Bad_Name", &json!({"type": "shell", "prompt": "true"})).await?;
    said.expect(1, &["is invalid", "metadata.name", "RFC 1123"])
}

/// No shell and no CLI can be given a NUL as it is; whatever becomes of the Task, it must end.
pub(super) async fn a_prompt_with_nul_comes_to_an_end(world: &World) -> anyhow::Result<()> {
    let task = world
        .run(
            "nul",
            json!({"type": "shell", "prompt": "echo begin\0 && echo end"}),
        )
        .await?;
    ensure!(phase(&task).is_some_and(Phase::is_final), "{:?}", task.status);
    if phase(&task) == Some(Phase::Failed) {
        ensure!(!message_of(&task).is_empty(), "no word on why: {:?}", task.status);
    }
    Ok(())
}

pub(super) async fn a_prompt_of_more_than_a_mebibyte_is_refused(world: &World) -> anyhow::Result<()> {
    let spec = json!({"type": "shell", "prompt": "#".repeat((1 << 20) + 1)});
    let said = world
        .kubectl_with(&["create", "-f", "-"], &manifest("huge", &spec))
        .await?;
    said.expect(1, &["is invalid", "spec.prompt: Too long"])
}

pub(super) async fn a_bad_timeout_is_refused(world: &World) -> anyhow::Result<()> {
    let said = apply(
        world,
        "slow",
        &json!({"type": "shell", "prompt": "true", "timeout": "soon"}),
    )
    .await?;
    said.expect(1, &["is invalid", "spec.timeout", "should match"])
}

fn manifest(name: &str, spec: &serde_json::Value) -> String {
    json!({
        "apiVersion": "axon.io/v1alpha1", "kind": "Task",
        "metadata": {"name": name}, "spec": spec,
    })
    .to_string()
}

async fn apply(world: &World, name: &str, spec: &serde_json::Value) -> anyhow::Result<Said> {
    world
        .kubectl_with(&["apply", "-f", "-"], &manifest(name, spec))
        .await
}
