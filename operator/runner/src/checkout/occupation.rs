//! How far the run of a worktree has come, and whether it lives.
//!
//! Beside each worktree stands a file with one word, and its run holds a lock on that file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use super::Layout;
use crate::failure::{Failure, SETUP_FAILED};

/// How often a lock that another run holds is tried again.
pub(super) const AGAIN: Duration = Duration::from_millis(100);
/// How long a run waits for the lock of its own worktree.
const MOMENT: Duration = Duration::from_secs(2);
/// How long a worktree is kept whose run has not succeeded, or was never heard of again.
const KEPT: Duration = Duration::from_hours(24);

/// How far the run of a worktree has come, as its file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is made, and the agent has not started.
    Prepared,
    /// The agent was started.
    Running,
    /// The run has ended, and its Task may run again.
    Ended,
    /// The run has succeeded.
    Succeeded,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Prepared, Self::Running, Self::Ended, Self::Succeeded];

    fn word(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Running => "running",
            Self::Ended => "ended",
            Self::Succeeded => "succeeded",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.word() == text.trim())
    }
}

/// Whether a worktree that no run holds may go, `age` after its file was written.
pub(super) fn is_stale(stage: Option<Stage>, age: Option<Duration>) -> bool {
    match stage {
        Some(Stage::Succeeded) => true,
        // The container of a prepared worktree may be about to start, and a failed run may be
        // tried again.
        _ => age.is_some_and(|age| age > KEPT),
    }
}

/// The file beside a worktree.
pub(super) fn marker(worktree: &Path) -> PathBuf {
    let name = worktree.file_name().unwrap_or_default().to_string_lossy();
    worktree.with_file_name(format!("{name}.run"))
}

/// A run's hold of its worktree.
pub(crate) struct Occupation(Flock<File>);

impl Occupation {
    /// Takes hold of the worktree of `layout` for the run that begins.
    pub(crate) fn begin(layout: &Layout) -> Result<Self, Failure> {
        let path = marker(&layout.directory);
        let failed = |error: &io::Error| {
            Failure::io(
                SETUP_FAILED,
                format_args!("take hold of the worktree by `{}`", path.display()),
                error,
            )
        };
        // Another run looks for a moment whether the worktree is held.
        let until = Instant::now() + MOMENT;
        let lock = loop {
            let file = open_lock(&path).map_err(|error| failed(&error))?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => break lock,
                Err((_, Errno::EWOULDBLOCK)) if Instant::now() < until => thread::sleep(AGAIN),
                Err((_, errno)) => return Err(failed(&errno.into())),
            }
        };
        let mut occupation = Self(lock);
        occupation.note(Stage::Running);
        Ok(occupation)
    }

    /// Notes how far the run has come.
    pub(crate) fn note(&mut self, stage: Stage) {
        // On a full disk the file keeps the word before, and the worktree stays a day longer.
        let _ = write_stage(&mut self.0, stage);
    }

    /// The run is over.
    pub(crate) fn end(mut self, succeeded: bool) {
        self.note(if succeeded { Stage::Succeeded } else { Stage::Ended });
    }
}

pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o666)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
        .open(path)
}

pub(super) fn write_stage(file: &mut File, stage: Stage) -> io::Result<()> {
    file.write_all_at(stage.word().as_bytes(), 0)?;
    let length = u64::try_from(stage.word().len()).unwrap_or_default();
    file.set_len(length)?;
    file.flush()
}

pub(super) fn read_stage(file: &mut File) -> Option<Stage> {
    let mut text = String::new();
    file.take(64).read_to_string(&mut text).ok()?;
    Stage::read(&text)
}

/// Whether a run holds the lock of its worktree.
pub(super) fn is_held(marker: &Path) -> bool {
    // Network file systems lock for oneself only what is open for writing.
    match OpenOptions::new().read(true).write(true).open(marker) {
        Ok(file) => Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_what_is_over_is_stale() {
        let (hour, week) = (Duration::from_hours(1), Duration::from_hours(7 * 24));
        for (stage, age, stale) in [
            (Some(Stage::Succeeded), Some(Duration::ZERO), true),
            (Some(Stage::Succeeded), None, true),
            (Some(Stage::Ended), Some(hour), false),
            (Some(Stage::Ended), Some(week), true),
            (Some(Stage::Prepared), Some(hour), false),
            (Some(Stage::Prepared), Some(week), true),
            (Some(Stage::Running), Some(hour), false),
            (Some(Stage::Running), Some(week), true),
            (None, Some(hour), false),
            (None, None, false),
        ] {
            assert_eq!(is_stale(stage, age), stale, "{stage:?} {age:?}");
        }
    }

    #[test]
    fn a_stage_is_read_as_it_was_written() {
        for stage in Stage::ALL {
            assert_eq!(Stage::read(stage.word()), Some(stage));
        }
        assert_eq!(Stage::read(""), None);
    }

    #[test]
    fn the_worktree_of_a_run_is_held_until_it_ends() {
        let root = tempfile::tempdir().expect("a directory");
        let layout = Layout {
            directory: root.path().join("worktrees/a"),
            git_dir: root.path().join("clone/worktrees/a"),
            common: root.path().join("clone"),
        };
        fs::create_dir(root.path().join("worktrees")).expect("made");
        let marker = marker(&layout.directory);
        assert!(!is_held(&marker));
        let occupation = Occupation::begin(&layout).expect("held");
        assert!(is_held(&marker));
        assert!(Occupation::begin(&layout).is_err(), "by one run only");
        occupation.end(true);
        assert!(!is_held(&marker));
        assert_eq!(fs::read_to_string(&marker).expect("read"), "succeeded");
    }
}
