//! The hidden commands of `kubectl-axon`, and nothing else: the program of this crate's own tests.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use axon_local::directory::Directory;
use axon_local::serve::{self, ServeOptions};

/// Tests set this to the idle seconds after which the plane ends.
const IDLE_SECONDS: &str = "AXON_LOCAL_IDLE_SECONDS";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = arguments
        .iter()
        .take(2)
        .filter_map(|word| word.to_str())
        .collect();
    let rest = arguments.get(2..).unwrap_or_default();
    match words.as_slice() {
        ["local", "serve"] => match run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("{error:#}")),
        },
        ["local", "runner"] => axon_runner::main(rest),
        ["local", "container"] => axon_local::jobs::container_main(rest),
        _ => fail("usage: axon-local local serve|runner|container"),
    }
}

fn run() -> anyhow::Result<()> {
    let Some(directory) = Directory::from_environment() else {
        anyhow::bail!("failed to find the folder of the plane: set AXON_LOCAL_DIR");
    };
    let mut options = ServeOptions::new(directory, std::env::current_exe()?);
    if let Ok(seconds) = std::env::var(IDLE_SECONDS) {
        options.idle = Some(Duration::from_secs(seconds.parse()?));
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve::run(options))
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {message}");
    ExitCode::FAILURE
}
