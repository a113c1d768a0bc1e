//! Comments that ask for work, and who may ask.

use anyhow::ensure;
use http::Method;
use serde_json::{Value, json};

use super::{Forge, has_condition, has_tasks, is_ready, spawner};
use crate::github::{Fault, Issue, Role};
use crate::world::World;

fn asked_by_writers() -> Value {
    let policy = json!({"triggerComment": "/axon", "minimumPermission": "write"});
    json!({"when": {"githubIssues": {"commentPolicy": policy}}})
}

pub(in crate::scenarios) async fn a_command_starts_work_only_for_those_who_may_ask(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    let repository = forge.repository();
    repository.set_permission("alice", Role::Write);
    repository.set_permission("robot[bot]", Role::Admin);
    repository.set_permission("mallory", Role::Read);
    let [asked, by_a_reader, by_a_stranger, by_a_bot, quoted] =
        ["a", "b", "c", "d", "e"].map(|title| repository.open_issue(Issue::new(title)));
    repository.comment(by_a_reader, "mallory", "/axon");
    repository.comment(by_a_stranger, "nobody", "/axon");
    repository.comment(by_a_bot, "robot[bot]", "/axon");
    repository.comment(quoted, "alice", "> /axon\nplease do not /axon");
    let first = repository.comment(asked, "alice", "please\n/axon\nthanks");
    spawner(world, "fix", asked_by_writers()).await?;
    let name = format!("fix-{asked}");
    has_tasks(world, "fix", &[&name]).await?;
    // An issue that has just been commented on by nobody who may ask stays as it is.
    repository.comment(by_a_reader, "mallory", "/axon");
    forge.polled().await?;
    has_tasks(world, "fix", &[&name]).await?;
    // The same command once more asks once more.
    let second = repository.comment(asked, "alice", "/axon");
    ensure!(second > first);
    has_tasks(world, "fix", &[&name, &format!("{name}-2")]).await?;
    forge.polled().await?;
    has_tasks(world, "fix", &[&name, &format!("{name}-2")]).await?;
    forge.was_asked_as_github_is()
}

pub(in crate::scenarios) async fn a_command_starts_nothing_while_it_cannot_be_told_who_may_ask(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    let repository = forge.repository();
    repository.set_permission("alice", Role::Write);
    let asked = repository.open_issue(Issue::new("a"));
    repository.comment(asked, "alice", "/axon");
    let broken = Fault::status(500)
        .on(Method::GET, "/collaborators/")
        .from_now_on();
    forge.github.fail(broken);
    spawner(world, "fix", asked_by_writers()).await?;
    spawner(world, "other", json!({"when": {"githubIssues": {}}})).await?;
    is_ready(world, "other").await?;
    has_tasks(world, "other", &[&format!("other-{asked}")]).await?;
    has_condition(world, "fix", "RateLimited", "True", "GitHubUnavailable").await?;
    forge.polled().await?;
    has_tasks(world, "fix", &[]).await?;
    // The command is not lost.
    forge.github.recover();
    has_tasks(world, "fix", &[&format!("fix-{asked}")]).await?;
    forge.was_asked_as_github_is()
}
