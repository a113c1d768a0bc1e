//! `describe`: all that is known of an object, for people. One file per kind.

mod agent_config;
mod agent_provider;
mod page;
mod task;
mod task_defaults;
mod task_pipeline;
mod task_spawner;
mod why;
mod workspace;

use axon_api::kinds::task::CredentialsType;
use axon_api::{Task, labels};
use clap::Args;
use k8s_openapi::api::core::v1::{Event, Pod, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::log::follow;
use crate::resources::{Kind, targets};
use crate::{complete, invocation, objects, output};
use why::Surroundings;

/// Show all that is known of an object, and why a task does not run
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon describe my-task                  # the first line says why it does not run
  kubectl axon describe taskpipeline my-work     # its steps, and what awaits an approval
  kubectl axon describe taskspawner fix-bugs     # why it makes no tasks, and its latest
  kubectl axon describe provider/gateway")]
pub(crate) struct DescribeArgs {
    /// Kind, such as `workspace`, and names; names alone are tasks
    #[arg(value_name = "KIND | NAME", required = true, add = complete::targets())]
    words: Vec<String>,
}

pub(crate) fn describe(context: &Context, args: &DescribeArgs) -> Result<Exit> {
    let targets = targets(&args.words)?;
    if targets.names.is_empty() {
        return Err(
            Failure::new(format!("no {} named", targets.kind.singular())).hint(format!(
                "{} lists them",
                invocation::command(&format!("get {}", targets.kind.plural()))
            )),
        );
    }
    cluster::block_on(async {
        let cluster = cluster::connect(context).await?;
        let mut texts = Vec::new();
        for name in &targets.names {
            texts.push(one(&cluster, targets.kind, name).await?);
        }
        output::print(texts.join("\n\n"))?;
        Ok(Exit::Success)
    })
}

async fn one(cluster: &Cluster, kind: Kind, name: &str) -> Result<String> {
    let now = Timestamp::now();
    Ok(match kind {
        Kind::Task => {
            let task = follow::task(cluster, name).await?;
            task::text(&task, &surroundings(cluster, &task).await, now)
        }
        Kind::Workspace => workspace::text(&objects::typed(cluster, kind, name).await?),
        Kind::AgentConfig => agent_config::text(&objects::typed(cluster, kind, name).await?),
        Kind::AgentProvider => agent_provider::text(&objects::typed(cluster, kind, name).await?, now),
        Kind::TaskDefaults => task_defaults::text(&objects::typed(cluster, kind, name).await?),
        Kind::TaskPipeline => {
            let pipeline: axon_api::TaskPipeline = objects::typed(cluster, kind, name).await?;
            let events = events(cluster, pipeline.uid().as_deref()).await;
            let awaited = awaited_text(cluster, &pipeline).await;
            task_pipeline::text(&pipeline, awaited.as_deref(), &events, now)
        }
        Kind::TaskSpawner => {
            let spawner: axon_api::TaskSpawner = objects::typed(cluster, kind, name).await?;
            let events = events(cluster, spawner.uid().as_deref()).await;
            task_spawner::text(&spawner, &spawned(cluster, name).await, &events, now)
        }
        Kind::Secret => {
            return Err(Failure::new(
                "secrets are described with `kubectl describe secret`",
            ));
        }
    })
}

/// Pod, events and dependencies of a Task. That they cannot be read hides nothing else.
async fn surroundings(cluster: &Cluster, task: &Task) -> Surroundings {
    let pods: Api<Pod> = cluster.api();
    let uid = task.uid().unwrap_or_default();
    let selector = format!("{}={uid}", labels::TASK_UID);
    let pod = pods
        .list(&ListParams::default().labels(&selector))
        .await
        .ok()
        .and_then(|found| {
            found
                .items
                .into_iter()
                .max_by_key(|pod| pod.creation_timestamp().map(|time| time.0))
        });
    let mut all = events(cluster, Some(&uid)).await;
    all.extend(events(cluster, pod.as_ref().and_then(ResourceExt::uid).as_deref()).await);
    // A Job's name is made of the Task's UID, and its own may not be recorded yet.
    if let Some(job) = task.status.as_ref().and_then(|status| status.job_name.as_ref()) {
        let selector = format!("involvedObject.kind=Job,involvedObject.name={job}");
        all.extend(events_of(cluster, &selector).await);
    }
    for claim in pod.iter().flat_map(why::claims) {
        let selector = format!("involvedObject.kind=PersistentVolumeClaim,involvedObject.name={claim}");
        all.extend(events_of(cluster, &selector).await);
    }
    all.sort_by_key(page::last_seen);
    let tasks: Api<Task> = cluster.api();
    let mut dependencies = Vec::new();
    for name in &task.spec.depends_on {
        dependencies.extend(tasks.get_opt(name).await.ok().flatten());
    }
    Surroundings {
        pod,
        dependencies,
        events: all,
    }
}

/// The events of the object with this UID, oldest first.
async fn events(cluster: &Cluster, uid: Option<&str>) -> Vec<Event> {
    let Some(uid) = uid.filter(|uid| !uid.is_empty()) else {
        return Vec::new();
    };
    events_of(cluster, &format!("involvedObject.uid={uid}")).await
}

async fn events_of(cluster: &Cluster, selector: &str) -> Vec<Event> {
    let api: Api<Event> = cluster.api();
    let Ok(found) = api.list(&ListParams::default().fields(selector)).await else {
        return Vec::new();
    };
    let mut events = found.items;
    events.sort_by_key(page::last_seen);
    events
}

/// The Tasks of a spawner, latest last. That they cannot be read hides nothing else.
async fn spawned(cluster: &Cluster, spawner: &str) -> Vec<Task> {
    let tasks: Api<Task> = cluster.api();
    let selector = format!("{}={}", labels::SPAWNER, axon_api::names::label_value(spawner));
    let found = tasks.list(&ListParams::default().labels(&selector)).await;
    let mut tasks = found.map(|found| found.items).unwrap_or_default();
    tasks.sort_by_key(|task| task.creation_timestamp().map(|time| time.0));
    tasks
}

/// The text of the step that awaits an approval: what a person is to decide about.
async fn awaited_text(cluster: &Cluster, pipeline: &axon_api::TaskPipeline) -> Option<String> {
    let secret = task_pipeline::awaited_secret(pipeline)?;
    let api: Api<Secret> = cluster.api();
    let found = api.get_opt(&secret).await.ok()??;
    let bytes = found.data?.remove("text")?;
    Some(String::from_utf8_lossy(&bytes.0).into_owned())
}

/// The kind of credential as it is spelled in objects.
fn credentials_word(kind: CredentialsType) -> &'static str {
    match kind {
        CredentialsType::ApiKey => "api-key",
        CredentialsType::OAuth => "oauth",
        CredentialsType::None => "none",
    }
}
