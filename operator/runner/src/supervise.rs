//! Starts the agent, watches it until it ends or must be ended, and sees to it that nothing of it is
//! left.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::complain;
use crate::failure::{AGENT_NOT_FOUND, AGENT_NOT_STARTED, Failure, TERMINATED};
use crate::launch::Launch;
use crate::process::{self, Exit, Reaped};
use crate::stream::{self, Output, SharedWatcher, Watcher};
use crate::verdict::Stop;

/// Between SIGTERM and SIGKILL; the container has 30 s in all.
pub(crate) const GRACE: Duration = Duration::from_secs(10);
/// How long it may take until nothing of the agent is left.
const CLEARING: Duration = Duration::from_secs(10);
/// How often what is left is killed again, as it may have started more.
const AGAIN: Duration = Duration::from_millis(5);
/// How long the rest of the output may take once every process is gone.
const DRAINING: Duration = Duration::from_secs(5);

/// What happens while the agent runs.
#[derive(Debug)]
pub(crate) enum Happening {
    /// This process got a signal.
    Signal(&'static str),
    Reaped(Reaped),
    /// The setup command has ended; `None` when the system could not say how.
    SetupEnded(Option<ExitStatus>),
    /// A limit is exceeded: a sentence.
    LimitExceeded(String),
    /// The output was copied to its end.
    OutputEnded(Box<Output>),
}

/// When a run must be over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    /// The time that it had in all.
    pub(crate) whole: Duration,
}

impl Deadline {
    /// The end of a time that begins at this moment.
    pub(crate) fn after(whole: Duration) -> Option<Self> {
        let at = Instant::now().checked_add(whole)?;
        Some(Self { at, whole })
    }
}

/// How the agent ended.
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    /// Why the runner ended it; `None` when it ended by itself.
    pub(crate) stop: Option<Stop>,
    /// Where the container's log goes on; `None` when its copying did not end.
    pub(crate) output: Option<Output>,
    /// Whether no other process is left, so that nothing but the runner writes to the log.
    pub(crate) cleared: bool,
}

/// Runs the agent to its end. Afterwards no process but this one is left.
pub(crate) fn supervise(
    launch: &Launch,
    deadline: Option<Deadline>,
    watcher: Watcher,
    (sender, happenings): (&Sender<Happening>, &Receiver<Happening>),
) -> Result<(Ended, SharedWatcher), Failure> {
    // A signal that came before the start ends the run before it.
    if let Ok(Happening::Signal(name)) = happenings.try_recv() {
        return Err(Failure::new(
            TERMINATED,
            format!("the container got {name} before the agent was started"),
        ));
    }
    let output = Output::standard()
        .map_err(|error| Failure::io(AGENT_NOT_STARTED, "take over standard output", &error))?;
    let keeps_errors = watcher.keeps_errors();
    let watcher = Arc::new(Mutex::new(watcher));
    let mut command = command(launch);
    if keeps_errors {
        command.stderr(Stdio::piped());
    }
    let mut child = command.spawn().map_err(|error| not_started(launch, &error))?;
    let agent = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    if let (Some(stdin), Some(input)) = (child.stdin.take(), &launch.input) {
        feed(stdin, input.clone());
    }
    let errors = child.stderr.take().map(|stderr| {
        let watcher = Arc::clone(&watcher);
        thread::spawn(move || stream::copy_errors(stderr, &watcher))
    });
    if let Some(stdout) = child.stdout.take() {
        let (sender, watcher) = (sender.clone(), Arc::clone(&watcher));
        thread::spawn(move || {
            let mut output = Box::new(output);
            stream::copy(stdout, &mut output, &watcher, |sentence| {
                let _ = sender.send(Happening::LimitExceeded(sentence));
            });
            if let Some(errors) = errors {
                let _ = errors.join();
            }
            let _ = sender.send(Happening::OutputEnded(output));
        });
    }
    let reaper = sender.clone();
    process::reap(agent, move |reaped| {
        let _ = reaper.send(Happening::Reaped(reaped));
    });
    let mut watch = Watch {
        agent,
        deadline,
        stop: None,
        kill_at: None,
        output: None,
        cleared: false,
    };
    let exit = watch.until_exit(happenings);
    watch.clear(happenings);
    let ended = Ended {
        exit,
        stop: watch.stop,
        output: watch.output,
        cleared: watch.cleared,
    };
    Ok((ended, watcher))
}

