//! Providers and the defaults of a namespace.

use anyhow::ensure;
use axon_api::{AgentProvider, Phase, Task, TaskDefaults};
use kube::runtime::wait::await_condition;
use serde_json::json;

use crate::llm::Turn;
use crate::world::{PATIENCE, World, reason_of};

async fn ready(world: &World, name: &str, reason: &str) -> anyhow::Result<AgentProvider> {
    let holds = |provider: Option<&AgentProvider>| {
        let status = provider.and_then(|provider| provider.status.as_ref());
        status.is_some_and(|status| {
            status
                .conditions
                .iter()
                .any(|condition| condition.type_ == "Ready" && condition.reason == reason)
        })
    };
    let waiting = await_condition(world.api::<AgentProvider>(), name, holds);
    let found = tokio::time::timeout(PATIENCE, waiting).await??;
    found.ok_or_else(|| anyhow::anyhow!("AgentProvider `{name}` is gone"))
}

/// The provider is told unready without its Secret, woken by it, and its endpoint gets the
/// credential under the defaults of the namespace alone.
pub(super) async fn a_provider_of_the_namespaces_defaults_is_used(world: &World) -> anyhow::Result<()> {
    let conversation = world.converse("talk", vec![Turn::say("Hello.")]);
    world
        .create::<AgentProvider>(
            "proxy",
            json!({"spec": {
                "displayName": "A proxy", "agentTypes": ["claude-code"],
                "authTokenSecretRef": {"name": "proxy-key", "key": "api-key"},
                "baseURL": conversation.base_url(),
                "environment": {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
            }}),
        )
        .await?;
    world
        .create::<TaskDefaults>(
            "default",
            json!({"spec": {
                "type": "claude-code", "providers": {"claude-code": "proxy"},
                "model": "claude-sonnet-4-5", "timeout": "10m",
            }}),
        )
        .await?;
    let provider = ready(world, "proxy", "SecretNotFound").await?;
    ensure!(!provider.status.unwrap_or_default().ready);
    world.task("bare", json!({"prompt": "say hello"})).await?;
    world.waits_for("bare", "SecretNotFound").await?;
    world.secret("proxy-key", "api-key", "through-the-proxy").await?;
    let task = world.ended("bare").await?;
    world.expect(&task, Phase::Succeeded).await?;
    let credentials = conversation.credentials();
    ensure!(
        !credentials.is_empty() && credentials.iter().all(|one| one == "through-the-proxy"),
        "other credentials reached the provider: {credentials:?}"
    );
    let effective = task.status.map(|status| status.effective).unwrap_or_default();
    for (field, from) in [
        ("type", "TaskDefaults/default"),
        ("timeout", "TaskDefaults/default"),
    ] {
        ensure!(
            effective.iter().any(|one| one.field == field && one.from == from),
            "{field} is not from {from}: {effective:?}"
        );
    }
    world
        .axon(&["describe", "task", "bare"])
        .await?
        .expect(0, &["TaskDefaults/default"])
}

pub(super) async fn a_provider_that_is_not_for_the_type_fails_the_task(world: &World) -> anyhow::Result<()> {
    world.secret("key", "api-key", "x").await?;
    world
        .create::<AgentProvider>(
            "other",
            json!({"spec": {
                "agentTypes": ["opencode"],
                "authTokenSecretRef": {"name": "key", "key": "api-key"},
            }}),
        )
        .await?;
    let task = world
        .run(
            "wrong",
            json!({"type": "claude-code", "prompt": "hello", "providerRef": {"name": "other"}}),
        )
        .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(reason_of(&task) == "ProviderNotForType", "{:?}", task.status);
    Ok(())
}

pub(super) async fn the_tasks_own_fields_win_over_the_defaults(world: &World) -> anyhow::Result<()> {
    world
        .create::<TaskDefaults>(
            "default",
            json!({"spec": {
                "type": "claude-code", "timeout": "1s",
                "env": [{"name": "COLOUR", "value": "red"}, {"name": "SHAPE", "value": "round"}],
            }}),
        )
        .await?;
    let task: Task = world
        .run(
            "own",
            json!({
                "type": "shell", "timeout": "5m",
                "prompt": "sleep 2; echo \"is $COLOUR and $SHAPE\"",
                "podOverrides": {"env": [{"name": "COLOUR", "value": "blue"}]},
            }),
        )
        .await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(world.output(&task).await?.contains("is blue and round"));
    Ok(())
}
