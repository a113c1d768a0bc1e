//! What was found, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::text::{one_line, without_hints};

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    /// It cannot be known from here.
    Unknown,
    /// It works, and may not do so for all.
    Warn,
    /// It does not work.
    Fail,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    /// The number of the colour in ANSI sequences.
    fn colour(self) -> u8 {
        match self {
            Self::Ok => 32,
            Self::Unknown => 36,
            Self::Warn => 33,
            Self::Fail => 31,
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    /// What was found, in one line.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hints: Vec<String>,
}

impl Check {
    pub(crate) fn new(name: &str, verdict: Verdict, message: impl AsRef<str>) -> Self {
        Self {
            name: name.to_owned(),
            verdict,
            message: one_line(message.as_ref()),
            hints: Vec::new(),
        }
    }

    pub(crate) fn ok(name: &str, message: impl AsRef<str>) -> Self {
        Self::new(name, Verdict::Ok, message)
    }

    pub(crate) fn warn(name: &str, message: impl AsRef<str>) -> Self {
        Self::new(name, Verdict::Warn, message)
    }

    pub(crate) fn fail(name: &str, message: impl AsRef<str>) -> Self {
        Self::new(name, Verdict::Fail, message)
    }

    pub(crate) fn unknown(name: &str, message: impl AsRef<str>) -> Self {
        Self::new(name, Verdict::Unknown, message)
    }

    /// Something that could not be looked at, which is a problem by itself.
    pub(crate) fn failed(name: &str, failure: &Failure) -> Self {
        Self::because(name, Verdict::Fail, failure)
    }

    /// Something that could not be looked at, which may be none for others.
    pub(crate) fn unseen(name: &str, failure: &Failure) -> Self {
        Self::because(name, Verdict::Unknown, failure)
    }

    fn because(name: &str, verdict: Verdict, failure: &Failure) -> Self {
        let (message, hints) = without_hints(&failure.render());
        let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
        let hints = hints
            .iter()
            .map(|hint| hint.strip_prefix("hint: ").unwrap_or(hint).to_owned())
            .collect();
        Self {
            hints,
            ..Self::new(name, verdict, message)
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// Whether the words are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Never,
    Ansi,
}

/// A line for each check, and one for each hint below it.
pub(crate) fn text(checks: &[Check], colour: Colour) -> String {
    let width = checks
        .iter()
        .map(|check| check.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let word = format!("{:<7}", check.verdict.word());
        let word = match colour {
            Colour::Never => word,
            Colour::Ansi => format!("\u{1b}[{}m{word}\u{1b}[0m", check.verdict.colour()),
        };
        let _ = writeln!(text, "{word}   {:<width$}   {}", check.name, check.message);
        for hint in &check.hints {
            let _ = writeln!(text, "{:10}hint: {}", "", one_line(hint));
        }
    }
    text
}

/// The checks for programs.
pub(crate) fn value(checks: &[Check]) -> Value {
    let items: Vec<Value> = checks
        .iter()
        .map(|check| {
            json!({
                "check": check.name,
                "status": check.verdict.word(),
                "message": check.message,
                "hints": check.hints,
            })
        })
        .collect();
    json!({ "ok": exit(checks) == Exit::Success, "checks": items })
}

/// Whether something does not work.
pub(crate) fn exit(checks: &[Check]) -> Exit {
    if checks.iter().any(|check| check.verdict == Verdict::Fail) {
        Exit::Failure
    } else {
        Exit::Success
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Check> {
        vec![
            Check::ok("cluster", "Kubernetes v1.34.4"),
            Check::fail("operator", "it is\nscaled to 0").hint("scale it"),
        ]
    }

    #[test]
    fn problems_have_their_hints_below() {
        assert_eq!(
            text(&checks(), Colour::Never),
            "ok        cluster    Kubernetes v1.34.4\n\
             fail      operator   it is scaled to 0\n          hint: scale it\n"
        );
        assert!(text(&checks(), Colour::Ansi).starts_with("\u{1b}[32mok     \u{1b}[0m   cluster"));
    }

    #[test]
    fn only_what_does_not_work_makes_the_exit_code() {
        assert_eq!(exit(&checks()), Exit::Failure);
        let harmless = [Check::warn("a", ""), Check::unknown("b", ""), Check::ok("c", "")];
        assert_eq!(exit(&harmless), Exit::Success);
        assert_eq!(value(&harmless)["ok"], true);
        assert_eq!(value(&checks())["checks"][1]["hints"][0], "scale it");
    }

    #[test]
    fn a_failure_becomes_a_check_with_its_hints() {
        let check = Check::failed("cluster", &Failure::new("no answer").hint("try"));
        assert_eq!(check, Check::fail("cluster", "no answer").hint("try"));
    }
}
