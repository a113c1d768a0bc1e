#![cfg_attr(
    not(feature = "github"),
    expect(clippy::needless_update, reason = "other builds have more sources")
)]

use serde_json::{Value, json};

use super::*;
use crate::config::Config;

/// Reads `@NAME` as a file whose text is `text of NAME`.
#[expect(clippy::unnecessary_wraps, reason = "the real one reads files")]
fn read(_: &str, value: &str) -> Result<String> {
    Ok(match value.strip_prefix('@') {
        Some(file) => format!("text of {file}"),
        None => value.to_owned(),
    })
}

fn specs(wanted: Result<Vec<Wanted>>) -> Vec<Value> {
    match wanted {
        Ok(wanted) => wanted
            .iter()
            .map(|wanted| {
                check_fields(wanted.object()).expect("known fields");
                wanted.object().clone()
            })
            .collect(),
        Err(failure) => panic!("{}", failure.render()),
    }
}

fn last_spec(wanted: Result<Vec<Wanted>>) -> Value {
    specs(wanted).pop().expect("an object")["spec"].clone()
}

fn problem(wanted: Result<Vec<Wanted>>) -> String {
    match wanted {
        Ok(wanted) => panic!("this must not be accepted: {wanted:?}"),
        Err(failure) => failure.render(),
    }
}

