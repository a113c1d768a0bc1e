//! `AgentConfig`s, as the real agent CLIs show them to the scripted provider.

use anyhow::ensure;
use axon_api::{AgentConfig, Phase};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::agents::{CLAUDE_CODE, CODEX, GEMINI, OPENCODE, Type};
use crate::llm::Turn;
use crate::mcp::{McpServer, STDIO_SERVER};
use crate::world::{World, message_of, reason_of};

/// What the agent's shell tool does, so that the provider hears what the server over stdio wrote.
const SHOW_LOG: &str = "cat \"$HOME/mcp.log\"";

pub(super) async fn claude_code_gets_its_configuration(world: &World) -> anyhow::Result<()> {
    // Tools of MCP servers are searched for by the model; their names are in the prompt.
    gets_its_configuration(
        world,
        &CLAUDE_CODE,
        ["mcp__local__probe_echo", "mcp__far__probe_echo"],
    )
    .await
}

pub(super) async fn codex_gets_its_configuration(world: &World) -> anyhow::Result<()> {
    // Tools of MCP servers are searched for by the model; their namespaces are in the prompt.
    gets_its_configuration(world, &CODEX, ["mcp__local", "mcp__far"]).await
}

pub(super) async fn gemini_gets_its_configuration(world: &World) -> anyhow::Result<()> {
    gets_its_configuration(world, &GEMINI, ["mcp_local_probe_echo", "mcp_far_probe_echo"]).await
}

pub(super) async fn opencode_gets_its_configuration(world: &World) -> anyhow::Result<()> {
    gets_its_configuration(world, &OPENCODE, ["local_probe_echo", "far_probe_echo"]).await
}

/// Two AgentConfigs with everything in them, and a skill of a repository.
async fn gets_its_configuration(world: &World, agent: &Type, offered: [&str; 2]) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let skills = skills(world).await?;
    let host = world.plane().host()?;
    let far = McpServer::start(host.address, &host.name).await?;
    world.secret("server", "TOKEN", "t0ken-of-the-server").await?;
    world
        .secret("headers", "X-Probe", "Bearer a-secret-$HOME-${HOME}")
        .await?;
    configure(world, &far.url(), &skills).await?;
    let conversation = world.converse("talk", vec![Turn::run(SHOW_LOG), Turn::say("Done.")]);
    world.secret("key", agent.key, "made-up-key").await?;
    let task = world
        .run(
            "agent",
            json!({
                "type": agent.name,
                "prompt": "look around",
                "model": agent.model,
                "workspace": {
                    "repo": repository.url,
                    "files": [{"path": "mcp.js", "content": STDIO_SERVER}],
                },
                "agentConfigRefs": [{"name": "first"}, {"name": "second"}],
                "credentials": {"type": "api-key", "secretRef": {"name": "key"}},
                "podOverrides": {"env": [{"name": agent.base_url, "value": conversation.base_url()}]},
            }),
        )
        .await?;
    world.expect(&task, Phase::Succeeded).await?;
    for text in [
        "INSTRUCTIONS-OF-THE-FIRST",
        "INSTRUCTIONS-OF-THE-SECOND",
        "SKILL-OF-A-PLUGIN",
        "AGENT-OF-A-PLUGIN",
        "SKILL-OF-A-REPOSITORY",
        "started with TOKEN=t0ken-of-the-server and MODE=plain",
        "asked for tools/list",
        offered[0],
        offered[1],
    ] {
        ensure!(
            conversation.heard(text),
            "the provider was not told `{text}`\n{}",
            world.report("agent").await
        );
    }
    let headers = far.header("x-probe");
    ensure!(
        !headers.is_empty()
            && headers
                .iter()
                .all(|header| header.as_deref() == Some("Bearer a-secret-$HOME-${HOME}")),
        "the header did not arrive with each request: {headers:?}"
    );
    no_pod_has(world, &["t0ken-of-the-server", "a-secret-"]).await
}

/// A repository with a skill in it.
async fn skills(world: &World) -> anyhow::Result<String> {
    let repository = world.repository("skills").await?;
    make_skills(world, json!({"repo": repository.url})).await?;
    Ok(repository.url.clone())
}

async fn make_skills(world: &World, workspace: Value) -> anyhow::Result<()> {
    let script = "set -e; mkdir -p skills/search\n\
        printf -- '---\\nname: search\\ndescription: SKILL-OF-A-REPOSITORY\\n---\\nSearch.\\n' > skills/search/SKILL.md\n\
        git add . && git -c user.name=A -c user.email=a@example.com commit -qm skill && git push -q origin HEAD:main";
    let task = world
        .run(
            "make-skills",
            json!({"type": "shell", "prompt": script, "workspace": workspace}),
        )
        .await?;
    world.expect(&task, Phase::Succeeded).await
}

