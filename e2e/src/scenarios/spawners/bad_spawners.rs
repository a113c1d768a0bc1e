//! Spawners that cannot work, each told in a sentence, while another goes on.

use anyhow::ensure;
use axon_api::Task;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::{Forge, TOKEN, has_condition, has_tasks, is_ready, spawner};
use crate::github::{Access, Issue};
use crate::suite::say;
use crate::wait;
use crate::world::{PATIENCE, World};

pub(in crate::scenarios) async fn a_spawner_that_cannot_work_says_why_and_others_go_on(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    spawner(world, "good", json!({"when": {"githubIssues": {}}})).await?;
    let issues = |template: Value| json!({"when": {"githubIssues": {}}, "taskTemplate": template});
    let cron = |cron: Value| json!({"when": {"cron": cron}, "taskTemplate": {"workspaceRef": null}});
    let agent = |prompt: &str| issues(json!({"type": "claude-code", "promptTemplate": prompt}));
    let cases = [
        (
            "cron",
            cron(json!({"schedule": "61 * * * *"})),
            "InvalidSource",
            "cron.schedule",
        ),
        (
            "zone",
            cron(json!({"schedule": "@daily", "timeZone": "Mars/Olympus"})),
            "InvalidSource",
            "`Mars/Olympus`",
        ),
        (
            "interval",
            json!({"pollInterval": "1s", "when": {"githubIssues": {}}}),
            "InvalidSource",
            "`1s` is less than 5s",
        ),
        (
            "field",
            agent("Fix {{.Headline}}"),
            "TemplateInvalid",
            "no `.Headline`",
        ),
        (
            "syntax",
            agent("Fix {{.Title"),
            "TemplateInvalid",
            "promptTemplate",
        ),
        (
            "workspace",
            issues(json!({"workspaceRef": {"name": "nothing"}})),
            "WorkspaceNotFound",
            "`nothing`",
        ),
        (
            "server",
            issues(json!({"workspaceRef": null, "workspace": {"repo": "file:///srv/repository"}})),
            "NotOnGitHub",
            "`file:///srv/repository`",
        ),
    ];
    for (name, spec, _, _) in &cases {
        spawner(world, name, spec.clone()).await?;
    }
    for (name, _, reason, words) in &cases {
        let why = has_condition(world, name, "Ready", "False", reason).await?;
        ensure!(why.contains(words), "{name}: {why}");
    }
    let issue = forge.repository().open_issue(Issue::new("a"));
    has_tasks(world, "good", &[&format!("good-{issue}")]).await?;
    for (name, _, _, _) in &cases {
        has_tasks(world, name, &[]).await?;
    }
    forge.was_asked_as_github_is()
}

pub(in crate::scenarios) async fn what_github_refuses_is_told_until_the_secret_is_mended(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    let github = &forge.github;
    github.create_private_repository("acme/secret");
    github.grant("no-issues", Access::installation().without("issues"));
    github.grant("elsewhere", Access::installation().repository("acme/widgets"));
    spawner(world, "good", json!({"when": {"githubIssues": {}}})).await?;
    let cases = [
        ("revoked", "acme/widgets", "Unauthorized", "Secret `revoked`"),
        (
            "no-issues",
            "acme/widgets",
            "Forbidden",
            "may not read `acme/widgets`",
        ),
        ("elsewhere", "acme/secret", "RepositoryNotFound", "`acme/secret`"),
        ("good", "acme/nothing", "RepositoryNotFound", "`acme/nothing`"),
    ];
    for (token, repository, _, _) in &cases {
        let name = of(token, repository);
        world.secret(&name, "GITHUB_TOKEN", token).await?;
        let repo = github.repository_url(repository);
        world
            .workspace(&name, json!({"repo": repo, "secretRef": {"name": name}}))
            .await?;
        if *token == "good" {
            github.grant(token, Access::installation());
        }
        let template = json!({"workspaceRef": {"name": name}});
        let spec = json!({"when": {"githubIssues": {}}, "taskTemplate": template});
        spawner(world, &name, spec).await?;
    }
    for (token, repository, reason, words) in &cases {
        let name = of(token, repository);
        let why = has_condition(world, &name, "Ready", "False", reason).await?;
        let words = words.replace("revoked", &name);
        ensure!(why.contains(&words), "{name}: {why}");
        ensure!(!why.contains(&format!(" {token} ")), "the token is told: {why}");
    }
    is_ready(world, "good").await?;
    let issue = forge.repository().open_issue(Issue::new("a"));
    has_tasks(world, "good", &[&format!("good-{issue}")]).await?;
    // With a good token in its Secret it works, without anybody touching the spawner.
    let name = of("revoked", "acme/widgets");
    let token = json!({"stringData": {"GITHUB_TOKEN": TOKEN}});
    world.patch::<Secret>(&name, token).await?;
    is_ready(world, &name).await?;
    has_tasks(world, &name, &[&format!("{name}-{issue}")]).await?;
    forge.was_asked_as_github_is()
}

