use super::*;
use axon_api::kinds::task::CredentialsType;

use crate::resources::Kind;
use crate::verbs::run::CredentialKindArg;
use serde_json::json;
use std::path::Path;

fn config(text: &str) -> Config {
    match Config::parse(text, Path::new("config.yaml")) {
        Ok((config, _)) => config,
        Err(failure) => panic!("{}", failure.render()),
    }
}

fn inputs() -> Inputs {
    Inputs {
        prompt: "do it".into(),
        name: "t".into(),
        repository: None,
        local: false,
        defaults: None,
    }
}

fn shell() -> TaskArgs {
    TaskArgs {
        agent_type: Some("shell".into()),
        ..TaskArgs::default()
    }
}

fn claude() -> TaskArgs {
    TaskArgs::default()
}

fn objects(args: &TaskArgs, config_text: &str) -> Vec<Value> {
    match objects_for_run(args, &config(config_text), inputs()) {
        Ok(wanted) => wanted.iter().map(|wanted| wanted.object().clone()).collect(),
        Err(failure) => panic!("{}", failure.render()),
    }
}

fn spec(args: &TaskArgs, config_text: &str) -> Value {
    objects(args, config_text).pop().expect("a task")["spec"].clone()
}

fn failure(args: &TaskArgs, config_text: &str) -> String {
    match objects_for_run(args, &config(config_text), inputs()) {
        Ok(_) => panic!("this must not be accepted"),
        Err(failure) => failure.render(),
    }
}

#[test]
fn the_least_is_a_type_and_a_prompt() {
    assert_eq!(spec(&shell(), ""), json!({"type": "shell", "prompt": "do it"}));
}

#[test]
fn every_flag_reaches_the_spec() {
    let args = TaskArgs {
        secret: Some("s".into()),
        credential_type: Some(CredentialKindArg(CredentialsType::OAuth)),
        model: Some("m".into()),
        effort: Some("high".into()),
        image: Some("i".into()),
        workspace: Some("w".into()),
        agent_configs: vec!["a".into()],
        depends_on: vec!["x".into(), "y".into()],
        branch: Some("b".into()),
        timeout: Some("1h30m".into()),
        env: vec!["A=1".into(), "B=x=y".into(), "A=2".into()],
        ..claude()
    };
    assert_eq!(
        spec(&args, ""),
        json!({
            "type": "claude-code", "prompt": "do it", "model": "m", "effort": "high", "image": "i",
            "credentials": {"type": "oauth", "secretRef": {"name": "s"}},
            "workspaceRef": {"name": "w"}, "agentConfigRef": {"name": "a"},
            "dependsOn": ["x", "y"], "branch": "b", "timeout": "1h30m",
            "podOverrides": {"env": [{"name": "B", "value": "x=y"}, {"name": "A", "value": "2"}]},
        })
    );
}

#[test]
fn the_config_file_gives_what_flags_leave_open() {
    let text =
        "secret: s\ncredentialType: oauth\nmodel: m\nagentConfig: a\nworkspace: {name: w, repo: ignored}";
    let spec_of_file = spec(&claude(), text);
    assert_eq!(
        spec_of_file["credentials"],
        json!({"type": "oauth", "secretRef": {"name": "s"}})
    );
    assert_eq!(spec_of_file["model"], "m");
    assert_eq!(spec_of_file["agentConfigRef"]["name"], "a");
    assert_eq!(spec_of_file["workspaceRef"]["name"], "w");
    let flags = TaskArgs {
        secret: Some("mine".into()),
        model: Some("other".into()),
        ..claude()
    };
    let spec_of_flags = spec(&flags, text);
    assert_eq!(
        spec_of_flags["credentials"],
        json!({"type": "api-key", "secretRef": {"name": "mine"}})
    );
    assert_eq!(spec_of_flags["model"], "other");
    assert_eq!(spec(&shell(), "type: claude-code")["type"], "shell");
    assert_eq!(spec(&claude(), "type: shell")["type"], "shell");
}

#[test]
fn a_key_in_the_config_file_becomes_a_secret() {
    let objects = objects(&claude(), "apiKey: sk-1");
    assert_eq!(objects[0]["kind"], "Secret");
    assert_eq!(objects[0]["metadata"]["name"], "axon-credentials");
    assert_eq!(objects[0]["data"], json!({"ANTHROPIC_API_KEY": "c2stMQ=="}));
    assert_eq!(
        objects[1]["spec"]["credentials"],
        json!({"type": "api-key", "secretRef": {"name": "axon-credentials"}})
    );
}

#[test]
fn the_key_in_the_secret_is_the_agents_own() {
    for (agent_type, kind, variable) in [
        ("claude-code", "oauthToken", "CLAUDE_CODE_OAUTH_TOKEN"),
        ("codex", "apiKey", "CODEX_API_KEY"),
        ("gemini", "apiKey", "GEMINI_API_KEY"),
    ] {
        let args = TaskArgs {
            agent_type: Some(agent_type.into()),
            ..claude()
        };
        let objects = objects(&args, &format!("{kind}: x"));
        assert!(objects[0]["data"].get(variable).is_some(), "{}", objects[0]);
    }
}

