//! `get`: tables of all kinds, and the objects themselves.

pub(crate) mod columns;

use clap::Args;
use futures::{Stream, StreamExt};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::runtime::watcher;
use serde_json::Value;

use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{self, Format};
use crate::resources::{self, Kind, Targets, targets};
use crate::table::Table;
use crate::watch::{self, Sighting};
use crate::{complete, objects};
use columns::{Columns, headers, row};

/// List tasks, workspaces and all other kinds
#[derive(Args)]
#[command(after_help = format!("\
Examples:
  kubectl axon get                                  # all tasks of the namespace
  kubectl axon get tasks -A -o wide
  kubectl axon get tasks --phase Running,Waiting
  kubectl axon get task my-task -o jsonpath='{{.status.results.commit}}'
  kubectl axon get taskpipelines -w

{}", resources::help()))]
pub(crate) struct GetArgs {
    /// Kind, such as `tasks`, and names; names alone are tasks
    #[arg(value_name = "KIND | NAME", add = complete::targets())]
    words: Vec<String>,

    /// Objects of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,

    /// Only objects with these labels, such as a=b,c!=d
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,

    /// Only objects with these fields, such as metadata.name=x
    #[arg(long, value_name = "FIELDS")]
    field_selector: Option<String>,

    /// Only tasks and pipelines in these phases; may be given more than once
    #[arg(long, value_name = "PHASE", value_delimiter = ',', conflicts_with = "watch", value_parser = PHASES)]
    phase: Vec<String>,

    /// wide, json, yaml, name or jsonpath=TEMPLATE
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parse)]
    output: Option<Format>,

    /// After listing, print every change
    #[arg(short, long)]
    watch: bool,

    /// Leave the table's header out
    #[arg(long)]
    no_headers: bool,
}

/// The phases of Tasks and pipelines.
const PHASES: [&str; 13] = [
    "Pending",
    "Waiting",
    "Running",
    "Succeeded",
    "Failed",
    "TimedOut",
    "Cancelled",
    "Planning",
    "AwaitingApproval",
    "Implementing",
    "Testing",
    "PullRequest",
    "Complete",
];

pub(crate) fn get(context: &Context, args: &GetArgs) -> Result<Exit> {
    let targets = targets(&args.words)?;
    let by_name = !targets.names.is_empty();
    if by_name && args.all_namespaces {
        return Err(Failure::new(
            "a resource cannot be retrieved by name across all namespaces",
        ));
    }
    if !args.phase.is_empty() && (by_name || !matches!(targets.kind, Kind::Task | Kind::TaskPipeline)) {
        return Err(Failure::new(
            "--phase selects among tasks, or among taskpipelines",
        ));
    }
    if by_name && (args.selector.is_some() || args.field_selector.is_some()) {
        return Err(Failure::new("names and selectors cannot be used together"));
    }
    if by_name && args.watch && targets.names.len() > 1 {
        return Err(Failure::new("only one name can be watched at a time"));
    }
    cluster::block_on(async {
        let cluster = cluster::connect(context).await?;
        if args.watch {
            return watch(&cluster, &targets, args).await;
        }
        let mut exit = Exit::Success;
        let objects = if by_name {
            named(&cluster, &targets, &mut exit).await?
        } else {
            list(&cluster, &targets, args).await?
        };
        print_all(objects, &targets, args, &cluster.namespace)?;
        Ok(exit)
    })
}

/// The kind in the namespace, or in all.
fn api(cluster: &Cluster, kind: Kind, all_namespaces: bool) -> Api<DynamicObject> {
    if all_namespaces {
        Api::all_with(cluster.client.clone(), &kind.resource())
    } else {
        objects::api(cluster, kind)
    }
}

async fn named(cluster: &Cluster, targets: &Targets, exit: &mut Exit) -> Result<Vec<Value>> {
    let kind = targets.kind;
    let api = api(cluster, kind, false);
    let mut objects = Vec::new();
    for name in &targets.names {
        let action = format!("get {} `{name}`", kind.singular());
        let found = api
            .get_opt(name)
            .await
            .map_err(|error| Failure::api(&action, &error))?;
        let Some(object) = found else {
            *exit = Exit::Failure;
            let failure = objects::not_found(kind, name, &cluster.namespace);
            output::note(failure.render().trim_end());
            continue;
        };
        objects.push(to_value(object, kind)?);
    }
    Ok(objects)
}

async fn list(cluster: &Cluster, targets: &Targets, args: &GetArgs) -> Result<Vec<Value>> {
    let kind = targets.kind;
    let api = api(cluster, kind, args.all_namespaces);
    let action = if args.all_namespaces {
        format!("list {} of all namespaces", kind.plural())
    } else {
        format!("list {} in namespace `{}`", kind.plural(), cluster.namespace)
    };
    let parameters = ListParams {
        label_selector: args.selector.clone(),
        field_selector: args.field_selector.clone(),
        ..ListParams::default()
    };
    let found = objects::list(&api, parameters, &action).await?;
    let mut listed = Vec::new();
    for object in found {
        let object = to_value(object, kind)?;
        let phase = object["status"]["phase"].as_str().unwrap_or_default();
        if args.phase.is_empty() || args.phase.iter().any(|wanted| wanted == phase) {
            listed.push(object);
        }
    }
    Ok(listed)
}

