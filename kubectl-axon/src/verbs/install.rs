//! `install`: brings the definitions and the operator to a cluster.

use clap::Args;

use crate::cli::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::install::flags::InstallFlags;
use crate::install::process::{self, Act};

/// Install the definitions and the operator on the cluster
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon install
  kubectl axon install --dry-run                    # prints the manifest, and asks no server
  kubectl axon install --crds-only -o yaml --dry-run
  kubectl axon install -n agents --replicas 2
  kubectl axon install --image-registry registry.example.com/mirror --image-pull-policy Always
  kubectl axon install --agent-image codex=registry.example.com/codex:1 --wait=false

-n names the operator's namespace: axon-system without it, and made if need be. To install again
changes what differs, and nothing else. The Helm chart does the same, and what Helm has installed is
left to Helm. The definitions are always those of this program.

Exit codes: 0 installed, 1 an error, 14 --timeout passed before the operator was available.")]
pub(crate) struct InstallArgs {
    #[command(flatten)]
    flags: InstallFlags,
}

pub(crate) fn install(context: &Context, args: &InstallArgs) -> Result<Exit> {
    process::act(context, &args.flags, Act::Install)
}
