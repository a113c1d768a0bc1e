//! A directory that only the runner's user can enter, gone when it is dropped.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::failure::{Failure, SETUP_FAILED};

/// A few small files and an empty repository find room in this many bytes.
const ROOM: usize = 64 * 1024;

/// A directory with mode 0700 and a name that cannot be guessed.
#[derive(Debug)]
pub(crate) struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    /// Makes one in `TMPDIR`, or in the home where `TMPDIR` cannot be written to or is full.
    pub(crate) fn create(environment: &Environment) -> Result<Self, Failure> {
        let temporary = environment
            .path("TMPDIR")
            .unwrap_or_else(|| PathBuf::from("/tmp"));
        Self::create_in(&temporary).or_else(|error| {
            let home = environment.path("HOME").ok_or_else(|| {
                Failure::io(
                    SETUP_FAILED,
                    format_args!("make a directory in `{}`", temporary.display()),
                    &error,
                )
            })?;
            Self::create_in(&home).map_err(|error| {
                Failure::io(
                    SETUP_FAILED,
                    format_args!(
                        "make a directory in `{}` or `{}`",
                        temporary.display(),
                        home.display()
                    ),
                    &error,
                )
            })
        })
    }

    fn create_in(parent: &Path) -> io::Result<Self> {
        let mut random = [0_u8; 8];
        File::open("/dev/urandom")?.read_exact(&mut random)?;
        let path = parent.join(format!("axon-{:016x}", u64::from_ne_bytes(random)));
        DirBuilder::new().mode(0o700).create(&path)?;
        let directory = Self(path);
        // Where there is no space a directory can still be made, and nothing be put into it.
        let probe = directory.path().join("probe");
        fs::write(&probe, vec![0; ROOM])?;
        fs::remove_file(probe)?;
        Ok(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file of this directory.
    pub(crate) fn write(&self, name: &str, contents: &str, mode: u32) -> Result<PathBuf, Failure> {
        let path = self.0.join(name);
        let write = || -> io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(&path)?;
            file.write_all(contents.as_bytes())
        };
        write()
            .map_err(|error| Failure::io(SETUP_FAILED, format_args!("write `{}`", path.display()), &error))?;
        Ok(path)
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
