//! What the sandbox asks the file system of the machine.

use std::fs;
use std::path::{Path, PathBuf};

/// What is at a path, links not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::jobs) enum Kind {
    Folder,
    /// A link and what it says.
    Link(PathBuf),
    Other,
}

/// What the sandbox asks the file system of the machine.
pub(in crate::jobs) trait Machine {
    /// The entries of a folder; none where it cannot be read.
    fn entries(&self, folder: &Path) -> Vec<PathBuf>;
    fn kind(&self, path: &Path) -> Option<Kind>;
    /// The path with all links resolved; `None` where there is nothing.
    fn resolved(&self, path: &Path) -> Option<PathBuf>;
}

/// This machine.
pub(in crate::jobs) struct ThisMachine;

impl Machine for ThisMachine {
    fn entries(&self, folder: &Path) -> Vec<PathBuf> {
        let mut entries: Vec<PathBuf> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        entries.sort();
        entries
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let kind = fs::symlink_metadata(path).ok()?.file_type();
        if kind.is_symlink() {
            return Some(Kind::Link(fs::read_link(path).ok()?));
        }
        Some(if kind.is_dir() { Kind::Folder } else { Kind::Other })
    }

    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        fs::canonicalize(path).ok()
    }
}