fn command(launch: &Launch) -> Command {
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.arguments)
        .env_clear()
        .envs(launch.environment.iter())
        .current_dir(&launch.directory)
        .stdin(if launch.input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .process_group(0);
    command
}

fn not_started(launch: &Launch, error: &io::Error) -> Failure {
    let reason = if error.kind() == io::ErrorKind::NotFound {
        AGENT_NOT_FOUND
    } else {
        AGENT_NOT_STARTED
    };
    Failure::io(
        reason,
        format_args!(
            "start `{}` in `{}`",
            launch.program.display(),
            launch.directory.display()
        ),
        error,
    )
}

/// Writes the prompt on a thread of its own: an agent may read it late, or not at all.
fn feed(mut stdin: ChildStdin, input: String) {
    thread::spawn(move || {
        let _ = stdin.write_all(input.as_bytes());
    });
}

struct Watch {
    agent: Pid,
    deadline: Option<Deadline>,
    stop: Option<Stop>,
    kill_at: Option<Instant>,
    output: Option<Output>,
    cleared: bool,
}

impl Watch {
    /// Waits until the agent itself has ended, and ends it when it must be ended.
    fn until_exit(&mut self, happenings: &Receiver<Happening>) -> Exit {
        loop {
            let happening = match self.next_moment() {
                Some(moment) => happenings.recv_timeout(moment.saturating_duration_since(Instant::now())),
                None => happenings.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match happening {
                Ok(Happening::Reaped(Reaped::Awaited(exit))) => return exit,
                Ok(Happening::Signal(name)) => self.end(Stop::Signal(name)),
                Ok(Happening::LimitExceeded(sentence)) => self.end(Stop::Limit(sentence)),
                Ok(other) => self.note(other),
                Err(RecvTimeoutError::Timeout) => self.time_is_over(),
                Err(RecvTimeoutError::Disconnected) => return Exit::Signal(None),
            }
        }
    }

    /// When to look up next: the timeout, then the end of the grace.
    fn next_moment(&self) -> Option<Instant> {
        match self.stop {
            None => self.deadline.map(|deadline| deadline.at),
            Some(_) => self.kill_at,
        }
    }

    fn time_is_over(&mut self) {
        if let (None, Some(deadline)) = (&self.stop, self.deadline) {
            self.end(Stop::Timeout(deadline.whole));
        } else {
            self.kill_at = None;
            process::kill_group(self.agent);
        }
    }

    /// Asks the agent's process group to end; the first reason to do so is the one that counts.
    fn end(&mut self, stop: Stop) {
        if self.stop.is_some() {
            return;
        }
        self.stop = Some(stop);
        self.kill_at = Some(Instant::now() + GRACE);
        process::ask_to_end(self.agent);
    }

    fn note(&mut self, happening: Happening) {
        match happening {
            Happening::OutputEnded(output) => self.output = Some(*output),
            Happening::Reaped(Reaped::Everything) => self.cleared = true,
            // The stream may be behind the agent's end: whether a limit was exceeded must not depend
            // on which of the two is noticed first.
            Happening::LimitExceeded(sentence) => {
                self.stop = self.stop.take().or(Some(Stop::Limit(sentence)));
            }
            _ => {}
        }
    }

    /// Kills what the agent left behind until nothing is left, and takes the rest of the output.
    fn clear(&mut self, happenings: &Receiver<Happening>) {
        let until = Instant::now() + CLEARING;
        while !self.cleared && Instant::now() < until {
            process::kill_everything(self.agent);
            if let Ok(happening) = happenings.recv_timeout(AGAIN) {
                self.note(happening);
            }
        }
        if !self.cleared {
            complain("axon: a process of the agent cannot be killed");
        }
        let until = Instant::now() + DRAINING;
        while self.output.is_none() {
            match happenings.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(happening) => self.note(happening),
                Err(_) => break,
            }
        }
    }
}
