//! What keeps a run from going on, in the words of the outcome.

use std::io;

use axon_api::outcome::{Outcome, RunResult};

/// Why a run ended before its agent could.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// One word for [`Outcome::reason`].
    pub(crate) reason: &'static str,
    /// A sentence for [`Outcome::message`].
    pub(crate) message: String,
    /// The exit code of the program that failed, where it is the agent's own affair.
    pub(crate) exit_code: Option<i32>,
}

impl Failure {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            exit_code: None,
        }
    }

    /// The same with the exit code of a program that the user named.
    pub(crate) fn with_exit_code(self, code: i32) -> Self {
        Self {
            exit_code: Some(code),
            ..self
        }
    }

    /// An operation on a file or a process that failed: `action` completes "failed to ...". A full
    /// disk is told apart, whatever it was that it stopped.
    pub(crate) fn io(reason: &'static str, action: impl std::fmt::Display, error: &io::Error) -> Self {
        let full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        Self::new(
            if full { DISK_FULL } else { reason },
            format!("failed to {action}: {error}"),
        )
    }

    pub(crate) fn outcome(&self) -> Outcome {
        let result = match self.reason {
            TERMINATED => RunResult::Cancelled,
            TIMEOUT => RunResult::TimedOut,
            _ => RunResult::Failed,
        };
        let mut outcome = Outcome::new(result, self.reason, &self.message);
        outcome.exit_code = self.exit_code;
        outcome
    }
}

/// There is no space left where the run has to write.
pub(crate) const DISK_FULL: &str = "DiskFull";
/// The runner was told to end.
pub(crate) const TERMINATED: &str = "Terminated";
/// The run description is missing or is not what this version reads.
pub(crate) const INVALID_RUN: &str = "InvalidRun";
/// The runner could not make what the agent needs.
pub(crate) const SETUP_FAILED: &str = "SetupFailed";
/// The build has no such agent type.
pub(crate) const AGENT_TYPE_UNSUPPORTED: &str = "AgentTypeUnsupported";
/// The agent's program is not in the image.
pub(crate) const AGENT_NOT_FOUND: &str = "AgentNotFound";
/// The agent's program is there but cannot be started.
pub(crate) const AGENT_NOT_STARTED: &str = "AgentNotStarted";
/// The repository could not be read.
pub(crate) const CLONE_FAILED: &str = "CloneFailed";
/// There is no repository at the URL, or none that may be seen without a token.
pub(crate) const REPOSITORY_NOT_FOUND: &str = "RepositoryNotFound";
/// The repository has no such branch, tag or commit.
pub(crate) const REF_NOT_FOUND: &str = "RefNotFound";
/// The name of the branch to work on cannot be one.
pub(crate) const INVALID_BRANCH: &str = "InvalidBranch";
/// The repository needs a token, or refuses the one that it got.
pub(crate) const AUTHENTICATION_FAILED: &str = "AuthenticationFailed";
/// A file cannot be written into the checkout.
pub(crate) const INVALID_FILE: &str = "InvalidFile";
/// The server's key is not among the known hosts.
pub(crate) const HOST_KEY_UNKNOWN: &str = "HostKeyUnknown";
/// The server's key is another one than the known hosts have.
pub(crate) const HOST_KEY_CHANGED: &str = "HostKeyChanged";
/// Files of git LFS are asked for where there is no git-lfs.
pub(crate) const LFS_MISSING: &str = "LfsMissing";
/// The branch to work on is checked out by another run of the same volume.
pub(crate) const BRANCH_IN_USE: &str = "BranchInUse";
/// The setup command of the workspace failed.
pub(crate) const SETUP_COMMAND_FAILED: &str = "SetupCommandFailed";
/// The time was over before the agent was started.
pub(crate) const TIMEOUT: &str = "Timeout";
