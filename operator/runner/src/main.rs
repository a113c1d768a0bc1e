//! The runner as a program of its own: the static binary that is copied into every agent's pod.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    axon_runner::main(&arguments)
}
