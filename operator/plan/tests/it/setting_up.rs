//! What AgentConfigs become: what the runner is told, and what is mounted for it.

use axon_api::Phase::{Failed, Waiting};
use axon_api::agents::setup::McpTransport;
use axon_plan::Plan;
use serde_json::{Value, json};

use crate::fixtures::{
    Scene, agent_config, container_of, created_job, created_pod, mounts_of, run_description, steps, task,
    told, variable_of,
};

fn scene(configs: &[Value]) -> Scene {
    let named: Vec<Value> = (0..configs.len())
        .map(|n| json!({ "name": format!("c{n}") }))
        .collect();
    let spec = json!({ "type": "claude-code", "prompt": "x", "agentConfigRefs": named });
    let mut scene = Scene::of(task(spec));
    scene.agent_configs = configs
        .iter()
        .enumerate()
        .map(|(n, spec)| agent_config(&format!("c{n}"), spec.clone()))
        .collect();
    scene
}

fn secret_volumes(plan: &Plan) -> Vec<String> {
    let volumes = created_pod(plan).volumes.iter().flatten();
    volumes
        .filter_map(|volume| {
            let secret = volume.secret.as_ref()?;
            let whole = if secret.items.is_none() { "whole " } else { "" };
            let name = secret.secret_name.as_deref().unwrap_or_default();
            Some(format!("{}: {whole}{name}", volume.name))
        })
        .collect()
}

#[test]
fn several_configs_are_merged_in_their_order() {
    let document = |name: &str, content: &str| json!({ "name": name, "content": content });
    let plan = scene(&[
        json!({
            "agentsMD": "Be kind.\n",
            "plugins": [{ "name": "team", "skills": [document("a", "1"), document("b", "1")] }],
            "skills": [{ "source": "o/one" }],
            "mcpServers": [
                { "name": "files", "type": "stdio", "command": "old" },
                { "name": "web", "type": "http", "url": "https://web.example.com" },
            ],
        }),
        json!({ "agentsMD": "  " }),
        json!({
            "agentsMD": "Be brief.",
            "plugins": [
                { "name": "team", "skills": [document("a", "2")], "agents": [document("r", "1")] },
                { "name": "other" },
            ],
            "skills": [{ "source": "o/two", "skill": "s" }, { "source": "o/one" }],
            "mcpServers": [{ "name": "files", "type": "stdio", "command": "new", "args": ["-v"] }],
        }),
    ])
    .plan();
    let run = run_description(&plan);
    assert_eq!(run.instructions.as_deref(), Some("Be kind.\n\nBe brief."));
    let plugins = serde_json::to_value(&run.plugins).expect("JSON");
    assert_eq!(
        plugins,
        json!([
            {
                "name": "team",
                "skills": [document("a", "2"), document("b", "1")],
                "agents": [document("r", "1")],
            },
            { "name": "other" },
        ])
    );
    let skills: Vec<_> = run.skills.iter().map(|skill| skill.source.as_str()).collect();
    assert_eq!(skills, ["o/one", "o/two"]);
    let servers: Vec<_> = run
        .mcp_servers
        .iter()
        .map(|run| run.server.name.as_str())
        .collect();
    assert_eq!(servers, ["files", "web"]);
    let first = run.mcp_servers.first().map(|run| &run.server.transport);
    assert!(
        matches!(first, Some(McpTransport::Stdio { command, args, .. }) if command == "new" && args.len() == 1)
    );
}

#[test]
fn values_of_servers_are_never_in_the_job() {
    for server in [
        json!({ "name": "m", "type": "stdio", "command": "c", "env": { "KEY": "hunter2" } }),
        json!({ "name": "m", "type": "http", "url": "https://e.example.com", "headers": { "A": "hunter2" } }),
        json!({ "name": "m", "type": "sse", "url": "https://e.example.com", "headers": { "A": "hunter2" } }),
        json!({ "name": "m", "type": "http", "url": "https://e.example.com?key=hunter2" }),
        json!({ "name": "m", "type": "stdio", "command": "c", "args": ["--key", "hunter2"] }),
    ] {
        let plan = scene(&[json!({ "mcpServers": [server] })]).plan();
        assert_eq!(steps(&plan), ["CreateRunSecret", "CreateJob", "WriteStatus"]);
        let job = serde_json::to_string(created_job(&plan)).expect("JSON");
        assert!(!job.contains("hunter2"));
        let run = serde_json::to_string(&run_description(&plan)).expect("JSON");
        assert!(run.contains("hunter2"));
    }
}

