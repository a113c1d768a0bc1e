//! Plain kubectl gets the same answers from both planes.

use anyhow::ensure;
use axon_api::Phase;

use crate::world::World;

const MANIFEST: &str = "
apiVersion: axon.io/v1alpha1
kind: Workspace
metadata:
  name: site
spec:
  repo: https://example.com/site.git
---
apiVersion: axon.io/v1alpha1
kind: Task
metadata:
  name: greet
  labels:
    team: web
spec:
  type: shell
  prompt: |
    echo hello from the agent
";

pub(super) async fn get_prints_a_table(world: &World) -> anyhow::Result<()> {
    done(world).await?;
    let said = world.kubectl(&["get", "tasks"]).await?;
    said.expect(
        0,
        &["NAME", "TYPE", "PHASE", "AGE", "greet", "shell", "Succeeded"],
    )?;
    ensure!(!said.out.contains("COMMIT"), "{said:?}");
    let said = world.kubectl(&["get", "task", "greet", "-o", "wide"]).await?;
    said.expect(0, &["REASON", "BRANCH", "COMMIT"])?;
    let said = world.kubectl(&["get", "tasks", "-o", "name"]).await?;
    ensure!(said.out == "task.axon.io/greet\n", "{said:?}");
    let said = world
        .kubectl(&["get", "task", "greet", "-o", "jsonpath={.status.phase}"])
        .await?;
    ensure!(said.out == "Succeeded", "{said:?}");
    let said = world.kubectl(&["get", "axon", "-o", "name"]).await?;
    ensure!(
        said.out.contains("workspace.axon.io/site") && said.out.contains("task.axon.io/greet"),
        "{said:?}"
    );
    let said = world.kubectl(&["get", "jobs,pods", "-o", "name"]).await?;
    said.expect(0, &["job.batch/greet-1-", "pod/greet-1-"])?;
    world
        .kubectl(&["get", "ws", "site"])
        .await?
        .expect(0, &["REPO", "https://example.com/site.git"])
}

pub(super) async fn apply_creates_leaves_and_changes(world: &World) -> anyhow::Result<()> {
    let apply = ["apply", "-f", "-"];
    world.kubectl_with(&apply, MANIFEST).await?.expect(
        0,
        &["workspace.axon.io/site created", "task.axon.io/greet created"],
    )?;
    world.kubectl_with(&apply, MANIFEST).await?.expect(
        0,
        &["workspace.axon.io/site unchanged", "task.axon.io/greet unchanged"],
    )?;
    let changed = MANIFEST
        .replace("site.git", "other.git")
        .replace("  type: shell", "  type: shell\n  ttlSecondsAfterFinished: 3600");
    world.kubectl_with(&apply, &changed).await?.expect(
        0,
        &[
            "workspace.axon.io/site configured",
            "task.axon.io/greet configured",
        ],
    )?;
    let said = world
        .kubectl(&["get", "ws", "site", "-o", "jsonpath={.spec.repo}"])
        .await?;
    ensure!(said.out == "https://example.com/other.git", "{said:?}");
    world
        .kubectl_with(&["diff", "-f", "-"], &changed)
        .await?
        .expect(0, &[])?;
    world
        .kubectl_with(&["apply", "--dry-run=server", "-f", "-"], MANIFEST)
        .await?
        .expect(0, &["configured (server dry run)"])
}

pub(super) async fn describe_shows_status_and_events(world: &World) -> anyhow::Result<()> {
    done(world).await?;
    let said = world.kubectl(&["describe", "task", "greet"]).await?;
    said.expect(
        0,
        &[
            "Name:",
            "greet",
            "Labels:",
            "team=web",
            "Phase:",
            "Succeeded",
            "Conditions:",
            "Events:",
        ],
    )?;
    ensure!(
        !said.out.contains("Events:  <none>") && !said.out.contains("Events:         <none>"),
        "no events: {said:?}"
    );
    world
        .kubectl(&["describe", "pods"])
        .await?
        .expect(0, &["Name:", "greet-1-", "Containers:", "agent:"])?;
    world
        .kubectl(&["describe", "jobs"])
        .await?
        .expect(0, &["Name:", "greet-1-", "Pods Statuses:"])
}

pub(super) async fn wait_ends_when_the_task_does(world: &World) -> anyhow::Result<()> {
    world
        .kubectl_with(&["apply", "-f", "-"], MANIFEST)
        .await?
        .expect(0, &[])?;
    world
        .kubectl(&["wait", "--for=condition=Complete", "task/greet", "--timeout=100s"])
        .await?
        .expect(0, &["task.axon.io/greet condition met"])?;
    world
        .kubectl(&[
            "wait",
            "--for=jsonpath={.status.phase}=Succeeded",
            "task/greet",
            "--timeout=100s",
        ])
        .await?
        .expect(0, &["task.axon.io/greet condition met"])?;
    world
        .kubectl(&["delete", "task", "greet", "--wait=false"])
        .await?
        .expect(0, &["deleted"])?;
    world
        .kubectl(&["wait", "--for=delete", "task/greet", "--timeout=100s"])
        .await?
        .expect(0, &[])
}

