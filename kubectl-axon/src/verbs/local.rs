//! `local`: the plane on this machine.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::exit::Exit;
use crate::failure::Result;
use crate::{local, output};

/// The plane on this machine, which --local uses
#[derive(Args)]
#[command(after_help = "\
Every command with --local starts the plane when it does not serve yet. It ends by itself after ten
idle minutes. Plain kubectl works on it:
  KUBECONFIG=$(kubectl axon local kubeconfig) kubectl get tasks

Examples:
  kubectl axon local status
  kubectl axon local stop")]
pub(crate) struct LocalArgs {
    #[command(subcommand)]
    verb: LocalVerb,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
enum LocalVerb {
    /// Serve the plane in the foreground
    Serve,
    /// Say whether the plane serves, and where it keeps its state
    Status,
    /// Stop the plane; agents that run go on, and the next start finds them
    Stop,
    /// Start the plane if need be, and print the path of its kubeconfig
    Kubeconfig,
}

/// Does one of the verbs.
pub(crate) fn local(args: &LocalArgs) -> Result<Exit> {
    match args.verb {
        LocalVerb::Serve => local::serve()?,
        LocalVerb::Status => output::print(local::status()?)?,
        LocalVerb::Stop => output::print(local::stop()?)?,
        LocalVerb::Kubeconfig => output::print(format!("{}\n", local::kubeconfig()?.display()))?,
    }
    Ok(Exit::Success)
}

/// The plane starts this program as `local runner ...` inside of a sandbox or a pod's folder, and
/// as `local container ...` to watch over one container. Both take their arguments as they are.
pub(crate) fn inner_program(arguments: &[OsString]) -> Option<ExitCode> {
    let (first, rest) = arguments.get(1..)?.split_first()?;
    let (second, rest) = rest.split_first()?;
    match (first.to_str()?, second.to_str()?) {
        ("local", "runner") => Some(axon_runner::main(rest)),
        ("local", "container") => Some(local::container(rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_verbs_are_left_to_the_command_line() {
        for words in [
            &["axon"][..],
            &["axon", "local"],
            &["axon", "local", "status"],
            &["axon", "run", "runner"],
        ] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert!(inner_program(&words).is_none(), "{words:?}");
        }
    }
}
