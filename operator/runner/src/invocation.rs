//! How this program was started, so that it can name itself to git as credential helper.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use axon_api::variables;

use crate::environment::Environment;

/// The command that starts the runner again.
pub(crate) struct Invocation {
    program: PathBuf,
    /// What stands between the program's name and the subcommand: nothing for `axon-runner`, and
    /// `local runner` when the command line's binary carries the runner.
    prefix: Vec<OsString>,
}

impl Invocation {
    /// Reads the process's command line, of which `args` is the end.
    pub(crate) fn of_process(args: &[OsString]) -> Self {
        let line: Vec<OsString> = std::env::args_os().collect();
        Self {
            program: std::env::current_exe().unwrap_or_default(),
            prefix: prefix(&line, args),
        }
    }

    /// The runner's command as words of a POSIX shell, with `words` at its end.
    pub(crate) fn shell_command(&self, environment: &Environment, words: &[&str]) -> String {
        let installed = environment
            .path(variables::BIN_DIR)
            .map(|bin| bin.join("axon-runner"));
        // The program may have been replaced on disk while it runs; its copy has not.
        let program = if self.program.is_file() {
            self.program.clone()
        } else {
            installed.unwrap_or_else(|| self.program.clone())
        };
        let prefix = self.prefix.iter().map(|word| word.to_string_lossy().into_owned());
        std::iter::once(program.to_string_lossy().into_owned())
            .chain(prefix)
            .chain(words.iter().map(|word| (*word).to_owned()))
            .map(|word| shell_quote(&word))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn prefix(line: &[OsString], args: &[OsString]) -> Vec<OsString> {
    line.strip_suffix(args)
        .and_then(|start| start.get(1..))
        .map(<[OsString]>::to_vec)
        .unwrap_or_default()
}

/// `word` as one word of a POSIX shell.
pub(crate) fn shell_quote(word: impl AsRef<OsStr>) -> String {
    format!("'{}'", word.as_ref().to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn what_stands_before_the_subcommand_is_kept() {
        assert_eq!(prefix(&words("axon-runner run"), &words("run")), words("x")[1..]);
        assert_eq!(
            prefix(&words("axon local runner run"), &words("run")),
            words("local runner")
        );
        assert!(prefix(&words("axon"), &words("run")).is_empty());
    }

    #[test]
    fn a_quoted_word_stays_one_word() {
        assert_eq!(shell_quote("it's $HOME"), r"'it'\''s $HOME'");
    }
}