#[test]
fn secrets_are_mounted_by_number_where_they_are_needed() {
    let server = |name: &str, secret: &str| json!({ "name": name, "type": "stdio", "command": "c", "envFrom": { "secretRef": { "name": secret } } });
    let plan = scene(&[json!({
        "skills": [
            { "source": "o/private", "secretRef": { "name": "skills" } },
            { "source": "o/both", "secretRef": { "name": "both" } },
        ],
        "mcpServers": [
            server("one", "servers"),
            server("two", "both"),
            { "name": "web", "type": "http", "url": "https://e.example.com",
              "headersFrom": { "secretRef": { "name": "servers" } } },
        ],
    })])
    .with_secret("skills", &["GITHUB_TOKEN"])
    .with_secret("both", &["GITHUB_TOKEN", "OTHER"])
    .with_secret("servers", &["KEY"])
    .plan();
    let run = run_description(&plan);
    let of_skills: Vec<_> = run.skills.iter().map(|skill| skill.secret).collect();
    assert_eq!(of_skills, [Some(0), Some(1)]);
    let of_servers: Vec<_> = run.mcp_servers.iter().map(|server| server.secret).collect();
    assert_eq!(of_servers, [Some(2), Some(1), Some(2)]);
    assert_eq!(
        secret_volumes(&plan),
        [
            "run: fix-bug-1-fc603e-run",
            "axon-secret-0: whole skills",
            "axon-secret-1: whole both",
            "axon-secret-2: whole servers",
        ]
    );
    let of = |container: &str| {
        let mounts = mounts_of(&plan, container).into_iter();
        let numbers = mounts.filter_map(|mount| {
            let number = mount.strip_prefix("axon-secret-")?.chars().next()?;
            assert!(mount.ends_with(&format!("at /axon/secrets/{number}")), "{mount}");
            let variable = variable_of(&plan, container, &format!("AXON_SECRET_DIR_{number}"));
            assert_eq!(variable, Some(format!("/axon/secrets/{number}")));
            Some(number)
        });
        numbers.collect::<String>()
    };
    assert_eq!(
        of("prepare"),
        "01",
        "the agent's secrets are not where skills are fetched"
    );
    assert_eq!(
        of("agent"),
        "12",
        "the agent does not have what skills are fetched with"
    );
}

#[test]
fn skills_are_fetched_without_a_workspace_too() {
    let plan = scene(&[json!({ "skills": [{ "source": "o/one" }] })]).plan();
    assert!(container_of(&plan, "prepare").is_some());
    let run = run_description(&plan);
    assert!(run.checkout.is_none());
    let of_three = axon_api::outcome::limit_bytes(3);
    assert_eq!(run.outcome_limit_bytes, of_three);
    let plan = scene(&[json!({ "agentsMD": "x" })]).plan();
    assert!(container_of(&plan, "prepare").is_none());
}

#[test]
fn what_is_not_there_is_waited_for() {
    let private = json!({ "skills": [{ "source": "o/one", "secretRef": { "name": "s" } }] });
    let server = json!({ "mcpServers": [
        { "name": "m", "type": "stdio", "command": "c", "envFrom": { "secretRef": { "name": "s" } } },
    ] });
    for (config, secret, reason, says) in [
        (&private, None, "SecretNotFound", "`s`"),
        (&private, Some("OTHER"), "SecretKeyMissing", "`GITHUB_TOKEN`"),
        (&server, None, "SecretNotFound", "`s`"),
    ] {
        let mut scene = scene(std::slice::from_ref(config));
        if let Some(key) = secret {
            scene = scene.with_secret("s", &[key]);
        }
        let plan = scene.plan();
        assert_eq!(told(&plan), (Waiting, reason.to_owned()));
        let message = plan.status.message.unwrap_or_default();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn configs_that_fit_no_secret_fail_the_task_with_the_sizes() {
    // Text that does not compress: a linear congruential generator.
    let mut state = 1u64;
    let mut text = || -> String {
        let letters = (0..250_000).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b' ' + u8::try_from((state >> 33) % 94).expect("small"))
        });
        letters.collect()
    };
    let configs: Vec<Value> = (0..8).map(|_| json!({ "agentsMD": text() })).collect();
    let plan = scene(&configs).plan();
    assert_eq!(told(&plan), (Failed, "RunTooLarge".to_owned()));
    let message = plan.status.message.unwrap_or_default();
    assert!(message.contains("921600"), "{message}");
}
