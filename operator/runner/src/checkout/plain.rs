//! A clone of its own.

use std::fs;
use std::path::Path;

use super::store::Store;
use super::{
    Doing, Head, Layout, Present, additions, ask_remote, commit_for, head_for, make_directory, remove,
    rename, set_aside, write_files,
};
use crate::failure::Failure;
use crate::say;

/// Makes the checkout, or goes on with the one that is there.
pub(super) fn make(doing: Doing<'_>, layout: &Layout) -> Result<(), Failure> {
    let checkout = doing.checkout;
    if checkout.persistent && is_whole(layout) {
        go_on(doing, layout)?;
        return write_files(checkout, &layout.directory, Present::Kept);
    }
    if !checkout.persistent {
        remove(&layout.directory)?;
    } else if fs::symlink_metadata(&layout.directory).is_ok() {
        set_aside(&layout.directory)?;
    }
    let name = layout.directory.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = layout.directory.with_file_name(format!(".{name}.unfinished"));
    remove(&unfinished)?;
    make_directory(&unfinished)?;
    let git_dir = unfinished.join(".git");
    clone(
        doing,
        &Layout {
            common: git_dir.clone(),
            git_dir,
            directory: unfinished.clone(),
        },
    )?;
    write_files(checkout, &unfinished, Present::Replaced)?;
    rename(&unfinished, &layout.directory)
}

/// Whether there is a repository that its making has not left half done.
fn is_whole(layout: &Layout) -> bool {
    let is_directory = |path: &Path| fs::symlink_metadata(path).is_ok_and(|there| there.is_dir());
    is_directory(&layout.directory)
        && is_directory(&layout.git_dir)
        && is_directory(&layout.common.join("objects"))
        && layout.git_dir.join("HEAD").is_file()
        && !layout.git_dir.join("commondir").exists()
}

fn clone(doing: Doing<'_>, layout: &Layout) -> Result<(), Failure> {
    let (remote, start) = ask_remote(doing)?;
    let mut arguments = vec!["init", "--quiet", "--template="];
    if remote.is_sha256 {
        arguments.push("--object-format=sha256");
    }
    doing.run(doing.git, &layout.directory, &arguments)?;
    additions::configure(doing, layout)?;
    let store = Store::open(doing, &layout.common, &remote)?;
    store.fetch(&start, &remote)?;
    store.publish(&remote)?;
    let head = head_for(doing.checkout, &start, &remote);
    let commit = commit_for(&store, &start, &head)?;
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

/// Says what is checked out.
pub(super) fn say_head(head: &Head, commit: &str) {
    say(&match head {
        Head::Branch { name, followed: true } => format!("Checked out branch {name}"),
        Head::Branch { name, .. } => format!("Made branch {name}"),
        Head::Detached => format!("Checked out {commit}"),
    });
}

/// Makes the checkout stand where it should.
pub(super) fn set_head(
    doing: Doing<'_>,
    layout: &Layout,
    head: &Head,
    commit: Option<&str>,
) -> Result<(), Failure> {
    let git = doing.git.with("GIT_DIR", &layout.git_dir);
    let run = |arguments: &[&str]| doing.run(&git, doing.private.path(), arguments);
    match (head, commit) {
        (Head::Branch { name, .. }, commit) => {
            let name = format!("refs/heads/{name}");
            if let Some(commit) = commit {
                run(&["update-ref", "-m", "checkout: made by Axon", &name, commit])?;
            }
            run(&["symbolic-ref", "HEAD", &name])?;
        }
        (Head::Detached, Some(commit)) => {
            run(&[
                "update-ref",
                "--no-deref",
                "-m",
                "checkout: made by Axon",
                "HEAD",
                commit,
            ])?;
        }
        (Head::Detached, None) => {}
    }
    Ok(())
}

/// Fetches what the remote has got since, and touches nothing else: there may be work of an earlier
/// run that was never committed.
pub(super) fn go_on(doing: Doing<'_>, layout: &Layout) -> Result<(), Failure> {
    let (remote, start) = ask_remote(doing)?;
    additions::configure(doing, layout)?;
    let store = Store::open(doing, &layout.common, &remote)?;
    store.fetch(&start, &remote)?;
    store.publish(&remote)?;
    say("Going on in the checkout that an earlier run has left, with all that it has changed there");
    Ok(())
}
