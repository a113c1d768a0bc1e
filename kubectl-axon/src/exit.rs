//! The exit codes of the program.

use axon_api::Phase;
use std::process::ExitCode;

/// How the program ends. The table in [`HELP`] is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well; a Task that was watched or waited for has succeeded.
    Success,
    /// Something failed; a Task that was watched or waited for has failed.
    Failure,
    /// The command line was not understood. clap uses the same number.
    Usage,
    /// The watched Task ran out of time.
    TimedOut,
    /// The watched Task was cancelled.
    Cancelled,
    /// The object was deleted before it had ended, or was as it was waited for.
    Deleted,
    /// A conversion lost something, or left something to be done by hand.
    Lossy,
    /// What was waited for did not come in time.
    WaitedTooLong,
    /// Watching was interrupted; the Task goes on.
    Interrupted,
}

/// The table of exit codes for help texts.
pub(crate) const HELP: &str = "\
Exit codes:
  0    success; of a task that was watched or waited for: it succeeded
  1    an error; of such a task: it failed
  2    the command line was not understood
  10   the task timed out
  11   the task or pipeline was cancelled
  12   the object was deleted before it ended, or was as it was waited for
  13   with convert: something was lost, or is to be done by hand
  14   with wait, install, upgrade and uninstall: --timeout passed first
  130  interrupted; the task goes on";

impl Exit {
    /// The number that the shell sees.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::TimedOut => 10,
            Self::Cancelled => 11,
            Self::Deleted => 12,
            Self::Lossy => 13,
            Self::WaitedTooLong => 14,
            Self::Interrupted => 130,
        }
    }

    /// What a Task that has ended in `phase` makes of the program; `None` while it has not ended.
    pub(crate) fn of(phase: Phase) -> Option<Self> {
        match phase {
            Phase::Succeeded => Some(Self::Success),
            Phase::Failed => Some(Self::Failure),
            Phase::TimedOut => Some(Self::TimedOut),
            Phase::Cancelled => Some(Self::Cancelled),
            Phase::Pending | Phase::Waiting | Phase::Running => None,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_in_the_help() {
        for exit in [
            Exit::Success,
            Exit::Failure,
            Exit::Usage,
            Exit::TimedOut,
            Exit::Cancelled,
            Exit::Deleted,
            Exit::Lossy,
            Exit::WaitedTooLong,
            Exit::Interrupted,
        ] {
            let line = format!("\n  {} ", exit.number());
            assert!(HELP.contains(&line), "{exit:?} is missing");
        }
    }

    #[test]
    fn a_phase_ends_the_program_exactly_when_it_is_final() {
        for phase in [
            Phase::Pending,
            Phase::Waiting,
            Phase::Running,
            Phase::Succeeded,
            Phase::Failed,
            Phase::TimedOut,
            Phase::Cancelled,
        ] {
            assert_eq!(Exit::of(phase).is_some(), phase.is_final(), "{phase}");
        }
    }
}
