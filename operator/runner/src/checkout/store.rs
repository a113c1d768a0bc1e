//! A repository of the runner's own whose objects are those of a repository in the volume.
//!
//! What is in the volume may have been an agent's: its configuration could name programs that git
//! would start, with the workspace's credentials at hand. Everything that talks to the remote or
//! writes a working tree therefore happens in a repository that lies elsewhere, and of the one in
//! the volume only objects, refs and the index are read and written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use axon_api::run::Checkout;

use super::explain::{explain, full_disk, no_such_ref, speaks_of_an_unknown_host};
use super::make_directory;
use super::remote::{Remote, Start};
use crate::failure::{CLONE_FAILED, Failure, SETUP_FAILED, TERMINATED};
use crate::git::{Answer, Git, telling_line};
use crate::private_directory::PrivateDirectory;
use crate::{say, ssh};

/// All branches, to where a clone puts them.
pub(super) const ALL_BRANCHES: &str = "+refs/heads/*:refs/remotes/origin/*";
const ALL_TAGS: &str = "+refs/tags/*:refs/tags/*";

/// The depth that stands for all of the history (`INFINITE_DEPTH` in git's `commit.h`). Unlike
/// `--unshallow` it is accepted whether or not the failed fetch before has left anything.
const INFINITE: &str = "2147483647";

/// What all steps of one checkout share.
#[derive(Clone, Copy)]
pub(super) struct Doing<'a> {
    pub(super) git: &'a Git,
    pub(super) checkout: &'a Checkout,
    pub(super) private: &'a PrivateDirectory,
    /// git's command for ssh, where a key is mounted.
    pub(super) ssh: Option<&'a str>,
}

impl Doing<'_> {
    /// Runs a git that must succeed; what it says otherwise is explained.
    pub(super) fn run(&self, git: &Git, directory: &Path, arguments: &[&str]) -> Result<Answer, Failure> {
        let answer = Self::ask(git, directory, arguments, None)?;
        if answer.ok() {
            return Ok(answer);
        }
        Err(self.explain(&answer.errors))
    }

    pub(super) fn ask(
        git: &Git,
        directory: &Path,
        arguments: &[&str],
        input: Option<String>,
    ) -> Result<Answer, Failure> {
        git.run_with_input(directory, arguments, input).map_err(|error| {
            if error.kind() == io::ErrorKind::TimedOut {
                return Failure::new(TERMINATED, "ended while the checkout was made");
            }
            Failure::io(SETUP_FAILED, "run git", &error)
        })
    }

    fn explain(&self, errors: &str) -> Failure {
        let offered = self
            .ssh
            .filter(|_| speaks_of_an_unknown_host(errors))
            .and_then(|command| {
                let (environment, patience) = (self.git.environment(), self.git.patience());
                ssh::ask_fingerprint(&self.checkout.repo, command, environment, patience)
            });
        explain(self.checkout, errors, offered.as_deref())
    }
}

/// The refs of a repository: name and object.
type Refs = BTreeMap<String, String>;

pub(super) struct Store<'a> {
    doing: Doing<'a>,
    git: Git,
    directory: PathBuf,
    /// The repository in the volume.
    common: PathBuf,
}

impl<'a> Store<'a> {
    /// Opens a store over the objects of the repository `common`.
    pub(super) fn open(doing: Doing<'a>, common: &Path, remote: &Remote) -> Result<Self, Failure> {
        let directory = doing.private.path().join("store.git");
        let git = doing
            .git
            .with("GIT_DIR", &directory)
            .with("GIT_OBJECT_DIRECTORY", common.join("objects"));
        let store = Self {
            doing,
            git,
            directory,
            common: common.to_owned(),
        };
        init(doing, &store.git, &store.directory, remote)?;
        for (name, value) in origin_settings(doing.checkout) {
            store.run(&["config", &name, &value])?;
        }
        if fs::copy(common.join("shallow"), store.directory.join("shallow")).is_err() {
            let _ = fs::remove_file(store.directory.join("shallow"));
        }
        if doing.checkout.clone.lfs == Some(true) {
            // Of the setting for it git-lfs believes that it is the remote's too.
            let storage = common.join("lfs");
            make_directory(&storage)?;
            let _ = symlink(&storage, store.directory.join("lfs"));
        }
        // What the volume has need not be fetched again. A ref without its object is no help.
        let there = store.refs_in_volume()?;
        let _ = Doing::ask(
            &store.git,
            doing.private.path(),
            &["update-ref", "--stdin"],
            Some(updates(&there)),
        )?;
        Ok(store)
    }

    fn run(&self, arguments: &[&str]) -> Result<Answer, Failure> {
        self.doing.run(&self.git, self.doing.private.path(), arguments)
    }

    fn try_run(&self, arguments: &[&str]) -> Result<Answer, Failure> {
        Doing::ask(&self.git, self.doing.private.path(), arguments, None)
    }

