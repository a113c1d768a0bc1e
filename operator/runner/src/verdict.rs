//! How a run ended: the decision, from the exit status, the stream's end and what the runner did.

use std::fmt::Write as _;
use std::time::Duration;

use axon_api::agents::Ending;
use axon_api::outcome::RunResult;

use crate::process::Exit;

/// Why the runner ended the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its time was over.
    Timeout(Duration),
    /// It used more than it may: a sentence.
    Limit(String),
    /// The container was told to end: the signal's name.
    Signal(&'static str),
}

/// What makes a run a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Exit code 0.
    ExitCode,
    /// Exit code 0 and the terminal success event: some agents exit with 0 when they are killed.
    ExitCodeAndEnding,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) result: RunResult,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// Decides how a run ended. What the runner did goes first: an agent that ends well after it was
/// told to stop has still not done all that it was asked.
pub(crate) fn decide(stop: Option<&Stop>, exit: Exit, proof: Proof, ending: Option<&Ending>) -> Verdict {
    match stop {
        Some(Stop::Timeout(timeout)) => verdict(
            RunResult::TimedOut,
            "Timeout",
            format!("the agent was ended after its timeout of {}", spell(*timeout)),
        ),
        Some(Stop::Limit(sentence)) => verdict(RunResult::Failed, "LimitExceeded", sentence.clone()),
        Some(Stop::Signal(name)) => verdict(
            RunResult::Cancelled,
            crate::failure::TERMINATED,
            format!("the agent was ended because its container got {name}"),
        ),
        None => by_itself(exit, proof, ending),
    }
}

fn by_itself(exit: Exit, proof: Proof, ending: Option<&Ending>) -> Verdict {
    if let Some(Ending::Failed { message, http_status }) = ending
        && (proof == Proof::ExitCodeAndEnding || exit != Exit::Code(0))
    {
        return verdict(
            RunResult::Failed,
            reason(*http_status),
            failed_message(message, *http_status),
        );
    }
    match exit {
        Exit::Code(0) if proof == Proof::ExitCode || ending.is_some() => verdict(
            RunResult::Succeeded,
            "Completed",
            "the agent completed".to_owned(),
        ),
        Exit::Code(0) => verdict(
            RunResult::Failed,
            AGENT_FAILED,
            "the agent ended without its final event (exit code 0)".to_owned(),
        ),
        Exit::Code(code) => verdict(RunResult::Failed, AGENT_FAILED, format!("agent exited {code}")),
        Exit::Signal(Some(signal)) => verdict(
            RunResult::Failed,
            AGENT_FAILED,
            format!(
                "agent was killed by signal {} ({})",
                signal as i32,
                signal.as_str()
            ),
        ),
        Exit::Signal(None) => verdict(
            RunResult::Failed,
            AGENT_FAILED,
            "agent was killed by a signal".to_owned(),
        ),
    }
}

const AGENT_FAILED: &str = "AgentFailed";

fn verdict(result: RunResult, reason: &'static str, message: String) -> Verdict {
    Verdict {
        result,
        reason,
        message,
    }
}

fn reason(http_status: Option<u16>) -> &'static str {
    match http_status {
        Some(401 | 403) => "CredentialsRejected",
        Some(429 | 503 | 529) => "ProviderUnavailable",
        _ => AGENT_FAILED,
    }
}

fn failed_message(message: &str, http_status: Option<u16>) -> String {
    match (message.trim(), http_status) {
        ("", Some(status)) => format!("the provider answered with HTTP status {status}"),
        ("", None) => "the agent reported a failure without a message".to_owned(),
        (message, Some(status)) if !message.contains(&status.to_string()) => {
            format!("{message} (HTTP status {status})")
        }
        (message, _) => message.to_owned(),
    }
}

