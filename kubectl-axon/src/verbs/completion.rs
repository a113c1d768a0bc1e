//! `completion`: scripts for shells, and the protocol by which kubectl completes its plugins.

use std::ffi::OsString;

use clap::{Args, ValueEnum};
use clap_complete::engine;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use crate::cli;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::{invocation, output};

/// Print a completion script for a shell
#[derive(Args)]
#[command(after_help = "\
Load it in the current shell:
  bash:  source <(axon completion bash)
  zsh:   source <(axon completion zsh)
  fish:  axon completion fish | source

For `kubectl axon <Tab>`, put an executable file `kubectl_complete-axon` on PATH:
  #!/bin/sh
  exec kubectl axon __complete \"$@\"")]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn completion(args: &CompletionArgs) -> Result<Exit> {
    let shell: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
    };
    let program = match invocation::name() {
        "axon" => "axon",
        _ => "kubectl-axon",
    };
    let mut script = Vec::new();
    shell
        .write_registration("COMPLETE", program, program, program, &mut script)
        .map_err(|error| Failure::new(format!("failed to write the completion script: {error}")))?;
    output::print(script)?;
    Ok(Exit::Success)
}

/// Answer kubectl, which completes its plugins by Cobra's protocol
#[derive(Args)]
pub(crate) struct CompleteArgs {
    /// The words after `kubectl axon`, the last of them unfinished
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Cobra's directive that file names are no candidates (`ShellCompDirectiveNoFileComp`).
const NO_FILES: u8 = 4;

pub(crate) fn complete(args: &CompleteArgs) -> Result<Exit> {
    let mut words = vec![OsString::from("axon")];
    words.extend(args.words.iter().cloned());
    if words.len() == 1 {
        words.push(OsString::new());
    }
    let last = words.len() - 1;
    let folder = std::env::current_dir().ok();
    let candidates =
        engine::complete(&mut cli::command(), words, last, folder.as_deref()).unwrap_or_default();
    let mut text = String::new();
    for candidate in candidates {
        text.push_str(&candidate.get_value().to_string_lossy());
        if let Some(help) = candidate.get_help() {
            text.push('\t');
            text.push_str(help.to_string().lines().next().unwrap_or_default());
        }
        text.push('\n');
    }
    output::print(format!("{text}:{NO_FILES}\n"))?;
    Ok(Exit::Success)
}
