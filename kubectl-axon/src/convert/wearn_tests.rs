//! Manifests of `agents.wearn.dev`.

use serde_json::{Value, json};

use super::Weight;
use super::tests::{assert_valid, convert_text, only_object, paths};

const TASK: &str = "
apiVersion: agents.wearn.dev/v1alpha1
kind: CodingTask
metadata: {name: add-healthcheck, namespace: agents}
spec:
  source: {type: chat, chat: {sessionId: s, userId: u}}
  repository: {url: 'https://github.com/o/r.git'}
  prompt: Add it
  anthropicApiKeyRef: {name: keys, key: anthropic-api-key}
  gitCredentialsRef: {name: keys, key: github-token}
";

/// A task with one more field.
fn with(field: &str) -> String {
    format!("{TASK}  {field}\n")
}

#[test]
fn a_task_is_a_pipeline_with_its_defaults_written_out() {
    let object = only_object(TASK);
    assert_eq!(
        object,
        json!({
            "apiVersion": "axon.io/v1alpha1",
            "kind": "TaskPipeline",
            "metadata": {"name": "add-healthcheck", "namespace": "agents"},
            "spec": {
                "prompt": "Add it",
                "source": {"type": "chat", "chat": {"sessionId": "s", "userId": "u"}},
                "workspace": {"repo": "https://github.com/o/r.git", "ref": "main", "secretRef": {"name": "keys-git"}},
                "branch": "ai/add-healthcheck",
                "type": "claude-code",
                "provider": {"name": "anthropic", "authSecretRef": {"name": "keys", "key": "anthropic-api-key"},
                    "authTokenEnv": "ANTHROPIC_API_KEY"},
                "steps": [
                    {"name": "plan", "model": "sonnet", "maxTurns": 15},
                    {"name": "implement", "model": "sonnet", "maxTurns": 50},
                    {"name": "test", "model": "haiku", "maxTurns": 8},
                    {"name": "pullRequest", "model": "haiku", "maxTurns": 3},
                ],
                "maxRetries": 3,
                "stepTimeout": "30m",
                "podOverrides": {"resources": {
                    "requests": {"cpu": "2", "memory": "4Gi"},
                    "limits": {"cpu": "4", "memory": "8Gi"},
                }},
            },
        })
    );
    assert_valid(&object);
    assert_eq!(paths(TASK, Weight::ToDo), ["spec.gitCredentialsRef"]);
    assert!(paths(TASK, Weight::Lost).is_empty());
}

#[test]
fn what_a_task_says_wins_over_the_defaults() {
    for (field, pointer, expected) in [
        ("maxRetries: 0", "/maxRetries", json!(0)),
        ("stepTimeout: 10m", "/stepTimeout", json!("10m")),
        ("agentImage: i", "/image", json!("i")),
        (
            "resources: {cpu: '1', memory: 1Gi, storage: 20Gi}",
            "/podOverrides/resources",
            json!({"requests": {"memory": "512Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}),
        ),
        (
            "serviceAccountName: a",
            "/podOverrides/serviceAccountName",
            json!("a"),
        ),
        (
            "model: {default: opus, test: sonnet, maxTurns: 9, planMaxTurns: 5}",
            "/steps",
            json!([
                {"name": "plan", "model": "opus", "maxTurns": 5},
                {"name": "implement", "model": "opus", "maxTurns": 9},
                {"name": "test", "model": "sonnet", "maxTurns": 9},
                {"name": "pullRequest", "model": "opus", "maxTurns": 9},
            ]),
        ),
    ] {
        let object = only_object(&with(field));
        assert_eq!(object["spec"].pointer(pointer), Some(&expected), "{field}");
        assert_valid(&object);
        assert!(paths(&with(field), Weight::Lost).is_empty(), "{field}");
    }
    let branches = TASK.replace("r.git'}", "r.git', branch: dev, workBranch: wip}");
    let object = only_object(&branches);
    assert_eq!(
        (&object["spec"]["workspace"]["ref"], &object["spec"]["branch"]),
        (&json!("dev"), &json!("wip"))
    );
}

#[test]
fn a_provider_decides_the_agent() {
    for (provider, agent, expected) in [
        (
            "{name: claude, apiKeyRef: {name: a, key: b}}",
            "claude-code",
            json!({"name": "anthropic", "authSecretRef": {"name": "a", "key": "b"}, "authTokenEnv": "ANTHROPIC_API_KEY"}),
        ),
        (
            "{name: ollama}",
            "opencode",
            json!({"name": "ollama", "baseURL": "http://ollama.ollama.svc.cluster.local:11434/v1"}),
        ),
        (
            "{name: openai, apiKeyRef: {name: a, key: b}}",
            "codex",
            json!({"name": "openai", "authSecretRef": {"name": "a", "key": "b"}}),
        ),
    ] {
        let object = only_object(&with(&format!("provider: {provider}")));
        assert_eq!(object["spec"]["type"], agent);
        assert_eq!(object["spec"]["provider"], expected);
        assert_valid(&object);
        let has_models = object["spec"]["steps"][0].get("model").is_some();
        assert_eq!(has_models, agent == "claude-code");
    }
}

#[test]
fn the_token_for_git_is_taken_from_a_secret_of_the_documents() {
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: keys, namespace: agents}, stringData: {github-token: t}}";
    let yaml = format!("{secret}\n---{TASK}");
    let objects: Vec<Value> = convert_text(&yaml)
        .into_iter()
        .flat_map(|converted| converted.objects)
        .collect();
    assert_eq!(
        objects.get(1),
        Some(
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys-git", "namespace": "agents"},
            "stringData": {"GITHUB_TOKEN": "t"}})
        )
    );
    assert!(paths(&yaml, Weight::ToDo).is_empty());
    let right = TASK.replace("key: github-token", "key: GITHUB_TOKEN");
    assert_eq!(
        only_object(&right)["spec"]["workspace"]["secretRef"],
        json!({"name": "keys"})
    );
    assert!(paths(&right, Weight::ToDo).is_empty());
}

