//! `get`: tables of Tasks and Workspaces, and the objects themselves.

use axon_api::{Task, Workspace};
use clap::Args;
use futures::{Stream, StreamExt};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::runtime::watcher;
use serde_json::Value;

use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{self, Format};
use crate::progress::{duration, short_commit};
use crate::resources::{Kind, Targets, targets};
use crate::table::Table;
use crate::watch::{self, Sighting};
use crate::{ages, complete, invocation};

/// How many objects one answer of the server has at most.
const PAGE: u32 = 500;

/// List tasks or workspaces
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon get                                  # all tasks of the namespace
  kubectl axon get tasks -A -o wide
  kubectl axon get task my-task -o jsonpath='{.status.results.commit}'
  kubectl axon get workspaces -w")]
pub(crate) struct GetArgs {
    /// `tasks` or `workspaces`, and names; names alone are tasks
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

/// Which columns a table has.
#[derive(Clone, Copy)]
struct Columns {
    kind: Kind,
    wide: bool,
    namespace: bool,
}

pub(crate) fn get(context: &Context, args: &GetArgs) -> Result<Exit> {
    let targets = targets(&args.words)?;
    let by_name = !targets.names.is_empty();
    if by_name && args.all_namespaces {
        return Err(Failure::new(
            "a resource cannot be retrieved by name across all namespaces",
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

/// The kind as untyped objects: one that cannot be read hurts only itself, and what this version
/// does not know is shown nevertheless.
fn api(cluster: &Cluster, kind: Kind, all_namespaces: bool) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: axon_api::GROUP.to_owned(),
        version: axon_api::VERSION.to_owned(),
        api_version: kind.api_version().to_owned(),
        kind: kind.name().to_owned(),
        plural: kind.plural().to_owned(),
    };
    if all_namespaces {
        Api::all_with(cluster.client.clone(), &resource)
    } else {
        Api::namespaced_with(cluster.client.clone(), &cluster.namespace, &resource)
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
            let failure = Failure::new(format!(
                "{} `{name}` not found in namespace `{}`",
                kind.singular(),
                cluster.namespace
            ))
            .hint(format!(
                "{} lists all of them",
                invocation::command(&format!("get {} -A", kind.plural()))
            ));
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
    let mut parameters = ListParams {
        label_selector: args.selector.clone(),
        field_selector: args.field_selector.clone(),
        ..ListParams::default()
    }
    .limit(PAGE);
    let mut objects = Vec::new();
    loop {
        let page = api
            .list(&parameters)
            .await
            .map_err(|error| Failure::api(&action, &error))?;
        for object in page.items {
            objects.push(to_value(object, kind)?);
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters.continue_token = Some(token),
            None => return Ok(objects),
        }
    }
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

fn headers(columns: Columns) -> Vec<&'static str> {
    let mut headers = Vec::new();
    if columns.namespace {
        headers.push("NAMESPACE");
    }
    match columns.kind {
        Kind::Task => {
            headers.extend(["NAME", "TYPE", "PHASE", "BRANCH", "COMMIT", "DURATION", "AGE"]);
            if columns.wide {
                headers.extend(["REASON", "WORKSPACE", "JOB", "POD", "TOKENS", "COST"]);
            }
        }
        _ => headers.extend(["NAME", "REPO", "REF", "AGE"]),
    }
    headers
}

/// The cells of one object. What cannot be read of it is left empty.
fn row(object: Value, columns: Columns, now: Timestamp) -> Vec<String> {
    let metadata = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    let age = metadata("creationTimestamp")
        .parse()
        .map(|created| ages::between(created, now))
        .unwrap_or_default();
    let mut cells = Vec::new();
    if columns.namespace {
        cells.push(metadata("namespace"));
    }
    cells.push(metadata("name"));
    match columns.kind {
        Kind::Task => cells.extend(task_cells(object, age, columns.wide, now)),
        _ => cells.extend(workspace_cells(object, age)),
    }
    cells
}

fn task_cells(object: Value, age: String, wide: bool, now: Timestamp) -> Vec<String> {
    let Ok(task) = serde_json::from_value::<Task>(object) else {
        let unreadable = ["", "Unreadable", "", "", ""].map(str::to_owned);
        return unreadable.into_iter().chain([age]).collect();
    };
    let status = task.status.clone().unwrap_or_default();
    let result = |key: &str| status.results.get(key).cloned().unwrap_or_default();
    let mut cells = vec![
        task.spec.agent_type().to_owned(),
        status.phase.map(|phase| phase.to_string()).unwrap_or_default(),
        Some(result("branch"))
            .filter(|branch| !branch.is_empty())
            .or_else(|| task.spec.branch.clone())
            .unwrap_or_default(),
        short_commit(&result("commit")),
        duration(&task, now),
        age,
    ];
    if wide {
        let workspace = match (&task.spec.workspace_ref, &task.spec.workspace) {
            (Some(reference), _) => reference.name.clone(),
            (None, Some(inline)) => inline.repo.clone(),
            (None, None) => String::new(),
        };
        let usage = status.usage.as_ref();
        cells.extend([
            status.reason.clone().unwrap_or_default(),
            workspace,
            status.job_name.clone().unwrap_or_default(),
            status.pod_name.clone().unwrap_or_default(),
            usage
                .map(|usage| format!("{}/{}", usage.input_tokens, usage.output_tokens))
                .unwrap_or_default(),
            usage
                .and_then(|usage| usage.cost_usd.as_ref())
                .map(|cost| format!("${cost}"))
                .unwrap_or_default(),
        ]);
    }
    cells
}

fn workspace_cells(object: Value, age: String) -> Vec<String> {
    let Ok(workspace) = serde_json::from_value::<Workspace>(object) else {
        return vec!["Unreadable".to_owned(), String::new(), age];
    };
    vec![workspace.spec.repo, workspace.spec.ref_.unwrap_or_default(), age]
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
#[path = "get_tests.rs"]
mod tests;
