//! The lock of a plane's folder: one process serves it at a time.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::Context as _;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::directory::Directory;

/// Another process serves the folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to serve `{}`: another process serves it", directory.root().display())]
pub struct AlreadyServing {
    pub directory: Directory,
}

/// Held as long as it lives; the kernel lets go of it when the process ends in whatever way.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Flock<File>,
}

/// Takes the lock, without waiting for it.
pub(super) fn take(directory: &Directory) -> anyhow::Result<Lock> {
    let path = directory.lock();
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("failed to open `{}`", path.display()))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => Ok(Lock { _file: file }),
        Err((_, Errno::EWOULDBLOCK)) => Err(AlreadyServing {
            directory: directory.clone(),
        }
        .into()),
        Err((_, error)) => Err(error).with_context(|| format!("failed to lock `{}`", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_served_once_and_again_after_that() {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = Directory::new(folder.path());
        let held = take(&directory).expect("free");
        let refused = take(&directory).expect_err("held");
        assert!(refused.downcast_ref::<AlreadyServing>().is_some());
        drop(held);
        take(&directory).expect("free again");
    }
}
