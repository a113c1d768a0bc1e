//! The command line of Axon, `kubectl axon`.
//!
//! One file per verb under `verbs`. Data goes to stdout, everything else to stderr. A runtime, a
//! connection and TLS are set up only by the verbs that need them, so that the others are instant.

mod ages;
mod apply;
mod cli;
mod cluster;
mod complete;
mod config;
mod convert;
mod credentials;
mod doctor;
mod exit;
mod failure;
mod inputs;
mod install;
mod invocation;
mod jsonpath;
mod local;
mod log;
mod manifest;
mod objects;
mod output;
mod parts;
mod progress;
mod resources;
mod run_objects;
mod schema;
mod table;
mod text;
mod verbs;
mod watch;
mod writing;

use std::process::ExitCode;

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    cli::main()
}
