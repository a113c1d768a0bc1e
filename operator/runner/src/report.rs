//! Writes the outcome to the termination file.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use axon_api::outcome::{Outcome, limit_bytes};
use axon_api::variables;
use nix::fcntl::OFlag;

use crate::complain;
use crate::environment::Environment;

/// Containers that an agent's pod has when no description says how much may be written.
const USUAL_CONTAINERS: usize = 3;

/// Where the outcome goes.
pub(crate) struct Report {
    path: Option<PathBuf>,
    limit: Cell<usize>,
}

impl Report {
    pub(crate) fn new(environment: &Environment) -> Self {
        Self {
            path: environment.path(variables::TERMINATION_FILE),
            limit: Cell::new(limit_bytes(USUAL_CONTAINERS)),
        }
    }

    /// Sets how many bytes an outcome may have; zero keeps the usual limit.
    pub(crate) fn limit(&self, bytes: usize) {
        if bytes > 0 {
            self.limit.set(bytes);
        }
    }

    /// Replaces whatever is in the termination file by `outcome`.
    pub(crate) fn write(&self, outcome: &Outcome) {
        let json = outcome.to_json(self.limit.get());
        let Some(path) = &self.path else {
            complain(&format!("`{}` is not set: {json}", variables::TERMINATION_FILE));
            return;
        };
        if let Err(error) = replace(path, json.as_bytes()) {
            complain(&format!(
                "failed to write the outcome to `{}`: {error}",
                path.display()
            ));
        }
    }
}

/// Writes `contents` to the file itself, not to what a link names: the agent may have put anything
/// in the file's place. In a pod the file is mounted by itself and can only be written to; elsewhere
/// what cannot be written to is removed first.
fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    if let Ok(file) = open(path, OFlag::empty())
        && file.metadata()?.is_file()
        && write(file, contents).is_ok()
    {
        return Ok(());
    }
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => fs::remove_dir_all(path)?,
        Ok(_) => fs::remove_file(path)?,
        Err(_) => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
        }
    }
    write(open(path, OFlag::O_CREAT | OFlag::O_EXCL)?, contents)
}

fn open(path: &Path, more: OFlag) -> io::Result<File> {
    // Without O_NONBLOCK a pipe in the file's place would make this wait for a reader.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | more;
    OpenOptions::new()
        .write(true)
        .custom_flags(flags.bits())
        .mode(0o644)
        .open(path)
}

fn write(mut file: File, contents: &[u8]) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(contents)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use axon_api::outcome::RunResult;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    /// Puts something at a path.
    type Place<'a> = &'a dyn Fn(&Path) -> io::Result<()>;

    fn write_over(prepare: Place<'_>) -> Option<Outcome> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("termination");
        prepare(&path).expect("put there");
        let mut environment = Environment::default();
        environment.set(variables::TERMINATION_FILE, &path);
        Report::new(&environment).write(&Outcome::new(RunResult::Failed, "AgentFailed", "agent exited 3"));
        Outcome::parse(&fs::read_to_string(path).expect("a file"))
    }

    #[test]
    fn whatever_is_in_the_files_place_is_replaced() {
        let elsewhere = tempfile::tempdir().expect("a directory");
        let target = elsewhere.path().join("target");
        fs::write(&target, "precious").expect("written");
        let places: [(&str, Place<'_>); 5] = [
            ("nothing", &|_| Ok(())),
            ("a longer text", &|path| fs::write(path, "x".repeat(9000))),
            ("a link", &|path| symlink(&target, path)),
            ("a directory", &|path| fs::create_dir_all(path.join("full"))),
            ("a pipe", &|path| {
                mkfifo(path, Mode::S_IRWXU).map_err(io::Error::from)
            }),
        ];
        for (what, prepare) in places {
            assert_eq!(
                write_over(prepare).map(|outcome| outcome.reason).as_deref(),
                Some("AgentFailed"),
                "{what}"
            );
        }
        assert_eq!(fs::read_to_string(&target).expect("read"), "precious");
    }
}
