//! One Task at a time on a branch.

use anyhow::ensure;
use axon_api::{Phase, Task};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use crate::wait;
use crate::world::{PATIENCE, World, message_of, phase};

/// Fails when another run is at it; else adds a line with this number to the file `order`.
fn exclusively(number: usize) -> String {
    format!(
        "set -e
git push -q --force-with-lease=refs/heads/busy: origin HEAD:refs/heads/busy || exit 9
echo {number} >> order && git add order
git -c user.name=A -c user.email=a@example.com commit -q -m {number}
git push -q origin HEAD
git push -q origin :refs/heads/busy"
    )
}

/// Two Workspaces name one repository in two ways. Fifty Tasks run one after the other in the order
/// in which they were made, also while what watches them is killed.
pub(super) async fn fifty_tasks_on_one_branch_run_one_after_the_other(world: &World) -> anyhow::Result<()> {
    // A container takes seconds to start, and all of them start one after the other.
    let tasks = if world.is_cluster() { 12 } else { 50 };
    let repository = world.repository("work").await?;
    world.workspace("one", json!({"repo": repository.url})).await?;
    let other = format!("{}/", repository.url.trim_end_matches('/'));
    world.workspace("two", json!({"repo": other})).await?;
    for number in 0..tasks {
        let workspace = if number % 2 == 0 { "one" } else { "two" };
        world
            .task(
                &format!("queued-{number:02}"),
                json!({
                    "type": "shell", "prompt": exclusively(number), "branch": "shared",
                    "workspaceRef": {"name": workspace},
                }),
            )
            .await?;
    }
    let mut kills = 0;
    wait::until(8 * PATIENCE, "all Tasks to end", async || {
        let all = world.api::<Task>().list(&ListParams::default()).await?;
        let ended = all
            .iter()
            .filter(|task| phase(task).is_some_and(Phase::is_final))
            .count();
        if ended > kills * tasks / 4 {
            kills += 1;
            world.plane().crash().await?;
            world.plane().recover().await?;
        }
        Ok(ended == tasks)
    })
    .await?;
    for number in 0..tasks {
        let task = world.ended(&format!("queued-{number:02}")).await?;
        world.expect(&task, Phase::Succeeded).await?;
    }
    let order = repository.file("shared", "order").await?;
    let expected: Vec<String> = (0..tasks).map(|number| number.to_string()).collect();
    ensure!(
        order.lines().eq(expected.iter().map(String::as_str)),
        "they ran in the order {order:?}"
    );
    ensure!(kills >= 3, "only {kills} kills");
    no_lease_is_left(world).await
}

pub(super) async fn who_waits_for_a_branch_is_told_for_whom(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let spec = |prompt: &str| {
        json!({
            "type": "shell", "prompt": prompt, "branch": "shared",
            "workspace": {"repo": repository.url},
        })
    };
    let until_go = "until git ls-remote --exit-code origin refs/heads/go >/dev/null; do sleep 0.2; done";
    world.task("holder", spec(until_go)).await?;
    world
        .wait_for("holder", "Running", |task| phase(task) == Some(Phase::Running))
        .await?;
    world.task("waiter", spec("true")).await?;
    let waiter = world.waits_for("waiter", "BranchLocked").await?;
    ensure!(
        message_of(&waiter).contains("`shared`") && message_of(&waiter).contains("holder"),
        "{:?}",
        waiter.status
    );
    let said = world.axon(&["describe", "task", "waiter"]).await?;
    said.expect(0, &["holder"])?;
    // Who is cancelled leaves the queue, and who is not goes on.
    world.task("last", spec("true")).await?;
    world.waits_for("last", "BranchLocked").await?;
    world
        .patch::<Task>("waiter", json!({"spec": {"cancel": true}}))
        .await?;
    let waiter = world.ended("waiter").await?;
    world.expect(&waiter, Phase::Cancelled).await?;
    repository.make_branch("go", "main").await?;
    let last = world.ended("last").await?;
    world.expect(&last, Phase::Succeeded).await?;
    no_lease_is_left(world).await
}

pub(super) async fn the_lock_of_a_deleted_task_is_swept(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let spec = |prompt: &str| {
        json!({
            "type": "shell", "prompt": prompt, "branch": "shared",
            "workspace": {"repo": repository.url},
        })
    };
    world.task("deleted", spec("sleep 600")).await?;
    world
        .wait_for("deleted", "Running", |task| phase(task) == Some(Phase::Running))
        .await?;
    world.task("next", spec("true")).await?;
    world.waits_for("next", "BranchLocked").await?;
    world
        .api::<Task>()
        .delete("deleted", &kube::api::DeleteParams::default())
        .await?;
    let next = world.ended("next").await?;
    world.expect(&next, Phase::Succeeded).await?;
    no_lease_is_left(world).await
}

/// Waits until no Lease is held by a Task of this scenario.
async fn no_lease_is_left(world: &World) -> anyhow::Result<()> {
    let leases: Api<Lease> = Api::namespaced(world.plane().client(), "axon-system");
    let of_branches = ListParams::default().labels(&format!("{}=true", axon_api::labels::BRANCH_LEASE));
    let own = format!("{}/", world.namespace);
    wait::until(PATIENCE, "all Leases of branches to be gone", async || {
        let left = leases.list(&of_branches).await?;
        let mut holders = left
            .iter()
            .filter_map(|lease| lease.metadata.annotations.as_ref()?.get(axon_api::labels::HOLDER));
        Ok(!holders.any(|holder| holder.starts_with(&own)))
    })
    .await
}