    /// Fetches what `start` needs, as much of it as the workspace wants.
    pub(super) fn fetch(&self, start: &Start, remote: &Remote) -> Result<(), Failure> {
        let options = &self.doing.checkout.clone;
        let depth = options.depth.map(|depth| depth.max(1).to_string());
        let filter = options.filter.as_ref().map(|filter| format!("--filter={filter}"));
        let mut fetch = vec!["fetch", "--quiet", "--no-write-fetch-head"];
        match &depth {
            Some(depth) => fetch.extend(["--no-tags", "--depth", depth]),
            None if self.is_shallow() => fetch.extend(["--depth", INFINITE]),
            None => {}
        }
        fetch.extend(filter.as_deref());
        fetch.extend(["--prune", "origin", ALL_BRANCHES]);
        if depth.is_none() {
            fetch.push(ALL_TAGS);
        }
        match start {
            // A fetch of no branch at all fails.
            Start::Nothing if remote.refs.is_empty() => Ok(()),
            Start::Nothing | Start::Branch(_) => self.run(&fetch).map(drop),
            Start::Ref(name) => {
                let refspec = format!("+{name}:{name}");
                if depth.is_some() || !name.starts_with("refs/tags/") {
                    fetch.push(&refspec);
                }
                self.run(&fetch).map(drop)
            }
            Start::Commit(commit) => self.fetch_commit(commit, &fetch),
        }
    }

    /// Fetches a commit that need not be the tip of anything.
    fn fetch_commit(&self, commit: &str, fetch: &[&str]) -> Result<(), Failure> {
        let is_whole = super::remote::is_commit(commit);
        if is_whole {
            let answer = self.try_run(&[fetch, &[commit]].concat())?;
            if answer.ok() {
                return Ok(());
            }
            if !answer.errors.contains("unadvertised object") && !answer.errors.contains("not our ref") {
                return Err(self.doing.explain(&answer.errors));
            }
        } else {
            self.run(fetch)?;
            if self.has_commit(commit)? {
                return Ok(());
            }
        }
        // Some servers give no commit but those at the tip of a branch or tag, and none gives one
        // by the first of its digits: then all of the history is fetched, and the commit is in it
        // or nowhere.
        if is_whole || self.is_shallow() {
            say("The server gives no single commits: fetching the whole history");
            self.run(&[
                "fetch",
                "--quiet",
                "--no-write-fetch-head",
                "--depth",
                INFINITE,
                "origin",
                ALL_BRANCHES,
                ALL_TAGS,
            ])?;
        }
        self.has_commit(commit)?
            .then_some(())
            .ok_or_else(|| no_such_ref(self.doing.checkout))
    }

    fn is_shallow(&self) -> bool {
        fs::metadata(self.directory.join("shallow")).is_ok_and(|metadata| metadata.len() > 0)
    }

    fn has_commit(&self, commit: &str) -> Result<bool, Failure> {
        let found = self.commit(commit)?;
        // A tag may have the name of a commit.
        Ok(found.is_some_and(|found| found.starts_with(commit)))
    }

    /// The commit that `name` stands for.
    pub(super) fn commit(&self, name: &str) -> Result<Option<String>, Failure> {
        let name = format!("{name}^{{commit}}");
        let answer = self.try_run(&["rev-parse", "--quiet", "--verify", "--end-of-options", &name])?;
        Ok(answer
            .ok()
            .then(|| answer.output.trim().to_owned())
            .filter(|commit| super::remote::is_commit(commit)))
    }

    /// The commit of what is to be checked out; `None` in an empty repository.
    pub(super) fn commit_of(&self, start: &Start) -> Result<Option<String>, Failure> {
        let name = match start {
            Start::Nothing => return Ok(None),
            Start::Branch(name) => format!("refs/remotes/origin/{name}"),
            Start::Ref(name) | Start::Commit(name) => name.clone(),
        };
        match self.commit(&name)? {
            Some(commit) => Ok(Some(commit)),
            None => Err(no_such_ref(self.doing.checkout)),
        }
    }

    /// Whether all of `commit` is in the history of `of`.
    pub(super) fn contains(&self, of: &str, commit: &str) -> Result<bool, Failure> {
        Ok(self.try_run(&["merge-base", "--is-ancestor", commit, of])?.ok())
    }

    /// git on the repository in the volume, for what starts no program: refs.
    fn volume(&self) -> Git {
        self.doing.git.with("GIT_DIR", &self.common)
    }

    fn refs_in_volume(&self) -> Result<Refs, Failure> {
        let answer = Doing::ask(
            &self.volume(),
            self.doing.private.path(),
            &["for-each-ref", REF_FORMAT, "refs/remotes/origin", "refs/tags"],
            None,
        )?;
        Ok(if answer.ok() {
            read_refs(&answer.output)
        } else {
            Refs::new()
        })
    }

