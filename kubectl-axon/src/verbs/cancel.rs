//! `cancel`: ends Tasks; what they did so far is kept.

use axon_api::{Task, labels};
use clap::Args;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::log::follow;
use crate::resources::{Kind, plain_name};
use crate::{complete, output};

/// End tasks; branch, commit and usage so far are kept
#[derive(Args)]
pub(crate) struct CancelArgs {
    /// Names of the tasks
    #[arg(value_name = "TASK", required = true, add = complete::tasks())]
    names: Vec<String>,
}

pub(crate) fn cancel(context: &Context, args: &CancelArgs) -> Result<Exit> {
    let names = args
        .names
        .iter()
        .map(|name| plain_name(name, Kind::Task))
        .collect::<Result<Vec<_>>>()?;
    cluster::block_on(async {
        let cluster = cluster::connect(context).await?;
        let mut exit = Exit::Success;
        for name in &names {
            if let Err(failure) = cancel_one(&cluster, name).await {
                if failure.is_silent() {
                    return Err(failure);
                }
                output::note(failure.render().trim_end());
                exit = Exit::Failure;
            }
        }
        Ok(exit)
    })
}

async fn cancel_one(cluster: &Cluster, name: &str) -> Result<()> {
    let task = follow::task(cluster, name).await?;
    if task.is_finished() {
        output::note(format!(
            "task `{name}` has ended already: it is {}",
            follow::describe(&task)
        ));
        return Ok(());
    }
    if task.spec.cancel == Some(true) {
        output::note(format!("task `{name}` is being cancelled already"));
        return Ok(());
    }
    let api: Api<Task> = cluster.api();
    let parameters = PatchParams {
        field_manager: Some(labels::CLI_FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    // With the UID, a Task that was made anew under the name meanwhile is not meant.
    let patch = json!({ "metadata": { "uid": task.metadata.uid }, "spec": { "cancel": true } });
    api.patch(name, &parameters, &Patch::Merge(patch))
        .await
        .map_err(|error| Failure::api(&format!("cancel task `{name}`"), &error))?;
    output::print(format!("task.axon.io/{name} cancelled\n"))
}
