//! A shell script in place of an agent, for tests, examples and work that needs no model.
//!
//! The prompt is the script. It runs with `sh`, or with the interpreter that its first line names
//! in the way of `execve(2)`: an absolute path and at most one argument. Its exit code alone
//! decides whether it succeeded.
//!
//! A script has no form of its own for instructions, plugins and MCP servers: it finds them by the
//! variables that the entrypoint of a custom image has (`AXON_AGENTS_MD_FILE`, `AXON_PLUGIN_DIR`,
//! `AXON_MCP_SERVERS_FILE`).

use crate::Agent;
use crate::event::{Event, Reader, Summary};
use crate::launch::{Credential, CredentialKind, Launch, PromptDelivery, Request};
use crate::setup::SetupForm;
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

    fn setup_form(&self) -> SetupForm {
        SetupForm::Variables
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_script_runs_with_the_interpreter_of_its_first_line() {
        let cases: &[(&str, &[&str])] = &[
            ("echo hi", &["sh"]),
            ("#!/bin/bash\necho hi", &["/bin/bash"]),
            ("#! /bin/bash -eu \r\necho hi", &["/bin/bash", "-eu"]),
            (
                "#!/usr/bin/env -S python3 -u\n",
                &["/usr/bin/env", "-S python3 -u"],
            ),
            ("#!\necho hi", &["sh"]),
            ("#!", &["sh"]),
            (" #!/bin/bash", &["sh"]),
            ("", &["sh"]),
        ];
        for (prompt, argv) in cases {
            let launch = Shell.launch(&Request {
                prompt,
                model: Some("m"),
                effort: None,
                home: "/home/agent",
                setup: &crate::setup::Setup::default(),
                variable: &|_| None,
            });
            assert_eq!(launch.argv, *argv, "{prompt:?}");
            assert_eq!(launch.prompt, PromptDelivery::File);
        }
    }

    #[test]
    fn every_line_is_shown_and_the_last_one_is_the_message() {
        let (events, summary) = testing::read(&Shell, "one\n{\"type\":\"result\"}\ntwo\n\n");
        let text = |line: &str| Event::Text(line.to_owned());
        let expected = [text("one"), text("{\"type\":\"result\"}"), text("two"), text("")];
        assert_eq!(events, expected);
        assert_eq!(summary.text, "two");
        assert_eq!(summary.ending, None);
        assert!(!Shell.needs_ending());
    }

    #[test]
    fn no_credential_is_wanted() {
        for kind in [CredentialKind::ApiKey, CredentialKind::OAuth] {
            assert_eq!(Shell.credential(kind), None);
        }
    }
}
