//! The setup command of the workspace: run in the checkout, with the agent's environment, before
//! the agent.
//!
//! What it leaves running, such as a database for tests, runs beside the agent and ends with it.

use std::io::{self, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::failure::{Failure, SETUP_COMMAND_FAILED, SETUP_FAILED, TERMINATED, TIMEOUT};
use crate::launch::Launch;
use crate::process::{self, Exit};
use crate::say;
use crate::stream::{Lines, Output};
use crate::supervise::{Deadline, GRACE, Happening};
use crate::verdict;

/// How long the output may stay open once the command has ended: something that it left running
/// may hold it for good.
const DRAINING: Duration = Duration::from_secs(1);
/// How long what a failed command left behind may take to be gone.
const CLEARING: Duration = Duration::from_secs(5);
/// Of the last line this much is told.
const MAX_LINE: usize = 1000;

/// The output of a setup command that has succeeded.
pub(crate) struct Rest(Receiver<String>);

impl Rest {
    /// Waits until all of it is in the log, once every process is gone.
    pub(crate) fn finish(self) {
        let _ = self.0.recv_timeout(DRAINING);
    }
}

/// Runs `command` to its end.
pub(crate) fn run(
    command: &[String],
    launch: &Launch,
    deadline: Option<&Deadline>,
    (sender, happenings): (&Sender<Happening>, &Receiver<Happening>),
) -> Result<Option<Rest>, Failure> {
    let Some((name, arguments)) = command.split_first() else {
        return Ok(None);
    };
    say(&format!("Running the setup command {name}"));
    let (mut child, output) = start(name, arguments, launch)?;
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let ended = sender.clone();
    thread::spawn(move || {
        let _ = ended.send(Happening::SetupEnded(child.wait().ok()));
    });
    let mut stopped: Option<Failure> = None;
    let mut next = deadline.map(|deadline| deadline.at);
    let status = loop {
        let happening = match next {
            Some(moment) => happenings.recv_timeout(moment.saturating_duration_since(Instant::now())),
            None => happenings.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let stop = match happening {
            Ok(Happening::SetupEnded(status)) => break status,
            Ok(Happening::Signal(name)) => Failure::new(
                TERMINATED,
                format!("the setup command was ended because its container got {name}"),
            ),
            Ok(_) => continue,
            Err(RecvTimeoutError::Timeout) if stopped.is_some() => {
                process::kill_group(group);
                next = None;
                continue;
            }
            Err(RecvTimeoutError::Timeout) => Failure::new(
                TIMEOUT,
                format!(
                    "the setup command was ended after the timeout of {}",
                    deadline.map_or_else(String::new, |deadline| verdict::spell(deadline.whole))
                ),
            ),
            Err(RecvTimeoutError::Disconnected) => break None,
        };
        if stopped.is_none() {
            stopped = Some(stop);
            next = Some(Instant::now() + GRACE);
            process::ask_to_end(group);
        }
    };
    let succeeded = stopped.is_none() && status.is_some_and(|status| status.success());
    if !succeeded {
        clear(group);
    }
    let last_line = output.recv_timeout(DRAINING);
    match stopped {
        Some(failure) => Err(failure),
        None if succeeded => Ok(last_line.is_err().then_some(Rest(output))),
        None => Err(failed(name, status, &last_line.unwrap_or_default())),
    }
}

fn start(name: &str, arguments: &[String], launch: &Launch) -> Result<(Child, Receiver<String>), Failure> {
    let not_made = |error: &io::Error| Failure::io(SETUP_FAILED, "make a pipe", error);
    let program = launch.environment.find_program(name);
    let program = program.ok_or_else(|| {
        Failure::new(
            SETUP_COMMAND_FAILED,
            format!(
                "failed to start the setup command: there is no program `{name}` in the image\nhint: `setupCommand` of \
                 the workspace names a program and its arguments; what only a shell understands is for [\"sh\", \
                 \"-c\", \"...\"]"
            ),
        )
    })?;
    let (mut reader, writer) = io::pipe().map_err(|error| not_made(&error))?;
    let errors = writer.try_clone().map_err(|error| not_made(&error))?;
    let mut log = Output::standard().map_err(|error| not_made(&error))?;
    let child = Command::new(&program)
        .args(arguments)
        .env_clear()
        .envs(launch.environment.iter())
        .current_dir(&launch.directory)
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(|error| {
            Failure::io(
                SETUP_COMMAND_FAILED,
                format_args!(
                    "start the setup command `{name}` in `{}`",
                    launch.directory.display()
                ),
                &error,
            )
        })?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut last = String::new();
        let mut keep = |line: &str| {
            if !line.trim().is_empty() {
                last = line.trim().chars().take(MAX_LINE).collect();
            }
        };
        let mut lines = Lines::default();
        let mut buffer = vec![0_u8; 64 * 1024];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            let bytes = buffer.get(..count).unwrap_or_default();
            log.write(bytes);
            lines.feed(bytes, &mut keep);
        }
        lines.finish(&mut keep);
        log.end_line();
        let _ = sender.send(last);
    });
    Ok((child, receiver))
}

/// Kills what a command that has failed left behind.
fn clear(group: Pid) {
    let until = Instant::now() + CLEARING;
    while process::has_descendants() && Instant::now() < until {
        process::kill_everything(group);
        thread::sleep(Duration::from_millis(5));
    }
}

fn failed(name: &str, status: Option<ExitStatus>, last_line: &str) -> Failure {
    let exit = status.map_or(Exit::Signal(None), |status| match status.code() {
        Some(code) => Exit::Code(code),
        None => Exit::Signal(status.signal().and_then(|signal| Signal::try_from(signal).ok())),
    });
    let how = match exit {
        Exit::Code(code) => format!("exited {code}"),
        Exit::Signal(Some(signal)) => format!("was killed by {}", signal.as_str()),
        Exit::Signal(None) => "was killed by a signal".to_owned(),
    };
    let said = if last_line.is_empty() {
        String::new()
    } else {
        format!(": {last_line}")
    };
    Failure::new(
        SETUP_COMMAND_FAILED,
        format!("the setup command `{name}` {how}{said}"),
    )
    .with_exit_code(exit.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_told_with_its_exit_code_and_its_last_line() {
        let failure = failed("make", Some(ExitStatus::from_raw(2 << 8)), "no rule");
        assert_eq!(failure.message, "the setup command `make` exited 2: no rule");
        assert_eq!(failure.exit_code, Some(2));
        let killed = failed("make", Some(ExitStatus::from_raw(9)), "");
        assert_eq!(killed.message, "the setup command `make` was killed by SIGKILL");
        assert_eq!(killed.exit_code, Some(137));
    }
}
