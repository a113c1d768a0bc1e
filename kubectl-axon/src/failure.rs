//! What went wrong, as people read it: one line `error: ...` and lines `hint: ...`.

use std::error::Error;
use std::fmt::Write as _;

use crate::exit::Exit;
use crate::invocation;
use crate::text::printable;

/// Why a command could not be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// A lowercase fragment that names the object and the cause; empty when nothing is to be said.
    message: String,
    /// What to do next, one sentence or command each.
    hints: Vec<String>,
    exit: Exit,
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hints: Vec::new(),
            exit: Exit::Failure,
        }
    }

    /// Ends the program without a word, as when the reader of stdout has gone.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self {
            message: String::new(),
            hints: Vec::new(),
            exit,
        }
    }

    /// Adds a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Failing to do `action`, such as "create task `x`", because of what the server answered.
    pub(crate) fn api(action: &str, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::status(action, status),
            kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => {
                Self::new(format!(
                    "failed to {action}: the cluster cannot be reached: {}",
                    root_cause(error)
                ))
                .hint(format!(
                    "check the connection with `kubectl cluster-info`, or run without a cluster: `{} run --local`",
                    invocation::name()
                ))
            }
            kube::Error::Auth(_) => Self::new(format!(
                "failed to {action}: no credential for the cluster: {}",
                root_cause(error)
            ))
            .hint("`kubectl auth whoami` shows who you are to the cluster"),
            _ => Self::new(format!("failed to {action}: {}", root_cause(error))),
        }
    }

    fn status(action: &str, status: &kube::core::Status) -> Self {
        // What is no Status, such as a proxy's page, has no reason but the library's words.
        let is_status = !status.reason.is_empty() && !status.reason.contains(' ');
        let reason = if is_status {
            status.reason.clone()
        } else {
            status.code.to_string()
        };
        let failure = Self::new(format!("failed to {action}: {} ({reason})", status.message));
        // A kind that the server does not know gives a 404 that names no object.
        let names_an_object = status
            .details
            .as_ref()
            .is_some_and(|details| !details.name.is_empty());
        match status.code {
            401 => failure.hint("log in to the cluster again; `kubectl auth whoami` shows who you are to it"),
            403 => failure.hint("ask the cluster's administrator for that permission"),
            404 if !names_an_object => failure.hint(format!(
                "Axon's definitions are not installed in this cluster: `{} install` installs Axon",
                invocation::name()
            )),
            _ => failure,
        }
    }

    /// Whether nothing is to be said.
    pub(crate) fn is_silent(&self) -> bool {
        self.message.is_empty()
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// The message without `error: ` and hints.
    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The failure as it is printed on stderr, with a line break at the end.
    pub(crate) fn render(&self) -> String {
        if self.is_silent() {
            return String::new();
        }
        let mut text = format!("error: {}\n", printable(&self.message));
        for hint in &self.hints {
            let _ = writeln!(text, "hint: {}", printable(hint));
        }
        text
    }
}

/// The innermost cause of an error: the outer ones only say that something failed inside.
pub(crate) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, reason: &str, name: &str) -> kube::Error {
        let mut status = kube::core::Status::failure("tasks.axon.io \"x\" is wrong", reason).with_code(code);
        status.details = Some(kube::core::response::StatusDetails {
            name: name.to_owned(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        });
        kube::Error::Api(Box::new(status))
    }

    #[test]
    fn the_servers_words_are_kept_with_the_reason() {
        let failure = Failure::api("create task `x`", &answer(422, "Invalid", "x"));
        assert_eq!(
            failure.render(),
            "error: failed to create task `x`: tasks.axon.io \"x\" is wrong (Invalid)\n"
        );
    }

    #[test]
    fn a_cluster_without_axon_is_told_apart_from_a_missing_object() {
        let missing_kind = Failure::api("list tasks", &answer(404, "NotFound", ""));
        assert!(
            missing_kind
                .render()
                .contains("hint: Axon's definitions are not installed")
        );
        let missing_object = Failure::api("get task `x`", &answer(404, "NotFound", "x"));
        assert!(!missing_object.render().contains("hint:"));
    }

    #[test]
    fn escape_sequences_in_a_message_do_not_reach_the_terminal() {
        let text = Failure::new("bad \u{1b}[2J name").render();
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
