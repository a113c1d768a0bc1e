//! A worktree of a clone that the runs of a workspace share.
//!
//! The volume holds a bare clone, a worktree for each Task, and beside each worktree a file that
//! says how far its run has come. The run holds a lock on that file for as long as it lives. One
//! run at a time changes the clone, under the clone's own lock.
//!
//! A worktree goes when its run has succeeded, because a Task that has succeeded never runs again,
//! or when its run has been over for a day. One that a run holds the lock of is never touched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use super::plain::{go_on, say_head, set_head};
use super::remote::{Remote, Start};
use super::store::{Doing, Store, init};
use super::{
    Head, Layout, Present, additions, ask_remote, commit_for, head_for, make_directory, remove, rename,
    set_aside, write_files,
};
use crate::failure::{BRANCH_IN_USE, Failure, SETUP_FAILED, TERMINATED};
use crate::head;
use crate::say;

/// How often a lock that another run holds is tried again.
const AGAIN: Duration = Duration::from_millis(100);
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

    fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.word() == text.trim())
    }
}

/// Whether a worktree that no run holds may go, `age` after its file was written.
fn is_stale(stage: Option<Stage>, age: Option<Duration>) -> bool {
    match stage {
        Some(Stage::Succeeded) => true,
        // The container of a prepared worktree may be about to start, and a failed run may be
        // tried again.
        _ => age.is_some_and(|age| age > KEPT),
    }
}

/// The file beside a worktree.
fn marker(worktree: &Path) -> PathBuf {
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

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o666)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
        .open(path)
}

fn write_stage(file: &mut File, stage: Stage) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    file.write_all_at(stage.word().as_bytes(), 0)?;
    let length = u64::try_from(stage.word().len()).unwrap_or_default();
    file.set_len(length)?;
    file.flush()
}

fn read_stage(file: &mut File) -> Option<Stage> {
    let mut text = String::new();
    file.take(64).read_to_string(&mut text).ok()?;
    Stage::read(&text)
}

/// Makes the worktree, or goes on with the one that is there.
pub(super) fn make(doing: Doing<'_>, layout: &Layout) -> Result<(), Failure> {
    let worktrees = layout.directory.parent().unwrap_or(Path::new("/"));
    make_directory(worktrees)?;
    let _lock = lock(doing, layout)?;
    let marker = marker(&layout.directory);
    let made = fs::read_to_string(&marker)
        .ok()
        .is_some_and(|text| Stage::read(&text).is_some());
    let note = || {
        open_lock(&marker)
            .and_then(|mut file| write_stage(&mut file, Stage::Prepared))
            .map_err(|error| Failure::io(SETUP_FAILED, format_args!("write `{}`", marker.display()), &error))
    };
    if made && is_whole(layout) {
        go_on(doing, layout)?;
        write_files(doing.checkout, &layout.directory, Present::Kept)?;
        return note();
    }
    let (remote, start) = ask_remote(doing)?;
    make_clone(doing, layout, &remote)?;
    additions::configure(doing, layout)?;
    let store = Store::open(doing, &layout.common, &remote)?;
    store.fetch(&start, &remote)?;
    store.publish(&remote)?;
    prune(layout, worktrees)?;
    remove(&layout.directory)?;
    remove(&layout.git_dir)?;
    add(doing, layout, &store, (&remote, &start))?;
    write_files(doing.checkout, &layout.directory, Present::Replaced)?;
    note()
}

/// The lock of the shared clone, once no other run has it.
fn lock(doing: Doing<'_>, layout: &Layout) -> Result<Flock<File>, Failure> {
    let name = layout.common.file_name().unwrap_or_default().to_string_lossy();
    let path = layout.common.with_file_name(format!("{name}.lock"));
    let failed =
        |error: &io::Error| Failure::io(SETUP_FAILED, format_args!("lock `{}`", path.display()), error);
    let mut file = open_lock(&path).map_err(|error| failed(&error))?;
    let mut said = false;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((unlocked, Errno::EWOULDBLOCK)) => file = unlocked,
            Err((_, errno)) => return Err(failed(&errno.into())),
        }
        if !said {
            say("Waiting for another run of the workspace that prepares its checkout");
            said = true;
        }
        if doing.git.patience().interruption.has_come() {
            return Err(Failure::new(TERMINATED, "ended while another checkout was made"));
        }
        thread::sleep(AGAIN);
    }
}

fn is_whole(layout: &Layout) -> bool {
    layout.directory.join(".git").is_file()
        && layout.git_dir.join("HEAD").is_file()
        && layout.git_dir.join("commondir").is_file()
        && layout.common.join("HEAD").is_file()
}

/// Makes the bare clone, without any of the remote's objects.
fn make_clone(doing: Doing<'_>, layout: &Layout, remote: &Remote) -> Result<(), Failure> {
    let clone = &layout.common;
    if clone.join("HEAD").is_file() && clone.join("objects").is_dir() && clone.join("refs").is_dir() {
        return Ok(());
    }
    if fs::symlink_metadata(clone).is_ok() {
        set_aside(clone)?;
    }
    let name = clone.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = clone.with_file_name(format!(".{name}.unfinished"));
    remove(&unfinished)?;
    init(doing, doing.git, &unfinished, remote)?;
    rename(&unfinished, clone)
}

