//! `delete`: removes Tasks with their Jobs and pods, or Workspaces.

use std::io::{IsTerminal as _, Write as _};

use axon_api::{Task, Workspace};
use clap::Args;
use kube::api::{DeleteParams, ListParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::cli::Context;
use crate::cluster;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::resources::{Kind, Targets, targets};
use crate::{complete, output};

/// Delete tasks, with their jobs and pods, or workspaces
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon delete my-task
  kubectl axon delete task my-task other-task
  kubectl axon delete workspace my-workspace
  kubectl axon delete tasks --all")]
pub(crate) struct DeleteArgs {
    /// `task` or `workspace`, and names; names alone are tasks
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
        match targets.kind {
            Kind::Task => delete_kind::<Task>(&cluster.api(), &targets, args, &cluster.namespace).await,
            Kind::Workspace => {
                delete_kind::<Workspace>(&cluster.api(), &targets, args, &cluster.namespace).await
            }
            Kind::Secret => Err(Failure::new("secrets are deleted with `kubectl delete secret`")),
        }
    })
}

async fn delete_kind<K>(api: &Api<K>, targets: &Targets, args: &DeleteArgs, namespace: &str) -> Result<Exit>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
{
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
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{question} [y/N]: ");
    let _ = stderr.flush();
    let mut answer = String::new();
    let _ = std::io::stdin().read_line(&mut answer);
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}