#[test]
fn none_is_no_credential_and_no_secret() {
    for (args, text) in [
        (claude(), "apiKey: none"),
        (
            TaskArgs {
                credential_type: Some(CredentialKindArg(CredentialsType::None)),
                ..claude()
            },
            "apiKey: sk-1",
        ),
    ] {
        let objects = objects(&args, text);
        assert_eq!(objects.len(), 1);
        assert_eq!(objects[0]["spec"]["credentials"], json!({"type": "none"}));
    }
}

#[test]
fn a_repository_in_the_config_file_becomes_a_workspace_with_its_secret() {
    let text = "workspace: {repo: 'https://h/r', ref: main, token: ghp}";
    let wanted = objects_for_run(&shell(), &config(text), inputs()).expect("objects");
    let kinds: Vec<Option<Kind>> = wanted.iter().map(|wanted| Kind::of(wanted.object())).collect();
    assert_eq!(
        kinds,
        [Some(Kind::Secret), Some(Kind::Workspace), Some(Kind::Task)]
    );
    assert!(matches!(wanted[0], Wanted::Replace(_)));
    assert!(matches!(wanted[2], Wanted::Create(_)));
    assert_eq!(wanted[0].object()["data"], json!({"GITHUB_TOKEN": "Z2hw"}));
    assert_eq!(
        wanted[1].object()["spec"],
        json!({"repo": "https://h/r", "ref": "main", "secretRef": {"name": "axon-workspace-credentials"}})
    );
    assert_eq!(
        wanted[2].object()["spec"]["workspaceRef"]["name"],
        "axon-workspace"
    );
}

#[test]
fn a_repository_by_flag_is_in_the_task_itself() {
    let args = TaskArgs {
        workspace_ref: Some("main".into()),
        ..shell()
    };
    let given = Inputs {
        repository: Some("file:///r".into()),
        ..inputs()
    };
    let wanted = objects_for_run(&args, &config("workspace: {name: other}"), given).expect("objects");
    assert_eq!(wanted.len(), 1);
    assert_eq!(
        wanted[0].object()["spec"]["workspace"],
        json!({"repo": "file:///r", "ref": "main"})
    );
    assert_eq!(wanted[0].object()["spec"].get("workspaceRef"), None);
}

#[test]
fn a_sandbox_is_an_annotation_and_only_for_this_machine() {
    let args = TaskArgs {
        sandbox: Some(Sandbox::None),
        ..shell()
    };
    assert!(failure(&args, "").contains("only for tasks on this machine"));
    let here = Inputs {
        local: true,
        ..inputs()
    };
    let wanted = objects_for_run(&args, &config(""), here).expect("objects");
    assert_eq!(
        wanted[0].object()["metadata"]["annotations"],
        json!({"axon.io/sandbox": "none"})
    );
}

#[test]
fn mistakes_are_named_before_anything_is_created() {
    let with = |change: &dyn Fn(&mut TaskArgs)| {
        let mut args = shell();
        change(&mut args);
        args
    };
    for (args, text, message) in [
        (claude(), "", "no credentials configured"),
        (
            with(&|args| args.agent_type = Some("cluade-code".into())),
            "",
            "did you mean `claude-code`?",
        ),
        (
            with(&|args| args.agent_type = Some("x".into())),
            "",
            "must be one of claude-code, codex, gemini, opencode, shell",
        ),
        (
            with(&|args| args.timeout = Some("soon".into())),
            "",
            "invalid --timeout value `soon`",
        ),
        (
            with(&|args| args.timeout = Some("10ms".into())),
            "",
            "at least 1s",
        ),
        (
            with(&|args| args.env = vec!["A".into()]),
            "",
            "must be NAME=VALUE",
        ),
        (
            with(&|args| args.env = vec!["1A=x".into()]),
            "",
            "invalid --env name `1A`",
        ),
        (
            with(&|args| args.secret = Some("s".into())),
            "",
            "takes no credentials",
        ),
        (
            claude(),
            "secret: s\ncredentialType: key",
            "unknown credentialType `key`",
        ),
        (
            shell(),
            "workspace: {ref: main}",
            "names neither `name` nor `repo`",
        ),
    ] {
        let text = failure(&args, text);
        assert!(text.contains(message), "{text}");
    }
}

#[test]
fn a_prompt_has_something_in_it_and_fits() {
    for (prompt, valid) in [
        ("x".to_owned(), true),
        ("it's \"$(x)\"\n\0".to_owned(), true),
        ("x".repeat(MAX_PROMPT_BYTES), true),
        ("x".repeat(MAX_PROMPT_BYTES + 1), false),
        (" \n".to_owned(), false),
        (String::new(), false),
    ] {
        assert_eq!(check_prompt(&prompt).is_ok(), valid, "{} bytes", prompt.len());
    }
}
