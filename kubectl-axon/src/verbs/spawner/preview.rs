//! `spawner preview`: which items would become Tasks now, and why the others would not.

use axon_plan::spawner::TicksSeen;
use clap::Args;
use k8s_openapi::jiff::Timestamp;

use super::forecast::{Scene, forecast};
use super::given::{Given, Named, Which, called, workspace_name};
use super::page::{self, Form};
use super::would_make_none;
use crate::cli::Context;
use crate::cluster;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::{invocation, output};

/// Show which items would become tasks now, with name and prompt, and why the others would not
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PreviewArgs {
    #[command(flatten)]
    which: Which,

    /// Show the prompts below the table
    #[arg(long, conflicts_with = "output")]
    prompts: bool,

    /// Print json or yaml, with the tasks as they would be created
    #[arg(short, long, value_name = "FORMAT", value_parser = ["json", "yaml"])]
    output: Option<String>,

    #[cfg(feature = "github")]
    #[command(flatten)]
    github: super::github::GitHubArgs,
}

const EXAMPLES: &str = "\
Examples:
  # What a spawner of the cluster would do now
  kubectl axon spawner preview fix-bugs

  # What a manifest would do if it were created now, with the prompts
  kubectl axon spawner preview -f spawner.yaml --prompts

Nothing is changed: neither on the server nor where the items are from.

Verdicts:
  Spawns    becomes a task now
  Waits     becomes a task once there is a place for it
  Later     is a tick that is still to come
  Done      has become a task
  Refused   matches, but its task cannot be made
  Unknown   cannot be told now
  NoMatch   does not match";

/// What the source of a spawner has.
struct Heard {
    items: Vec<super::forecast::Item>,
    ticks: TicksSeen,
    absence_counts: bool,
}

pub(super) fn preview(context: &Context, args: &PreviewArgs) -> Result<Exit> {
    cluster::block_on(async {
        let mut given = args.which.find(context).await?;
        let source = super::source(&given.spawner)?;
        if source.ends_with("ebhook") {
            return Err(Failure::new(format!(
                "{} takes events, and none can be foreseen",
                called(&given.spawner)
            ))
            .hint(format!(
                "{} tells what becomes of one",
                invocation::command("spawner test")
            )));
        }
        given.reach(context).await;
        let (seen, default_type) = (given.seen().await?, given.default_type().await?);
        let workspace = given.workspace().await?;
        if matches!(workspace, Named::Missing) {
            return Err(no_workspace(&given));
        }
        let now = Timestamp::now();
        let mut scene = Scene {
            now,
            spawner: &given.spawner,
            workspace: &workspace,
            default_type: &default_type,
            seen: &seen,
            absence_counts: false,
            ticks: TicksSeen::default(),
        };
        let no_tasks = |why: String| would_make_none(&given.spawner, &why);
        // What is wrong with the spawner itself is told before anybody is asked.
        forecast(&scene, Vec::new()).map_err(no_tasks)?;
        let heard = heard(&given, &workspace, args, now).await?;
        (scene.absence_counts, scene.ticks) = (heard.absence_counts, heard.ticks);
        let rows = forecast(&scene, heard.items).map_err(no_tasks)?;
        if given.spawner.is_suspended() {
            output::note(format!(
                "{} is suspended, and makes no tasks until it is resumed; this is what it would do then",
                called(&given.spawner)
            ));
        }
        let form = if args.prompts { Form::Prompts } else { Form::Table };
        page::print(&given.spawner, &rows, Form::of(args.output.as_deref(), form))?;
        Ok(Exit::Success)
    })
}

#[cfg_attr(
    not(feature = "github"),
    expect(clippy::unused_async, reason = "nobody has to be asked for ticks")
)]
async fn heard(given: &Given, workspace: &Named, args: &PreviewArgs, now: Timestamp) -> Result<Heard> {
    #[cfg(feature = "github")]
    if super::github::is_polled(&given.spawner) {
        return Ok(Heard {
            items: super::github::items(given, workspace, &args.github).await?,
            ticks: TicksSeen::default(),
            absence_counts: true,
        });
    }
    let _ = (workspace, args);
    #[cfg(feature = "cron")]
    {
        let (items, ticks) =
            super::cron::items(&given.spawner, now).map_err(|why| would_make_none(&given.spawner, &why))?;
        Ok(Heard {
            items,
            ticks,
            absence_counts: false,
        })
    }
    #[cfg(not(feature = "cron"))]
    {
        let _ = now;
        Err(would_make_none(&given.spawner, "its source is not polled"))
    }
}

fn no_workspace(given: &Given) -> Failure {
    let name = workspace_name(&given.spawner);
    let failure = would_make_none(&given.spawner, &format!("Workspace `{name}` does not exist"));
    if given.is_file() {
        failure.hint("put the Workspace into the file too")
    } else {
        failure.hint("`create workspace` makes one")
    }
}
