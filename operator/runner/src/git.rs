//! Runs git, and other programs whose answer is short, without the settings of anybody else.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::environment::Environment;
use crate::failure::{Failure, SETUP_FAILED};
use crate::private_directory::PrivateDirectory;
use crate::signals::Interruption;
use crate::url::RepositoryUrl;

/// Of each stream of a program this much is kept; the rest is read and forgotten.
const MAX_OUTPUT: usize = 32 * 1024 * 1024;

/// How often a wait looks whether this process was told to end.
const LOOK: Duration = Duration::from_millis(50);

/// Variables of git that say how a server is reached, and so stay; all the others would change what
/// git does or where.
const KEPT_GIT_VARIABLES: &[&str] = &["GIT_SSL_", "GIT_SSH", "GIT_HTTP_", "GIT_PROXY_"];

/// How long a program may take.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    /// The end of it; `None` waits for as long as it takes.
    pub(crate) until: Option<Instant>,
    /// What is left of it once this process was told to end.
    pub(crate) after_interruption: Duration,
    pub(crate) interruption: Interruption,
}

/// What a program said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Answer {
    pub(crate) fn ok(&self) -> bool {
        self.status.success()
    }
}

/// git, with an environment of the runner's own.
#[derive(Clone, Debug)]
pub(crate) struct Git {
    program: PathBuf,
    environment: Environment,
    patience: Patience,
}

impl Git {
    /// git for one repository: `program` with a home and a global configuration in `directory`,
    /// without the system's configuration, hooks, prompts or translated messages.
    pub(crate) fn new(
        program: PathBuf,
        environment: &Environment,
        directory: &PrivateDirectory,
        repo: &str,
        patience: Patience,
    ) -> Result<Self, Failure> {
        let mut environment = environment.clone();
        environment.retain(|name| {
            !name.starts_with("GIT_") || KEPT_GIT_VARIABLES.iter().any(|kept| name.starts_with(kept))
        });
        for name in ["SSH_ASKPASS", "XDG_CONFIG_HOME", "LANGUAGE"] {
            environment.remove(name);
        }
        // A repository of another user is refused by git, also by the process that serves a file
        // URL, and that process sees files of configuration only.
        let safe = safe_directories(repo, None);
        let global = directory.write("home/.gitconfig", &safe, 0o600)?;
        if let Some(home) = global.parent() {
            environment.set("HOME", home);
        }
        environment.set("GIT_CONFIG_GLOBAL", &global);
        environment.set("GIT_CONFIG_NOSYSTEM", "1");
        environment.set("GIT_TERMINAL_PROMPT", "0");
        environment.set("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh");
        environment.set("LC_ALL", "C");
        if environment.get("GIT_SSH_COMMAND").is_none() && environment.get("GIT_SSH").is_none() {
            environment.set("GIT_SSH_COMMAND", "ssh -o BatchMode=yes");
        }
        environment.add_git_settings(&[
            ("core.hooksPath", "/dev/null"),
            ("core.fsmonitor", "false"),
            ("core.askPass", ""),
            ("init.defaultBranch", "main"),
            ("advice.detachedHead", "false"),
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
            // A server that sends less than a byte a second for five minutes has gone.
            ("http.lowSpeedLimit", "1"),
            ("http.lowSpeedTime", "300"),
        ]);
        Ok(Self {
            program,
            environment,
            patience,
        })
    }

    pub(crate) fn add_settings<K: AsRef<str>, V: AsRef<str>>(&mut self, settings: &[(K, V)]) {
        self.environment.add_git_settings(settings);
    }

    pub(crate) fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.environment.set(name, value.as_ref());
    }

    /// The same git with one more variable.
    pub(crate) fn with(&self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let mut git = self.clone();
        git.set(name, value);
        git
    }

    /// Runs git in `directory` and waits for its answer.
    pub(crate) fn run(&self, directory: &Path, arguments: &[&str]) -> io::Result<Answer> {
        self.run_with_input(directory, arguments, None)
    }

    /// The same with something on its standard input.
    pub(crate) fn run_with_input(
        &self,
        directory: &Path,
        arguments: &[&str],
        input: Option<String>,
    ) -> io::Result<Answer> {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(directory);
        ask_with_input(command, &self.environment, &self.patience, input)
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }
}

/// The lines of a configuration file that make git trust the repository of a file URL and a
/// checkout, whoever owns them.
pub(crate) fn safe_directories(repo: &str, checkout: Option<&Path>) -> String {
    let remote = RepositoryUrl::parse(repo).directory;
    let mut text = String::from("[safe]\n");
    let checkout = checkout.map(|path| path.to_string_lossy().into_owned());
    for directory in remote
        .iter()
        .flat_map(|path| [path.clone(), format!("{path}/.git")])
        .chain(checkout)
    {
        let escaped = directory.replace('\\', r"\\").replace('"', "\\\"");
        if !escaped.contains(char::is_control) {
            let _ = writeln!(text, "\tdirectory = \"{escaped}\"");
        }
    }
    text
}

