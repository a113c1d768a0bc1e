//! Makes the checkout: a clone of its own, or a worktree of a clone that runs share.
//!
//! What is new is made under another name and then renamed, so that a run that was killed leaves
//! nothing that looks whole. What an earlier run of the same Task left on a volume that outlives
//! its pod is gone on with: the remote's branches are fetched, and neither the branch nor a file is
//! touched.

mod additions;
mod explain;
mod occupation;
mod plain;
mod remote;
mod store;
mod worktree;

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use axon_api::paths;
use axon_api::run::Checkout;

use crate::failure::{DISK_FULL, Failure, INVALID_BRANCH, LFS_MISSING, SETUP_FAILED};
use crate::git::Git;
use crate::head::is_branch_name;
use crate::private_directory::PrivateDirectory;
use crate::secrets::hide_user_information;
use crate::{files, say};

pub(crate) use additions::LFS_SETTINGS;
pub(crate) use explain::fingerprint;
pub(crate) use occupation::Occupation;
pub(crate) use remote::is_commit;

use remote::{Remote, Start};
use store::{Doing, Store};

/// More directories are not set aside: whoever has so many left looks after none.
const MOST_ASIDE: u32 = 1000;

/// Where this much cannot be written, the disk is full.
const PROBE: usize = 4096;

/// Where a checkout and its repository are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The working tree.
    pub(crate) directory: PathBuf,
    /// What stands for the checkout in the repository: `HEAD` and index.
    pub(crate) git_dir: PathBuf,
    /// The repository with objects, branches and configuration.
    pub(crate) common: PathBuf,
}

impl Layout {
    /// The layout that the run description asks for.
    pub(crate) fn of(workspace: &Path, checkout: &Checkout) -> Result<Self, Failure> {
        let below = |name: &str| {
            let path = Path::new(name);
            let plain = path
                .components()
                .all(|component| matches!(component, Component::Normal(_)));
            if plain && !name.is_empty() {
                return Ok(workspace.join(path));
            }
            Err(Failure::new(
                SETUP_FAILED,
                format!("the directory `{name}` is not below the workspace"),
            ))
        };
        let directory = if checkout.directory.is_empty() {
            workspace.join(paths::REPOSITORY)
        } else {
            below(&checkout.directory)?
        };
        let Some(shared) = &checkout.shared_clone else {
            let git_dir = directory.join(".git");
            return Ok(Self {
                directory,
                common: git_dir.clone(),
                git_dir,
            });
        };
        let common = below(shared)?;
        let name = directory.file_name().unwrap_or_default();
        Ok(Self {
            git_dir: common.join("worktrees").join(name),
            directory,
            common,
        })
    }
}

/// What makes checkouts.
pub(crate) struct Tools<'a> {
    /// git with the workspace's credentials.
    pub(crate) git: &'a Git,
    /// Its command for ssh, where a key is mounted.
    pub(crate) ssh: Option<&'a str>,
    /// Whether there is a git-lfs.
    pub(crate) has_lfs: bool,
    pub(crate) private: &'a PrivateDirectory,
}

/// Makes the checkout in `workspace` as `checkout` describes it.
pub(crate) fn make(tools: &Tools<'_>, checkout: &Checkout, workspace: &Path) -> Result<(), Failure> {
    if let Some(branch) = checkout
        .branch
        .as_deref()
        .filter(|branch| !is_branch_name(branch))
    {
        return Err(Failure::new(
            INVALID_BRANCH,
            format!("`{branch}` cannot be the name of a branch"),
        ));
    }
    if checkout.clone.lfs == Some(true) && !tools.has_lfs {
        return Err(Failure::new(
            LFS_MISSING,
            "the workspace asks for files of git LFS, and `git-lfs` is not on the PATH of the image that prepares \
             the checkout",
        ));
    }
    let layout = Layout::of(workspace, checkout)?;
    let doing = Doing {
        git: tools.git,
        checkout,
        private: tools.private,
        ssh: tools.ssh,
    };
    let made = if checkout.shared_clone.is_some() {
        worktree::make(doing, &layout)
    } else {
        plain::make(doing, &layout)
    };
    made.map_err(|failure| match full_disk(workspace) {
        // git does not always say why it could not write.
        Some(error) if failure.reason != DISK_FULL => Failure::new(
            DISK_FULL,
            format!("failed to check out `{}`: {error}\n{failure}", checkout.repo),
        ),
        _ => failure,
    })
}

/// The system's words when nothing can be written any more.
fn full_disk(workspace: &Path) -> Option<io::Error> {
    let probe = workspace.join(".axon-probe");
    let written = fs::write(&probe, vec![0; PROBE]);
    let _ = fs::remove_file(&probe);
    written.err().filter(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    })
}

