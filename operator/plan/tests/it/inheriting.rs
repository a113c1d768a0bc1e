//! What a Task has from TaskDefaults, providers and the operator, and who wins.

use axon_api::Phase::{Failed, Pending, Waiting};
use axon_api::kinds::task::EffectiveSetting;
use axon_plan::{Found, NoticeKind, Plan, Step, provider};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixtures::{
    Scene, agent_provider, created_pod, job, keys, run_description, task, task_defaults, told, variable,
};

fn effective(plan: &Plan) -> Vec<String> {
    let spelled = |setting: &EffectiveSetting| {
        let EffectiveSetting { field, value, from } = setting;
        format!("{field} = {value} ({from})")
    };
    plan.status.effective.iter().map(spelled).collect()
}

fn scene(spec: Value, defaults: Value) -> Scene {
    let mut scene = Scene::of(task(spec)).with_secret(
        "all",
        &[
            "ANTHROPIC_API_KEY",
            "CODEX_AUTH_JSON",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "TOKEN",
        ],
    );
    scene.defaults = Some(task_defaults(defaults));
    scene
}

#[test]
fn a_task_that_says_nothing_has_all_from_the_defaults() {
    let scene = scene(
        json!({ "prompt": "x" }),
        json!({
            "type": "codex",
            "credentials": { "type": "oauth", "secretRef": { "name": "all" } },
            "model": "gpt-5",
            "image": "me/codex:1",
            "timeout": "2h",
            "resources": { "limits": { "memory": "8Gi" } },
            "env": [{ "name": "TEAM", "value": "a" }],
        }),
    );
    let plan = scene.plan();
    assert_eq!(
        effective(&plan),
        [
            "type = codex (TaskDefaults/default)",
            "model = gpt-5 (TaskDefaults/default)",
            "image = me/codex:1 (TaskDefaults/default)",
            "timeout = 2h (TaskDefaults/default)",
            "credentials = oauth of Secret all (TaskDefaults/default)",
            "podOverrides.env = TEAM (TaskDefaults/default)",
            r#"podOverrides.resources = {"limits":{"memory":"8Gi"}} (TaskDefaults/default)"#,
        ]
    );
    let run = run_description(&plan);
    assert_eq!(
        (run.agent_type.as_str(), run.model.as_deref()),
        ("codex", Some("gpt-5"))
    );
    assert_eq!(run.timeout_milliseconds, Some(2 * 3600 * 1000));
    assert!(run.custom_image);
    assert_eq!(
        variable(&plan, "CODEX_AUTH_JSON"),
        Some("secret all/CODEX_AUTH_JSON".to_owned())
    );
    assert_eq!(variable(&plan, "TEAM"), Some("a".to_owned()));
}

#[test]
fn what_a_task_says_wins_over_the_defaults() {
    let scene = scene(
        json!({
            "type": "claude-code",
            "prompt": "x",
            "credentials": { "type": "none" },
            "model": "opus",
            "image": "mine:1",
            "timeout": "5m",
            "podOverrides": {
                "resources": { "limits": { "memory": "1Gi" } },
                "env": [{ "name": "TEAM", "value": "mine" }],
            },
        }),
        json!({
            "type": "codex",
            "credentials": { "type": "oauth", "secretRef": { "name": "missing" } },
            "model": "gpt-5",
            "image": "me/codex:1",
            "timeout": "2h",
            "resources": { "limits": { "memory": "8Gi" } },
            "env": [{ "name": "TEAM", "value": "a" }, { "name": "REGION", "value": "eu" }],
        }),
    );
    let plan = scene.plan();
    assert_eq!(
        effective(&plan),
        ["podOverrides.env = REGION (TaskDefaults/default)"]
    );
    let run = run_description(&plan);
    assert_eq!(
        (run.agent_type.as_str(), run.model.as_deref()),
        ("claude-code", Some("opus"))
    );
    assert_eq!(run.timeout_milliseconds, Some(300_000));
    assert_eq!(variable(&plan, "TEAM"), Some("mine".to_owned()));
    assert_eq!(variable(&plan, "REGION"), Some("eu".to_owned()));
}

