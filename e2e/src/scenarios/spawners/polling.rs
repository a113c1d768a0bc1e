//! Issues that are polled for become Tasks.

use anyhow::{Context as _, ensure};
use axon_api::{Phase, Task, TaskSpawner};
use http::Method;
use serde_json::json;

use super::{Forge, WIDGETS, WORKSPACE, has_tasks, is_poll, is_ready, merge, spawner, spawner_is, tasks_of};
use crate::github::{Access, GitHub, Issue};
use crate::llm::Turn;
use crate::scenarios::agents::CLAUDE_CODE;
use crate::suite::say;
use crate::wait;
use crate::world::{PATIENCE, World, result_of};

const SPAWNERS: usize = 10;
const ISSUES: usize = 100;

pub(in crate::scenarios) async fn spawners_of_a_repository_share_one_request_that_costs_nothing(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    let issues = (0..ISSUES).map(|number| Issue::new(&format!("issue {number}")));
    forge.repository().open_issues(issues);
    for number in 0..SPAWNERS {
        let name = format!("watch-{number}");
        let when = json!({"when": {"githubIssues": {"labels": ["nobody-has-it"]}}});
        spawner(world, &name, when).await?;
    }
    for number in 0..SPAWNERS {
        is_ready(world, &format!("watch-{number}")).await?;
    }
    // All of them have been told of all issues; from here on nothing changes.
    forge.polled().await?;
    forge.github.forget_requests();
    wait::until(PATIENCE, "three quiet polls", async || Ok(forge.polls() >= 3)).await?;
    let requests = forge.github.requests();
    let polls = forge.polls();
    let free = forge.github.count(|request| request.status == 304);
    say(&format!(
        "{SPAWNERS} spawners, {ISSUES} issues, {polls} quiet polls: {} requests, {free} of them answered 304",
        requests.len()
    ));
    ensure!(
        requests
            .iter()
            .all(|request| is_poll(request) && request.status == 304),
        "{requests:#?}"
    );
    forge.was_asked_as_github_is()
}

pub(in crate::scenarios) async fn an_issue_becomes_a_task_with_its_prompt_and_branch(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    let work = "echo change >> README.md && \
        git -c user.name=A -c user.email=a@example.com commit -qam 'agent change' && \
        git push -q origin HEAD";
    let conversation = world.converse("talk", vec![Turn::run(work), Turn::say("Pushed the change.")]);
    world.secret("key", CLAUDE_CODE.key, "made-up-key").await?;
    let other = forge.repository().open_issue(Issue::new("Not for an agent"));
    let number = forge
        .repository()
        .open_issue(Issue::new("The door squeaks").body("Oil it").label("bug"));
    let mut spec = json!({
        "when": {"githubIssues": {"labels": ["bug"]}},
        "taskTemplate": {
            "type": CLAUDE_CODE.name,
            "model": CLAUDE_CODE.model,
            "promptTemplate": "Fix #{{.Number}}: {{.Title}}\n{{.Body}}",
            "branch": "axon-task-{{.Number}}",
            "credentials": {"type": "api-key", "secretRef": {"name": "key"}},
        },
    });
    let env = json!([{"name": CLAUDE_CODE.base_url, "value": conversation.base_url()}]);
    merge(&mut spec, json!({"taskTemplate": {"podOverrides": {"env": env}}}));
    spawner(world, "fix-bugs", spec).await?;
    let name = format!("fix-bugs-{number}");
    let found = wait::until(PATIENCE, "the Task", async || {
        Ok(world.api::<Task>().get_opt(&name).await?.is_some())
    });
    found.await?;
    let task = world.ended(&name).await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(
        task.spec.prompt == "Fix #2: The door squeaks\nOil it" && number == 2 && other == 1,
        "{:?}",
        task.spec
    );
    let branch = format!("axon-task-{number}");
    ensure!(
        result_of(&task, "commit") == forge.git.commit(&branch).await?.as_deref(),
        "{:?}",
        task.status
    );
    has_tasks(world, "fix-bugs", &[&name]).await?;
    forge.was_asked_as_github_is()
}

