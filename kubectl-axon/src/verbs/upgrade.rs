//! `upgrade`: brings an installation to this program's version.

use clap::Args;

use crate::cli::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::install::flags::InstallFlags;
use crate::install::process::{self, Act};

/// Bring the definitions and the operator on the cluster to this program's version
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon upgrade
  kubectl axon upgrade --dry-run=server
  kubectl axon upgrade -n agents --replicas 2

Tasks and all other objects stay, and tasks that run go on. What an older version has installed
and this one no longer has is removed, but never a definition. Give the flags of `install` again:
what is not given is as the manifest has it. Definitions that are newer than this program's are not
replaced.

Exit codes: 0 upgraded, 1 an error, 14 --timeout passed before the operator was available.")]
pub(crate) struct UpgradeArgs {
    #[command(flatten)]
    flags: InstallFlags,
}

pub(crate) fn upgrade(context: &Context, args: &UpgradeArgs) -> Result<Exit> {
    process::act(context, &args.flags, Act::Upgrade)
}
