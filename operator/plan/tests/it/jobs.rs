//! The Job that a Task becomes.

use axon_api::{Task, paths};
use axon_plan::Step;
use serde_json::{Value, json};

use crate::fixtures::{Scene, created_job, shell, steps, task};

fn job_of(task: Task) -> Value {
    let scene = Scene::of(task)
        .with_secret("key", &["ANTHROPIC_API_KEY"])
        .with_secret("token", &["GITHUB_TOKEN"]);
    serde_json::to_value(created_job(&scene.plan())).expect("JSON")
}

#[test]
fn a_plain_shell_task() {
    insta::assert_json_snapshot!(job_of(shell()));
}

#[test]
fn claude_code_with_workspace_secrets_and_overrides() {
    insta::assert_json_snapshot!(job_of(task(json!({
        "type": "claude-code",
        "prompt": "Fix $(the) bug",
        "model": "opus",
        "effort": "high",
        "branch": "fix-$(bug)",
        "upstreamRepo": "o/r",
        "timeout": "30m",
        "limits": { "costUSD": "2.50", "tokens": 1000, "turns": 7 },
        "credentials": { "type": "api-key", "secretRef": { "name": "key" } },
        "workspace": { "repo": "https://git.example.com/o/r", "ref": "main", "secretRef": { "name": "token" } },
        "podOverrides": {
            "resources": { "limits": { "memory": "1Gi" } },
            "env": [
                { "name": "ANTHROPIC_BASE_URL", "value": "http://gateway" },
                { "name": "ANTHROPIC_API_KEY", "value": "is dropped" },
                { "name": "AXON_RUN_FILE", "value": "is dropped" },
            ],
            "nodeSelector": { "disk": "fast" },
            "serviceAccountName": "builder",
            "labels": { "team": "a", "axon.io/task": "is replaced" },
            "tolerations": [{ "key": "gpu", "operator": "Exists" }],
            "imagePullSecrets": [{ "name": "registry" }],
            "podSecurityContext": { "fsGroup": 7 },
            "containerSecurityContext": { "privileged": false },
        },
    }))));
}

#[test]
fn a_custom_image_keeps_its_home_and_may_write() {
    let spec = json!({ "type": "shell", "prompt": "x", "image": "me/agent:1" });
    insta::assert_json_snapshot!(job_of(task(spec)));
}

#[test]
fn a_large_prompt_travels_in_a_secret() {
    let spec = json!({ "type": "shell", "prompt": "\u{0}\"$(x)\n".repeat(100_000) });
    let plan = Scene::of(task(spec)).plan();
    assert_eq!(steps(&plan), ["CreateRunSecret", "CreateJob", "WriteStatus"]);
    let Some(Step::CreateRunSecret(secret)) = plan.steps.first() else {
        panic!("the Secret comes first");
    };
    assert_eq!(secret.immutable, Some(true));
    assert!(
        secret
            .data
            .as_ref()
            .is_some_and(|data| data.contains_key(paths::RUN_KEY))
    );
    insta::assert_json_snapshot!(serde_json::to_value(created_job(&plan)).expect("JSON"));
}

#[test]
fn the_sandbox_reaches_the_pod() {
    let mut task = shell();
    task.metadata.annotations = Some([("axon.io/sandbox".to_owned(), "none".to_owned())].into());
    let job = job_of(task);
    assert_eq!(
        job.pointer("/spec/template/metadata/annotations"),
        Some(&json!({ "axon.io/sandbox": "none" }))
    );
}

#[test]
fn the_deadline_of_the_job_leaves_the_agent_its_whole_time() {
    let spec = json!({ "type": "shell", "prompt": "x", "timeout": "5m", "startTimeout": "1m" });
    assert_eq!(
        job_of(task(spec))["spec"]["activeDeadlineSeconds"],
        5 * 60 + 60 + 120
    );
}