async fn configure(world: &World, url: &str, skills: &str) -> anyhow::Result<()> {
    let document = |name: &str, description: &str| {
        json!({
            "name": name,
            "content": format!("---\nname: {name}\ndescription: {description}\ntools: Read, Grep\n---\nDo it.\n"),
        })
    };
    config(
        world,
        "first",
        json!({
            "agentsMD": "INSTRUCTIONS-OF-THE-FIRST",
            "plugins": [{
                "name": "team.one",
                "skills": [document("deploy", "SKILL-OF-A-PLUGIN")],
                "agents": [document("reviewer", "AGENT-OF-A-PLUGIN")],
            }],
            "mcpServers": [{"name": "local", "type": "stdio", "command": "no-such-program"}],
        }),
    )
    .await?;
    config(
        world,
        "second",
        json!({
            "agentsMD": "INSTRUCTIONS-OF-THE-SECOND",
            "skills": [{"source": skills, "skill": "search"}],
            "mcpServers": [
                {
                    "name": "local",
                    "type": "stdio",
                    "command": "sh",
                    "args": ["-c", "exec node mcp.js \"$HOME/mcp.log\""],
                    "env": {"MODE": "plain", "TOKEN": "the Secret wins"},
                    "envFrom": {"secretRef": {"name": "server"}},
                },
                {
                    "name": "far",
                    "type": "http",
                    "url": url,
                    "headers": {"x-probe": "the Secret wins"},
                    "headersFrom": {"secretRef": {"name": "headers"}},
                },
            ],
        }),
    )
    .await
}

async fn config(world: &World, name: &str, spec: Value) -> anyhow::Result<()> {
    world.create::<AgentConfig>(name, json!({"spec": spec})).await?;
    Ok(())
}

async fn no_pod_has(world: &World, secrets: &[&str]) -> anyhow::Result<()> {
    let pods = world.api::<Pod>().list(&kube::api::ListParams::default()).await?;
    ensure!(!pods.items.is_empty(), "there is no pod to look at");
    for pod in pods {
        let text = serde_json::to_string(&pod)?;
        for secret in secrets {
            ensure!(!text.contains(secret), "the pod has the secret `{secret}`");
        }
    }
    Ok(())
}

pub(super) async fn claude_code_reaches_a_server_over_events(world: &World) -> anyhow::Result<()> {
    reaches_a_server_over_events(world, &CLAUDE_CODE, "mcp__events__probe_echo").await
}

pub(super) async fn gemini_reaches_a_server_over_events(world: &World) -> anyhow::Result<()> {
    reaches_a_server_over_events(world, &GEMINI, "mcp_events_probe_echo").await
}

pub(super) async fn opencode_reaches_a_server_over_events(world: &World) -> anyhow::Result<()> {
    reaches_a_server_over_events(world, &OPENCODE, "events_probe_echo").await
}

async fn reaches_a_server_over_events(world: &World, agent: &Type, offered: &str) -> anyhow::Result<()> {
    let host = world.plane().host()?;
    let server = McpServer::start(host.address, &host.name).await?;
    config(
        world,
        "config",
        json!({"mcpServers": [{
            "name": "events",
            "type": "sse",
            "url": server.sse_url(),
            "headers": {"X-Probe": "sent"},
        }]}),
    )
    .await?;
    let conversation = world.converse("talk", vec![Turn::run("true"), Turn::say("Done.")]);
    world.secret("key", agent.key, "made-up-key").await?;
    let task = world
        .run(
            "agent",
            json!({
                "type": agent.name,
                "prompt": "look around",
                "model": agent.model,
                "agentConfigRef": {"name": "config"},
                "credentials": {"type": "api-key", "secretRef": {"name": "key"}},
                "podOverrides": {"env": [{"name": agent.base_url, "value": conversation.base_url()}]},
            }),
        )
        .await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(
        conversation.heard(offered),
        "the provider was not told `{offered}`\n{}",
        world.report("agent").await
    );
    let headers = server.header("x-probe");
    ensure!(
        headers.iter().all(|header| header.as_deref() == Some("sent")),
        "the header did not arrive with each request: {headers:?}"
    );
    Ok(())
}

pub(super) async fn a_script_finds_its_configuration_by_variables(world: &World) -> anyhow::Result<()> {
    world.secret("server", "TOKEN", "t0ken-of-the-server").await?;
    config(
        world,
        "config",
        json!({
            "agentsMD": "Be brief.",
            "plugins": [{"name": "team", "skills": [{"name": "deploy", "content": "Ship it."}]}],
            "mcpServers": [{
                "name": "local",
                "type": "stdio",
                "command": "server",
                "envFrom": {"secretRef": {"name": "server"}},
            }],
        }),
    )
    .await?;
    let task = world
        .run(
            "script",
            json!({
                "type": "shell",
                "prompt": "cat \"$AXON_AGENTS_MD_FILE\" \"$KELOS_PLUGIN_DIR/team/skills/deploy/SKILL.md\"; echo; \
                    grep -c 't0ken-of-the-serve[r]' \"$AXON_MCP_SERVERS_FILE\"; env | grep -c SECRET_DIR; true",
                "agentConfigRefs": [{"name": "config"}],
            }),
        )
        .await?;
    world.expect(&task, Phase::Succeeded).await?;
    let output = world.output(&task).await?;
    ensure!(
        output.starts_with("Be brief.Ship it.\n1\n0\n"),
        "the script found something else: {output}"
    );
    no_pod_has(world, &["t0ken-of-the-server"]).await
}

