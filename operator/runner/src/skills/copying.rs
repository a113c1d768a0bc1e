//! Copies the directories of skills, within bounds and without links.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::SKILL_SOURCE_FAILED;
use crate::failure::{Failure, SETUP_FAILED};

/// One skill may have this many bytes,
pub(super) const MAX_SKILL: u64 = 2 * 1024 * 1024;
/// all of a run this many,
const MAX_ALL: u64 = 20 * 1024 * 1024;
/// and all of a run this many files and directories.
const MAX_ENTRIES: u64 = 10_000;
/// Directories in directories.
const MAX_DEPTH: usize = 16;
/// What may still be copied.
pub(super) struct Budget {
    of_skill: u64,
    of_all: u64,
    entries: u64,
}

impl Budget {
    pub(super) fn of_all() -> Self {
        Self {
            of_skill: MAX_SKILL,
            of_all: MAX_ALL,
            entries: MAX_ENTRIES,
        }
    }

    pub(super) fn begin_skill(&mut self) {
        self.of_skill = MAX_SKILL;
    }

    fn take(&mut self, bytes: u64) -> Result<(), Uncopied> {
        let one = |left: u64, bytes: u64, limit| left.checked_sub(bytes).ok_or(Uncopied::TooLarge(limit));
        self.of_skill = one(self.of_skill, bytes, "a skill may have 2 MiB")?;
        self.of_all = one(
            self.of_all,
            bytes,
            "all skills of a Task together may have 20 MiB",
        )?;
        self.entries = one(
            self.entries,
            1,
            "all skills of a Task together may have 10,000 files",
        )?;
        Ok(())
    }
}

/// Why a skill was not copied.
#[derive(Debug)]
pub(super) enum Uncopied {
    TooLarge(&'static str),
    LeadsOut(PathBuf),
    Io(io::Error),
}

impl From<io::Error> for Uncopied {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Uncopied {
    pub(super) fn of(self, skill: &str, source: &str) -> Failure {
        let because = |why: String| {
            Failure::new(
                SKILL_SOURCE_FAILED,
                format!("failed to take the skill `{skill}` of `{source}`: {why}"),
            )
        };
        match self {
            Self::TooLarge(limit) => because(format!("it is too large: {limit}")),
            Self::LeadsOut(path) => because(format!(
                "`{}` is a link, or no file at all; a skill is made of files and directories",
                path.display()
            )),
            Self::Io(error) => Failure::io(
                SKILL_SOURCE_FAILED,
                format_args!("take the skill `{skill}` of `{source}`"),
                &error,
            ),
        }
    }
}

/// Copies files and directories, and nothing of git's own. A link is refused: where it leads to is
/// not part of the skill.
pub(super) fn copy_within(from: &Path, to: &Path, budget: &mut Budget, depth: usize) -> Result<(), Uncopied> {
    if depth > MAX_DEPTH {
        return Err(Uncopied::TooLarge("16 directories may be in one another"));
    }
    budget.take(0)?;
    DirBuilder::new().mode(0o755).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == ".git" {
            continue;
        }
        let (path, target) = (entry.path(), to.join(&name));
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            copy_within(&path, &target, budget, depth + 1)?;
        } else if metadata.is_file() {
            budget.take(metadata.len())?;
            fs::copy(&path, &target)?;
            let is_program = metadata.permissions().mode() & 0o111 != 0;
            let mode = if is_program { 0o755 } else { 0o644 };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode))?;
        } else {
            return Err(Uncopied::LeadsOut(
                path.strip_prefix(from).unwrap_or(&path).to_owned(),
            ));
        }
    }
    Ok(())
}

/// Copies the directory of a fetched skill to a place that may exist, and is then replaced. The
/// directories above are made.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    remove(to)?;
    let name = from.to_string_lossy();
    if let Some(parent) = to.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(|error| {
                Failure::io(SETUP_FAILED, format_args!("make `{}`", parent.display()), &error)
            })?;
    }
    copy_within(from, to, &mut Budget::of_all(), 0).map_err(|why| why.of(&name, "the workspace"))
}

/// Removes what is at a path, whatever that is.
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|error| Failure::io(SETUP_FAILED, format_args!("remove `{}`", path.display()), &error))
}
