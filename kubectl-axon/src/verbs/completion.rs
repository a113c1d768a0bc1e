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
  exec kubectl axon __complete \"$@\"

Examples:
  kubectl axon completion bash")]
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
    let program = invocation::program();
    let mut script = Vec::new();
    shell
        .write_registration("COMPLETE", program, program, program, &mut script)
        .map_err(|error| Failure::new(format!("failed to write the completion script: {error}")))?;
    output::print(script)?;
    Ok(Exit::Success)
}

/// The words that kubectl wants to be completed: `kubectl axon __complete WORDS...`.
pub(crate) fn words_of_kubectl(arguments: &[OsString]) -> Option<&[OsString]> {
    let (verb, words) = arguments.get(1..)?.split_first()?;
    (verb == "__complete" || verb == "__completeNoDesc").then_some(words)
}

/// Cobra's directive that file names are no candidates (`ShellCompDirectiveNoFileComp`).
const NO_FILES: u8 = 4;

/// Answers kubectl, which completes its plugins by Cobra's protocol: a candidate a line, and a
/// directive at the end. The last word is the unfinished one.
pub(crate) fn complete(words: &[OsString]) -> Result<Exit> {
    let unfinished = words.last().cloned().unwrap_or_default();
    let flags_are_wanted = unfinished.to_string_lossy().starts_with('-');
    let mut line = vec![OsString::from(invocation::program())];
    line.extend(words.iter().cloned());
    if words.is_empty() {
        line.push(OsString::new());
    }
    let last = line.len() - 1;
    let folder = std::env::current_dir().ok();
    let candidates = engine::complete(&mut cli::command(), line, last, folder.as_deref()).unwrap_or_default();
    let mut text = String::new();
    for candidate in candidates {
        let value = candidate.get_value().to_string_lossy();
        if value.starts_with('-') && !flags_are_wanted {
            continue;
        }
        text.push_str(&value);
        if let Some(help) = candidate.get_help() {
            text.push('\t');
            text.push_str(help.to_string().lines().next().unwrap_or_default());
        }
        text.push('\n');
    }
    output::print(format!("{text}:{NO_FILES}\n"))?;
    Ok(Exit::Success)
}
