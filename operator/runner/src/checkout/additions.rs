//! What belongs to a checkout beside its files: remotes, settings, LFS and submodules.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use axon_api::run::Checkout;

use super::explain::explain_submodules;
use super::store::{Doing, origin_settings};
use super::{Head, Layout, make_directory};
use crate::failure::{Failure, SETUP_FAILED};
use crate::say;

/// How git calls git-lfs, as `git lfs install` would write it.
pub(crate) const LFS_SETTINGS: &[(&str, &str)] = &[
    ("filter.lfs.clean", "git-lfs clean -- %f"),
    ("filter.lfs.smudge", "git-lfs smudge -- %f"),
    ("filter.lfs.process", "git-lfs filter-process"),
    ("filter.lfs.required", "true"),
];

/// Sends the files of LFS before the commits that name them.
const LFS_HOOK: &str = "#!/bin/sh\n\
command -v git-lfs >/dev/null 2>&1 || { echo >&2 'git-lfs is not on PATH, and this repository needs it'; exit 2; }\n\
git lfs pre-push \"$@\"\n";

/// Writes the settings of the repository: its remotes, which part of it is there, and LFS.
pub(super) fn configure(doing: Doing<'_>, layout: &Layout) -> Result<(), Failure> {
    let checkout = doing.checkout;
    let mut settings = origin_settings(checkout);
    for remote in &checkout.remotes {
        let name = &remote.name;
        settings.push((format!("remote.{name}.url"), remote.url.clone()));
        settings.push((
            format!("remote.{name}.fetch"),
            format!("+refs/heads/*:refs/remotes/{name}/*"),
        ));
    }
    if checkout.clone.lfs == Some(true) {
        for (name, value) in LFS_SETTINGS {
            settings.push(((*name).to_owned(), (*value).to_owned()));
        }
        write_hook(layout)?;
    }
    for (name, value) in settings {
        set(doing, layout, &name, &value)?;
    }
    Ok(())
}

/// Makes `git pull` and `git status` know which branch of the remote is followed.
pub(super) fn follow(doing: Doing<'_>, layout: &Layout, head: &Head) -> Result<(), Failure> {
    let Head::Branch { name, followed: true } = head else {
        return Ok(());
    };
    set(doing, layout, &format!("branch.{name}.remote"), "origin")?;
    let merge = format!("refs/heads/{name}");
    set(doing, layout, &format!("branch.{name}.merge"), &merge)
}

fn set(doing: Doing<'_>, layout: &Layout, name: &str, value: &str) -> Result<(), Failure> {
    let file = layout.common.join("config");
    let file = file.to_string_lossy();
    doing
        .run(
            doing.git,
            doing.private.path(),
            &["config", "--file", &file, "--replace-all", name, value],
        )
        .map(drop)
}

fn write_hook(layout: &Layout) -> Result<(), Failure> {
    let directory = layout.common.join("hooks");
    make_directory(&directory)?;
    let path = directory.join("pre-push");
    if fs::symlink_metadata(&path).is_ok() {
        return Ok(());
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(&path)
        .and_then(|mut file| file.write_all(LFS_HOOK.as_bytes()))
        .map_err(|error| Failure::io(SETUP_FAILED, format_args!("write `{}`", path.display()), &error))
}

/// Checks out all submodules, of all levels.
///
/// The credentials are for the repository's own host, as they are named by it. A directory of this
/// machine is no submodule, but for a repository that is one itself.
pub(super) fn submodules(doing: Doing<'_>, directory: &Path) -> Result<(), Failure> {
    let checkout = doing.checkout;
    if checkout.clone.submodules != Some(true) || !directory.join(".gitmodules").exists() {
        return Ok(());
    }
    let git = doing.git.with("GIT_ALLOW_PROTOCOL", protocols(checkout));
    let depth = checkout.clone.depth.map(|depth| depth.max(1).to_string());
    let mut arguments = vec!["submodule", "--quiet", "update", "--init", "--recursive"];
    if let Some(depth) = &depth {
        arguments.extend(["--depth", depth]);
    }
    let answer = Doing::ask(&git, directory, &arguments, None)?;
    if !answer.ok() {
        return Err(explain_submodules(checkout, &answer.errors));
    }
    say("Checked out the submodules");
    Ok(())
}

fn protocols(checkout: &Checkout) -> &'static str {
    if checkout.repo.starts_with("file://") {
        "file:git:http:https:ssh"
    } else {
        "git:http:https:ssh"
    }
}
