//! `run`: process 1 of the agent's container.

use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use axon_api::agents::{Ending, Summary, Usage};
use axon_api::outcome::{Outcome, RunResult};
use axon_api::run::RunDescription;
use axon_api::variables;

use crate::checkout::{Layout, Occupation};
use crate::environment::Environment;
use crate::failure::{AGENT_NOT_FOUND, Failure, SETUP_FAILED};
use crate::invocation::Invocation;
use crate::private_directory::PrivateDirectory;
use crate::report::Report;
use crate::repository::Tools;
use crate::secrets::Secrets;
use crate::signals::Interruption;
use crate::stream::{self, Output, Watcher};
use crate::supervise::{self, Deadline, Ended, Happening};
use crate::verdict;
use crate::{access, complain, description, launch, memory, outputs, process, setup_command, signals, text};

/// The agent type whose output is its text.
const SHELL: &str = "shell";
/// The exit code of a run that took too long, as timeout(1) has it.
const TIMED_OUT: u8 = 124;
/// The exit code of an agent that got SIGKILL.
const KILLED: i32 = 137;
/// The reason when that was for want of memory.
const OUT_OF_MEMORY: &str = "OutOfMemory";
const OUT_OF_MEMORY_MESSAGE: &str = "the agent was killed because the container's memory was over\n\
                                     hint: raise the memory limit in `spec.podOverrides.resources`";
/// Characters of the final text that can at all fit into an outcome.
const MAX_TEXT: usize = 16 * 1024;
/// The exit code of a program that is not there, as shells have it.
const NOT_FOUND: u8 = 127;

/// Runs the agent of the run description to its end and reports the outcome.
pub(crate) fn run(invocation: &Invocation) -> ExitCode {
    let environment = Environment::of_process();
    let report = Report::new(&environment);
    let mut last = match attempt(&environment, invocation, &report) {
        Ok(last) => last,
        Err(failure) => {
            complain(&format!(
                "axon: {}",
                Secrets::of(&environment).hide(&failure.message)
            ));
            Last {
                outcome: failure.outcome(),
                output: Output::standard().ok(),
                text: None,
            }
        }
    };
    let secrets = Secrets::of(&environment);
    secrets.hide_in(&mut last.outcome);
    if let Some(mut output) = last.output {
        output.end_line();
        output.write(outputs::print(&last.outcome).as_bytes());
        if let Some(text) = last.text {
            let text = text::shorten(&secrets.hide(&text));
            last.outcome.printed_text = Some(text::proof(&text));
            output.write(text::block(&text).as_bytes());
        }
    }
    // Nothing comes after this: whoever reads the outcome knows that the run is over.
    report.write(&last.outcome);
    exit_code(&last.outcome)
}

/// What is left to be said at the end.
struct Last {
    outcome: Outcome,
    /// Absent when nobody takes what is written there.
    output: Option<Output>,
    /// The text that ends the log, where it is asked for and nobody else can write there.
    text: Option<String>,
}

fn attempt(environment: &Environment, invocation: &Invocation, report: &Report) -> Result<Last, Failure> {
    process::become_undumpable()?;
    process::become_subreaper()?;
    let channel = mpsc::channel();
    let interruption = watch_signals(&channel.0)?;
    let description = description::read(environment)?;
    report.limit(description.outcome_limit_bytes);
    if description.print_text {
        join_streams()?;
    }
    let tools = Tools::find(environment);
    let occupation = occupy(&description, environment)?;
    let ran = run_agent(&description, environment, invocation, &channel);
    if let Some(occupation) = occupation {
        let result = ran.as_ref().ok().map(|run| run.outcome.result);
        occupation.end(result == Some(RunResult::Succeeded));
    }
    let mut last = ran?;
    tools.ask(&description, invocation, &interruption, &mut last.outcome);
    if let Some(block) = last.block {
        block.complete(&mut last.outcome);
    }
    let text = last.text.map(|text| {
        if text.is_empty() {
            last.outcome.text.clone()
        } else {
            text
        }
    });
    Ok(Last {
        outcome: last.outcome,
        output: last.output,
        text,
    })
}

/// Makes standard error the same stream as standard output. What reads a container's log reads the
/// two apart, so that of the one a line could come after the end of the other.
fn join_streams() -> Result<(), Failure> {
    nix::unistd::dup2_stderr(std::io::stdout())
        .map_err(|errno| Failure::io(SETUP_FAILED, "join standard error and output", &errno.into()))
}