/// Runs a program with `environment` and nothing on its standard input, in a process group of its
/// own, and waits for its answer as long as `patience` allows.
pub(crate) fn ask(command: Command, environment: &Environment, patience: &Patience) -> io::Result<Answer> {
    ask_with_input(command, environment, patience, None)
}

fn ask_with_input(
    mut command: Command,
    environment: &Environment,
    patience: &Patience,
    input: Option<String>,
) -> io::Result<Answer> {
    let mut child = command
        .env_clear()
        .envs(environment.iter())
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // The program may answer before it has read all of it, or not read it at all.
        thread::spawn(move || {
            let _ = stdin.write_all(input.as_bytes());
        });
    }
    let output = collect(child.stdout.take());
    let errors = collect(child.stderr.take());
    let waited = wait_for(&output, patience).and_then(|output| {
        let errors = wait_for(&errors, patience)?;
        Ok((output, errors))
    });
    match waited {
        Ok((output, errors)) => Ok(Answer {
            status: child.wait()?,
            output,
            errors,
        }),
        Err(error) => {
            end(&mut child);
            Err(error)
        }
    }
}

fn end(child: &mut Child) {
    if let Ok(id) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads a stream to its end on a thread of its own.
fn collect(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut kept = Vec::new();
        let mut buffer = vec![0_u8; 64 * 1024];
        let mut stream = stream;
        while let Some(Ok(count @ 1..)) = stream.as_mut().map(|stream| stream.read(&mut buffer)) {
            let room = MAX_OUTPUT.saturating_sub(kept.len()).min(count);
            kept.extend(buffer.iter().take(room));
        }
        let _ = sender.send(String::from_utf8_lossy(&kept).into_owned());
    });
    receiver
}

fn wait_for(stream: &mpsc::Receiver<String>, patience: &Patience) -> io::Result<String> {
    let mut until = patience.until;
    let mut hurried = false;
    loop {
        if patience.interruption.has_come() && !hurried {
            hurried = true;
            let soon = Instant::now() + patience.after_interruption;
            until = Some(until.map_or(soon, |until| until.min(soon)));
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                if hurried {
                    "interrupted"
                } else {
                    "no answer in time"
                },
            ));
        }
        match stream.recv_timeout(left.map_or(LOOK, |left| left.min(LOOK))) {
            Ok(text) => return Ok(text),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(String::new()),
        }
    }
}

/// git's path, or why there is none.
pub(crate) fn find(environment: &Environment) -> Result<PathBuf, Failure> {
    environment.find_program("git").ok_or_else(|| {
        Failure::new(
            SETUP_FAILED,
            "the program `git` is not on the PATH of the image that prepares the checkout",
        )
    })
}

/// The line of git's messages that says most: what is fatal, with the server's own words where it
/// sent some.
pub(crate) fn telling_line(errors: &str) -> String {
    let lines: Vec<&str> = errors
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let starts = |prefix: &str| {
        lines.iter().rposition(|line| {
            line.strip_prefix(prefix)
                .is_some_and(|rest| !rest.trim().is_empty())
        })
    };
    let Some(fatal) = starts("fatal:").or_else(|| starts("error:")) else {
        return lines
            .last()
            .map_or_else(|| "git said nothing".to_owned(), |line| (*line).to_owned());
    };
    let line = lines.get(fatal).copied().unwrap_or_default();
    // ssh explains itself on the line before.
    let before = fatal.checked_sub(1).and_then(|index| lines.get(index)).copied();
    if let (true, Some(before)) = (line.contains("Could not read from remote repository"), before) {
        return format!("{line} ({before})");
    }
    match starts("remote:").and_then(|index| lines.get(index)) {
        Some(remote) => format!("{line} ({remote})"),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fatal_line_is_the_telling_one() {
        for (errors, line) in [
            ("", "git said nothing"),
            ("warning: x\nfatal: no\n\n", "fatal: no"),
            (
                "remote: Invalid token.\nfatal: Authentication failed for 'u'\n",
                "fatal: Authentication failed for 'u' (remote: Invalid token.)",
            ),
            (
                "git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\nPlease make sure",
                "fatal: Could not read from remote repository. (git@h: Permission denied (publickey).)",
            ),
            ("error: pathspec\n", "error: pathspec"),
            ("something else\n", "something else"),
        ] {
            assert_eq!(telling_line(errors), line);
        }
    }

    fn patience(until: Option<Instant>) -> Patience {
        Patience {
            until,
            after_interruption: Duration::ZERO,
            interruption: Interruption::default(),
        }
    }

    #[test]
    fn a_program_that_does_not_answer_is_ended() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 600 & wait"]);
        let until = Instant::now() + Duration::from_millis(20);
        let error =
            ask(command, &Environment::of_process(), &patience(Some(until))).expect_err("out of patience");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn an_answer_has_both_streams_and_the_status() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let answer = ask(command, &Environment::of_process(), &patience(None)).expect("an answer");
        assert_eq!(
            (
                answer.status.code(),
                answer.output.as_str(),
                answer.errors.as_str()
            ),
            (Some(3), "out\n", "err\n")
        );
    }
}
