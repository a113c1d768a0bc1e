//! What users get wrong in more than one object, and how they are told.

use anyhow::ensure;
use axon_api::{Phase, Task};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use crate::world::{Said, World, message_of, reason_of};

async fn apply(world: &World, kind: &str, name: &str, spec: Value) -> anyhow::Result<Said> {
    let manifest = json!({
        "apiVersion": "axon.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec,
    });
    world
        .kubectl_with(&["create", "-f", "-"], &manifest.to_string())
        .await
}

pub(super) async fn a_task_that_depends_on_itself_fails(world: &World) -> anyhow::Result<()> {
    let task = world
        .run(
            "own-tail",
            json!({"type": "shell", "prompt": "true", "dependsOn": ["own-tail"]}),
        )
        .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(reason_of(&task) == "DependencyCycle", "{:?}", task.status);
    Ok(())
}

pub(super) async fn a_dependency_in_another_namespace_is_refused(world: &World) -> anyhow::Result<()> {
    let spec = json!({"type": "shell", "prompt": "true", "dependsOn": ["other/first"]});
    apply(world, "Task", "far", spec)
        .await?
        .expect(1, &["is invalid", "spec.dependsOn[0]"])
}

pub(super) async fn timeouts_that_are_none_are_refused(world: &World) -> anyhow::Result<()> {
    for timeout in ["-1h", "1w", "abc"] {
        let spec = json!({"type": "shell", "prompt": "true", "timeout": timeout});
        apply(world, "Task", "slow", spec)
            .await?
            .expect(1, &["is invalid", "spec.timeout"])?;
    }
    Ok(())
}

pub(super) async fn provider_and_provider_ref_exclude_each_other(world: &World) -> anyhow::Result<()> {
    let spec = json!({
        "type": "claude-code", "prompt": "hello",
        "providerRef": {"name": "p"}, "provider": {"baseURL": "https://example.com"},
    });
    apply(world, "Task", "both", spec).await?.expect(
        1,
        &["credentials, providerRef and provider are mutually exclusive"],
    )
}

pub(super) async fn a_config_of_two_mebibytes_is_refused(world: &World) -> anyhow::Result<()> {
    let spec = json!({"agentsMD": "#".repeat(2 << 20)});
    let said = apply(world, "AgentConfig", "huge", spec).await?;
    ensure!(said.code == Some(1), "{said:?}");
    ensure!(
        said.err.contains("spec.agentsMD: Too long") || said.err.contains("too large"),
        "{said:?}"
    );
    Ok(())
}

pub(super) async fn a_skill_named_with_dots_is_refused(world: &World) -> anyhow::Result<()> {
    for name in ["..", "../up", "a/b", ".hidden"] {
        let skills = json!([{"name": name, "content": "text"}]);
        let spec = json!({"plugins": [{"name": "tools", "skills": skills}]});
        apply(world, "AgentConfig", "odd", spec)
            .await?
            .expect(1, &["is invalid", "spec.plugins[0].skills[0].name"])?;
    }
    Ok(())
}

pub(super) async fn two_mcp_servers_of_one_name_are_refused(world: &World) -> anyhow::Result<()> {
    let server = json!({"name": "twice", "type": "stdio", "command": "true"});
    let spec = json!({"mcpServers": [server, server]});
    apply(world, "AgentConfig", "odd", spec)
        .await?
        .expect(1, &["is invalid", "spec.mcpServers[1]", "Duplicate value"])
}

pub(super) async fn an_mcp_server_without_its_address_is_refused(world: &World) -> anyhow::Result<()> {
    for (server, words) in [
        (
            json!({"name": "s", "type": "http"}),
            "url is required for an MCP server of type http or sse",
        ),
        (
            json!({"name": "s", "type": "stdio"}),
            "command is required for an MCP server of type stdio",
        ),
    ] {
        apply(world, "AgentConfig", "odd", json!({"mcpServers": [server]}))
            .await?
            .expect(1, &["is invalid", words])?;
    }
    Ok(())
}

pub(super) async fn task_defaults_of_another_name_are_refused(world: &World) -> anyhow::Result<()> {
    apply(world, "TaskDefaults", "other", json!({"type": "shell"}))
        .await?
        .expect(1, &["the one TaskDefaults of a namespace is named default"])
}

pub(super) async fn an_app_key_that_is_none_is_told_and_can_be_corrected(
    world: &World,
) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    world
        .create::<Secret>(
            "app",
            json!({"stringData": {"appID": "1", "installationID": "2", "privateKey": "no key"}}),
        )
        .await?;
    world
        .workspace(
            "app",
            json!({"repo": repository.url, "secretRef": {"name": "app"}}),
        )
        .await?;
    world
        .task(
            "keyless",
            json!({"type": "shell", "prompt": "true", "workspaceRef": {"name": "app"}}),
        )
        .await?;
    let task = world.waits_for("keyless", "TokenRefused").await?;
    ensure!(
        message_of(&task).contains("privateKey") && !message_of(&task).contains("no key"),
        "{:?}",
        task.status
    );
    Ok(())
}

pub(super) async fn a_claim_that_cannot_be_bound_is_named(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let storage = json!({"className": "no-such-class", "size": "1Gi"});
    let task = world
        .run(
            "homeless",
            json!({
                "type": "shell", "prompt": "true", "startTimeout": "15s",
                "workspace": {"repo": repository.url, "storage": storage},
            }),
        )
        .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(
        message_of(&task).contains("PersistentVolumeClaim") || message_of(&task).contains("claim"),
        "{:?}",
        task.status
    );
    Ok(())
}

pub(super) async fn the_spec_of_a_running_task_cannot_be_changed(world: &World) -> anyhow::Result<()> {
    world
        .task("busy", json!({"type": "shell", "prompt": "sleep 600"}))
        .await?;
    world
        .wait_for("busy", "Running", |task: &Task| {
            crate::world::phase(task) == Some(Phase::Running)
        })
        .await?;
    let patch = r#"{"spec":{"prompt":"echo other","branch":"x"}}"#;
    world
        .kubectl(&["patch", "task", "busy", "--type=merge", "-p", patch])
        .await?
        .expect(
            1,
            &["is invalid", "prompt cannot be changed once the Task is created"],
        )?;
    world
        .patch::<Task>("busy", json!({"spec": {"cancel": true}}))
        .await?;
    let task = world.ended("busy").await?;
    world.expect(&task, Phase::Cancelled).await
}
