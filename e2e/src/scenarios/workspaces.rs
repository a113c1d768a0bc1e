//! Workspaces in full: ssh, GitHub Apps, clone secrets, remotes, setup commands, amounts, worktrees
//! and volumes.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, ensure};
use axon_api::{Phase, Task};
use k8s_openapi::api::core::v1::PersistentVolume;
use serde_json::{Value, json};

use crate::ssh::SshServer;
use crate::world::{World, message_of, reason_of, result_of};

const COMMIT_AND_PUSH: &str = "set -e
echo change >>README.md
git -c user.name=A -c user.email=a@example.com commit -qam 'agent change'
git push -q origin HEAD";

/// The private key of the App whose signatures the tests of the operator verify.
const APP_KEY: &str = include_str!("../../../operator/tests/keys/pkcs8.pem");

async fn run(world: &World, name: &str, prompt: &str, workspace: Value) -> anyhow::Result<Task> {
    world
        .run(
            name,
            json!({"type": "shell", "prompt": prompt, "branch": format!("feature/{name}"), "workspace": workspace}),
        )
        .await
}

fn ssh_server(world: &World) -> anyhow::Result<SshServer> {
    let host = world.plane().host()?;
    SshServer::start(host.address, &host.name)
}

async fn ssh_secret(world: &World, server: &SshServer, known_hosts: &str) -> anyhow::Result<()> {
    let data = json!({"stringData": {"ssh-privatekey": server.private_key()?, "known_hosts": known_hosts}});
    world
        .create::<k8s_openapi::api::core::v1::Secret>("deploy", data)
        .await?;
    Ok(())
}

pub(super) async fn a_repository_over_ssh_is_cloned_and_pushed_with_its_key(
    world: &World,
) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let server = ssh_server(world)?;
    ssh_secret(world, &server, &server.known_hosts()?).await?;
    let workspace = json!({"repo": server.url(repository.path()), "secretRef": {"name": "deploy"}});
    let task = run(world, "fix", COMMIT_AND_PUSH, workspace).await?;
    world.expect(&task, Phase::Succeeded).await?;
    let pushed = repository.commit("feature/fix").await?;
    ensure!(pushed.is_some() && pushed.as_deref() == result_of(&task, "commit"));
    Ok(())
}

pub(super) async fn an_unknown_host_fails_with_its_fingerprint(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let server = ssh_server(world)?;
    let other = ssh_server(world)?;
    ssh_secret(world, &server, &other.known_hosts()?).await?;
    let workspace = json!({"repo": server.url(repository.path()), "secretRef": {"name": "deploy"}});
    let task = run(world, "fix", "true", workspace).await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(reason_of(&task) == "HostKeyUnknown", "{:?}", task.status);
    for words in [server.fingerprint()?.as_str(), "ssh-keyscan", "`deploy`"] {
        ensure!(message_of(&task).contains(words), "{:?}", task.status);
    }
    Ok(())
}

pub(super) async fn a_repository_of_a_github_app_is_cloned_and_pushed(world: &World) -> anyhow::Result<()> {
    let repository = world.app_repository("work").await?;
    let data = json!({"stringData": {"appID": "12", "installationID": "34", "privateKey": APP_KEY}});
    world
        .create::<k8s_openapi::api::core::v1::Secret>("app", data)
        .await?;
    let workspace = json!({"repo": repository.url, "secretRef": {"name": "app"}});
    let prompt = format!("{COMMIT_AND_PUSH}\ntest -n \"$GITHUB_TOKEN\"\nls -a /axon/git 2>/dev/null || true");
    let task = run(world, "fix", &prompt, workspace).await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(
        repository.commit("feature/fix").await?.is_some(),
        "nothing was pushed"
    );
    let output = world.output(&task).await?;
    ensure!(
        !output.contains("privateKey"),
        "the agent sees the App's key: {output}"
    );
    Ok(())
}

pub(super) async fn the_secret_of_the_clone_is_not_the_agents(world: &World) -> anyhow::Result<()> {
    let repository = world.private_repository("private", "very-secret").await?;
    world.secret("clone", "GITHUB_TOKEN", "very-secret").await?;
    let task = run(
        world,
        "look",
        "set -e
test -e second.txt
env; git config --list --show-origin; cat .git/config
if git ls-remote origin; then exit 1; fi
echo refused",
        json!({"repo": repository.url, "cloneSecretRef": {"name": "clone"}}),
    )
    .await?;
    world.expect(&task, Phase::Succeeded).await?;
    let output = world.output(&task).await?;
    ensure!(output.contains("refused"), "{output}");
    ensure!(
        !output.contains("very-secret"),
        "the agent sees the token: {output}"
    );
    Ok(())
}

