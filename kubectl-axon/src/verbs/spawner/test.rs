//! `spawner test`: whether an event would become a Task, by its payload alone.

use std::path::{Path, PathBuf};

use axon_plan::spawner::TicksSeen;
use clap::Args;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::event::{Event, look};
use super::forecast::{Scene, forecast};
use super::given::{Which, called};
use super::page::{self, Form};
use super::would_make_none;
use crate::cli::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::{cluster, inputs, invocation, output};

/// Show whether an event would become a task, with name and prompt, or why not
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TestArgs {
    #[command(flatten)]
    which: Which,

    /// File with the body of the event's request, as JSON; `-` for stdin
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    event: PathBuf,

    /// What GitHub has in X-GitHub-Event, such as `issues`; default: the only one that the spawner takes
    #[cfg(feature = "github")]
    #[arg(long, value_name = "EVENT")]
    event_name: Option<String>,

    /// What GitHub has in X-GitHub-Delivery: the same one is the same event
    #[cfg(feature = "github")]
    #[arg(
        long,
        value_name = "ID",
        default_value = "00000000-0000-0000-0000-000000000000"
    )]
    delivery: String,

    /// Print json or yaml, with the task as it would be created
    #[arg(short, long, value_name = "FORMAT", value_parser = ["json", "yaml"])]
    output: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  # With a manifest alone: no cluster is asked, and nothing else either
  kubectl axon spawner test -f spawner.yaml --event issue.json --event-name issues

  # With a spawner of the cluster, and what it remembers
  kubectl axon spawner test fix-bugs --event issue.json --delivery 72d3162e-cc78-11e3-81ab-4c9367dc0958

The file has what the sender sends: GitHub shows it under Recent Deliveries of the webhook.";

pub(super) fn test(context: &Context, args: &TestArgs) -> Result<Exit> {
    let payload = payload(&args.event)?;
    cluster::block_on(async {
        let given = args.which.find(context).await?;
        let spawner = &given.spawner;
        let source = super::source(spawner)?;
        let received = Timestamp::now();
        let workspace = given.workspace().await?;
        let repository = workspace.spec(spawner).map(|spec| spec.repo.as_str());
        let event = event(args, source, &payload, received).map_err(|why| {
            let failure = Failure::new(format!("{} {why}", called(spawner)));
            if source.ends_with("ebhook") {
                failure.hint("name the event with --event-name, as GitHub has it in X-GitHub-Event")
            } else {
                failure.hint(format!(
                    "{} tells what becomes of its items",
                    invocation::command("spawner preview")
                ))
            }
        })?;
        let looked = look(spawner, repository, &event).map_err(|why| would_make_none(spawner, &why))?;
        for note in &looked.notes {
            output::note(note);
        }
        let (seen, default_type) = (given.seen().await?, given.default_type().await?);
        // With a file alone nobody can say whether a Workspace is there.
        let unknown = super::given::Named::None;
        let scene = Scene {
            now: received,
            spawner,
            workspace: if given.is_file() { &unknown } else { &workspace },
            default_type: &default_type,
            seen: &seen,
            absence_counts: false,
            ticks: TicksSeen::default(),
        };
        let rows = forecast(&scene, vec![looked.item]).map_err(|why| would_make_none(spawner, &why))?;
        page::print(spawner, &rows, Form::of(args.output.as_deref(), Form::Prompts))?;
        Ok(Exit::Success)
    })
}

fn payload(file: &Path) -> Result<Value> {
    let at = format!("@{}", file.display());
    let text = inputs::text_or_file("--event", &at)?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::new(format!(
            "failed to read the event in `{}` as JSON: {error}",
            file.display()
        ))
    })
}

/// The event as the source sees it. An error completes "spawner `x` ...".
fn event<'a>(
    args: &'a TestArgs,
    source: &str,
    payload: &'a Value,
    received: Timestamp,
) -> Result<Event<'a>, String> {
    match source {
        #[cfg(feature = "github")]
        "githubWebhook" => Ok(Event::GitHub {
            name: args.event_name.as_deref(),
            delivery: &args.delivery,
            payload,
            received,
        }),
        #[cfg(feature = "webhook")]
        "webhook" => Ok(Event::Request { payload, received }),
        _ => {
            let _ = (args, payload, received);
            Err(format!("takes no events: its source is `{source}`"))
        }
    }
}