pub(in crate::scenarios) async fn an_issue_left_open_becomes_one_task_until_it_matches_again(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    let issue = forge.repository().open_issue(Issue::new("a").label("bug"));
    let spec = json!({
        "when": {"githubIssues": {"labels": ["bug"]}},
        "taskTemplate": {"ttlSecondsAfterFinished": 0},
    });
    spawner(world, "fix", spec).await?;
    made_and_gone(world, 1).await?;
    // It is open and has its label, and its Task is gone.
    forge.polled().await?;
    made_and_gone(world, 1).await?;
    forge.repository().unlabel(issue, "bug", "alice");
    let discovered = |spawner: &TaskSpawner| {
        let status = spawner.status.as_ref();
        status.and_then(|status| status.total_discovered) == Some(0)
    };
    spawner_is(world, "fix", "no discovered issue", discovered).await?;
    forge.repository().label(issue, "bug", "alice");
    made_and_gone(world, 2).await?;
    forge.polled().await?;
    made_and_gone(world, 2).await?;
    forge.was_asked_as_github_is()
}

/// Waits until the spawner `fix` has made so many Tasks, and none is there.
async fn made_and_gone(world: &World, made: i64) -> anyhow::Result<()> {
    let has_made = |spawner: &TaskSpawner| {
        let status = spawner.status.as_ref();
        status.and_then(|status| status.total_tasks_created) >= Some(made)
    };
    let spawner = spawner_is(world, "fix", &format!("{made} Tasks made"), has_made).await?;
    let status = spawner.status.context("the spawner has no status")?;
    ensure!(status.total_tasks_created == Some(made), "{status:?}");
    has_tasks(world, "fix", &[]).await
}

pub(in crate::scenarios) async fn a_task_deleted_by_hand_is_not_made_again(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    let issue = forge.repository().open_issue(Issue::new("a").label("bug"));
    spawner(
        world,
        "fix",
        json!({"when": {"githubIssues": {"labels": ["bug"]}}}),
    )
    .await?;
    let name = format!("fix-{issue}");
    has_tasks(world, "fix", &[&name]).await?;
    world.ended(&name).await?;
    let said = world.kubectl(&["delete", "task", &name]).await?;
    said.expect(0, &["deleted"])?;
    forge.polled().await?;
    // What came later is found, and what was deleted stays away.
    let later = forge.repository().open_issue(Issue::new("b").label("bug"));
    has_tasks(world, "fix", &[&format!("fix-{later}")]).await?;
    forge.was_asked_as_github_is()
}

pub(in crate::scenarios) async fn a_suspended_spawner_makes_nothing_until_it_is_resumed(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    spawner(
        world,
        "fix",
        json!({"suspend": true, "when": {"githubIssues": {"labels": ["bug"]}}}),
    )
    .await?;
    spawner(world, "other", json!({"when": {"githubIssues": {}}})).await?;
    let issue = forge.repository().open_issue(Issue::new("a").label("bug"));
    has_tasks(world, "other", &[&format!("other-{issue}")]).await?;
    ensure!(tasks_of(world, "fix").await?.is_empty());
    world
        .patch::<TaskSpawner>("fix", json!({"spec": {"suspend": false}}))
        .await?;
    has_tasks(world, "fix", &[&format!("fix-{issue}")]).await?;
    // Suspended once more, it lets its Tasks be.
    world
        .patch::<TaskSpawner>("fix", json!({"spec": {"suspend": true}}))
        .await?;
    let task = world.ended(&format!("fix-{issue}")).await?;
    world.expect(&task, Phase::Succeeded).await?;
    let later = forge.repository().open_issue(Issue::new("b").label("bug"));
    has_tasks(
        world,
        "other",
        &[&format!("other-{issue}"), &format!("other-{later}")],
    )
    .await?;
    has_tasks(world, "fix", &[&format!("fix-{issue}")]).await?;
    forge.was_asked_as_github_is()
}

pub(in crate::scenarios) async fn the_token_is_not_sent_to_another_server(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    let elsewhere = GitHub::start(world.plane().host()?.address).await?;
    elsewhere.grant(super::TOKEN, Access::installation());
    let issue = elsewhere
        .create_repository(WIDGETS)
        .open_issue(Issue::new("a").label("bug"));
    let repo = elsewhere.repository_url(WIDGETS);
    let when = json!({"when": {"githubIssues": {"repo": repo, "labels": ["bug"]}}});
    spawner(world, "fix", when).await?;
    has_tasks(world, "fix", &[&format!("fix-{issue}")]).await?;
    let shown = elsewhere.count(|request| request.headers.contains_key("authorization"));
    ensure!(shown == 0, "{shown} requests showed the token of `{WORKSPACE}`");
    ensure!(elsewhere.count(|request| request.method == Method::GET) > 0);
    let violations = elsewhere.violations();
    ensure!(violations.is_empty(), "{violations:?}");
    forge.was_asked_as_github_is()
}