pub(super) async fn remotes_and_a_setup_command_come_before_the_agent(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let upstream = world.repository("upstream").await?;
    upstream.make_branch("only-there", "main").await?;
    let task = run(
        world,
        "look",
        "set -e
test \"$(cat made)\" = 'made in a checkout'
git fetch -q upstream
git rev-parse upstream/only-there",
        json!({
            "repo": repository.url,
            "remotes": [{"name": "upstream", "url": upstream.url}],
            "setupCommand": ["sh", "-c", "test -e README.md && echo made in a checkout | tee made"],
        }),
    )
    .await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(
        world.output(&task).await?.contains("made in a checkout"),
        "the log lacks the command's output"
    );
    Ok(())
}

pub(super) async fn a_setup_command_that_fails_fails_the_task(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let task = run(
        world,
        "fix",
        "echo the agent ran",
        json!({"repo": repository.url, "setupCommand": ["sh", "-c", "echo no such module; exit 7"]}),
    )
    .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(reason_of(&task) == "SetupCommandFailed", "{:?}", task.status);
    ensure!(
        message_of(&task).contains("exited 7: no such module"),
        "{:?}",
        task.status
    );
    ensure!(!world.output(&task).await?.contains("the agent ran"));
    Ok(())
}

pub(super) async fn a_commit_is_checked_out_instead_of_the_tip(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let first = repository
        .commit("v1")
        .await?
        .context("the repository has no tag")?;
    let short = first.get(..10).unwrap_or_default();
    for (name, commit) in [("whole", first.as_str()), ("short", short)] {
        let prompt = format!("test ! -e second.txt && test \"$(git rev-parse HEAD)\" = {first}");
        let task = run(
            world,
            name,
            &prompt,
            json!({"repo": repository.url, "ref": "main", "commit": commit}),
        )
        .await?;
        world.expect(&task, Phase::Succeeded).await?;
    }
    Ok(())
}

pub(super) async fn a_partial_and_shallow_clone_has_its_submodule(world: &World) -> anyhow::Result<()> {
    let repository = world.private_repository("work", "the-token").await?;
    let below = world.repository("below").await?;
    repository.add_submodule("with-submodule", &below).await?;
    world.secret("token", "GITHUB_TOKEN", "the-token").await?;
    let task = run(
        world,
        "look",
        "set -e
test \"$(git rev-list --count HEAD)\" = 1
test -e below/second.txt
git fetch -q --depth 3 origin with-submodule
git log -p --format=%H FETCH_HEAD >/dev/null
test -z \"$(git status --short)\"",
        json!({
            "repo": repository.url,
            "ref": "with-submodule",
            "secretRef": {"name": "token"},
            "clone": {"depth": 1, "filter": "blob:none", "submodules": true},
        }),
    )
    .await?;
    world.expect(&task, Phase::Succeeded).await
}

pub(super) async fn a_task_works_in_a_worktree_of_its_own(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let workspace =
        json!({"repo": repository.url, "worktree": {"branch": "from-other", "sourceBranch": "other"}});
    let task = world
        .run(
            "fix",
            json!({
                "type": "shell",
                "prompt": format!("set -e; test -f .git; test ! -e second.txt\n{COMMIT_AND_PUSH}"),
                "workspace": workspace,
            }),
        )
        .await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(
        result_of(&task, "branch") == Some("from-other"),
        "{:?}",
        task.status
    );
    ensure!(repository.commit("from-other").await?.as_deref() == result_of(&task, "commit"));
    Ok(())
}

pub(super) async fn tasks_share_the_clone_of_their_workspace(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    let volume = shared_volume(world).await?;
    let mut storage = json!({"size": "1Gi", "accessMode": "ReadWriteMany", "scope": "Workspace"});
    if world.is_cluster() {
        storage["className"] = json!(world.namespace);
    }
    world
        .workspace("shared", json!({"repo": repository.url, "storage": storage}))
        .await?;
    for (name, prompt) in [
        ("first", COMMIT_AND_PUSH.to_owned()),
        // What the first has committed is there without having been fetched.
        (
            "second",
            format!("set -e; git rev-parse feature/first\n{COMMIT_AND_PUSH}"),
        ),
    ] {
        let task = world
            .run(
                name,
                json!({
                    "type": "shell",
                    "prompt": prompt,
                    "branch": format!("feature/{name}"),
                    "workspaceRef": {"name": "shared"},
                }),
            )
            .await?;
        world.expect(&task, Phase::Succeeded).await?;
        let pushed = repository.commit(&format!("feature/{name}")).await?;
        ensure!(pushed.is_some() && pushed.as_deref() == result_of(&task, "commit"));
    }
    drop(volume);
    Ok(())
}

/// A volume of the scenario's own, since the cluster of the tests has nobody who makes them. It is a
/// folder of this machine, which is also the node's.
async fn shared_volume(world: &World) -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("axon-e2e-volume-").tempdir()?;
    if !world.is_cluster() {
        return Ok(folder);
    }
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777))?;
    let volume: PersistentVolume = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": world.namespace},
        "spec": {
            "accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"},
            "storageClassName": world.namespace, "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": folder.path(), "type": "Directory"},
        },
    }))?;
    let volumes: kube::Api<PersistentVolume> = kube::Api::all(world.plane().client());
    volumes.create(&kube::api::PostParams::default(), &volume).await?;
    Ok(folder)
}
