//! A shell script in place of an agent, for tests, examples and work that needs no model.
//!
//! The prompt is the script. It runs with `sh`, or with the interpreter that its first line names
//! in the way of `execve(2)`: an absolute path and at most one argument. Its exit code alone
//! decides whether it succeeded.

use crate::Agent;
use crate::event::{Event, Reader, Summary};
use crate::launch::{Credential, CredentialKind, Launch, PromptDelivery, Request};
use crate::text;

pub(crate) struct Shell;

impl Agent for Shell {
    fn name(&self) -> &'static str {
        "shell"
    }

    fn summary(&self) -> &'static str {
        "a shell script, no model"
    }

    fn program(&self) -> &'static str {
        "sh"
    }

    fn credential(&self, _: CredentialKind) -> Option<Credential> {
        None
    }

    fn launch(&self, request: &Request<'_>) -> Launch {
        Launch {
            argv: interpreter(request.prompt).unwrap_or_else(|| vec![self.program().to_owned()]),
            prompt: PromptDelivery::File,
            ..Launch::default()
        }
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(ShellReader::default())
    }

    fn needs_ending(&self) -> bool {
        false
    }
}

/// The interpreter that the first line of a script names, with its one argument if it has one.
fn interpreter(script: &str) -> Option<Vec<String>> {
    let line = script.strip_prefix("#!")?.lines().next()?.trim();
    if line.is_empty() {
        return None;
    }
    let (program, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let argument = argument.trim();
    let words = [program, argument].into_iter().filter(|word| !word.is_empty());
    Some(words.map(ToOwned::to_owned).collect())
}

#[derive(Default)]
struct ShellReader {
    summary: Summary,
}

impl Reader for ShellReader {
    /// Every line is text, and the last one that is not blank is the final message.
    fn line(&mut self, line: &str) -> Vec<Event> {
        if !line.trim().is_empty() {
            text::replace(&mut self.summary.text, line);
        }
        vec![Event::Text(line.to_owned())]
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }
}
