//! The ways in which an agent gets a credential, and what of it the provider sees.

use anyhow::ensure;
use axon_api::{AgentProvider, Phase};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::agents::{CLAUDE_CODE, CODEX, GEMINI, OPENCODE, Type};
use crate::llm::Turn;
use crate::world::World;

pub(super) async fn claude_code_is_signed_in_by_its_oauth_token(world: &World) -> anyhow::Result<()> {
    signed_in(
        world,
        &CLAUDE_CODE,
        "CLAUDE_CODE_OAUTH_TOKEN",
        "a-sign-in",
        "a-sign-in",
    )
    .await
}

pub(super) async fn codex_is_signed_in_by_its_auth_json(world: &World) -> anyhow::Result<()> {
    let claims = json!({
        "exp": 4_102_444_800_u64,
        "email": "a@example.com",
        "https://api.openai.com/auth": {
            "chatgpt_plan_type": "plus",
            "chatgpt_account_id": "an-account",
            "chatgpt_user_id": "a-user",
        },
    });
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let token = format!("{}.{}.sig", encoded(&json!({"alg": "none"})), encoded(&claims));
    let auth = json!({
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": null,
        "tokens": {
            "id_token": token,
            "access_token": token,
            "refresh_token": "a-refresh-token",
            "account_id": "an-account",
        },
        // A token that was refreshed long ago would be refreshed at its vendor first.
        "last_refresh": "2099-01-01T00:00:00.000000Z",
    });
    // Written over several lines, as people keep it in a file.
    let auth = format!("{auth:#}\n");
    signed_in(world, &CODEX, "CODEX_AUTH_JSON", &auth, &token).await
}

async fn signed_in(
    world: &World,
    agent: &Type,
    key: &str,
    value: &str,
    expected: &str,
) -> anyhow::Result<()> {
    let conversation = world.converse("talk", vec![Turn::run("env"), Turn::say("Done.")]);
    world.secret("sign-in", key, value).await?;
    let task = world
        .run(
            "agent",
            json!({
                "type": agent.name,
                "prompt": "hi",
                "model": agent.model,
                "credentials": {"type": "oauth", "secretRef": {"name": "sign-in"}},
                "podOverrides": {"env": [{"name": agent.base_url, "value": conversation.base_url()}]},
            }),
        )
        .await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(
        conversation.credentials() == [expected],
        "another credential arrived: {:?}",
        conversation.credentials()
    );
    no_pod_has(world, expected).await
}

pub(super) async fn claude_code_uses_a_provider_with_an_address(world: &World) -> anyhow::Result<()> {
    uses_a_provider(world, &CLAUDE_CODE).await
}

pub(super) async fn codex_uses_a_provider_with_an_address(world: &World) -> anyhow::Result<()> {
    uses_a_provider(world, &CODEX).await
}

pub(super) async fn gemini_uses_a_provider_with_an_address(world: &World) -> anyhow::Result<()> {
    uses_a_provider(world, &GEMINI).await
}

pub(super) async fn opencode_uses_a_provider_with_an_address(world: &World) -> anyhow::Result<()> {
    uses_a_provider(world, &OPENCODE).await
}

/// The provider comes after the Task, and its Secret after that.
async fn uses_a_provider(world: &World, agent: &Type) -> anyhow::Result<()> {
    let conversation = world.converse("talk", vec![Turn::run("echo of-$MORE"), Turn::say("Done.")]);
    let spec = json!({
        "type": agent.name,
        "prompt": "hi",
        "model": agent.model,
        "providerRef": {"name": "gateway"},
    });
    world.task("agent", spec).await?;
    world.waits_for("agent", "ProviderNotFound").await?;
    let provider = json!({"spec": {
        "agentTypes": [agent.name],
        "authTokenSecretRef": {"name": "gateway", "key": "token"},
        "baseURL": conversation.base_url(),
        "environment": {"MORE": "the-environment"},
    }});
    world.create::<AgentProvider>("gateway", provider).await?;
    world.secret("gateway", "token", "token-of-the-gateway").await?;
    let task = world.ended("agent").await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(
        conversation.credentials() == ["token-of-the-gateway"],
        "another credential arrived: {:?}",
        conversation.credentials()
    );
    ensure!(
        conversation.heard("of-the-environment"),
        "the provider's environment did not arrive"
    );
    no_pod_has(world, "token-of-the-gateway").await
}

pub(super) async fn claude_code_reaches_bedrock_and_vertex_without_credentials(
    world: &World,
) -> anyhow::Result<()> {
    let bedrock = [
        ("CLAUDE_CODE_USE_BEDROCK", "1"),
        ("CLAUDE_CODE_SKIP_BEDROCK_AUTH", "1"),
        ("AWS_REGION", "eu-central-1"),
    ];
    reaches(
        world,
        "bedrock",
        "ANTHROPIC_BEDROCK_BASE_URL",
        &bedrock,
        "/model/",
    )
    .await?;
    let vertex = [
        ("CLAUDE_CODE_USE_VERTEX", "1"),
        ("CLAUDE_CODE_SKIP_VERTEX_AUTH", "1"),
        ("ANTHROPIC_VERTEX_PROJECT_ID", "a-project"),
        ("CLOUD_ML_REGION", "europe-west1"),
    ];
    reaches(
        world,
        "vertex",
        "ANTHROPIC_VERTEX_BASE_URL",
        &vertex,
        "/projects/a-project/",
    )
    .await
}

/// The scripted provider speaks neither, so that the Task fails; what counts is who was asked.
async fn reaches(
    world: &World,
    name: &str,
    base_url: &str,
    variables: &[(&str, &str)],
    path: &str,
) -> anyhow::Result<()> {
    let conversation = world.converse(name, Vec::new());
    let mut env: Vec<Value> = variables
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    env.push(json!({"name": base_url, "value": conversation.base_url()}));
    world
        .run(
            name,
            json!({
                "type": "claude-code",
                "prompt": "hi",
                "credentials": {"type": "none"},
                "timeout": "60s",
                "podOverrides": {"env": env},
            }),
        )
        .await?;
    let paths: Vec<String> = conversation.log().into_iter().map(|entry| entry.path).collect();
    ensure!(
        paths.iter().any(|asked| asked.contains(path)),
        "`{path}` was not asked, but {paths:?}\n{}",
        world.report(name).await
    );
    Ok(())
}

async fn no_pod_has(world: &World, secret: &str) -> anyhow::Result<()> {
    for pod in world.api::<Pod>().list(&kube::api::ListParams::default()).await? {
        ensure!(
            !serde_json::to_string(&pod)?.contains(secret),
            "the pod has the secret"
        );
    }
    Ok(())
}
