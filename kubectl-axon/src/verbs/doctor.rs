//! `doctor`: looks for what keeps tasks from running, and says what to do.

use std::io::IsTerminal as _;

use clap::Args;

use crate::cli::Context;
use crate::doctor::report::{self, Colour};
use crate::doctor::{self, Probe};
use crate::exit::Exit;
use crate::failure::Result;
use crate::{cluster, complete, output};

/// Look for what keeps tasks from running, and say what to do about it
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon doctor
  kubectl axon doctor -n team -o json
  kubectl axon doctor --probe              # also tries whether network policies are enforced
  kubectl axon doctor --local              # this machine, for runs without a cluster

-n names the namespace of your tasks. Each line says ok, warn (it works, and may not for all), fail
(it does not work) or unknown (you may not look at it, or only a probe can tell).

Exit codes: 0 nothing fails, 1 something does.")]
pub(crate) struct DoctorArgs {
    /// Where the operator is; default: where it is found
    #[arg(long, value_name = "NAMESPACE", add = complete::namespaces())]
    operator_namespace: Option<String>,

    /// Run two short pods in the namespace to see whether network policies are enforced
    #[arg(long)]
    probe: bool,

    /// Print json or yaml
    #[arg(short, long, value_name = "FORMAT", value_parser = ["json", "yaml"])]
    output: Option<String>,
}

pub(crate) fn doctor(context: &Context, args: &DoctorArgs) -> Result<Exit> {
    let checks = if context.global.local {
        doctor::local()
    } else {
        let namespace = args.operator_namespace.as_deref();
        let probe = if args.probe { Probe::Yes } else { Probe::No };
        cluster::block_on(async { Ok(doctor::cluster(context, namespace, probe).await) })?
    };
    match args.output.as_deref() {
        Some("json") => output::print(output::to_json(&report::value(&checks)))?,
        Some(_) => output::print(output::to_yaml(&report::value(&checks))?)?,
        None => output::print(report::text(&checks, colour()))?,
    }
    Ok(report::exit(&checks))
}

/// Colours are for terminals whose owner has not said no: <https://no-color.org>.
fn colour() -> Colour {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if std::io::stdout().is_terminal() && !is_unwanted {
        Colour::Ansi
    } else {
        Colour::Never
    }
}