pub(super) async fn a_skill_of_a_private_repository_is_fetched_with_its_token(
    world: &World,
) -> anyhow::Result<()> {
    let repository = world.private_repository("skills", "very-secret").await?;
    world.secret("token", "GITHUB_TOKEN", "very-secret").await?;
    let workspace = json!({"repo": repository.url, "secretRef": {"name": "token"}});
    make_skills(world, workspace).await?;
    let source = json!({"source": repository.url, "secretRef": {"name": "token"}});
    config(world, "config", json!({"skills": [source]})).await?;
    let spec = json!({
        "type": "shell",
        "prompt": "cd \"$AXON_PLUGIN_DIR\" && cat */skills/search/SKILL.md; env; ls -a \"$AXON_WORKSPACE_DIR/.axon/skills\"",
        "agentConfigRef": {"name": "config"},
    });
    let task = world.run("with-skill", spec).await?;
    world.expect(&task, Phase::Succeeded).await?;
    let output = world.output(&task).await?;
    ensure!(
        output.contains("SKILL-OF-A-REPOSITORY"),
        "the skill is not there: {output}"
    );
    ensure!(
        !output.contains("very-secret"),
        "the agent has the token of the skills: {output}"
    );
    no_pod_has(world, &["very-secret"]).await
}

pub(super) async fn a_skill_that_its_repository_lacks_fails_the_task(world: &World) -> anyhow::Result<()> {
    let skills = skills(world).await?;
    config(
        world,
        "config",
        json!({"skills": [{"source": skills, "skill": "sing"}]}),
    )
    .await?;
    let spec = json!({"type": "shell", "prompt": "true", "agentConfigRefs": [{"name": "config"}]});
    let task = world.run("lacking", spec).await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(reason_of(&task) == "SkillNotFound", "{:?}", task.status);
    ensure!(message_of(&task).contains("it has `search`"), "{:?}", task.status);
    Ok(())
}

pub(super) async fn a_transport_that_a_type_lacks_fails_the_task(world: &World) -> anyhow::Result<()> {
    config(
        world,
        "config",
        json!({"mcpServers": [{"name": "old", "type": "sse", "url": "http://127.0.0.1:9/sse"}]}),
    )
    .await?;
    world.secret("key", CODEX.key, "made-up-key").await?;
    let task = world
        .run(
            "agent",
            json!({
                "type": CODEX.name,
                "prompt": "hi",
                "agentConfigRefs": [{"name": "config"}],
                "credentials": {"type": "api-key", "secretRef": {"name": "key"}},
            }),
        )
        .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(
        message_of(&task).contains("`old`") && message_of(&task).contains("server-sent events"),
        "{:?}",
        task.status
    );
    Ok(())
}

pub(super) async fn a_bad_agent_config_is_refused_and_its_field_is_named(
    world: &World,
) -> anyhow::Result<()> {
    let skill = |name: &str| json!({"plugins": [{"name": "p", "skills": [{"name": name, "content": "x"}]}]});
    let server = json!({"name": "same", "type": "stdio", "command": "x"});
    let cases = [
        (skill("../x"), "spec.plugins[0].skills[0].name"),
        (skill("a..b"), "spec.plugins[0].skills[0].name"),
        (json!({"mcpServers": [server, server]}), "spec.mcpServers[1]"),
        (
            json!({"mcpServers": [{"name": "a", "type": "stdio"}]}),
            "command is required",
        ),
        (
            json!({"mcpServers": [{"name": "a", "type": "http", "command": "x"}]}),
            "url is required",
        ),
        (json!({"agentsMD": "x".repeat(300_000)}), "spec.agentsMD"),
        (
            json!({"skills": [{"source": "../../etc"}]}),
            "spec.skills[0].source",
        ),
    ];
    for (spec, part) in cases {
        let Err(error) = config(world, "bad", spec.clone()).await else {
            anyhow::bail!(
                "`{}` was accepted",
                spec.to_string().chars().take(200).collect::<String>()
            );
        };
        let text = format!("{error:#}");
        ensure!(text.contains(part), "`{part}` is not named: {text}");
    }
    let large = json!({"plugins": (0..9).map(|number| json!({
        "name": format!("p{number}"),
        "skills": [{"name": "s", "content": "x".repeat(250_000)}],
    })).collect::<Vec<_>>()});
    ensure!(
        config(world, "large", large).await.is_err(),
        "an AgentConfig of 2 MiB was accepted"
    );
    Ok(())
}