#[test]
fn the_command_that_makes_the_secret_is_written_out() {
    let line = convert_text(TASK)
        .iter()
        .flat_map(|converted| &converted.notes)
        .find(|note| note.path == "spec.gitCredentialsRef")
        .expect("a note")
        .line();
    assert!(
        line.contains("kubectl create secret generic keys-git -n agents --from-literal=GITHUB_TOKEN=\"$(kubectl get secret keys -n agents -o jsonpath='{.data.github-token}' | base64 -d)\""),
        "{line}"
    );
}

#[test]
fn a_source_has_what_its_type_asks_for() {
    let issue = TASK.replace(
        "{type: chat, chat: {sessionId: s, userId: u}}",
        "{type: github-issue, github: {owner: o, repo: r, issueNumber: 7}, chat: {sessionId: s, userId: u}}",
    );
    let object = only_object(&issue);
    assert_eq!(
        object["spec"]["source"],
        json!({"type": "github-issue", "github": {"owner": "o", "repo": "r", "issueNumber": 7}})
    );
    assert_valid(&object);
    assert_eq!(paths(&issue, Weight::Lost), ["spec.source.chat"]);
}

#[test]
fn a_run_on_its_own_is_a_task() {
    let yaml = "{apiVersion: agents.wearn.dev/v1alpha1, kind: AgentRun, metadata: {name: r}, spec: {taskRef: {name: t},
        step: implement, prompt: x, context: the plan, repository: {url: 'https://h/r'}, model: opus, maxTurns: 7,
        anthropicApiKeyRef: {name: a, key: b}, gitCredentialsRef: {name: g, key: GITHUB_TOKEN}}}";
    let object = only_object(yaml);
    assert_eq!(
        object["spec"],
        json!({"prompt": "x\n\nContext from previous steps:\nthe plan", "branch": "ai/t", "type": "claude-code",
            "workspace": {"repo": "https://h/r", "ref": "main", "secretRef": {"name": "g"}}, "model": "opus",
            "provider": {"name": "anthropic", "authSecretRef": {"name": "a", "key": "b"}, "authTokenEnv": "ANTHROPIC_API_KEY"},
            "limits": {"turns": 7}, "timeout": "30m", "podOverrides": {"resources": {
                "requests": {"cpu": "2", "memory": "4Gi"}, "limits": {"cpu": "4", "memory": "8Gi"}}}})
    );
    assert_valid(&object);
    let plan = yaml.replace("step: implement", "step: plan");
    assert_eq!(only_object(&plan)["spec"].get("branch"), None);
}

#[test]
fn a_run_that_a_task_made_is_left_to_its_pipeline() {
    let yaml = "{apiVersion: agents.wearn.dev/v1alpha1, kind: AgentRun, metadata: {name: r,
        ownerReferences: [{kind: CodingTask, name: t}]}, spec: {prompt: x}}";
    assert!(
        convert_text(yaml)
            .iter()
            .all(|converted| converted.objects.is_empty())
    );
    assert_eq!(paths(yaml, Weight::Changed), ["metadata.ownerReferences"]);
}