/// Asks the remote what it has, and decides what of it is checked out.
fn ask_remote(doing: Doing<'_>) -> Result<(Remote, Start), Failure> {
    let checkout = doing.checkout;
    say(&format!("Reading {}", hide_user_information(&checkout.repo)));
    let patterns = remote::wanted(checkout);
    let mut arguments = vec!["ls-remote", "--symref", "--", checkout.repo.as_str()];
    arguments.extend(patterns.iter().map(String::as_str));
    // No repository around the private directory may have a say in this.
    let git = doing.git.with(
        "GIT_CEILING_DIRECTORIES",
        doing.private.path().parent().unwrap_or(Path::new("/")),
    );
    let remote = remote::read(&doing.run(&git, doing.private.path(), &arguments)?.output);
    let start = remote::start(checkout, &remote).ok_or_else(|| explain::no_such_ref(checkout))?;
    Ok((remote, start))
}

/// Writes the files of the workspace; `kept` are those that an earlier run may have changed.
fn write_files(checkout: &Checkout, directory: &Path, present: Present) -> Result<(), Failure> {
    for file in &checkout.files {
        if present == Present::Kept && fs::symlink_metadata(directory.join(&file.path)).is_ok() {
            continue;
        }
        files::write_into_checkout(directory, file)?;
        say(&format!("Wrote {}", file.path));
    }
    Ok(())
}

/// What happens to a file of the workspace that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Present {
    Replaced,
    Kept,
}

/// Removes what is at a path, whatever it is.
fn remove(path: &Path) -> Result<(), Failure> {
    let removed = match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|error| {
        Failure::io(
            SETUP_FAILED,
            format_args!("remove what was left in `{}`", path.display()),
            &error,
        )
    })
}

fn make_directory(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path)
        .map_err(|error| Failure::io(SETUP_FAILED, format_args!("make `{}`", path.display()), &error))
}

fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(from, to).map_err(|error| {
        Failure::io(
            SETUP_FAILED,
            format_args!("rename `{}` to `{}`", from.display(), to.display()),
            &error,
        )
    })
}

/// Moves what cannot be used, and is not ours to delete, out of the way.
fn set_aside(path: &Path) -> Result<(), Failure> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let aside = (1..MOST_ASIDE)
        .map(|number| path.with_file_name(format!("{name}.left-{number}")))
        .find(|candidate| fs::symlink_metadata(candidate).is_err());
    let Some(aside) = aside else {
        return Ok(());
    };
    rename(path, &aside)?;
    say(&format!(
        "`{}` is no checkout that can be used: it is now `{}`",
        path.display(),
        aside.display()
    ));
    Ok(())
}

/// The head that a checkout gets.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Head {
    /// A branch, and whether the remote has it, so that it is followed.
    Branch {
        name: String,
        followed: bool,
    },
    Detached,
}

/// Which branch is checked out, if any.
fn head_for(checkout: &Checkout, start: &Start, remote: &Remote) -> Head {
    match (&checkout.branch, start) {
        (Some(name), _) => Head::Branch {
            name: name.clone(),
            followed: remote.has_branch(name),
        },
        (None, Start::Branch(name)) => Head::Branch {
            name: name.clone(),
            followed: true,
        },
        (None, _) => Head::Detached,
    }
}

/// The commit that is checked out; `None` in an empty repository.
fn commit_for(store: &Store<'_>, start: &Start, head: &Head) -> Result<Option<String>, Failure> {
    if let Head::Branch { name, followed: true } = head {
        return store.commit_of(&Start::Branch(name.clone()));
    }
    store.commit_of(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout(directory: &str, shared: Option<&str>) -> Checkout {
        Checkout {
            directory: directory.into(),
            shared_clone: shared.map(str::to_owned),
            ..Checkout::default()
        }
    }

    #[test]
    fn a_worktree_has_its_head_in_the_shared_clone() {
        let workspace = Path::new("/workspace");
        let layout = Layout::of(workspace, &checkout("worktrees/a-uid", Some("clone"))).expect("a layout");
        assert_eq!(layout.directory, Path::new("/workspace/worktrees/a-uid"));
        assert_eq!(layout.git_dir, Path::new("/workspace/clone/worktrees/a-uid"));
        assert_eq!(layout.common, Path::new("/workspace/clone"));
        let layout = Layout::of(workspace, &checkout("repo", None)).expect("a layout");
        assert_eq!(layout.git_dir, Path::new("/workspace/repo/.git"));
    }

    #[test]
    fn a_directory_outside_of_the_workspace_is_refused() {
        for name in ["/etc", "../x", "a/../b", "./a"] {
            assert!(
                Layout::of(Path::new("/workspace"), &checkout(name, None)).is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn the_tasks_branch_wins_over_the_ref() {
        let remote = Remote {
            refs: vec!["refs/heads/there".into()],
            ..Remote::default()
        };
        let start = Start::Branch("main".into());
        for (branch, expected) in [
            (None, Some(("main", true))),
            (Some("there"), Some(("there", true))),
            (Some("new"), Some(("new", false))),
        ] {
            let checkout = Checkout {
                branch: branch.map(str::to_owned),
                ..Checkout::default()
            };
            let expected = expected.map_or(Head::Detached, |(name, followed)| Head::Branch {
                name: name.to_owned(),
                followed,
            });
            assert_eq!(head_for(&checkout, &start, &remote), expected);
        }
        let detached = head_for(&Checkout::default(), &Start::Ref("refs/tags/v1".into()), &remote);
        assert_eq!(detached, Head::Detached);
    }
}