/// The name of a spawner that asks for a repository with a token, and of its Workspace and Secret.
fn of(token: &str, repository: &str) -> String {
    format!("{token}-{}", repository.replace('/', "-"))
}

pub(in crate::scenarios) async fn a_spec_that_cannot_be_meant_is_refused_by_the_server(
    world: &World,
) -> anyhow::Result<()> {
    let issues = json!({"githubIssues": {}});
    for (spec, words) in [
        (
            json!({"when": {"githubIssues": {}, "cron": {"schedule": "@daily"}}}),
            "exactly one of githubIssues",
        ),
        (json!({"when": {}}), "exactly one of githubIssues"),
        (
            json!({"when": issues, "pollInterval": "-5s"}),
            "spec.pollInterval",
        ),
        (json!({"when": issues, "pollInterval": -5}), "spec.pollInterval"),
        (
            json!({"when": issues, "maxConcurrency": -1}),
            "spec.maxConcurrency",
        ),
        (json!({"when": issues, "maxTotalTasks": -1}), "spec.maxTotalTasks"),
        (
            json!({"when": issues, "taskTemplate": {"workspaceRef": null}}),
            "need taskTemplate.workspaceRef",
        ),
        (
            json!({"when": {"webhook": {"source": "x", "fieldMapping": {"title": "$.t"}}}}),
            "fieldMapping must have id",
        ),
        (
            json!({"when": {"webhook": {"source": "github", "fieldMapping": {"id": "$.id"}}}}),
            "github is the path of githubWebhook",
        ),
    ] {
        // As a person sends it: types of this program would not let it through.
        let mut template = json!({"type": "shell", "promptTemplate": "true", "workspaceRef": {"name": "w"}});
        let mut spec = spec;
        if let Some(changes) = spec.as_object_mut().and_then(|spec| spec.remove("taskTemplate")) {
            super::merge(&mut template, changes);
        }
        spec["taskTemplate"] = template;
        let object = json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "TaskSpawner",
            "metadata": {"name": "refused"}, "spec": spec,
        });
        let said = world
            .kubectl_with(&["create", "-f", "-"], &object.to_string())
            .await?;
        said.expect(1, &[words])?;
    }
    Ok(())
}

pub(in crate::scenarios) async fn long_labels_and_texts_become_tasks_as_well(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    let label = "🚪".repeat(300);
    let body = "squeak \u{202e}\u{0} ".repeat((1 << 20) / 11);
    let issue = forge
        .repository()
        .open_issue(Issue::new(&"long ".repeat(50)).body(&body).label(&label));
    let spec = json!({
        "when": {"githubIssues": {"labels": [label]}},
        "taskTemplate": {
            "type": "claude-code",
            "promptTemplate": null,
            "metadata": {"labels": {"topic": "{{.Labels}}"}, "annotations": {"title": "{{.Title}}"}},
        },
    });
    spawner(world, "fix", spec).await?;
    let name = format!("fix-{issue}");
    let found = wait::until(PATIENCE, "the Task", async || {
        Ok(world.api::<Task>().get_opt(&name).await?.is_some())
    });
    if let Err(error) = found.await {
        anyhow::bail!("{error:#}\n{}", super::report(world, "fix").await);
    }
    let task = world.api::<Task>().get(&name).await?;
    say(&format!(
        "an issue with {} bytes became a prompt of {} bytes",
        body.len(),
        task.spec.prompt.len()
    ));
    ensure!(task.spec.prompt.contains("squeak") && task.spec.prompt.len() <= 1 << 20);
    forge.was_asked_as_github_is()
}