#[test]
fn what_nobody_says_is_the_operators() {
    let mut scene = Scene::of(task(json!({ "prompt": "x" })));
    scene.settings.default_timeout = Some("3h".to_owned());
    scene.settings.agent_images = [("claude-code".to_owned(), "img:1".to_owned())].into();
    assert_eq!(
        effective(&scene.plan()),
        [
            "type = claude-code (operator)",
            "image = img:1 (operator)",
            "timeout = 3h (operator)",
        ]
    );
    scene.settings.default_type = None;
    let plan = scene.plan();
    assert_eq!(told(&plan), (Waiting, "AgentTypeMissing".to_owned()));
    assert!(plan.status.message.unwrap_or_default().contains("spec.type"));
}

#[test]
fn what_is_inherited_is_recorded_also_when_only_the_job_was_written() {
    let mut scene = scene(json!({ "prompt": "x" }), json!({ "type": "codex" }));
    let name = scene.plan().status.job_name.expect("a Job");
    scene.jobs = vec![job(&name, "job-1")];
    let plan = scene.plan();
    assert_eq!(plan.status.attempts, Some(1));
    assert!(effective(&plan).contains(&"type = codex (TaskDefaults/default)".to_owned()));
}

#[test]
fn a_long_value_is_cut() {
    let names: Vec<Value> = (0..60)
        .map(|n| json!({ "name": format!("VARIABLE_{n}") }))
        .collect();
    let plan = scene(json!({ "prompt": "x" }), json!({ "env": names })).plan();
    let env = plan
        .status
        .effective
        .iter()
        .find(|setting| setting.field == "podOverrides.env");
    assert!(env.is_some_and(|env| env.value.len() <= 256 && env.value.ends_with("[cut]")));
}

#[test]
fn mistakes_in_the_defaults_are_waited_out() {
    for (defaults, reason) in [
        (json!({ "type": "clippy" }), "UnknownAgentType"),
        (json!({ "timeout": "soon" }), "InvalidTimeout"),
        (
            json!({ "providers": { "claude-code": "gone" } }),
            "ProviderNotFound",
        ),
        (
            json!({ "credentials": { "type": "api-key", "secretRef": { "name": "gone" } } }),
            "SecretNotFound",
        ),
    ] {
        let plan = scene(json!({ "prompt": "x" }), defaults).plan();
        assert_eq!(told(&plan), (Waiting, reason.to_owned()));
    }
}

#[test]
fn a_provider_of_the_defaults_that_cannot_be_used_is_waited_out() {
    let mut scene = scene(
        json!({ "type": "shell", "prompt": "x" }),
        json!({ "providers": { "shell": "p" } }),
    );
    scene.provider = Some(agent_provider("p", json!({ "agentTypes": ["codex"] })));
    assert_eq!(told(&scene.plan()), (Waiting, "ProviderNotForType".to_owned()));
}

#[test]
fn every_kind_of_credential_reaches_its_agent() {
    for (type_, kind, variable_name) in [
        ("claude-code", "api-key", "ANTHROPIC_API_KEY"),
        ("claude-code", "oauth", "CLAUDE_CODE_OAUTH_TOKEN"),
        ("codex", "api-key", "CODEX_API_KEY"),
        ("codex", "oauth", "CODEX_AUTH_JSON"),
        ("gemini", "api-key", "GEMINI_API_KEY"),
        ("opencode", "api-key", "OPENCODE_API_KEY"),
    ] {
        let spec = json!({
            "type": type_,
            "prompt": "x",
            "credentials": { "type": kind, "secretRef": { "name": "all" } },
        });
        let plan = Scene::of(task(spec)).with_secret("all", &[variable_name]).plan();
        let expected = format!("secret all/{variable_name}");
        assert_eq!(variable(&plan, variable_name), Some(expected), "{type_} {kind}");
    }
}

