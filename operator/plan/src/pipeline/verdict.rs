//! Whether a run of a step has done what the step is for.

use axon_api::kinds::task::Phase;

use super::kept::KeptRun;
use super::pull_request;
use super::steps::{Known, Recipe};

/// What the last line of an agent's text says when the step has passed; the other way round it is
/// [`FAIL`].
pub(crate) const PASS: &str = "AXON-RESULT: pass";
pub(crate) const FAIL: &str = "AXON-RESULT: fail";

/// What is made of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed {
        /// Why, as a sentence without a full stop.
        sentence: String,
        /// Whether the step was at work at all: what never began says nothing about the steps
        /// before.
        began: bool,
    },
    /// A person has cancelled the Task.
    Cancelled,
}

/// What is made of a run of this step.
pub(crate) fn judge(recipe: &Recipe<'_>, task: &str, run: &KeptRun) -> Verdict {
    let failed = |sentence: String| Verdict::Failed {
        sentence,
        began: run.started,
    };
    match run.phase {
        Some(Phase::Succeeded) => {}
        Some(Phase::Cancelled) => return Verdict::Cancelled,
        Some(phase) => {
            let about = if run.message.is_empty() {
                "without a message"
            } else {
                &run.message
            };
            return failed(format!("Task `{task}` is {phase}: {about}"));
        }
        None => return failed(run.message.clone()),
    }
    if recipe.is_shell {
        return Verdict::Passed;
    }
    if recipe.judges {
        match last_words(&run.text) {
            Some(true) => {}
            Some(false) => return failed(format!("the agent of Task `{task}` reported `{FAIL}`")),
            None => {
                let lost = run.text_lost.as_deref();
                let because = lost.map_or_else(String::new, |why| format!("; its text was lost: {why}"));
                return failed(format!(
                    "the agent of Task `{task}` did not end with `{PASS}` or `{FAIL}`{because}"
                ));
            }
        }
    }
    let opens = recipe.known == Some(Known::PullRequest);
    if opens && pull_request::told(run).is_none() && pull_request::named_in(&run.text).is_none() {
        return failed(format!("Task `{task}` ended without a pull request"));
    }
    Verdict::Passed
}

/// What the last line says that has more than marks of its layout; `None` when that is neither.
fn last_words(text: &str) -> Option<bool> {
    let is_mark = |character: char| character.is_whitespace() || "*_`#>~.".contains(character);
    let line = text
        .lines()
        .map(|line| line.trim_matches(is_mark))
        .rfind(|line| !line.is_empty())?;
    let is = |words: &str| line.eq_ignore_ascii_case(words);
    if is(PASS) {
        Some(true)
    } else if is(FAIL) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_line_decides() {
        for (text, verdict) in [
            ("All good.\nAXON-RESULT: pass\n", Some(true)),
            ("**AXON-RESULT: fail**\n\n", Some(false)),
            ("```\naxon-result: PASS\n```\n", Some(true)),
            ("AXON-RESULT: pass\nbut two tests fail", None),
            ("I will end with AXON-RESULT: pass", None),
            ("AXON-RESULT: passed", None),
            ("", None),
            ("\n\n***\n", None),
        ] {
            assert_eq!(last_words(text), verdict, "{text:?}");
        }
    }
}
