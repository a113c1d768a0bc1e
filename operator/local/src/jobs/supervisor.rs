//! The process that stands between the plane and one container: it outlives the plane, starts the
//! container's program at most once, forwards SIGTERM to it and writes down how it ended.
//!
//! `PROGRAM local container FOLDER CONTAINER`, with the [`Launch`] as JSON on standard input. It
//! prints one line of JSON, the [`Claim`], once the program runs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGCHLD, SIGTERM};
use signal_hook::iterator::Signals;

use super::process::{Identity, children, kill_descendants};
use super::record::{Claim, Exit, Files, Problem};

/// How long to wait for room on a full disk.
const WHILE_FULL: Duration = Duration::from_secs(1);

/// What to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// The whole environment of the program.
    pub(super) environment: BTreeMap<String, String>,
    pub(super) directory: PathBuf,
    pub(super) ends_with: EndsWith,
}

/// Which process SIGTERM is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum EndsWith {
    /// The program that was started.
    Program,
    /// Its child: bubblewrap itself dies of a signal and passes none on.
    ChildOfProgram,
}

/// Supervises one container; `arguments` are the folder and the container's name.
pub fn container_main(arguments: &[OsString]) -> ExitCode {
    let [folder, container] = arguments else {
        return ExitCode::from(2);
    };
    let Some(container) = container.to_str() else {
        return ExitCode::from(2);
    };
    match supervise(&Files::new(Path::new(folder), container)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn supervise(files: &Files) -> io::Result<()> {
    // A plane that dies while it writes leaves half a document: then nothing was claimed, and the
    // next plane starts the container.
    let mut document = Vec::new();
    io::stdin().read_to_end(&mut document)?;
    let launch: Launch = serde_json::from_slice(&document)?;
    drop(document);

    // Before the program exists, so that no signal meets the default action, which is to end.
    let mut signals = Signals::new([SIGTERM, SIGCHLD])?;
    let _ = nix::unistd::setsid();
    // What the program leaves behind becomes a child of this process, and is ended with it.
    nix::sys::prctl::set_child_subreaper(true)?;

    let claim = Claim {
        supervisor: Some(Identity::own()?),
        started_at: Timestamp::now(),
    };
    if !files.claim(&claim)? {
        return Ok(());
    }
    let exit = match start(files, &launch) {
        Ok(main) => {
            announce(&claim);
            let (exit_code, signal) = wait(main, launch.ends_with, &mut signals);
            exit(&claim, exit_code, signal, None)
        }
        Err(error) => {
            let problem = format!("failed to start `{}`: {error}", launch.program.display());
            log_line(files, &problem);
            exit(&claim, 128, None, Some(Problem::NotStarted(problem)))
        }
    };
    write_down(files, &exit)
}

/// Writes the end, as soon as that can be done: on a full disk the outcome would be lost otherwise.
/// The plane kills a supervisor that it no longer wants to wait for.
fn write_down(files: &Files, exit: &Exit) -> io::Result<()> {
    loop {
        match files.write_exit(exit) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                std::thread::sleep(WHILE_FULL);
            }
            written => return written,
        }
    }
}

fn exit(claim: &Claim, exit_code: i32, signal: Option<i32>, problem: Option<Problem>) -> Exit {
    Exit {
        exit_code,
        signal,
        started_at: claim.started_at,
        finished_at: Timestamp::now(),
        problem,
    }
}

fn start(files: &Files, launch: &Launch) -> io::Result<nix::unistd::Pid> {
    let log = open_log(files)?;
    let child = Command::new(&launch.program)
        .args(&launch.arguments)
        .env_clear()
        .envs(&launch.environment)
        .current_dir(&launch.directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    // Without this file a killed supervisor means a lost container, no more.
    if let Ok(main) = Identity::of(pid) {
        let _ = files.write_main(&main);
    }
    Ok(nix::unistd::Pid::from_raw(pid))
}

fn open_log(files: &Files) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(files.log())
}

fn log_line(files: &Files, line: &str) {
    if let Ok(mut log) = open_log(files) {
        let _ = writeln!(log, "{line}");
    }
}

/// Tells the plane, which may be gone by now, that the program runs.
fn announce(claim: &Claim) {
    if let Ok(line) = serde_json::to_string(claim) {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}

/// Waits for the program's end, then ends all that it left behind. Returns exit code and signal.
fn wait(main: nix::unistd::Pid, ends_with: EndsWith, signals: &mut Signals) -> (i32, Option<i32>) {
    let end = loop {
        if let Some(end) = reap(main) {
            break end;
        }
        if signals.wait().any(|signal| signal == SIGTERM) {
            forward(main, ends_with);
        }
    };
    if let Ok(own) = i32::try_from(std::process::id()) {
        kill_descendants(own, || {
            reap(main);
        });
    }
    end
}

fn forward(main: nix::unistd::Pid, ends_with: EndsWith) {
    let targets = match ends_with {
        EndsWith::Program => vec![main.as_raw()],
        EndsWith::ChildOfProgram => children(main.as_raw()),
    };
    for pid in targets.into_iter().filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Reaps every child that has ended; how `main` ended, if it is among them.
fn reap(main: nix::unistd::Pid) -> Option<(i32, Option<i32>)> {
    let mut end = None;
    loop {
        match waitpid(None::<nix::unistd::Pid>, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == main => end = Some((code, None)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == main => {
                end = Some((128 + signal as i32, Some(signal as i32)));
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return end,
            Err(Errno::EINTR) | Ok(_) => {}
            Err(_) => return end,
        }
    }
}