#[test]
fn a_cloud_s_model_needs_variables_and_a_service_account_and_no_secret() {
    let plan = Scene::of(task(json!({
        "type": "claude-code",
        "prompt": "x",
        "credentials": { "type": "none" },
        "podOverrides": {
            "serviceAccountName": "bedrock",
            "env": [
                { "name": "CLAUDE_CODE_USE_BEDROCK", "value": "1" },
                { "name": "AWS_REGION", "value": "eu-west-1" },
            ],
        },
    })))
    .plan();
    assert_eq!(variable(&plan, "CLAUDE_CODE_USE_BEDROCK"), Some("1".to_owned()));
    assert_eq!(variable(&plan, "ANTHROPIC_API_KEY"), None);
    let pod = created_pod(&plan);
    assert_eq!(pod.service_account_name.as_deref(), Some("bedrock"));
    assert_eq!(
        pod.automount_service_account_token, None,
        "the account's own setting counts"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn of_every_variable_the_last_word_is_axons_then_the_tasks_then_the_providers_then_the_defaults(
        layers in prop::collection::vec(
            prop::collection::btree_map("[A-C]|HOME|AXON_RUN|AXON_TASK", "[a-z]{1,3}", 0..5),
            3,
        ),
    ) {
        let list = |layer: usize| -> Vec<Value> {
            layers[layer].iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
        };
        let plain = scene(json!({ "type": "claude-code", "prompt": "x" }), json!({})).plan();
        let spec = json!({
            "type": "claude-code",
            "prompt": "x",
            "provider": { "environment": layers[1] },
            "podOverrides": { "env": list(2) },
        });
        let plan = scene(spec, json!({ "env": list(0) })).plan();
        for name in ["A", "B", "C", "HOME", "AXON_RUN", "AXON_TASK"] {
            let of_users = layers.iter().rev().find_map(|layer| layer.get(name));
            let expected = variable(&plain, name).or(of_users.cloned());
            prop_assert_eq!(variable(&plan, name), expected, "{}", name);
        }
    }
}

#[test]
fn default_credentials_are_for_types_that_take_them() {
    let defaults = json!({ "credentials": { "type": "api-key", "secretRef": { "name": "all" } } });
    let plan = scene(json!({ "type": "shell", "prompt": "x" }), defaults).plan();
    assert_eq!(told(&plan).0, Pending);
    assert!(
        plan.status
            .effective
            .iter()
            .all(|setting| setting.field != "credentials")
    );
}

fn with_provider(task_spec: Value, provider: Value) -> Scene {
    let mut scene = scene(
        task_spec,
        json!({ "env": [{ "name": "NOTE", "value": "of the defaults" }] }),
    );
    scene.provider = Some(agent_provider("p", provider));
    scene
}

#[test]
fn a_provider_gives_address_credential_and_environment() {
    let scene = with_provider(
        json!({ "type": "claude-code", "prompt": "x", "providerRef": { "name": "p" } }),
        json!({
            "authTokenSecretRef": { "name": "all", "key": "TOKEN" },
            "baseURL": "https://gateway.example.com/$(HOME)",
            "environment": { "NOTE": "of the provider", "OTHER": "y" },
        }),
    );
    let plan = scene.plan();
    let value = |name| variable(&plan, name);
    assert_eq!(value("ANTHROPIC_AUTH_TOKEN"), Some("secret all/TOKEN".to_owned()));
    assert_eq!(
        value("ANTHROPIC_BASE_URL"),
        Some("https://gateway.example.com/$$(HOME)".to_owned())
    );
    assert_eq!(value("NOTE"), Some("of the provider".to_owned()));
    assert!(
        effective(&plan).contains(
            &"podOverrides.env = ANTHROPIC_AUTH_TOKEN, ANTHROPIC_BASE_URL, NOTE, OTHER (AgentProvider/p)"
                .to_owned()
        )
    );
}

#[test]
fn the_credential_of_a_provider_without_address_is_the_agents_key() {
    for (provider, expected) in [
        (json!({}), "ANTHROPIC_API_KEY"),
        (json!({ "authTokenEnv": "MY_KEY" }), "MY_KEY"),
        (
            json!({ "environment": { "ANTHROPIC_BASE_URL": "https://g.example.com" } }),
            "ANTHROPIC_AUTH_TOKEN",
        ),
    ] {
        let mut provider = provider;
        provider["authSecretRef"] = json!({ "name": "all", "key": "TOKEN" });
        let spec = json!({ "type": "claude-code", "prompt": "x", "provider": provider });
        let plan = scene(spec, json!({})).plan();
        assert_eq!(variable(&plan, expected), Some("secret all/TOKEN".to_owned()));
    }
}

#[test]
fn the_defaults_name_a_provider_for_each_type() {
    let mut scene = scene(
        json!({ "prompt": "x" }),
        json!({ "providers": { "claude-code": "p" }, "credentials": { "type": "oauth", "secretRef": { "name": "gone" } } }),
    );
    scene.provider = Some(agent_provider("p", json!({ "environment": { "NOTE": "x" } })));
    let plan = scene.plan();
    assert_eq!(variable(&plan, "NOTE"), Some("x".to_owned()));
    assert!(effective(&plan).contains(&"providerRef = p (TaskDefaults/default)".to_owned()));
}

#[test]
fn a_provider_that_cannot_be_used_is_told() {
    let by_name = json!({ "type": "shell", "prompt": "x", "providerRef": { "name": "p" } });
    for (provider, phase, reason, says) in [
        (
            json!({ "agentTypes": ["claude-code"] }),
            Failed,
            "ProviderNotForType",
            "AgentProvider `p` is for agent types claude-code",
        ),
        (
            json!({ "baseURL": "https://g.example.com" }),
            Failed,
            "ProviderNotForType",
            "the field baseURL of AgentProvider `p`",
        ),
        (
            json!({ "authTokenSecretRef": { "name": "all", "key": "TOKEN" } }),
            Failed,
            "CredentialsUnsupported",
            "authTokenEnv",
        ),
        (
            json!({ "authTokenEnv": "AXON_RUN", "authTokenSecretRef": { "name": "all", "key": "TOKEN" } }),
            Failed,
            "InvalidProvider",
            "`AXON_RUN`",
        ),
        (
            json!({ "authTokenSecretRef": { "name": "all", "key": "GONE" } }),
            Waiting,
            "SecretKeyMissing",
            "`GONE`",
        ),
        (
            json!({ "authTokenSecretRef": { "name": "gone", "key": "TOKEN" } }),
            Waiting,
            "SecretNotFound",
            "`gone`",
        ),
    ] {
        let plan = with_provider(by_name.clone(), provider).plan();
        assert_eq!(told(&plan), (phase, reason.to_owned()));
        let message = plan.status.message.unwrap_or_default();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_provider_is_ready_when_its_secret_has_the_key_and_its_types_are_known() {
    let secret = json!({ "authTokenSecretRef": { "name": "s", "key": "TOKEN" } });
    let has = keys(&["TOKEN"]);
    let lacks = keys(&["OTHER"]);
    for (spec, found, ready, reason) in [
        (secret.clone(), Found::Present(&has), true, "Found"),
        (secret.clone(), Found::Present(&lacks), false, "SecretKeyMissing"),
        (secret.clone(), Found::Missing, false, "SecretNotFound"),
        (secret, Found::Invalid("no object"), false, "SecretInvalid"),
        (json!({}), Found::NotNamed, true, "NoCredentialNeeded"),
        (
            json!({ "agentTypes": ["codex", "clippy"] }),
            Found::NotNamed,
            false,
            "UnknownAgentType",
        ),
    ] {
        let told = provider::readiness(&agent_provider("p", spec), &found);
        assert_eq!((told.ready, told.reason), (ready, reason), "{}", told.message);
    }
}

#[test]
fn variables_of_axon_win_and_the_user_is_told_once() {
    let spec = json!({
        "type": "claude-code",
        "prompt": "x",
        "credentials": { "type": "api-key", "secretRef": { "name": "all" } },
        "podOverrides": { "env": [
            { "name": "ANTHROPIC_API_KEY", "value": "mine" },
            { "name": "KELOS_SETUP_COMMAND", "value": "[\"rm\"]" },
            { "name": "AXON_SETUP_COMMAND", "value": "[\"rm\"]" },
            { "name": "FINE", "value": "$(TEAM)" },
        ] },
    });
    let mut scene = scene(
        spec,
        json!({ "env": [{ "name": "TEAM", "value": "a" }, { "name": "HOME", "value": "/" }] }),
    );
    let plan = scene.step();
    assert_eq!(
        variable(&plan, "ANTHROPIC_API_KEY"),
        Some("secret all/ANTHROPIC_API_KEY".to_owned())
    );
    for gone in ["KELOS_SETUP_COMMAND", "AXON_SETUP_COMMAND"] {
        assert_eq!(variable(&plan, gone), None);
    }
    assert_eq!(variable(&plan, "HOME"), Some("/home/agent".to_owned()));
    let notices: Vec<&Step> = plan
        .steps
        .iter()
        .filter(|step| matches!(step, Step::Notify(_)))
        .collect();
    let [Step::Notify(notice)] = notices.as_slice() else {
        panic!("one notice: {notices:?}");
    };
    assert_eq!(
        (notice.kind, notice.reason.as_str()),
        (NoticeKind::Warning, "VariableIgnored")
    );
    for name in [
        "HOME",
        "ANTHROPIC_API_KEY",
        "KELOS_SETUP_COMMAND",
        "AXON_SETUP_COMMAND",
    ] {
        assert!(notice.message.contains(name), "{}", notice.message);
    }
    let scene = scene.let_go();
    assert!(
        !scene
            .plan()
            .steps
            .iter()
            .any(|step| matches!(step, Step::Notify(_)))
    );
}
