//! The runner as the guardian of all processes of the container: signals to groups, reaping, and
//! the end of everything that the agent left behind.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::thread;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use crate::failure::{Failure, SETUP_FAILED};

/// How the agent's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    /// Killed by this signal; `None` when the system could not say which.
    Signal(Option<Signal>),
}

impl Exit {
    /// The code as a shell would give it.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal.map_or(0, |signal| signal as i32),
        }
    }
}

/// Closes this process's memory, variables and open files to other processes of the same user.
/// Programs that it starts are open again.
pub(crate) fn become_undumpable() -> Result<(), Failure> {
    prctl::set_dumpable(false).map_err(|errno| Failure::io(SETUP_FAILED, "become undumpable", &errno.into()))
}

/// Makes every orphan below this process its child, which process 1 has by nature.
pub(crate) fn become_subreaper() -> Result<(), Failure> {
    prctl::set_child_subreaper(true)
        .map_err(|errno| Failure::io(SETUP_FAILED, "become the reaper of orphans", &errno.into()))
}

/// What the reaper tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaped {
    /// The awaited process ended.
    Awaited(Exit),
    /// No child is left, and so no process below this one.
    Everything,
}

/// Reaps every child until none is left, on a thread of its own. From then on until
/// [`Reaped::Everything`] no other child may be waited for.
pub(crate) fn reap(awaited: Pid, told: impl Fn(Reaped) + Send + 'static) {
    thread::spawn(move || {
        let mut alive = true;
        loop {
            let exit = match waitpid(None, None) {
                Ok(WaitStatus::Exited(pid, code)) if pid == awaited => Exit::Code(code),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == awaited => Exit::Signal(Some(signal)),
                Err(Errno::ECHILD) => break,
                // A real-time signal, which has no name, killed a child. It is reaped; whether it
                // was the awaited one shows when that one is gone.
                Err(Errno::EINVAL) if alive && kill(awaited, None).is_err() => Exit::Signal(None),
                _ => continue,
            };
            alive = false;
            told(Reaped::Awaited(exit));
        }
        if alive {
            told(Reaped::Awaited(Exit::Signal(None)));
        }
        told(Reaped::Everything);
    });
}

/// Asks all processes of the agent's group to end, or the agent alone when it has left its group.
pub(crate) fn ask_to_end(agent: Pid) {
    if killpg(agent, Signal::SIGTERM).is_err() {
        let _ = kill(agent, Signal::SIGTERM);
    }
}

/// Kills the agent and all processes of its group.
pub(crate) fn kill_group(agent: Pid) {
    let _ = killpg(agent, Signal::SIGKILL);
    let _ = kill(agent, Signal::SIGKILL);
}

/// Whether there is any process below this one that has not ended.
pub(crate) fn has_descendants() -> bool {
    // What has ended and was not waited for has no memory any more, and so no program.
    descendants(getpid(), &parents().unwrap_or_default())
        .iter()
        .any(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok())
}

/// Kills every process below this one once. What is started meanwhile is met by the next call.
pub(crate) fn kill_everything(group: Pid) {
    if getpid() == Pid::from_raw(1) {
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        return;
    }
    let _ = killpg(group, Signal::SIGKILL);
    for pid in descendants(getpid(), &parents().unwrap_or_default()) {
        let _ = kill(pid, Signal::SIGKILL);
    }
}

/// The parent of each process that `/proc` shows.
fn parents() -> io::Result<HashMap<i32, i32>> {
    let mut parents = HashMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let parent = fs::read(entry.path().join("stat"))
            .ok()
            .and_then(|stat| parent(&stat));
        if let Some(parent) = parent {
            parents.insert(pid, parent);
        }
    }
    Ok(parents)
}

/// The fourth field of `/proc/PID/stat` (proc(5)). The second is a name that may hold anything, in
/// parentheses.
fn parent(stat: &[u8]) -> Option<i32> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn descendants(root: Pid, parents: &HashMap<i32, i32>) -> Vec<Pid> {
    let root = root.as_raw();
    let below = |start: i32| {
        let mut pid = start;
        // A chain cannot be longer than there are processes; a stale table could hold a circle.
        for _ in 0..=parents.len() {
            match parents.get(&pid) {
                Some(parent) if *parent == root => return true,
                Some(parent) => pid = *parent,
                None => return false,
            }
        }
        false
    };
    parents
        .keys()
        .filter(|pid| below(**pid))
        .map(|pid| Pid::from_raw(*pid))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_read_whatever_the_name_holds() {
        assert_eq!(parent(b"7 (a) b (c)) S 3 7 7 0"), Some(3));
        assert_eq!(parent(b"7 (sh) R"), None);
        assert_eq!(parent(b""), None);
    }

    #[test]
    fn descendants_are_found_through_any_number_of_generations() {
        let parents = HashMap::from([(1, 0), (2, 1), (3, 2), (4, 3), (5, 1), (6, 6)]);
        let mut found: Vec<i32> = descendants(Pid::from_raw(2), &parents)
            .iter()
            .map(|pid| pid.as_raw())
            .collect();
        found.sort_unstable();
        assert_eq!(found, [3, 4]);
    }

    #[test]
    fn an_exit_has_the_code_that_a_shell_gives_it() {
        assert_eq!(Exit::Code(3).code(), 3);
        assert_eq!(Exit::Signal(Some(Signal::SIGKILL)).code(), 137);
    }
}
