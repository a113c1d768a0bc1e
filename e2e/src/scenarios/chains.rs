//! Tasks that depend on each other, over deaths of the operator.

use anyhow::ensure;
use axon_api::{Phase, Task};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::wait;
use crate::world::{PATIENCE, World, message_of, phase, reason_of};

/// Commits an empty commit with this message, and pushes it.
fn commit(message: &str) -> String {
    format!(
        "git -c user.name=A -c user.email=a@example.com commit -q --allow-empty -m {message} && git push -q origin HEAD"
    )
}

/// A new operator waits until the Lease of the killed one is over, so that each restart takes time.
const MOST_RESTARTS: usize = 10;

/// Scaffold, tests, pull request: what watches them is killed after every change of a Task, and
/// each still has one Job.
pub(super) async fn a_chain_survives_a_restart_after_each_change(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("service").await?;
    world
        .workspace("service", json!({"repo": repository.url}))
        .await?;
    let open = r#"test "{{index .Deps "scaffold" "Results" "branch"}}" = feature/user-service &&
git log --format=%s | grep -qx tests && echo "opened from {{index .Deps "write-tests" "Results" "commit"}}""#;
    let tasks = [
        ("scaffold", commit("scaffold"), json!([])),
        ("write-tests", commit("tests"), json!(["scaffold"])),
        ("open-pr", open.to_owned(), json!(["scaffold", "write-tests"])),
    ];
    // The last one first: what it depends on does not exist yet.
    for (name, prompt, depends_on) in tasks.iter().rev() {
        world
            .task(
                name,
                json!({
                    "type": "shell", "prompt": prompt, "dependsOn": depends_on,
                    "branch": "feature/user-service", "workspaceRef": {"name": "service"},
                }),
            )
            .await?;
    }
    let mut restarts = 0;
    let mut seen = Vec::new();
    wait::until(3 * PATIENCE, "the chain to end", async || {
        let all = world.api::<Task>().list(&ListParams::default()).await?;
        let versions: Vec<_> = all.iter().map(kube::ResourceExt::resource_version).collect();
        if versions != seen && restarts < MOST_RESTARTS {
            seen = versions;
            restarts += 1;
            world.plane().crash().await?;
            world.plane().recover().await?;
        }
        Ok(all.iter().all(|task| phase(task).is_some_and(Phase::is_final)))
    })
    .await?;
    for (name, ..) in &tasks {
        let task = world.ended(name).await?;
        world.expect(&task, Phase::Succeeded).await?;
        ensure!(
            task.status.as_ref().and_then(|status| status.attempts) == Some(1),
            "{:?}",
            task.status
        );
    }
    let last = world.ended("open-pr").await?;
    let tip = repository
        .commit("feature/user-service")
        .await?
        .unwrap_or_default();
    ensure!(world.output(&last).await?.contains(&format!("opened from {tip}")));
    let jobs = world.api::<Job>().list(&ListParams::default()).await?;
    ensure!(jobs.items.len() == tasks.len(), "{} Jobs", jobs.items.len());
    ensure!(restarts > tasks.len(), "only {restarts} restarts");
    Ok(())
}

pub(super) async fn a_dependency_removed_after_it_succeeded_still_counts(
    world: &World,
) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    world
        .task(
            "late",
            json!({
                "type": "shell", "dependsOn": ["early", "slow"],
                "prompt": r#"echo "from {{index .Deps "early" "Results" "branch"}}""#,
            }),
        )
        .await?;
    let early = world
        .run(
            "early",
            json!({
                "type": "shell", "prompt": commit("early"), "branch": "early",
                "workspace": {"repo": repository.url},
            }),
        )
        .await?;
    world.expect(&early, Phase::Succeeded).await?;
    world
        .wait_for("late", "the dependency in its status", |task| {
            let status = task.status.as_ref();
            status.is_some_and(|status| status.dependencies.iter().any(|known| known.name == "early"))
        })
        .await?;
    world
        .api::<Task>()
        .delete("early", &DeleteParams::default())
        .await?;
    world.gone("early").await?;
    world
        .run("slow", json!({"type": "shell", "prompt": "true"}))
        .await?;
    let late = world.ended("late").await?;
    world.expect(&late, Phase::Succeeded).await?;
    ensure!(world.output(&late).await?.contains("from early"));
    Ok(())
}

pub(super) async fn a_dependency_whose_time_to_live_is_zero_is_still_counted(
    world: &World,
) -> anyhow::Result<()> {
    world
        .task(
            "after",
            json!({"type": "shell", "prompt": "true", "dependsOn": ["brief"]}),
        )
        .await?;
    world
        .task(
            "brief",
            json!({"type": "shell", "prompt": "true", "ttlSecondsAfterFinished": 0}),
        )
        .await?;
    let after = world.ended("after").await?;
    world.expect(&after, Phase::Succeeded).await?;
    world.gone("brief").await
}

pub(super) async fn a_circle_of_dependencies_is_found_when_it_closes(world: &World) -> anyhow::Result<()> {
    for (name, depends_on) in [("a", "b"), ("b", "c")] {
        world
            .task(
                name,
                json!({"type": "shell", "prompt": "true", "dependsOn": [depends_on]}),
            )
            .await?;
    }
    world.waits_for("b", "DependencyNotFound").await?;
    world
        .task(
            "c",
            json!({"type": "shell", "prompt": "true", "dependsOn": ["a"]}),
        )
        .await?;
    for name in ["a", "b", "c"] {
        let task = world.ended(name).await?;
        world.expect(&task, Phase::Failed).await?;
        ensure!(
            matches!(reason_of(&task), "DependencyCycle" | "DependencyFailed"),
            "{:?}",
            task.status
        );
    }
    let closing = world.ended("c").await?;
    ensure!(
        reason_of(&closing) == "DependencyCycle" && message_of(&closing).contains("`a`")
            || message_of(&closing).contains("c -> a -> b -> c"),
        "{:?}",
        closing.status
    );
    Ok(())
}

pub(super) async fn a_template_with_a_missing_key_fails_and_names_it(world: &World) -> anyhow::Result<()> {
    world
        .run("first", json!({"type": "shell", "prompt": "true"}))
        .await?;
    let task = world
        .run(
            "second",
            json!({
                "type": "shell", "dependsOn": ["first"],
                "prompt": r#"echo {{index .Deps "first" "Results" "no-such-key"}}"#,
            }),
        )
        .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(reason_of(&task) == "PromptTemplateInvalid", "{:?}", task.status);
    ensure!(message_of(&task).contains("no-such-key"), "{:?}", task.status);
    Ok(())
}

pub(super) async fn a_failed_run_is_tried_again_only_where_the_task_says_so(
    world: &World,
) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    // Fails unless a run before it has left its mark.
    let once = "git ls-remote --exit-code origin refs/heads/mark >/dev/null || { git push -q origin HEAD:refs/heads/mark; exit 3; }";
    let spec = json!({"type": "shell", "prompt": once, "workspace": {"repo": repository.url}, "retry": {"limit": 2}});
    let task = world.run("stubborn", spec).await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(
        task.status.as_ref().and_then(|status| status.attempts) == Some(2),
        "{:?}",
        task.status
    );
    let task = world
        .run("content", json!({"type": "shell", "prompt": "exit 3"}))
        .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(
        task.status.as_ref().and_then(|status| status.attempts) == Some(1),
        "{:?}",
        task.status
    );
    Ok(())
}
