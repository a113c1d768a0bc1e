//! `axon-operator`: runs the controllers on a cluster, and prints what belongs to them.

mod cli;
mod process;
mod selftest;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match act(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(options) => process::run(*options),
        Command::Crd { with_admission } => {
            let mut documents = axon_operator::crds::to_yaml(&axon_api::crd::all())?;
            if with_admission {
                documents += &axon_operator::crds::to_yaml(&axon_api::admission::objects())?;
            }
            print(&documents)
        }
        Command::Features => print(&(axon_operator::features::all().join("\n") + "\n")),
        Command::Selftest(options) => print(&selftest::run(&options)?),
        Command::Version => print(concat!(env!("CARGO_PKG_VERSION"), "\n")),
    }
}

/// Prints, and takes a reader that goes away early, such as `head`, for what it is.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