/// Adds the worktree to the clone and writes its files.
fn add(
    doing: Doing<'_>,
    layout: &Layout,
    store: &Store<'_>,
    (remote, start): (&Remote, &Start),
) -> Result<(), Failure> {
    let head = head_for(doing.checkout, start, remote);
    let commit = commit_for(store, start, &head)?;
    let commit = match &head {
        Head::Branch { name, .. } => {
            free_branch(layout, name)?;
            branch_commit(store, name, commit)?
        }
        Head::Detached => commit,
    };
    let git = doing.git.with("GIT_DIR", &layout.common);
    let directory = layout.directory.to_string_lossy();
    if let Some(commit) = &commit {
        let arguments = [
            "worktree",
            "add",
            "--quiet",
            "--no-checkout",
            "--detach",
            "--force",
            "--",
            &directory,
            commit,
        ];
        doing.run(&git, doing.private.path(), &arguments)?;
    } else {
        write_empty_worktree(layout)?;
    }
    set_head(doing, layout, &head, commit.as_deref())?;
    additions::follow(doing, layout, &head)?;
    let Some(commit) = commit else {
        say("The repository is empty");
        return Ok(());
    };
    store.write_files(&commit, &layout.directory, &layout.git_dir.join("index"))?;
    say_head(&head, &commit);
    additions::submodules(doing, &layout.directory)
}

/// What `git worktree add` writes, for a repository without a commit, of which it makes none.
fn write_empty_worktree(layout: &Layout) -> Result<(), Failure> {
    make_directory(&layout.directory)?;
    make_directory(&layout.git_dir)?;
    let link = layout.directory.join(".git");
    let text = |path: &Path| format!("{}\n", path.display());
    for (path, text) in [
        (layout.git_dir.join("gitdir"), text(&link)),
        (layout.git_dir.join("commondir"), "../..\n".to_owned()),
        (layout.git_dir.join("HEAD"), "ref: refs/heads/main\n".to_owned()),
        (link, format!("gitdir: {}", text(&layout.git_dir))),
    ] {
        fs::write(&path, text)
            .map_err(|error| Failure::io(SETUP_FAILED, format_args!("write `{}`", path.display()), &error))?;
    }
    Ok(())
}

/// The commit from which the branch goes on. What an earlier run has committed and not pushed is
/// gone on with where the remote has nothing else; otherwise it stays under another name.
fn branch_commit(store: &Store<'_>, name: &str, commit: Option<String>) -> Result<Option<String>, Failure> {
    let local = store.ref_in_volume(&format!("refs/heads/{name}"))?;
    let (Some(local), Some(commit)) = (&local, &commit) else {
        return Ok(commit.or(local));
    };
    if local == commit || store.contains(commit, local)? {
        return Ok(Some(commit.clone()));
    }
    if store.contains(local, commit)? {
        say(&format!(
            "Branch {name} goes on from {local}, which was not pushed"
        ));
        return Ok(Some(local.clone()));
    }
    let short: String = local.chars().take(12).collect();
    let kept = format!("refs/axon/left/{name}-{short}");
    store.update_volume(format!("update {kept} {local}\n"))?;
    say(&format!(
        "Branch {name} is what the remote has; commits of an earlier run that were not pushed are kept as {kept}"
    ));
    Ok(Some(commit.clone()))
}

/// Sees to it that no other worktree has the branch checked out.
fn free_branch(layout: &Layout, branch: &str) -> Result<(), Failure> {
    let worktrees = layout.directory.parent().unwrap_or(Path::new("/"));
    for name in names_in(&layout.common.join("worktrees")) {
        let git_dir = layout.common.join("worktrees").join(&name);
        let directory = worktrees.join(&name);
        if git_dir == layout.git_dir {
            continue;
        }
        let here = head::read(&git_dir, &layout.common);
        if here.branch.as_deref() != Some(branch) {
            continue;
        }
        if is_held(&marker(&directory)) {
            return Err(Failure::new(
                BRANCH_IN_USE,
                format!(
                    "the branch `{branch}` is checked out in the worktree `{name}` of this volume, in which another \
                     Task runs"
                ),
            ));
        }
        // Its files and commits stay: it only stands on the commit instead of on the branch.
        let detached = here.commit.map_or(Ok(()), |commit| {
            fs::write(git_dir.join("HEAD"), format!("{commit}\n"))
        });
        detached.map_err(|error| {
            Failure::io(
                SETUP_FAILED,
                format_args!("free the branch `{branch}` in `{}`", git_dir.display()),
                &error,
            )
        })?;
    }
    Ok(())
}

/// Whether a run holds the lock of its worktree.
fn is_held(marker: &Path) -> bool {
    // Network file systems lock for oneself only what is open for writing.
    match OpenOptions::new().read(true).write(true).open(marker) {
        Ok(file) => Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// The names of the directories in a directory.
fn names_in(directory: &Path) -> Vec<String> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Removes the worktrees whose runs are over.
fn prune(layout: &Layout, worktrees: &Path) -> Result<(), Failure> {
    for name in names_in(worktrees) {
        let directory = worktrees.join(&name);
        if directory == layout.directory {
            continue;
        }
        let marker = marker(&directory);
        let Ok(file) = open_lock(&marker) else {
            continue;
        };
        // The lock is held until the worktree is gone.
        let Ok(mut held) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
            continue;
        };
        let age = held
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|written| SystemTime::now().duration_since(written).ok());
        if !is_stale(read_stage(&mut held), age) {
            continue;
        }
        remove(&directory)?;
        remove(&layout.common.join("worktrees").join(&name))?;
        remove(&marker)?;
        say(&format!("Removed the worktree {name} of a run that is over"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
