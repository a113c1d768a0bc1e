//! The real agent CLIs against the scripted provider.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::ensure;
use axon_api::{Phase, Task};
use serde_json::{Value, json};

use crate::llm::{Conversation, TOKENS, Turn};
use crate::world::{World, message_of, reason_of, result_of};

const WORK: &str = "echo change >> README.md && \
    git -c user.name=A -c user.email=a@example.com commit -qam 'agent change' && \
    git push -q origin HEAD";

/// How an agent type is told of provider, key and model.
pub(super) struct Type {
    pub(super) name: &'static str,
    pub(super) key: &'static str,
    pub(super) model: &'static str,
    pub(super) base_url: &'static str,
}

pub(super) const CLAUDE_CODE: Type = Type {
    name: "claude-code",
    key: "ANTHROPIC_API_KEY",
    model: "claude-sonnet-4-5",
    base_url: "ANTHROPIC_BASE_URL",
};
pub(super) const CODEX: Type = Type {
    name: "codex",
    key: "CODEX_API_KEY",
    model: "gpt-5.5",
    base_url: "OPENAI_BASE_URL",
};
pub(super) const GEMINI: Type = Type {
    name: "gemini",
    key: "GEMINI_API_KEY",
    model: "gemini-2.5-pro",
    base_url: "GOOGLE_GEMINI_BASE_URL",
};
pub(super) const OPENCODE: Type = Type {
    name: "opencode",
    key: "OPENCODE_API_KEY",
    model: "anthropic/claude-sonnet-4-5",
    base_url: "ANTHROPIC_BASE_URL",
};

pub(super) async fn claude_code_succeeds(world: &World) -> anyhow::Result<()> {
    succeeds(world, &CLAUDE_CODE).await
}

pub(super) async fn codex_succeeds(world: &World) -> anyhow::Result<()> {
    succeeds(world, &CODEX).await
}

pub(super) async fn gemini_succeeds(world: &World) -> anyhow::Result<()> {
    succeeds(world, &GEMINI).await
}

pub(super) async fn opencode_succeeds(world: &World) -> anyhow::Result<()> {
    succeeds(world, &OPENCODE).await
}

async fn succeeds(world: &World, agent: &Type) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let (task, conversation) = run(
        world,
        agent,
        &repository.url,
        "please fix it",
        vec![Turn::run(WORK), Turn::say("Pushed the change.")],
    )
    .await?;
    world.expect(&task, Phase::Succeeded).await?;
    let pushed = repository.commit("feature/x").await?;
    ensure!(
        pushed.is_some(),
        "nothing was pushed\n{}",
        world.report("agent").await
    );
    ensure!(
        result_of(&task, "commit") == pushed.as_deref(),
        "{:?}",
        task.status
    );
    ensure!(
        result_of(&task, "branch") == Some("feature/x"),
        "{:?}",
        task.status
    );
    let usage = task
        .status
        .as_ref()
        .and_then(|status| status.usage.clone())
        .unwrap_or_default();
    let input = i64::try_from(2 * (TOKENS.uncached + TOKENS.cached))?;
    let output = i64::try_from(2 * TOKENS.output)?;
    ensure!(
        usage.input_tokens == input && usage.output_tokens == output,
        "{usage:?}"
    );
    ensure!(
        result_of(&task, "input-tokens") == Some(input.to_string().as_str()),
        "{:?}",
        task.status
    );
    ensure!(
        result_of(&task, "output-tokens") == Some(output.to_string().as_str()),
        "{:?}",
        task.status
    );
    ensure!(conversation.heard("please fix it"), "the prompt did not arrive");
    ensure!(
        conversation.credentials() == ["made-up-key"],
        "{:?}",
        conversation.credentials()
    );
    Ok(())
}

pub(super) async fn claude_code_tells_the_providers_refusal(world: &World) -> anyhow::Result<()> {
    tells_the_refusal(world, &CLAUDE_CODE).await
}

pub(super) async fn codex_tells_the_providers_refusal(world: &World) -> anyhow::Result<()> {
    tells_the_refusal(world, &CODEX).await
}

pub(super) async fn gemini_tells_the_providers_refusal(world: &World) -> anyhow::Result<()> {
    tells_the_refusal(world, &GEMINI).await
}

pub(super) async fn opencode_tells_the_providers_refusal(world: &World) -> anyhow::Result<()> {
    tells_the_refusal(world, &OPENCODE).await
}

async fn tells_the_refusal(world: &World, agent: &Type) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let (task, _) = run(
        world,
        agent,
        &repository.url,
        "fix it",
        vec![Turn::unauthorized("the scripted key is not valid")],
    )
    .await?;
    world.expect(&task, Phase::Failed).await?;
    // Claude Code words it itself; the others pass on what the provider said.
    let words = ["the scripted key is not valid", "Invalid API key"];
    ensure!(
        words.iter().any(|words| message_of(&task).contains(words)),
        "the message is not the provider's: {:?}",
        task.status
    );
    ensure!(repository.commit("feature/x").await?.is_none());
    Ok(())
}

pub(super) async fn claude_code_survives_a_cut_stream(world: &World) -> anyhow::Result<()> {
    goes_on_after(world, &CLAUDE_CODE, Turn::Cut).await
}