pub(super) async fn logs_are_the_agents_output(world: &World) -> anyhow::Result<()> {
    let task = done(world).await?;
    let pod = task.status.unwrap_or_default().pod_name.unwrap_or_default();
    world
        .kubectl(&["logs", &pod])
        .await?
        .expect(0, &["hello from the agent"])?;
    world
        .kubectl(&["logs", &pod, "-c", "agent", "--tail=1000"])
        .await?
        .expect(0, &["hello from the agent"])?;
    world
        .kubectl(&["logs", &pod, "-f"])
        .await?
        .expect(0, &["hello from the agent"])?;
    world
        .kubectl(&["logs", &pod, "-c", "nobody"])
        .await?
        .expect(1, &["container nobody is not valid for pod"])
}

pub(super) async fn explain_knows_the_fields(world: &World) -> anyhow::Result<()> {
    world
        .kubectl(&["explain", "task"])
        .await?
        .expect(0, &["GROUP:", "axon.io", "KIND:", "Task", "spec", "status"])?;
    world
        .kubectl(&["explain", "task.spec.prompt"])
        .await?
        .expect(0, &["FIELD: prompt <string>", "What the agent is to do."])?;
    world
        .kubectl(&["explain", "workspace.spec"])
        .await?
        .expect(0, &["repo", "-required-"])?;
    world
        .kubectl(&["explain", "task.spec.nothing"])
        .await?
        .expect(1, &["field \"nothing\" does not exist"])?;
    world
        .kubectl(&["api-resources", "--api-group=axon.io"])
        .await?
        .expect(
            0,
            &["tasks", "workspaces", "axon.io/v1alpha1", "Task", "Workspace"],
        )
}

pub(super) async fn delete_takes_all_with_it(world: &World) -> anyhow::Result<()> {
    done(world).await?;
    world
        .kubectl(&["delete", "task", "greet"])
        .await?
        .expect(0, &["task.axon.io \"greet\" deleted"])?;
    world.gone("greet").await?;
    world
        .kubectl(&["delete", "task", "greet"])
        .await?
        .expect(1, &["NotFound"])?;
    world
        .kubectl(&["delete", "task", "greet", "--ignore-not-found"])
        .await?
        .expect(0, &[])?;
    world
        .kubectl(&["delete", "ws", "--all"])
        .await?
        .expect(0, &["workspace.axon.io \"site\" deleted"])
}

pub(super) async fn labels_select_and_can_be_changed(world: &World) -> anyhow::Result<()> {
    done(world).await?;
    let selected = async |selector: &str| {
        Ok::<_, anyhow::Error>(
            world
                .kubectl(&["get", "tasks", "-l", selector, "-o", "name"])
                .await?
                .out,
        )
    };
    ensure!(selected("team=web").await?.contains("greet"));
    ensure!(selected("team in (web, api)").await?.contains("greet"));
    ensure!(selected("team!=web").await?.is_empty());
    world
        .kubectl(&["label", "task", "greet", "team=api", "--overwrite"])
        .await?
        .expect(0, &["task.axon.io/greet labeled"])?;
    world
        .kubectl(&["annotate", "task", "greet", "note=seen"])
        .await?
        .expect(0, &["task.axon.io/greet annotated"])?;
    ensure!(selected("team=api").await?.contains("greet"));
    let said = world
        .kubectl(&[
            "get",
            "tasks",
            "--field-selector=metadata.name=other",
            "-o",
            "name",
        ])
        .await?;
    ensure!(said.out.is_empty(), "{said:?}");
    Ok(())
}

pub(super) async fn secrets_and_config_maps_can_be_kept(world: &World) -> anyhow::Result<()> {
    world
        .kubectl(&["create", "secret", "generic", "key", "--from-literal=TOKEN=abc"])
        .await?
        .expect(0, &["secret/key created"])?;
    let said = world
        .kubectl(&["get", "secret", "key", "-o", "jsonpath={.data.TOKEN}"])
        .await?;
    ensure!(said.out == "YWJj", "{said:?}");
    world
        .kubectl(&["get", "secrets"])
        .await?
        .expect(0, &["NAME", "TYPE", "DATA", "AGE", "key", "Opaque", "1"])?;
    world
        .kubectl(&["create", "configmap", "notes", "--from-literal=a=b"])
        .await?
        .expect(0, &["configmap/notes created"])?;
    world
        .kubectl(&["delete", "secret/key", "configmap/notes"])
        .await?
        .expect(0, &["deleted"])
}

pub(super) async fn what_is_missing_is_not_found(world: &World) -> anyhow::Result<()> {
    world.kubectl(&["get", "task", "nobody"]).await?.expect(
        1,
        &["Error from server (NotFound): tasks.axon.io \"nobody\" not found"],
    )?;
    world
        .kubectl(&["get", "tasks"])
        .await?
        .expect(0, &["No resources found in"])?;
    world
        .kubectl(&["get", "nothings"])
        .await?
        .expect(1, &["the server doesn't have a resource type \"nothings\""])?;
    world
        .kubectl(&["logs", "nobody"])
        .await?
        .expect(1, &["pods \"nobody\" not found"])
}

/// Applies the manifest and waits for the end of its Task.
async fn done(world: &World) -> anyhow::Result<axon_api::Task> {
    world
        .kubectl_with(&["apply", "-f", "-"], MANIFEST)
        .await?
        .expect(0, &[])?;
    let task = world.ended("greet").await?;
    world.expect(&task, Phase::Succeeded).await?;
    Ok(task)
}
