//! Manifests of `agent.xonovex.com`.

use serde_json::json;

use super::Weight;
use super::tests::{assert_valid, convert_text, only_object, paths};

/// A run with this spec.
fn run(spec: &str) -> String {
    format!("{{apiVersion: agent.xonovex.com/v1alpha1, kind: AgentRun, metadata: {{name: r}}, spec: {spec}}}")
}

#[test]
fn a_run_is_a_task_with_its_defaults_written_out() {
    let yaml = run("{agent: claude, prompt: x, providerRef: p, repository: {url: 'https://h/r', branch: main},
        worktree: {branch: agent/x, sourceBranch: main}, resources: {limits: {cpu: '2'}}, env: [{name: A, value: b}],
        image: i, nodeSelector: {a: b}, tolerations: [{operator: Exists}]}");
    let object = only_object(&yaml);
    assert_eq!(
        object,
        json!({"apiVersion": "axon.io/v1alpha1", "kind": "Task", "metadata": {"name": "r"}, "spec": {
            "type": "claude-code", "prompt": "x", "image": "i", "timeout": "1h", "providerRef": {"name": "p"},
            "workspace": {"repo": "https://h/r", "ref": "main", "storage": {"size": "10Gi"},
                "worktree": {"branch": "agent/x", "sourceBranch": "main"}},
            "podOverrides": {"resources": {"limits": {"cpu": "2"}}, "env": [{"name": "A", "value": "b"}],
                "nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]}}})
    );
    assert_valid(&object);
    assert_eq!(paths(&yaml, Weight::Changed), ["spec", "spec.timeout"]);
}

#[test]
fn where_the_defaults_come_along_a_run_leaves_them_to_them() {
    let config =
        "{apiVersion: agent.xonovex.com/v1alpha1, kind: AgentConfig, metadata: {name: team}, spec: {}}";
    let yaml = format!(
        "{}\n---\n{config}\n",
        run("{prompt: x, repository: {url: 'https://h/r'}}")
    );
    let objects: Vec<_> = convert_text(&yaml)
        .into_iter()
        .flat_map(|converted| converted.objects)
        .collect();
    assert_eq!(
        objects.iter().map(|object| &object["spec"]).collect::<Vec<_>>(),
        [
            &json!({"prompt": "x", "workspace": {"repo": "https://h/r"}}),
            &json!({"timeout": "1h", "storage": {"size": "10Gi"}}),
        ]
    );
    assert_eq!(objects.get(1).expect("two")["metadata"]["name"], "default");
    objects.iter().for_each(assert_valid);
}

#[test]
fn an_address_of_claude_is_a_field_and_says_how_the_credential_goes() {
    for (address, variable) in [
        ("http://litellm-proxy:8317", "ANTHROPIC_AUTH_TOKEN"),
        ("https://api.anthropic.com", "ANTHROPIC_API_KEY"),
        ("https://api.anthropic.com:443/v1", "ANTHROPIC_API_KEY"),
        ("https://api.anthropic.com.example.org", "ANTHROPIC_AUTH_TOKEN"),
    ] {
        let yaml = run(&format!(
            "{{prompt: x, provider: {{name: gate, authSecretRef: {{name: s, key: k}}, cliArgs: [a], environment: {{ANTHROPIC_BASE_URL: '{address}', B: c}}}}}}"
        ));
        let object = only_object(&yaml);
        assert_eq!(
            object["spec"]["provider"],
            json!({"name": "gate", "authSecretRef": {"name": "s", "key": "k"}, "baseURL": address,
                "authTokenEnv": variable, "environment": {"B": "c"}})
        );
        assert_valid(&object);
        assert_eq!(paths(&yaml, Weight::Lost), ["spec.provider.cliArgs"]);
    }
}

#[test]
fn a_provider_of_several_agents_keeps_its_environment() {
    let yaml = "{apiVersion: agent.xonovex.com/v1alpha1, kind: AgentProvider, metadata: {name: p}, spec: {
        displayName: P, agentTypes: [claude, opencode], authTokenSecretRef: {name: s, key: k},
        environment: {ANTHROPIC_BASE_URL: 'http://h'}}}";
    let object = only_object(yaml);
    assert_eq!(
        object["spec"],
        json!({"displayName": "P", "agentTypes": ["claude-code", "opencode"],
            "authTokenSecretRef": {"name": "s", "key": "k"}, "environment": {"ANTHROPIC_BASE_URL": "http://h"}})
    );
    assert_valid(&object);
}

#[test]
fn defaults_of_a_namespace_are_task_defaults() {
    let yaml = "{apiVersion: agent.xonovex.com/v1alpha1, kind: AgentConfig, metadata: {name: default}, spec: {
        defaultAgent: claude, defaultProviders: {claude: a, opencode: b}, defaultImage: i, defaultTimeout: 2h,
        defaultResources: {limits: {cpu: '1'}}, storageClass: standard, storageSize: 5Gi, env: [{name: LANG, value: C}]}}";
    let object = only_object(yaml);
    assert_eq!(
        object,
        json!({"apiVersion": "axon.io/v1alpha1", "kind": "TaskDefaults", "metadata": {"name": "default"}, "spec": {
            "type": "claude-code", "providers": {"claude-code": "a", "opencode": "b"}, "image": "i", "timeout": "2h",
            "resources": {"limits": {"cpu": "1"}}, "storage": {"className": "standard", "size": "5Gi"},
            "env": [{"name": "LANG", "value": "C"}]}})
    );
    assert_valid(&object);
    assert!(paths(yaml, Weight::Lost).is_empty());
}

#[test]
fn what_needs_a_hand_or_has_no_equivalent_is_named() {
    for (spec, weight, expected) in [
        ("{prompt: x, harnessRef: h}", Weight::Lost, "spec.harnessRef"),
        (
            "{prompt: x, runtimeClassName: r}",
            Weight::Lost,
            "spec.runtimeClassName",
        ),
        ("{agent: claude}", Weight::ToDo, "spec.prompt"),
        (
            "{prompt: x, repository: {url: 'https://h/r', credentialsSecretRef: {name: s}}}",
            Weight::ToDo,
            "spec.repository.credentialsSecretRef",
        ),
        (
            "{prompt: x, repository: {url: h}}",
            Weight::ToDo,
            "spec.workspace.repo",
        ),
    ] {
        assert_eq!(paths(&run(spec), weight), [expected], "{spec}");
    }
    let policy = "{apiVersion: agent.xonovex.com/v1alpha1, kind: AgentPolicy, metadata: {name: p}, spec: {}}";
    assert_eq!(paths(policy, Weight::Lost), ["kind"]);
}