pub(super) async fn codex_survives_a_cut_stream(world: &World) -> anyhow::Result<()> {
    goes_on_after(world, &CODEX, Turn::Cut).await
}

pub(super) async fn opencode_survives_a_cut_stream(world: &World) -> anyhow::Result<()> {
    goes_on_after(world, &OPENCODE, Turn::Cut).await
}

/// Gemini CLI does not try again.
pub(super) async fn gemini_fails_on_a_cut_stream(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let (task, _) = run(
        world,
        &GEMINI,
        &repository.url,
        "fix it",
        vec![Turn::Cut, Turn::run(WORK), Turn::say("Pushed.")],
    )
    .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(message_of(&task).contains("terminated"), "{:?}", task.status);
    Ok(())
}

pub(super) async fn claude_code_waits_out_a_rate_limit(world: &World) -> anyhow::Result<()> {
    goes_on_after(world, &CLAUDE_CODE, Turn::rate_limited_once()).await
}

pub(super) async fn codex_waits_out_a_rate_limit(world: &World) -> anyhow::Result<()> {
    goes_on_after(world, &CODEX, Turn::rate_limited_once()).await
}

pub(super) async fn gemini_waits_out_a_rate_limit(world: &World) -> anyhow::Result<()> {
    goes_on_after(world, &GEMINI, Turn::rate_limited_once()).await
}

pub(super) async fn opencode_waits_out_a_rate_limit(world: &World) -> anyhow::Result<()> {
    goes_on_after(world, &OPENCODE, Turn::rate_limited_once()).await
}

async fn goes_on_after(world: &World, agent: &Type, trouble: Turn) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let turns = vec![trouble, Turn::run(WORK), Turn::say("Pushed the change.")];
    let (task, _) = run(world, agent, &repository.url, "fix it", turns).await?;
    world.expect(&task, Phase::Succeeded).await?;
    let pushed = repository.commit("feature/x").await?;
    ensure!(
        pushed.is_some(),
        "nothing was pushed\n{}",
        world.report("agent").await
    );
    ensure!(
        result_of(&task, "commit") == pushed.as_deref(),
        "{:?}",
        task.status
    );
    Ok(())
}

pub(super) async fn a_prompt_of_one_mebibyte_reaches_the_provider_whole(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let mut prompt = String::with_capacity(1 << 20);
    for line in 0.. {
        let _ = writeln!(prompt, "line {line} of a long prompt");
        if prompt.len() > (1 << 20) {
            break;
        }
    }
    prompt.truncate((1 << 20) - 3);
    prompt.push_str("end");
    let (task, conversation) = run(
        world,
        &CLAUDE_CODE,
        &repository.url,
        &prompt,
        vec![Turn::say("Read it.")],
    )
    .await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(conversation.heard(&prompt), "the prompt did not arrive whole");
    Ok(())
}

pub(super) async fn a_hostile_prompt_reaches_the_provider_as_it_is(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let prompt = "-- \"quotes\" 'and' `ticks` $(touch /tmp/pwned) ${HOME} $(HOME) $$\n\
        second line \\ %s {{ .Title }} \u{1F980}\t\u{7}end";
    let (task, conversation) = run(
        world,
        &CLAUDE_CODE,
        &repository.url,
        prompt,
        vec![Turn::say("Read it.")],
    )
    .await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(
        conversation.heard(prompt),
        "the prompt was changed: {:?}",
        conversation.log()
    );
    Ok(())
}

pub(super) async fn tokens_over_the_limit_end_the_run(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    // More turns than the limit allows tokens for; the last would never be reached.
    let mut turns = vec![Turn::run("true"); 50];
    turns.push(Turn::say("Done."));
    let conversation = world.converse("limited", turns);
    let mut spec = spec(world, &CLAUDE_CODE, &repository.url, "go on", &conversation).await?;
    spec["limits"] = json!({"tokens": 5000});
    let task = world.run("limited", spec).await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(reason_of(&task) == "LimitExceeded", "{:?}", task.status);
    let answers = conversation.log().iter().filter(|entry| entry.main).count();
    ensure!(answers < 50, "the agent was not ended: {answers} requests");
    Ok(())
}

async fn run(
    world: &World,
    agent: &Type,
    repo: &str,
    prompt: &str,
    turns: Vec<Turn>,
) -> anyhow::Result<(Task, Arc<Conversation>)> {
    let conversation = world.converse("talk", turns);
    let spec = spec(world, agent, repo, prompt, &conversation).await?;
    Ok((world.run("agent", spec).await?, conversation))
}

async fn spec(
    world: &World,
    agent: &Type,
    repo: &str,
    prompt: &str,
    conversation: &Conversation,
) -> anyhow::Result<Value> {
    world.secret("key", agent.key, "made-up-key").await?;
    Ok(json!({
        "type": agent.name,
        "prompt": prompt,
        "model": agent.model,
        "branch": "feature/x",
        "workspace": {"repo": repo},
        "credentials": {"type": "api-key", "secretRef": {"name": "key"}},
        "podOverrides": {"env": [{"name": agent.base_url, "value": conversation.base_url()}]},
    }))
}