    /// Gives the repository in the volume what was fetched: branches and tags of the remote, and
    /// which commits have no parents there.
    pub(super) fn publish(&self, remote: &Remote) -> Result<(), Failure> {
        let fetched = read_refs(&self.run(&["for-each-ref", REF_FORMAT])?.output);
        let gone: BTreeSet<String> = self
            .refs_in_volume()?
            .into_keys()
            .filter(|name| name.starts_with("refs/remotes/origin/") && name != ORIGIN_HEAD)
            .filter(|name| !fetched.contains_key(name))
            .collect();
        let mut deletions = String::new();
        for name in gone {
            let _ = writeln!(deletions, "delete {name}");
        }
        // First, since a branch `a` that is gone is in the way of a branch `a/b`.
        for input in [deletions, updates(&fetched)] {
            self.update_volume(input)?;
        }
        if let Some(default) = &remote.default_branch {
            // Some tools ask for the remote's default branch; nothing here depends on it.
            let _ = Doing::ask(
                &self.volume(),
                self.doing.private.path(),
                &[
                    "symbolic-ref",
                    ORIGIN_HEAD,
                    &format!("refs/remotes/origin/{default}"),
                ],
                None,
            )?;
        }
        self.publish_shallow()
    }

    fn publish_shallow(&self) -> Result<(), Failure> {
        let (ours, theirs) = (self.directory.join("shallow"), self.common.join("shallow"));
        let unfinished = self.common.join("shallow.axon");
        let done = if self.is_shallow() {
            fs::copy(&ours, &unfinished).and_then(|_| fs::rename(&unfinished, &theirs))
        } else {
            match fs::remove_file(&theirs) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        };
        done.map_err(|error| Failure::io(SETUP_FAILED, format_args!("write `{}`", theirs.display()), &error))
    }

    /// Changes refs of the repository in the volume; `input` is for `git update-ref --stdin`.
    pub(super) fn update_volume(&self, input: String) -> Result<(), Failure> {
        if input.is_empty() {
            return Ok(());
        }
        let answer = Doing::ask(
            &self.volume(),
            self.doing.private.path(),
            &["update-ref", "--stdin"],
            Some(input),
        )?;
        if answer.ok() {
            return Ok(());
        }
        let repo = &self.doing.checkout.repo;
        Err(full_disk(repo, &answer.errors).unwrap_or_else(|| {
            Failure::new(
                CLONE_FAILED,
                format!(
                    "failed to write the branches of `{repo}`: {}",
                    telling_line(&answer.errors)
                ),
            )
        }))
    }

    /// What a ref of the repository in the volume names.
    pub(super) fn ref_in_volume(&self, name: &str) -> Result<Option<String>, Failure> {
        let answer = Doing::ask(
            &self.volume(),
            self.doing.private.path(),
            &["rev-parse", "--quiet", "--verify", name],
            None,
        )?;
        Ok(answer
            .ok()
            .then(|| answer.output.trim().to_owned())
            .filter(|commit| super::remote::is_commit(commit)))
    }

    /// Writes the files of `commit` into `directory`, whose index is `index`.
    pub(super) fn write_files(&self, commit: &str, directory: &Path, index: &Path) -> Result<(), Failure> {
        let git = self
            .git
            .with("GIT_WORK_TREE", directory)
            .with("GIT_INDEX_FILE", index);
        self.doing
            .run(&git, directory, &["read-tree", "--reset", "-u", commit])
            .map(drop)
    }
}

const REF_FORMAT: &str = "--format=%(objectname) %(refname)";
const ORIGIN_HEAD: &str = "refs/remotes/origin/HEAD";

fn read_refs(output: &str) -> Refs {
    output
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(object, name)| (name.to_owned(), object.to_owned()))
        .collect()
}

fn updates(refs: &Refs) -> String {
    let mut lines = String::new();
    for (name, object) in refs.iter().filter(|(name, _)| *name != ORIGIN_HEAD) {
        let _ = writeln!(lines, "update {name} {object}");
    }
    lines
}

/// Makes an empty bare repository that names its objects as the remote does.
pub(super) fn init(doing: Doing<'_>, git: &Git, directory: &Path, remote: &Remote) -> Result<(), Failure> {
    let path = directory.to_string_lossy();
    let mut arguments = vec!["init", "--quiet", "--bare", "--template="];
    if remote.is_sha256 {
        arguments.push("--object-format=sha256");
    }
    arguments.push(&path);
    doing.run(git, doing.private.path(), &arguments).map(drop)
}

/// The settings of a repository that make `origin` what the workspace says.
pub(super) fn origin_settings(checkout: &Checkout) -> Vec<(String, String)> {
    let mut settings = vec![
        ("remote.origin.url", checkout.repo.as_str()),
        ("remote.origin.fetch", ALL_BRANCHES),
    ];
    if let Some(filter) = &checkout.clone.filter {
        settings.extend([
            ("core.repositoryFormatVersion", "1"),
            ("extensions.partialClone", "origin"),
            ("remote.origin.promisor", "true"),
            ("remote.origin.partialCloneFilter", filter),
        ]);
    }
    settings
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
