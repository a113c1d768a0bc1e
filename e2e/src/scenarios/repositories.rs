//! Cloning, branches, pushing and tokens, with the `shell` agent.

use anyhow::ensure;
use axon_api::Phase;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use crate::world::{World, message_of, reason_of, result_of};

/// Commits a change and pushes the branch that is checked out.
const COMMIT_AND_PUSH: &str = "set -e
echo change >>README.md
git -c user.name=A -c user.email=a@example.com commit -qam 'agent change'
git push -q origin HEAD";

pub(super) async fn a_pushed_commit_is_the_one_that_status_names(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let task = world
        .run(
            "fix",
            json!({"type": "shell", "prompt": COMMIT_AND_PUSH, "branch": "feature/x", "workspace": {"repo": repository.url}}),
        )
        .await?;
    world.expect(&task, Phase::Succeeded).await?;
    let pushed = repository.commit("feature/x").await?;
    ensure!(pushed.is_some(), "nothing was pushed");
    ensure!(
        result_of(&task, "commit") == pushed.as_deref(),
        "status names another commit: {:?}",
        task.status
    );
    ensure!(
        result_of(&task, "branch") == Some("feature/x"),
        "{:?}",
        task.status
    );
    ensure!(
        result_of(&task, "base-branch") == Some("main"),
        "{:?}",
        task.status
    );
    ensure!(
        repository
            .file("feature/x", "README.md")
            .await?
            .contains("change")
    );
    ensure!(repository.branches().await? == ["feature/x", "main", "other"]);
    Ok(())
}

pub(super) async fn a_branch_that_the_remote_has_is_gone_on_with(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    repository.make_branch("feature/x", "main").await?;
    let before = repository.commit("feature/x").await?;
    for name in ["one", "two"] {
        let task = world
            .run(
                name,
                json!({"type": "shell", "prompt": COMMIT_AND_PUSH, "branch": "feature/x", "workspace": {"repo": repository.url}}),
            )
            .await?;
        world.expect(&task, Phase::Succeeded).await?;
    }
    let text = repository.file("feature/x", "README.md").await?;
    ensure!(
        text.matches("change").count() == 2,
        "not one on top of the other: {text}"
    );
    ensure!(repository.commit("feature/x").await? != before);
    Ok(())
}

pub(super) async fn a_tag_and_a_commit_can_be_checked_out(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let Some(first) = repository.commit("v1").await? else {
        anyhow::bail!("the repository has no tag");
    };
    for (name, reference) in [("tag", "v1"), ("commit", first.as_str())] {
        let task = world
            .run(
                name,
                json!({
                    "type": "shell",
                    "prompt": format!("test ! -e second.txt && test \"$(git rev-parse HEAD)\" = {first}"),
                    "workspace": {"repo": repository.url, "ref": reference},
                }),
            )
            .await?;
        world.expect(&task, Phase::Succeeded).await?;
    }
    Ok(())
}

pub(super) async fn a_missing_ref_fails_and_is_named(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let task = world
        .run(
            "fix",
            json!({"type": "shell", "prompt": "true", "workspace": {"repo": repository.url, "ref": "no-such-ref"}}),
        )
        .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(reason_of(&task) == "RefNotFound", "{:?}", task.status);
    ensure!(message_of(&task).contains("no-such-ref"), "{:?}", task.status);
    Ok(())
}

pub(super) async fn a_repository_that_does_not_exist_is_told_in_gits_own_words(
    world: &World,
) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let url = repository.url.replace("work.git", "nowhere.git");
    let task = world
        .run(
            "fix",
            json!({"type": "shell", "prompt": "true", "workspace": {"repo": url}}),
        )
        .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(reason_of(&task) == "RepositoryNotFound", "{:?}", task.status);
    ensure!(
        message_of(&task).contains("nowhere.git") && message_of(&task).contains("not found"),
        "{:?}",
        task.status
    );
    Ok(())
}

pub(super) async fn a_private_repository_is_cloned_and_pushed_with_its_token(
    world: &World,
) -> anyhow::Result<()> {
    let repository = world.private_repository("private", "the-token").await?;
    world.secret("token", "GITHUB_TOKEN", "the-token").await?;
    world
        .workspace(
            "private",
            json!({"repo": repository.url, "secretRef": {"name": "token"}}),
        )
        .await?;
    let task = world
        .run(
            "fix",
            json!({"type": "shell", "prompt": COMMIT_AND_PUSH, "branch": "feature/x", "workspaceRef": {"name": "private"}}),
        )
        .await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(repository.commit("feature/x").await?.as_deref() == result_of(&task, "commit"));
    Ok(())
}

pub(super) async fn a_wrong_token_fails(world: &World) -> anyhow::Result<()> {
    let repository = world.private_repository("private", "right").await?;
    world.secret("token", "GITHUB_TOKEN", "wrong-token").await?;
    let task = world
        .run(
            "fix",
            json!({"type": "shell", "prompt": "true", "workspace": {"repo": repository.url, "secretRef": {"name": "token"}}}),
        )
        .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(reason_of(&task) == "AuthenticationFailed", "{:?}", task.status);
    ensure!(message_of(&task).contains("token"), "{:?}", task.status);
    ensure!(
        !message_of(&task).contains("wrong-token"),
        "the message has the token: {:?}",
        task.status
    );
    Ok(())
}

pub(super) async fn a_private_repository_without_a_token_fails(world: &World) -> anyhow::Result<()> {
    let repository = world.private_repository("private", "right").await?;
    let task = world
        .run(
            "fix",
            json!({"type": "shell", "prompt": "true", "workspace": {"repo": repository.url}}),
        )
        .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(reason_of(&task) == "AuthenticationFailed", "{:?}", task.status);
    ensure!(message_of(&task).contains("secretRef"), "{:?}", task.status);
    Ok(())
}

pub(super) async fn files_of_the_workspace_are_in_the_checkout(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let task = world
        .run(
            "fix",
            json!({
                "type": "shell",
                "prompt": "test \"$(cat notes/todo.md)\" = 'a $(note)'",
                "workspace": {"repo": repository.url, "files": [{"path": "notes/todo.md", "content": "a $(note)\n"}]},
            }),
        )
        .await?;
    world.expect(&task, Phase::Succeeded).await
}

pub(super) async fn the_token_is_neither_in_the_pod_nor_in_the_output(world: &World) -> anyhow::Result<()> {
    let repository = world.private_repository("private", "very-secret").await?;
    world.secret("token", "GITHUB_TOKEN", "very-secret").await?;
    let task = world
        .run(
            "look",
            json!({
                "type": "shell",
                "prompt": "git remote -v; git config --list --show-origin; cat .git/config; git ls-remote >/dev/null && echo listed",
                "workspace": {"repo": repository.url, "secretRef": {"name": "token"}},
            }),
        )
        .await?;
    world.expect(&task, Phase::Succeeded).await?;
    let output = world.output(&task).await?;
    ensure!(
        output.contains("listed"),
        "git did not reach the repository: {output}"
    );
    ensure!(
        !output.contains("very-secret"),
        "git's configuration has the token: {output}"
    );
    for pod in world.api::<Pod>().list(&kube::api::ListParams::default()).await? {
        ensure!(
            !serde_json::to_string(&pod)?.contains("very-secret"),
            "the pod has the token"
        );
    }
    Ok(())
}
