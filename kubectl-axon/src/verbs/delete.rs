//! `delete`: removes objects; Tasks and pipelines with their Jobs and pods.

use std::io::IsTerminal as _;

use clap::Args;
use kube::api::{DeleteParams, DynamicObject, ListParams};
use kube::{Api, ResourceExt};

use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::resources::{Targets, targets};
use crate::{complete, output, writing};

/// Delete objects; tasks and pipelines with their jobs and pods
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon delete my-task
  kubectl axon delete task my-task other-task
  kubectl axon delete workspace my-workspace
  kubectl axon delete taskpipeline/my-work
  kubectl axon delete tasks --all")]
pub(crate) struct DeleteArgs {
    /// Kind, such as `workspace`, and names; names alone are tasks
    #[arg(value_name = "KIND | NAME", required = true, add = complete::targets())]
    words: Vec<String>,

    /// All objects of the kind in the namespace
    #[arg(long)]
    all: bool,

    /// Do not ask with --all
    #[arg(short, long)]
    yes: bool,
}

pub(crate) fn delete(context: &Context, args: &DeleteArgs) -> Result<Exit> {
    let targets = targets(&args.words)?;
    match (targets.names.is_empty(), args.all) {
        (true, false) => {
            return Err(
                Failure::new(format!("no {} named", targets.kind.singular())).hint("give names, or --all")
            );
        }
        (false, true) => return Err(Failure::new("names and --all cannot be used together")),
        _ => {}
    }
    cluster::block_on(async {
        let cluster = cluster::connect(context).await?;
        delete_kind(&cluster, &targets, args).await
    })
}

async fn delete_kind(cluster: &Cluster, targets: &Targets, args: &DeleteArgs) -> Result<Exit> {
    let namespace = &cluster.namespace;
    let api: Api<DynamicObject> =
        Api::namespaced_with(cluster.client.clone(), namespace, &targets.kind.resource());
    let kind = targets.kind;
    let mut names = targets.names.clone();
    if args.all {
        let found = api
            .list_metadata(&ListParams::default())
            .await
            .map_err(|error| Failure::api(&format!("list {}", kind.plural()), &error))?;
        names = found.items.iter().map(ResourceExt::name_any).collect();
        if names.is_empty() {
            output::note(format!("No resources found in {namespace} namespace."));
            return Ok(Exit::Success);
        }
        if !args.yes
            && !confirmed(&format!(
                "Delete {} {} in namespace {namespace}?",
                names.len(),
                kind.plural()
            ))
        {
            return Err(Failure::new("aborted"));
        }
    }
    let mut exit = Exit::Success;
    for name in &names {
        match api.delete(name, &DeleteParams::background()).await {
            Ok(_) => output::print(format!("{} \"{name}\" deleted\n", kind.with_group()))?,
            Err(kube::Error::Api(status)) if status.code == 404 && args.all => {}
            Err(error) => {
                output::note(
                    Failure::api(&format!("delete {} `{name}`", kind.singular()), &error)
                        .render()
                        .trim_end(),
                );
                exit = Exit::Failure;
            }
        }
    }
    Ok(exit)
}

/// Asks on a terminal; elsewhere `--all` is clear enough, as with kubectl.
fn confirmed(question: &str) -> bool {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return true;
    }
    writing::confirmed(question)
}
