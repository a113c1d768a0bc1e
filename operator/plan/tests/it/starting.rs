//! What a Task names, and what happens when it is not there.

use axon_api::Phase::{self, Failed, Pending, Waiting};
use axon_plan::{Dependency, DependencyTask, Step};
use serde_json::json;

use crate::fixtures::{Scene, agent_config, condition, shell, steps, task, told, workspace};

fn message(scene: &Scene) -> String {
    scene.plan().status.message.unwrap_or_default()
}

#[test]
fn a_task_that_names_nothing_gets_its_job_at_once() {
    let plan = Scene::of(shell()).plan();
    assert_eq!(steps(&plan), ["CreateJob", "WriteStatus"]);
    assert_eq!(told(&plan), (Pending, "JobCreated".to_owned()));
    assert_eq!(plan.status.attempts, Some(1));
    assert_eq!(condition(&plan, "Ready"), "True");
    assert_eq!(condition(&plan, "Complete"), "False");
}

#[test]
fn a_spec_that_can_never_run_ends_the_task() {
    for (spec, reason, says) in [
        (
            json!({ "type": "clippy", "prompt": "x" }),
            "UnknownAgentType",
            "claude-code, codex",
        ),
        (
            json!({ "type": "shell", "prompt": "x", "timeout": "soon" }),
            "InvalidTimeout",
            "`soon`",
        ),
        (
            json!({ "type": "shell", "prompt": "x", "timeout": "0s" }),
            "InvalidTimeout",
            "longer than 0",
        ),
        (
            json!({ "type": "shell", "prompt": "x", "startTimeout": "1x" }),
            "InvalidTimeout",
            "startTimeout",
        ),
        (
            json!({ "type": "shell", "prompt": "x", "limits": { "costUSD": "much" } }),
            "InvalidLimits",
            "`much`",
        ),
        (
            json!({ "type": "shell", "prompt": "x", "credentials": { "type": "api-key", "secretRef": { "name": "s" } } }),
            "CredentialsUnsupported",
            "takes no credentials of type api-key",
        ),
        (
            json!({ "type": "shell", "prompt": "x", "dependsOn": ["fix-bug"] }),
            "DependencyCycle",
            "depends on itself",
        ),
    ] {
        let scene = Scene::of(task(spec));
        let plan = scene.plan();
        assert_eq!(told(&plan), (Failed, reason.to_owned()));
        assert!(message(&scene).contains(says), "{}", message(&scene));
        assert_eq!(condition(&plan, "Complete"), "True");
        assert!(plan.status.completion_time.is_some());
        assert_eq!(steps(&plan), ["WriteStatus"]);
    }
}

#[test]
fn a_missing_agent_config_makes_the_task_wait_and_its_creation_starts_it() {
    let spec = json!({ "type": "shell", "prompt": "x", "agentConfigRef": { "name": "c" } });
    let mut scene = Scene::of(task(spec));
    let plan = scene.step();
    assert_eq!(told(&plan), (Waiting, "AgentConfigNotFound".to_owned()));
    assert_eq!(
        plan.status.message.as_deref(),
        Some("waits for AgentConfig `c`, which does not exist in namespace `dev`")
    );
    scene.agent_configs = vec![agent_config("c", json!({ "agentsMD": "Be kind." }))];
    assert_eq!(told(&scene.step()), (Pending, "JobCreated".to_owned()));
}

#[test]
fn a_missing_workspace_makes_the_task_wait_and_its_creation_starts_it() {
    let spec = json!({ "type": "shell", "prompt": "x", "workspaceRef": { "name": "w" } });
    let mut scene = Scene::of(task(spec));
    let plan = scene.step();
    assert_eq!(told(&plan), (Waiting, "WorkspaceNotFound".to_owned()));
    assert_eq!(
        plan.status.message.as_deref(),
        Some("waits for Workspace `w`, which does not exist in namespace `dev`")
    );
    assert!(matches!(
        plan.steps.as_slice(),
        [Step::WriteStatus, Step::Notify(_)]
    ));
    scene.workspace = Some(workspace(json!({ "repo": "https://github.com/o/r" })));
    assert_eq!(told(&scene.step()), (Pending, "JobCreated".to_owned()));
}

