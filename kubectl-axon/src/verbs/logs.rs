//! `logs`: the log of a Task, rendered for people or as it is.

use std::io::{IsTerminal, Write as _};

use axon_api::Phase;
use clap::Args;

use crate::cli::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::log::follow::{self, Choice, Sink};
use crate::log::render::{Piece, Renderer, Side};
use crate::resources::{Kind, plain_name};
use crate::text::printable;
use crate::{cluster, complete, output};

/// Show a task's log
#[derive(Args)]
#[command(after_help = "\
What the agent says goes to stdout; what it does, and the preparation, to stderr.

Examples:
  kubectl axon logs my-task -f
  kubectl axon logs my-task --raw | jq .")]
pub(crate) struct LogsArgs {
    /// Name of the task
    #[arg(value_name = "TASK", add = complete::tasks())]
    name: String,

    /// Wait for the task to start, and follow it to its end
    #[arg(short, long)]
    follow: bool,

    /// Print the log byte for byte as the agent wrote it
    #[arg(long)]
    raw: bool,

    /// Only the log of this container: prepare or agent
    #[arg(short, long, value_name = "NAME", value_parser = ["runner", "prepare", "agent"])]
    container: Option<String>,
}

pub(crate) fn logs(context: &Context, args: &LogsArgs) -> Result<Exit> {
    let name = plain_name(&args.name, Kind::Task)?;
    cluster::block_on(async {
        let cluster = cluster::connect(context).await?;
        let choice = Choice {
            task: &name,
            // The raw log is the agent's alone, to be read by programs.
            container: args.container.as_deref().or(args.raw.then_some("agent")),
        };
        let task = follow::task(&cluster, &name).await?;
        let mut sink: Box<dyn Sink> = if args.raw {
            Box::new(Raw)
        } else {
            Box::new(Rendered::new(task.spec.agent_type(), task.spec.image.is_some()))
        };
        if args.follow {
            let followed = tokio::select! {
                followed = follow::follow(&cluster, choice, sink.as_mut()) => Some(followed),
                _ = tokio::signal::ctrl_c() => None,
            };
            let Some(followed) = followed else {
                return Ok(Exit::Interrupted);
            };
            if let Some(task) = followed?.filter(|task| task.phase() != Some(Phase::Succeeded)) {
                output::note(format!("task `{name}` is {}", follow::describe(&task)));
            }
        } else {
            follow::once(&cluster, choice, sink.as_mut()).await?;
        }
        Ok(Exit::Success)
    })
}

/// The log as it is.
struct Raw;

impl Sink for Raw {
    fn waiting(&mut self, why: &str) {
        output::note(format!("waiting for {why}"));
    }

    fn container(&mut self, _: &str) -> Result<()> {
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        output::print(bytes)
    }

    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The log for people.
struct Rendered {
    agent_type: String,
    custom_image: bool,
    is_agent: bool,
    renderer: Renderer,
    words: Destination,
    doings: Destination,
}

impl Rendered {
    fn new(agent_type: &str, custom_image: bool) -> Self {
        Self {
            agent_type: agent_type.to_owned(),
            custom_image,
            is_agent: false,
            renderer: Renderer::new(None, false),
            words: Destination::of(&std::io::stdout()),
            doings: Destination::of(&std::io::stderr()),
        }
    }

    fn show(&self, pieces: Vec<Piece>) -> Result<()> {
        let mut words = String::new();
        for Piece { side, text } in pieces {
            // The preparation is no word of the agent.
            if side == Side::Words && self.is_agent {
                words.push_str(&self.words.fit(text));
                continue;
            }
            if !words.is_empty() {
                output::print(std::mem::take(&mut words))?;
            }
            let _ = std::io::stderr().write_all(self.doings.fit(text).as_bytes());
        }
        if words.is_empty() {
            Ok(())
        } else {
            output::print(words)
        }
    }
}

/// Where text of the agent goes.
#[derive(Clone, Copy)]
enum Destination {
    /// It would obey escape sequences.
    Terminal,
    Elsewhere,
}

impl Destination {
    fn of(stream: &impl IsTerminal) -> Self {
        if stream.is_terminal() {
            Self::Terminal
        } else {
            Self::Elsewhere
        }
    }

    fn fit(self, text: String) -> String {
        match self {
            Self::Terminal => printable(&text),
            Self::Elsewhere => text,
        }
    }
}

impl Sink for Rendered {
    fn waiting(&mut self, why: &str) {
        output::note(format!("waiting for {why}"));
    }

    fn container(&mut self, name: &str) -> Result<()> {
        self.is_agent = name == "agent";
        let agent = axon_agents::find(&self.agent_type).filter(|_| self.is_agent);
        self.renderer = Renderer::new(agent, self.custom_image);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let pieces = self.renderer.push(bytes);
        self.show(pieces)
    }

    fn end(&mut self) -> Result<()> {
        let pieces = self.renderer.finish();
        self.show(pieces)
    }
}
