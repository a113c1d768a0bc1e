//! Processes of this machine: who they are, what descends from them, how they are watched and ended.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A process that cannot be taken for a later one of the same number: its start time, in clock
/// ticks since the boot that is named, tells them apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity {
    pub(crate) pid: i32,
    start_ticks: u64,
    boot: String,
}

impl Identity {
    /// The process that has this number at the moment.
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        Ok(Self {
            pid,
            start_ticks: Stat::read(pid)?.start_ticks,
            boot: boot_id()?,
        })
    }

    /// The process that asks.
    pub(crate) fn own() -> io::Result<Self> {
        let pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
        Self::of(pid)
    }

    /// Whether the very same process still runs; one that ended and waits to be reaped does not.
    pub(crate) fn is_alive(&self) -> bool {
        let Ok(stat) = Stat::read(self.pid) else {
            return false;
        };
        stat.start_ticks == self.start_ticks
            && !matches!(stat.state, 'Z' | 'X')
            && boot_id().is_ok_and(|boot| boot == self.boot)
    }

    /// Returns when the process has ended.
    pub(crate) async fn ended(&self) -> io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(());
        };
        let descriptor = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(descriptor) => descriptor,
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        // The descriptor stands for whoever has the number: only after this look is it surely ours.
        if !self.is_alive() {
            return Ok(());
        }
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for owners that change their descriptor; `OwnedFd` does not"
        )]
        let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE)?;
        let _ready = descriptor.readable().await?;
        Ok(())
    }

    /// Sends a signal to the process, if it is still the same one.
    pub(crate) fn signal(&self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return;
        };
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        if self.is_alive() {
            // A process that ended meanwhile has what the signal was for.
            let _ = pidfd_send_signal(descriptor, signal);
        }
    }
}

/// What Axon needs of `/proc/PID/stat` (proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    parent: i32,
    start_ticks: u64,
}

impl Stat {
    fn read(pid: i32) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&String::from_utf8_lossy(&text)).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("`/proc/{pid}/stat` is not understood"),
            )
        })
    }

    /// The second field is the program's name in parentheses, which may hold spaces and
    /// parentheses itself: the rest begins after the last one.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// The children of a process.
pub(crate) fn children(of: i32) -> Vec<i32> {
    all()
        .into_iter()
        .filter(|(_, parent)| *parent == of)
        .map(|(pid, _)| pid)
        .collect()
}

/// All that descends from a process, without itself.
pub(crate) fn descendants(of: i32) -> Vec<i32> {
    let mut by_parent: HashMap<i32, Vec<i32>> = HashMap::new();
    for (pid, parent) in all() {
        by_parent.entry(parent).or_default().push(pid);
    }
    let mut found = Vec::new();
    let mut seen = HashSet::from([of]);
    let mut open = vec![of];
    while let Some(parent) = open.pop() {
        for child in by_parent.remove(&parent).unwrap_or_default() {
            if seen.insert(child) {
                found.push(child);
                open.push(child);
            }
        }
    }
    found
}

/// Every process that has not ended, with its parent.
fn all() -> Vec<(i32, i32)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| {
            let stat = Stat::read(pid).ok()?;
            (!matches!(stat.state, 'Z' | 'X')).then_some((pid, stat.parent))
        })
        .collect()
}

/// How long the killed may take to be gone; a process in an uninterruptible wait can take longer.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Kills all that descends from a process, and what they start meanwhile, but not itself.
/// `reap` is called between two looks.
pub(crate) fn kill_descendants(of: i32, mut reap: impl FnMut()) {
    let deadline = Instant::now() + KILL_PATIENCE;
    loop {
        let alive = descendants(of);
        if alive.is_empty() || Instant::now() > deadline {
            return;
        }
        for pid in alive.into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
        reap();
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_parentheses_and_spaces_in_its_name() {
        let line = "77 (a) b (c)) S 12 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 2 3";
        assert_eq!(
            Stat::parse(line),
            Some(Stat {
                state: 'S',
                parent: 12,
                start_ticks: 4711
            })
        );
        assert_eq!(Stat::parse("77 (a) S 12"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn the_process_that_asks_is_alive_and_a_later_one_of_its_number_is_another() {
        let own = Identity::own().expect("own process");
        assert!(own.is_alive());
        let later = Identity {
            start_ticks: own.start_ticks + 1,
            ..own.clone()
        };
        assert!(!later.is_alive());
        let before_the_reboot = Identity {
            boot: "another".to_owned(),
            ..own
        };
        assert!(!before_the_reboot.is_alive());
    }

    #[tokio::test]
    async fn the_end_of_a_process_is_seen_and_its_descendants_are_killed() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 600 & sleep 600"])
            .spawn()
            .expect("sh starts");
        let pid = i32::try_from(child.id()).expect("a process number");
        let identity = Identity::of(pid).expect("alive");
        while descendants(pid).is_empty() {
            std::thread::yield_now();
        }
        assert!(children(pid).len() <= 2);
        kill_descendants(pid, || {});
        identity.signal(Signal::KILL);
        identity.ended().await.expect("watched");
        child.wait().expect("reaped");
        assert!(!identity.is_alive());
    }
}
