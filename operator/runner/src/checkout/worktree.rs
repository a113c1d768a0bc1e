//! A worktree of a clone that the runs of a workspace share.
//!
//! The volume holds a bare clone, a worktree for each Task, and beside each worktree a file that
//! says how far its run has come. The run holds a lock on that file for as long as it lives. One
//! run at a time changes the clone, under the clone's own lock.
//!
//! A worktree goes when its run has succeeded, because a Task that has succeeded never runs again,
//! or when its run has been over for a day. One that a run holds the lock of is never touched.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::occupation::{AGAIN, Stage, is_held, is_stale, marker, open_lock, read_stage, write_stage};
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
