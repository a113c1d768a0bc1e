//! The runner: process 1 of the agent container. It prepares the checkout, starts the agent, reads
//! its event stream, ends it when it must, and reports the outcome.
//!
//! The agent is not trusted: it has the same user id as the runner, may write wherever the runner
//! may, and may start processes that outlive it. What the runner reports is therefore decided after
//! every other process of the container is gone, from facts that the agent cannot make: its exit
//! status, the event stream that it wrote, and the remote repository itself.
//!
//! Every path comes from the variables of [`axon_api::variables`], so that the same program works
//! in a pod and in the folders of the embedded plane.

mod access;
mod checkout;
mod credential;
mod description;
mod environment;
mod failure;
mod files;
mod git;
mod head;
mod install;
mod invocation;
mod launch;
mod limits;
mod mcp;
mod memory;
mod outputs;
mod prepare;
mod private_directory;
mod process;
mod report;
mod repository;
mod run;
mod secrets;
mod setup;
mod setup_command;
mod signals;
mod skills;
mod ssh;
mod stream;
mod supervise;
mod text;
mod url;
mod verdict;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use invocation::Invocation;

/// Runs one subcommand: `install DIR`, `prepare`, `run` or `git-credential ORIGIN ACTION`.
///
/// `args` are the subcommand and its own arguments: the end of the process's command line, without
/// the program's name.
pub fn main(args: &[OsString]) -> ExitCode {
    let invocation = Invocation::of_process(args);
    let words: Vec<&str> = args.iter().filter_map(|word| word.to_str()).collect();
    match words.as_slice() {
        ["install", directory] => install::install(directory.as_ref()),
        ["prepare"] => prepare::prepare(&invocation),
        ["run"] => run::run(&invocation),
        ["git-credential", origin, action] => credential::answer(origin, action),
        _ => {
            complain("usage: axon-runner install DIR | prepare | run | git-credential ORIGIN ACTION");
            ExitCode::from(2)
        }
    }
}

/// Writes one line to standard error; there is nobody to tell when that fails.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes one line to standard output, for people who follow the container's log.
fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}