#[test]
fn a_workspace_that_cannot_be_read_makes_the_task_wait() {
    let spec = json!({ "type": "shell", "prompt": "x", "workspaceRef": { "name": "w" } });
    let mut scene = Scene::of(task(spec));
    scene.invalid_workspace = Some("repo is missing");
    assert_eq!(told(&scene.plan()), (Waiting, "WorkspaceInvalid".to_owned()));
    assert!(message(&scene).ends_with("repo is missing"));
}

#[test]
fn secrets_must_be_there_and_have_the_key() {
    let spec = json!({
        "type": "claude-code", "prompt": "x",
        "credentials": { "type": "api-key", "secretRef": { "name": "key" } },
        "workspace": { "repo": "https://github.com/o/r", "secretRef": { "name": "token" } },
    });
    let mut scene = Scene::of(task(spec));
    assert_eq!(told(&scene.plan()), (Waiting, "SecretNotFound".to_owned()));
    assert!(message(&scene).contains("`token`"));
    scene = scene.with_secret("token", &["OTHER"]);
    assert_eq!(told(&scene.plan()), (Waiting, "SecretKeyMissing".to_owned()));
    assert!(message(&scene).contains("`GITHUB_TOKEN`"));
    scene = scene.with_secret("token", &["GITHUB_TOKEN"]);
    assert_eq!(told(&scene.plan()), (Waiting, "SecretNotFound".to_owned()));
    scene = scene.with_secret("key", &[]);
    assert_eq!(told(&scene.plan()), (Waiting, "SecretKeyMissing".to_owned()));
    assert!(message(&scene).contains("Secret `key`") && message(&scene).contains("`ANTHROPIC_API_KEY`"));
    scene = scene.with_secret("key", &["ANTHROPIC_API_KEY"]);
    assert_eq!(told(&scene.plan()), (Pending, "JobCreated".to_owned()));
}

#[test]
fn credentials_of_type_none_ask_for_no_secret() {
    let spec = json!({
        "type": "claude-code", "prompt": "x",
        "credentials": { "type": "none", "secretRef": { "name": "key" } },
    });
    assert_eq!(told(&Scene::of(task(spec)).plan()).0, Pending);
}

#[test]
fn dependencies_must_have_succeeded() {
    let spec = json!({ "type": "shell", "prompt": "x", "dependsOn": ["first"] });
    for (phase, expected, reason) in [
        (None, Waiting, "DependencyNotFound"),
        (Some(None), Waiting, "DependencyNotFinished"),
        (Some(Some(Phase::Running)), Waiting, "DependencyNotFinished"),
        (Some(Some(Phase::Failed)), Failed, "DependencyFailed"),
        (Some(Some(Phase::TimedOut)), Failed, "DependencyFailed"),
        (Some(Some(Phase::Cancelled)), Failed, "DependencyFailed"),
        (Some(Some(Phase::Succeeded)), Pending, "JobCreated"),
    ] {
        let mut scene = Scene::of(task(spec.clone()));
        scene.dependencies = vec![Dependency {
            name: "first".to_owned(),
            task: phase.map(|phase| DependencyTask {
                uid: "first-uid".to_owned(),
                phase,
                ..DependencyTask::default()
            }),
        }];
        assert_eq!(told(&scene.plan()), (expected, reason.to_owned()), "{phase:?}");
    }
}

#[test]
fn a_job_that_cannot_be_created_ends_the_task() {
    let mut scene = Scene::of(shell());
    scene.conflicting_job = Some("fix-bug-1-aaaaaa");
    assert_eq!(told(&scene.plan()), (Failed, "NameConflict".to_owned()));
    scene.conflicting_job = None;
    scene.refused_job = Some("label is invalid");
    assert_eq!(told(&scene.plan()), (Failed, "JobRefused".to_owned()));
    assert!(message(&scene).ends_with("label is invalid"));
}

#[test]
fn a_task_cancelled_before_it_has_a_job_never_gets_one() {
    let spec = json!({ "type": "shell", "prompt": "x", "cancel": true });
    let plan = Scene::of(task(spec)).plan();
    assert_eq!(told(&plan), (Phase::Cancelled, "Cancelled".to_owned()));
    assert_eq!(steps(&plan), ["WriteStatus"]);
}