#[test]
fn an_agent_config_is_put_together_from_texts_and_files() {
    let args = agent_config::AgentConfigArgs {
        name: "my-config".into(),
        agents_md: Some("@AGENTS.md".into()),
        skills: vec!["deploy=@skills/deploy.md".into()],
        agents: vec!["reviewer=Review it".into()],
        mcp_servers: vec![r#"github={"type":"http","url":"https://h/mcp/"}"#.into()],
        skill_sources: vec!["your-org/skills:lint".into(), "your-org/more".into()],
        skill_secret: Some("s".into()),
        ..Default::default()
    };
    assert_eq!(
        last_spec(agent_config::objects(&args, &read)),
        json!({
            "agentsMD": "text of AGENTS.md",
            "plugins": [{
                "name": "axon",
                "skills": [{"name": "deploy", "content": "text of skills/deploy.md"}],
                "agents": [{"name": "reviewer", "content": "Review it"}],
            }],
            "skills": [
                {"source": "your-org/skills", "skill": "lint", "secretRef": {"name": "s"}},
                {"source": "your-org/more", "secretRef": {"name": "s"}},
            ],
            "mcpServers": [{"name": "github", "type": "http", "url": "https://h/mcp/"}],
        })
    );
}

#[test]
fn a_misspelled_field_of_an_mcp_server_is_found() {
    let args = agent_config::AgentConfigArgs {
        name: "c".into(),
        mcp_servers: vec![r#"m={"url":"https://h","header":{"A":"b"}}"#.into()],
        ..Default::default()
    };
    let wanted = agent_config::objects(&args, &read).expect("objects");
    let failure = check_fields(wanted[0].object()).expect_err("a mistake").render();
    assert!(
        failure.contains("has no field `spec.mcpServers[0].header`")
            && failure.contains("did you mean `spec.mcpServers[0].headers`?"),
        "{failure}"
    );
}

#[test]
fn an_agent_config_says_something() {
    let empty = agent_config::AgentConfigArgs {
        name: "c".into(),
        ..Default::default()
    };
    assert!(problem(agent_config::objects(&empty, &read)).contains("would be empty"));
    let twice = agent_config::AgentConfigArgs {
        skills: vec!["a=x".into(), "a=y".into()],
        ..empty
    };
    assert!(problem(agent_config::objects(&twice, &read)).contains("names `a` twice"));
}

#[test]
fn a_token_becomes_the_secret_of_the_workspace() {
    let args = workspace::WorkspaceArgs {
        name: "w".into(),
        repo: "https://github.com/o/r.git".into(),
        git_ref: Some("main".into()),
        token: Some("@token".into()),
        remotes: vec!["upstream=https://github.com/u/r".into()],
        setup_command: Some("npm ci".into()),
        storage_size: Some("10Gi".into()),
        storage_shared: true,
        depth: Some(1),
        ..Default::default()
    };
    let objects = specs(workspace::objects(&args, args.repo.clone(), &read));
    assert_eq!(objects[0]["metadata"]["name"], "w-credentials");
    // `text of token` in base64.
    assert_eq!(
        objects[0]["data"],
        json!({"GITHUB_TOKEN": "dGV4dCBvZiB0b2tlbg=="})
    );
    assert_eq!(
        objects[1]["spec"],
        json!({
            "repo": "https://github.com/o/r.git", "ref": "main",
            "secretRef": {"name": "w-credentials"},
            "remotes": [{"name": "upstream", "url": "https://github.com/u/r"}],
            "setupCommand": ["sh", "-c", "npm ci"],
            "clone": {"depth": 1},
            "storage": {"size": "10Gi", "scope": "Workspace"},
        })
    );
}

#[test]
fn a_setup_command_in_brackets_needs_no_shell() {
    let args = |command: &str| workspace::WorkspaceArgs {
        name: "w".into(),
        repo: "r".into(),
        setup_command: Some(command.into()),
        ..Default::default()
    };
    assert_eq!(
        last_spec(workspace::objects(&args(r#"["npm","ci"]"#), "r".into(), &read))["setupCommand"],
        json!(["npm", "ci"])
    );
    assert!(problem(workspace::objects(&args("[1]"), "r".into(), &read)).contains("no JSON list of strings"));
}

#[test]
fn a_provider_finds_the_key_of_its_one_agent_type() {
    let args = provider::ProviderArgs {
        name: "p".into(),
        agent_types: vec!["claude-code".into()],
        secret: Some("s".into()),
        base_url: Some("https://llm.example.com".into()),
        env: vec!["A=b".into()],
        ..Default::default()
    };
    assert_eq!(
        last_spec(provider::objects(&args)),
        json!({
            "agentTypes": ["claude-code"],
            "authTokenSecretRef": {"name": "s", "key": "ANTHROPIC_API_KEY"},
            "baseURL": "https://llm.example.com",
            "environment": {"A": "b"},
        })
    );
    let any = provider::ProviderArgs {
        agent_types: Vec::new(),
        ..args
    };
    assert!(problem(provider::objects(&any)).contains("name it with --key"));
}

#[test]
fn the_defaults_of_a_namespace_have_one_name() {
    let args = task_defaults::TaskDefaultsArgs {
        name: "default".into(),
        agent_type: Some("gemini".into()),
        providers: vec!["gemini=p".into()],
        timeout: Some("1h".into()),
        cpu: Some("4".into()),
        memory: Some("8Gi".into()),
        env: vec!["A=b".into()],
        ..Default::default()
    };
    assert_eq!(
        last_spec(task_defaults::objects(&args)),
        json!({
            "type": "gemini", "providers": {"gemini": "p"}, "timeout": "1h",
            "resources": {"limits": {"cpu": "4", "memory": "8Gi"}},
            "env": [{"name": "A", "value": "b"}],
        })
    );
    let other = task_defaults::TaskDefaultsArgs {
        name: "mine".into(),
        ..args
    };
    assert!(problem(task_defaults::objects(&other)).contains("is named `default`"));
    let empty = task_defaults::TaskDefaultsArgs {
        name: "default".into(),
        ..Default::default()
    };
    assert!(problem(task_defaults::objects(&empty)).contains("would be empty"));
}

fn pipeline() -> task_pipeline::TaskPipelineArgs {
    task_pipeline::TaskPipelineArgs {
        name: "p".into(),
        agent_type: Some("shell".into()),
        workspace: Some("w".into()),
        ..Default::default()
    }
}

fn pipeline_objects(args: &task_pipeline::TaskPipelineArgs) -> Result<Vec<Wanted>> {
    let inputs = task_pipeline::Inputs {
        prompt: "do it".into(),
        repository: args.repo.clone(),
        ..Default::default()
    };
    task_pipeline::objects(args, &Config::default(), inputs, &read)
}

#[test]
fn the_least_of_a_pipeline_is_a_prompt_and_a_workspace() {
    assert_eq!(
        last_spec(pipeline_objects(&pipeline())),
        json!({"prompt": "do it", "type": "shell", "workspaceRef": {"name": "w"}})
    );
}

#[test]
fn steps_and_approvals_reach_the_pipeline() {
    let args = task_pipeline::TaskPipelineArgs {
        steps: vec!["implement".into(), "docs=@docs.md".into()],
        approve_after: vec!["implement".into()],
        issue: Some("o/r#7".into()),
        max_retries: Some(0),
        ..pipeline()
    };
    let spec = last_spec(pipeline_objects(&args));
    assert_eq!(
        spec["steps"],
        json!([
            {"name": "implement", "approval": true},
            {"name": "docs", "prompt": "text of docs.md"},
        ])
    );
    assert_eq!(
        spec["source"],
        json!({"type": "github-issue", "github": {"owner": "o", "repo": "r", "issueNumber": 7}})
    );
    assert_eq!(spec["maxRetries"], 0);
    let known = task_pipeline::TaskPipelineArgs {
        approve_after: vec!["plan".into()],
        ..pipeline()
    };
    assert_eq!(
        last_spec(pipeline_objects(&known))["steps"],
        json!([
            {"name": "plan", "approval": true},
            {"name": "implement"}, {"name": "test"}, {"name": "pullRequest"},
        ])
    );
}

#[test]
fn mistakes_of_a_pipeline_are_named() {
    let with = |change: &dyn Fn(&mut task_pipeline::TaskPipelineArgs)| {
        let mut args = pipeline();
        change(&mut args);
        problem(pipeline_objects(&args))
    };
    for (failure, message) in [
        (with(&|args| args.workspace = None), "has no repository"),
        (
            with(&|args| args.steps = vec!["plna".into()]),
            "did you mean `plan`?",
        ),
        (
            with(&|args| args.steps = vec!["docs".into()]),
            "step `docs` has no prompt",
        ),
        (
            with(&|args| args.steps = vec!["plan".into(), "plan".into()]),
            "names `plan` twice",
        ),
        (
            with(&|args| args.approve_after = vec!["deploy".into()]),
            "the steps are plan, implement, test, pullRequest",
        ),
        (
            with(&|args| args.issue = Some("o/r".into())),
            "must be OWNER/REPO#NUMBER",
        ),
        (
            with(&|args| args.step_timeout = Some("soon".into())),
            "invalid --step-timeout value `soon`",
        ),
    ] {
        assert!(failure.contains(message), "{failure}");
    }
}

#[cfg(any(feature = "github", feature = "cron", feature = "webhook"))]
fn spawner(source: task_spawner::SourceArgs) -> task_spawner::TaskSpawnerArgs {
    task_spawner::TaskSpawnerArgs {
        name: "fix-bugs".into(),
        source,
        workspace: Some("w".into()),
        agent_type: Some("shell".into()),
        ..Default::default()
    }
}

#[cfg(any(feature = "github", feature = "cron", feature = "webhook"))]
fn spawner_objects(args: &task_spawner::TaskSpawnerArgs) -> Result<Vec<Wanted>> {
    task_spawner::objects(args, &Config::default(), None, &read)
}

#[cfg(feature = "github")]
#[test]
fn a_spawner_of_issues_is_made_of_flags() {
    let args = task_spawner::TaskSpawnerArgs {
        prompt: Some("@prompt.md".into()),
        branch: Some("axon-task-{{.Number}}".into()),
        max_concurrency: Some(3),
        ttl: Some("1h".into()),
        ..spawner(task_spawner::SourceArgs {
            issues: true,
            labels: vec!["bug".into()],
            exclude_labels: vec!["wontfix".into()],
            poll_interval: Some("1m".into()),
            ..Default::default()
        })
    };
    assert_eq!(
        last_spec(spawner_objects(&args)),
        json!({
            "when": {"githubIssues": {"labels": ["bug"], "excludeLabels": ["wontfix"]}},
            "taskTemplate": {
                "type": "shell",
                "promptTemplate": "text of prompt.md",
                "workspaceRef": {"name": "w"},
                "branch": "axon-task-{{.Number}}",
                "ttlSecondsAfterFinished": 3600,
            },
            "pollInterval": "1m",
            "maxConcurrency": 3,
        })
    );
}

#[cfg(feature = "cron")]
#[test]
fn a_spawner_of_a_schedule_needs_no_workspace() {
    let mut args = spawner(task_spawner::SourceArgs {
        cron: Some("0 3 * * *".into()),
        time_zone: Some("Europe/Paris".into()),
        ..Default::default()
    });
    args.workspace = None;
    let spec = last_spec(spawner_objects(&args));
    assert_eq!(
        spec["when"],
        json!({"cron": {"schedule": "0 3 * * *", "timeZone": "Europe/Paris"}})
    );
}

#[cfg(any(feature = "github", feature = "cron", feature = "webhook"))]
#[test]
fn a_spawner_without_a_source_says_which_there_are() {
    let problem = problem(spawner_objects(&spawner(task_spawner::SourceArgs::default())));
    assert!(problem.contains("no source named"), "{problem}");
}

#[cfg(feature = "github")]
#[test]
fn a_spawner_of_issues_needs_a_workspace() {
    let mut args = spawner(task_spawner::SourceArgs {
        issues: true,
        ..Default::default()
    });
    args.workspace = None;
    assert!(problem(spawner_objects(&args)).contains("no workspace"));
}

#[cfg(feature = "webhook")]
#[test]
fn a_generic_webhook_needs_an_id() {
    let source = |mappings: &[&str]| task_spawner::SourceArgs {
        webhook: Some("sentry".into()),
        mappings: mappings.iter().map(ToString::to_string).collect(),
        ..Default::default()
    };
    assert!(problem(spawner_objects(&spawner(source(&["title=$.t"])))).contains("id of an event"));
    let spec = last_spec(spawner_objects(&spawner(source(&["id=$.id"]))));
    assert_eq!(spec["when"]["webhook"]["fieldMapping"], json!({"id": "$.id"}));
}
