//! The life of a Task: what it waits for, and how it goes.

use anyhow::ensure;
use axon_api::{Phase, Task};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::llm::Turn;
use crate::world::{World, message_of, phase, reason_of};

pub(super) async fn a_shell_task_needs_nothing_but_a_prompt(world: &World) -> anyhow::Result<()> {
    let task = world
        .run("hello", json!({"type": "shell", "prompt": "echo hello there"}))
        .await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(world.output(&task).await?.contains("hello there"));
    let status = task.status.unwrap_or_default();
    ensure!(
        status.exit_code == Some(0) && status.attempts == Some(1),
        "{status:?}"
    );
    ensure!(
        status.start_time.is_some() && status.completion_time.is_some(),
        "{status:?}"
    );
    ensure!(
        status
            .conditions
            .iter()
            .any(|condition| condition.type_ == "Complete" && condition.status == "True"),
        "{status:?}"
    );
    Ok(())
}

pub(super) async fn a_workspace_may_come_later(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    world
        .task(
            "early",
            json!({"type": "shell", "prompt": "test -e README.md", "workspaceRef": {"name": "later"}}),
        )
        .await?;
    let task = world.waits_for("early", "WorkspaceNotFound").await?;
    ensure!(message_of(&task).contains("`later`"), "{:?}", task.status);
    world.workspace("later", json!({"repo": repository.url})).await?;
    let task = world.ended("early").await?;
    world.expect(&task, Phase::Succeeded).await
}

pub(super) async fn a_secret_may_come_later_and_its_key_after_that(world: &World) -> anyhow::Result<()> {
    let conversation = world.converse("talk", vec![Turn::say("Hello.")]);
    world
        .task(
            "early",
            json!({
                "type": "claude-code", "prompt": "say hello", "model": "claude-sonnet-4-5",
                "credentials": {"type": "api-key", "secretRef": {"name": "key"}},
                "podOverrides": {"env": [{"name": "ANTHROPIC_BASE_URL", "value": conversation.base_url()}]},
            }),
        )
        .await?;
    let task = world.waits_for("early", "SecretNotFound").await?;
    ensure!(message_of(&task).contains("`key`"), "{:?}", task.status);
    world.secret("key", "ANTHROPIC_KEY", "misspelled").await?;
    let task = world.waits_for("early", "SecretKeyMissing").await?;
    ensure!(
        message_of(&task).contains("`ANTHROPIC_API_KEY`"),
        "{:?}",
        task.status
    );
    world
        .patch::<Secret>(
            "key",
            json!({"stringData": {"ANTHROPIC_API_KEY": "right-at-last"}}),
        )
        .await?;
    let task = world.ended("early").await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(
        conversation.credentials() == ["right-at-last"],
        "{:?}",
        conversation.credentials()
    );
    Ok(())
}

pub(super) async fn a_task_waits_for_the_one_it_depends_on(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let push = "git -c user.name=A -c user.email=a@example.com commit -q --allow-empty -m first && git push -q origin HEAD";
    world
        .task(
            "second",
            json!({"type": "shell", "prompt": "git log --oneline -1 | grep first", "dependsOn": ["first"], "branch": "chain", "workspace": {"repo": repository.url}}),
        )
        .await?;
    world.waits_for("second", "DependencyNotFound").await?;
    world
        .task(
            "first",
            json!({"type": "shell", "prompt": push, "branch": "chain", "workspace": {"repo": repository.url}}),
        )
        .await?;
    let second = world.ended("second").await?;
    world.expect(&second, Phase::Succeeded).await?;
    let first = world.ended("first").await?;
    world.expect(&first, Phase::Succeeded).await
}

pub(super) async fn a_failed_dependency_fails_the_task(world: &World) -> anyhow::Result<()> {
    world
        .run("first", json!({"type": "shell", "prompt": "exit 7"}))
        .await?;
    let second = world
        .run(
            "second",
            json!({"type": "shell", "prompt": "true", "dependsOn": ["first"]}),
        )
        .await?;
    world.expect(&second, Phase::Failed).await?;
    ensure!(reason_of(&second) == "DependencyFailed", "{:?}", second.status);
    Ok(())
}

pub(super) async fn a_name_of_253_characters_works(world: &World) -> anyhow::Result<()> {
    let name = format!("{}.{}", "a".repeat(126), "b".repeat(126));
    let task = world
        .run(&name, json!({"type": "shell", "prompt": "true"}))
        .await?;
    world.expect(&task, Phase::Succeeded).await
}

pub(super) async fn a_finished_task_goes_when_its_time_to_live_is_over(world: &World) -> anyhow::Result<()> {
    world
        .task(
            "brief",
            json!({"type": "shell", "prompt": "true", "ttlSecondsAfterFinished": 1}),
        )
        .await?;
    world.gone("brief").await?;
    world
        .task("kept", json!({"type": "shell", "prompt": "true"}))
        .await?;
    let task = world.ended("kept").await?;
    world.expect(&task, Phase::Succeeded).await?;
    // The time to live may be set when the Task has long ended.
    world
        .patch::<Task>("kept", json!({"spec": {"ttlSecondsAfterFinished": 0}}))
        .await?;
    world.gone("kept").await
}

pub(super) async fn a_task_made_anew_under_its_name_runs_again(world: &World) -> anyhow::Result<()> {
    let first = world
        .run("again", json!({"type": "shell", "prompt": "echo one"}))
        .await?;
    world
        .api::<Task>()
        .delete("again", &DeleteParams::default())
        .await?;
    let second = loop {
        match world
            .task("again", json!({"type": "shell", "prompt": "echo two"}))
            .await
        {
            Ok(_) => break world.ended("again").await?,
            Err(error) if format!("{error:#}").contains("already exists") => {
                tokio::task::yield_now().await;
            }
            Err(error) => return Err(error),
        }
    };
    world.expect(&second, Phase::Succeeded).await?;
    ensure!(first.uid() != second.uid());
    ensure!(world.output(&second).await?.contains("two"));
    Ok(())
}

pub(super) async fn many_tasks_at_once_each_run_once(world: &World) -> anyhow::Result<()> {
    let names: Vec<String> = (0..12).map(|number| format!("many-{number}")).collect();
    futures::future::try_join_all(
        names
            .iter()
            .map(|name| world.task(name, json!({"type": "shell", "prompt": "echo once"}))),
    )
    .await?;
    for name in &names {
        let task = world.ended(name).await?;
        world.expect(&task, Phase::Succeeded).await?;
        ensure!(phase(&task) == Some(Phase::Succeeded) && world.output(&task).await?.contains("once"));
    }
    let jobs = world.api::<Job>().list(&ListParams::default()).await?;
    ensure!(jobs.items.len() == names.len(), "{} Jobs", jobs.items.len());
    Ok(())
}