/// Takes hold of the run's worktree, where the run has one.
fn occupy(description: &RunDescription, environment: &Environment) -> Result<Option<Occupation>, Failure> {
    let (Some(checkout), Some(workspace)) =
        (&description.checkout, environment.path(variables::WORKSPACE_DIR))
    else {
        return Ok(None);
    };
    if checkout.shared_clone.is_none() {
        return Ok(None);
    }
    Occupation::begin(&Layout::of(&workspace, checkout)?).map(Some)
}

fn watch_signals(sender: &Sender<Happening>) -> Result<Interruption, Failure> {
    let sender = sender.clone();
    signals::watch(move |name| {
        let _ = sender.send(Happening::Signal(name));
    })
    .map_err(|error| Failure::io(SETUP_FAILED, "take over signals", &error))
}

/// A run whose agent has ended, before the repository was asked.
struct Run {
    outcome: Outcome,
    output: Option<Output>,
    block: Option<outputs::Block>,
    text: Option<String>,
}

fn run_agent(
    description: &RunDescription,
    environment: &Environment,
    invocation: &Invocation,
    (sender, receiver): &(Sender<Happening>, Receiver<Happening>),
) -> Result<Run, Failure> {
    let private = PrivateDirectory::create(environment)?;
    let mut launch = launch::prepare(description, environment, invocation, &private, Path::new("/"))?;
    if let Some(checkout) = &description.checkout {
        access::give_ssh_to_agent(checkout, &mut launch.environment, &private)?;
    }
    let mut watcher = Watcher::new(launch.agent, description.limits, description.model.clone());
    if launch.believes_blocks {
        watcher = watcher.with_blocks();
    }
    // A script's own output is its text, and so is that of a program of which nothing is known.
    let output_is_text = launch.agent.is_none_or(|agent| agent.name() == SHELL);
    if description.print_text && output_is_text {
        watcher = watcher.keeping_output();
    }
    let deadline = description
        .timeout_milliseconds
        .and_then(|timeout| Deadline::after(Duration::from_millis(timeout)));
    let kills_before = memory::kills();
    let channel = (sender, receiver);
    let rest = setup_command::run(&description.setup_command, &launch, deadline.as_ref(), channel)?;
    let (ended, watcher) = supervise::supervise(&launch, deadline, watcher, channel)?;
    if let Some(rest) = rest {
        rest.finish();
    }
    let mut watcher = stream::lock(&watcher);
    let summary = watcher.summary();
    let last_message = summary.text.clone();
    let mut outcome = outcome(&ended, launch.proof, summary);
    let text = (description.print_text && ended.cleared).then(|| {
        watcher
            .output_text(outcome.result == RunResult::Succeeded)
            .unwrap_or(last_message)
    });
    if memory::kills() > kills_before && outcome.exit_code == Some(KILLED) && ended.stop.is_none() {
        OUT_OF_MEMORY.clone_into(&mut outcome.reason);
        OUT_OF_MEMORY_MESSAGE.clone_into(&mut outcome.message);
    }
    Ok(Run {
        outcome,
        output: ended.output,
        block: watcher.block(),
        text,
    })
}

fn outcome(ended: &Ended, proof: verdict::Proof, summary: Summary) -> Outcome {
    let verdict = verdict::decide(ended.stop.as_ref(), ended.exit, proof, summary.ending.as_ref());
    let mut outcome = Outcome::new(verdict.result, verdict.reason, verdict.message);
    outcome.exit_code = Some(ended.exit.code());
    outcome.usage = usage(&summary);
    outcome.text = summary.text.chars().take(MAX_TEXT).collect();
    if let (true, Some(Ending::Failed { message, .. })) = (outcome.text.is_empty(), summary.ending) {
        outcome.text = message;
    }
    outcome
}

/// What the run used; `None` when the stream did not say.
fn usage(summary: &Summary) -> Option<Usage> {
    let usage = summary.usage;
    let said =
        usage.input_tokens > 0 || usage.output_tokens > 0 || usage.cost_usd.is_some_and(|cost| cost > 0.0);
    said.then_some(usage)
}

/// 0 for a success; else the agent's own code, and 1 where that one is 0 or absent.
fn exit_code(outcome: &Outcome) -> ExitCode {
    match outcome.result {
        RunResult::Succeeded => ExitCode::SUCCESS,
        RunResult::TimedOut => ExitCode::from(TIMED_OUT),
        _ if outcome.reason == AGENT_NOT_FOUND => ExitCode::from(NOT_FOUND),
        _ => {
            let code = outcome
                .exit_code
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(1);
            ExitCode::from(code.max(1))
        }
    }
}