/// Items of a list come without kind and version.
fn to_value(mut object: DynamicObject, kind: Kind) -> Result<Value> {
    object.metadata.managed_fields = None;
    object.types = Some(kube::core::TypeMeta {
        api_version: kind.api_version().to_owned(),
        kind: kind.name().to_owned(),
    });
    serde_json::to_value(object).map_err(|error| Failure::new(format!("failed to write JSON: {error}")))
}

fn print_all(objects: Vec<Value>, targets: &Targets, args: &GetArgs, namespace: &str) -> Result<()> {
    let is_one = targets.names.len() == 1;
    match &args.output {
        Some(Format::Json | Format::Yaml | Format::JsonPath(_)) if is_one && objects.is_empty() => Ok(()),
        Some(Format::Json) => output::print(output::to_json(&together(objects, is_one))),
        Some(Format::Yaml) => output::print(output::to_yaml(&together(objects, is_one))?),
        Some(Format::JsonPath(template)) => output::print(template.render(&together(objects, is_one))),
        Some(Format::Name) => {
            let names: Vec<String> = objects
                .iter()
                .map(|object| output::kind_and_name(object) + "\n")
                .collect();
            output::print(names.concat())
        }
        Some(Format::Wide) | None => {
            if objects.is_empty() {
                if targets.names.is_empty() {
                    output::note(nothing(args, namespace));
                }
                return Ok(());
            }
            let columns = columns(targets.kind, args);
            let now = Timestamp::now();
            let rows: Vec<Vec<String>> = objects
                .into_iter()
                .map(|object| row(object, columns, now))
                .collect();
            let mut table = Table::new(&headers(columns));
            output::print(if args.no_headers {
                table.rows(&rows)
            } else {
                table.with_header(&rows)
            })
        }
    }
}

/// One object that was asked for by its name is itself; everything else is a list.
fn together(objects: Vec<Value>, is_one: bool) -> Value {
    if is_one {
        objects.into_iter().next().unwrap_or_default()
    } else {
        output::list_of(&objects)
    }
}

fn nothing(args: &GetArgs, namespace: &str) -> String {
    if args.all_namespaces {
        "No resources found".to_owned()
    } else {
        format!("No resources found in {namespace} namespace.")
    }
}

fn columns(kind: Kind, args: &GetArgs) -> Columns {
    Columns {
        kind,
        wide: args.output == Some(Format::Wide),
        namespace: args.all_namespaces,
    }
}

/// Prints what there is, and then every change, until it is interrupted.
async fn watch(cluster: &Cluster, targets: &Targets, args: &GetArgs) -> Result<Exit> {
    let kind = targets.kind;
    let api = api(cluster, kind, args.all_namespaces);
    let mut selection = watcher::Config::default();
    selection.label_selector.clone_from(&args.selector);
    selection.field_selector.clone_from(&args.field_selector);
    if let [name] = targets.names.as_slice() {
        selection = selection.fields(&format!("metadata.name={name}"));
    }
    let sightings = Box::pin(watch::objects(api, selection));
    let printing = print_sightings(sightings, targets, args, &cluster.namespace);
    tokio::select! {
        printed = printing => printed.map(|()| Exit::Success),
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

async fn print_sightings(
    mut sightings: impl Stream<Item = Result<Sighting<DynamicObject>>> + Unpin,
    targets: &Targets,
    args: &GetArgs,
    namespace: &str,
) -> Result<()> {
    let columns = columns(targets.kind, args);
    let mut table = Table::new(&headers(columns));
    let mut first: Option<Vec<Value>> = Some(Vec::new());
    let mut header_is_due = !args.no_headers;
    while let Some(sighting) = sightings.next().await {
        let objects = match sighting? {
            Sighting::Seen(object) => {
                let object = to_value(*object, targets.kind)?;
                match &mut first {
                    // The list is collected, so that its columns fit all of it.
                    Some(list) => {
                        list.push(object);
                        continue;
                    }
                    None => vec![object],
                }
            }
            Sighting::Listed => match first.take() {
                Some(list) if list.is_empty() => {
                    output::note(match targets.names.first() {
                        Some(name) => format!("{} `{name}` is not there yet", targets.kind.singular()),
                        None => nothing(args, namespace),
                    });
                    continue;
                }
                Some(list) => list,
                None => continue,
            },
            Sighting::Gone(name) => {
                output::note(format!("{} `{name}` was deleted", targets.kind.singular()));
                continue;
            }
            Sighting::Trouble(cause) => {
                output::note(format!("the server cannot be reached, trying again: {cause}"));
                continue;
            }
        };
        match &args.output {
            Some(Format::Json) => print_each(&objects, |object| Ok(output::to_json(object)))?,
            Some(Format::Yaml) => print_each(&objects, |object| {
                Ok(format!("---\n{}", output::to_yaml(object)?))
            })?,
            Some(Format::Name) => print_each(&objects, |object| Ok(output::kind_and_name(object) + "\n"))?,
            Some(Format::JsonPath(template)) => print_each(&objects, |object| Ok(template.render(object)))?,
            Some(Format::Wide) | None => {
                let now = Timestamp::now();
                let rows: Vec<Vec<String>> = objects
                    .into_iter()
                    .map(|object| row(object, columns, now))
                    .collect();
                let text = if std::mem::take(&mut header_is_due) {
                    table.with_header(&rows)
                } else {
                    table.rows(&rows)
                };
                output::print(text)?;
            }
        }
    }
    Ok(())
}

fn print_each(objects: &[Value], show: impl Fn(&Value) -> Result<String>) -> Result<()> {
    objects.iter().try_for_each(|object| output::print(show(object)?))
}

#[cfg(test)]
mod tests;