/// A duration as people write it in a Task: `1h30m`, `90s`.
pub(crate) fn spell(duration: Duration) -> String {
    let (hours, minutes) = (duration.as_secs() / 3600, duration.as_secs() / 60 % 60);
    let seconds = duration.as_secs_f64() % 60.0;
    let mut text = String::new();
    if hours > 0 {
        let _ = write!(text, "{hours}h");
    }
    if minutes > 0 {
        let _ = write!(text, "{minutes}m");
    }
    if seconds > 0.0 || text.is_empty() {
        let _ = write!(text, "{seconds}s");
    }
    text
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::*;

    fn failed(message: &str, http_status: Option<u16>) -> Ending {
        Ending::Failed {
            message: message.into(),
            http_status,
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn an_agent_that_ends_by_itself_is_judged_by_exit_and_ending() {
        use Proof::{ExitCode, ExitCodeAndEnding};
        use RunResult::{Failed, Succeeded};
        let good = || Some(Ending::Succeeded);
        for (exit, proof, ending, result, reason, message) in [
            (Exit::Code(0), ExitCode, None, Succeeded, "Completed", "completed"),
            (
                Exit::Code(0),
                ExitCodeAndEnding,
                good(),
                Succeeded,
                "Completed",
                "completed",
            ),
            (
                Exit::Code(0),
                ExitCodeAndEnding,
                None,
                Failed,
                "AgentFailed",
                "without its final event",
            ),
            (
                Exit::Code(3),
                ExitCode,
                None,
                Failed,
                "AgentFailed",
                "agent exited 3",
            ),
            (
                Exit::Code(1),
                ExitCodeAndEnding,
                good(),
                Failed,
                "AgentFailed",
                "agent exited 1",
            ),
            (
                Exit::Signal(Some(Signal::SIGKILL)),
                ExitCode,
                None,
                Failed,
                "AgentFailed",
                "signal 9 (SIGKILL)",
            ),
            (
                Exit::Signal(None),
                ExitCode,
                None,
                Failed,
                "AgentFailed",
                "killed by a signal",
            ),
            (
                Exit::Code(0),
                ExitCodeAndEnding,
                Some(failed("Invalid API key", Some(401))),
                Failed,
                "CredentialsRejected",
                "Invalid API key (HTTP status 401)",
            ),
            (
                Exit::Code(1),
                ExitCodeAndEnding,
                Some(failed("status 529", Some(529))),
                Failed,
                "ProviderUnavailable",
                "status 529",
            ),
            (
                Exit::Code(1),
                ExitCodeAndEnding,
                Some(failed("", Some(500))),
                Failed,
                "AgentFailed",
                "HTTP status 500",
            ),
            (
                Exit::Code(1),
                ExitCodeAndEnding,
                Some(failed("", None)),
                Failed,
                "AgentFailed",
                "without a message",
            ),
            (
                Exit::Code(2),
                ExitCode,
                Some(failed("Overloaded", Some(529))),
                Failed,
                "ProviderUnavailable",
                "Overloaded",
            ),
            (
                Exit::Code(0),
                ExitCode,
                Some(failed("tool text", None)),
                Succeeded,
                "Completed",
                "completed",
            ),
        ] {
            let verdict = decide(None, exit, proof, ending.as_ref());
            assert_eq!((verdict.result, verdict.reason), (result, reason), "{verdict:?}");
            assert!(verdict.message.contains(message), "{verdict:?}");
        }
    }

    #[test]
    fn a_timeout_is_spelled_as_people_write_it() {
        for (seconds, text) in [
            (0.0, "0s"),
            (0.5, "0.5s"),
            (90.0, "1m30s"),
            (1800.0, "30m"),
            (5400.0, "1h30m"),
        ] {
            assert_eq!(spell(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn an_agent_that_the_runner_ended_is_judged_by_why() {
        for (stop, result, reason) in [
            (
                Stop::Timeout(Duration::from_secs(90)),
                RunResult::TimedOut,
                "Timeout",
            ),
            (Stop::Limit("too much".into()), RunResult::Failed, "LimitExceeded"),
            (Stop::Signal("SIGTERM"), RunResult::Cancelled, "Terminated"),
        ] {
            let verdict = decide(
                Some(&stop),
                Exit::Code(0),
                Proof::ExitCodeAndEnding,
                Some(&Ending::Succeeded),
            );
            assert_eq!((verdict.result, verdict.reason), (result, reason));
        }
    }
}
