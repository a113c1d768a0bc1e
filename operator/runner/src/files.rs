//! Writes files where somebody else may have put links.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use axon_api::agents::ConfigFile;
use axon_api::kinds::workspace::WorkspaceFile;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};

use crate::failure::{Failure, INVALID_FILE, SETUP_FAILED};

/// Writes a file of the workspace into the checkout. The repository is somebody's: a link in it is
/// never followed, and git's own folder is never written to.
pub(crate) fn write_into_checkout(checkout: &Path, file: &WorkspaceFile) -> Result<(), Failure> {
    let refuse = |why: &str| Failure::new(INVALID_FILE, format!("the file `{}` {why}", file.path));
    let names = names(&file.path).ok_or_else(|| refuse("has no path below the checkout"))?;
    if names.iter().any(|name| name.eq_ignore_ascii_case(".git")) {
        return Err(refuse("is in git's own folder"));
    }
    let Some((name, directories)) = names.split_last() else {
        return Err(refuse("has no name"));
    };
    let explain = |error: Errno| match error {
        Errno::ELOOP | Errno::ENOTDIR => refuse("leads through a link or a file of the repository"),
        Errno::EISDIR => refuse("is a directory of the repository"),
        error => Failure::io(
            INVALID_FILE,
            format_args!("write the file `{}`", file.path),
            &error.into(),
        ),
    };
    let mut directory: OwnedFd = open(checkout, directory_flags(), Mode::empty()).map_err(explain)?;
    for name in directories {
        match mkdirat(&directory, *name, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(explain(error)),
        }
        directory = openat(&directory, *name, directory_flags(), Mode::empty()).map_err(explain)?;
    }
    let flags = OFlag::O_WRONLY
        | OFlag::O_CREAT
        | OFlag::O_TRUNC
        | OFlag::O_NOFOLLOW
        | OFlag::O_NONBLOCK
        | OFlag::O_CLOEXEC;
    let mut target =
        File::from(openat(&directory, *name, flags, Mode::from_bits_truncate(0o644)).map_err(explain)?);
    target.write_all(file.content.as_bytes()).map_err(|error| {
        Failure::io(
            INVALID_FILE,
            format_args!("write the file `{}`", file.path),
            &error,
        )
    })
}

fn directory_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

/// The names that a relative path consists of; `None` for a path that is not below its root.
fn names(path: &str) -> Option<Vec<&str>> {
    if path.is_empty() || path.contains('\0') {
        return None;
    }
    Path::new(path)
        .components()
        .filter(|component| *component != Component::CurDir)
        .map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect()
}

/// Writes a file of the agent's configuration into its home. A link that leads out of the home is
/// not followed; what stood at the path is replaced whole.
pub(crate) fn write_into_home(home: &Path, file: &ConfigFile) -> Result<(), Failure> {
    let path = home.join(&file.path);
    let failed = |error: &io::Error| {
        Failure::io(
            SETUP_FAILED,
            format_args!("write the agent's file `{}`", path.display()),
            error,
        )
    };
    let names = names(&file.path).ok_or_else(|| {
        Failure::new(
            SETUP_FAILED,
            format!("the agent's file `{}` is not below its home", file.path),
        )
    })?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(home)
        .map_err(|error| failed(&error))?;
    let root = home.canonicalize().map_err(|error| failed(&error))?;
    let mut directory = root.clone();
    let Some((name, directories)) = names.split_last() else {
        return Ok(());
    };
    for name in directories {
        directory = enter(&root, &directory.join(name)).map_err(|error| failed(&error))?;
    }
    replace(&directory, name, file).map_err(|error| failed(&error))
}

fn enter(root: &Path, directory: &Path) -> io::Result<PathBuf> {
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let real = directory.canonicalize()?;
    if !real.starts_with(root) {
        return Err(io::Error::other("a link leads out of the home"));
    }
    Ok(real)
}

fn replace(directory: &Path, name: &str, file: &ConfigFile) -> io::Result<()> {
    let unfinished = directory.join(format!(".{name}.axon"));
    let _ = fs::remove_file(&unfinished);
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(file.mode)
        .open(&unfinished)?;
    target.write_all(file.contents.as_bytes())?;
    fs::rename(&unfinished, directory.join(name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn file(path: &str) -> WorkspaceFile {
        WorkspaceFile {
            path: path.into(),
            content: "text".into(),
        }
    }

    #[test]
    fn a_file_and_its_directories_are_made() {
        let root = tempfile::tempdir().expect("a directory");
        write_into_checkout(root.path(), &file("a/b/c.txt")).expect("written");
        write_into_checkout(root.path(), &file("./a/b/c.txt")).expect("written again");
        assert_eq!(
            fs::read_to_string(root.path().join("a/b/c.txt")).expect("read"),
            "text"
        );
    }

    #[test]
    fn a_link_in_the_repository_is_never_followed() {
        let root = tempfile::tempdir().expect("a directory");
        let outside = tempfile::tempdir().expect("a directory");
        symlink(outside.path(), root.path().join("linked")).expect("linked");
        symlink(outside.path().join("target"), root.path().join("file")).expect("linked");
        for path in ["linked/x", "file"] {
            let failure = write_into_checkout(root.path(), &file(path)).expect_err("refused");
            assert_eq!(failure.reason, INVALID_FILE, "{path}");
        }
        assert_eq!(fs::read_dir(outside.path()).expect("read").count(), 0);
    }

    #[test]
    fn paths_out_of_the_checkout_or_into_git_are_refused() {
        let root = tempfile::tempdir().expect("a directory");
        for path in [
            "",
            "/etc/x",
            "../x",
            "a/../../x",
            ".git/hooks/x",
            "a/.GIT/x",
            ".",
            "a\0b",
        ] {
            let failure = write_into_checkout(root.path(), &file(path)).expect_err("refused");
            assert_eq!(failure.reason, INVALID_FILE, "{path:?}");
        }
    }

    #[test]
    fn a_file_of_the_home_has_its_mode_and_replaces_a_link() {
        let home = tempfile::tempdir().expect("a directory");
        let outside = tempfile::tempdir().expect("a directory");
        let config = ConfigFile {
            path: ".agent/config.json".into(),
            contents: "{}".into(),
            mode: 0o600,
        };
        fs::create_dir(home.path().join(".agent")).expect("made");
        symlink(
            outside.path().join("target"),
            home.path().join(".agent/config.json"),
        )
        .expect("linked");
        write_into_home(home.path(), &config).expect("written");
        let written = home.path().join(".agent/config.json");
        assert_eq!(
            fs::symlink_metadata(&written)
                .expect("there")
                .permissions()
                .mode()
                & 0o777,
            0o600
        );
        assert!(!outside.path().join("target").exists());
    }

    #[test]
    fn a_directory_of_the_home_that_leads_out_of_it_is_refused() {
        let home = tempfile::tempdir().expect("a directory");
        let outside = tempfile::tempdir().expect("a directory");
        symlink(outside.path(), home.path().join(".agent")).expect("linked");
        let config = ConfigFile {
            path: ".agent/config.json".into(),
            contents: "{}".into(),
            mode: 0o600,
        };
        write_into_home(home.path(), &config).expect_err("refused");
        assert_eq!(fs::read_dir(outside.path()).expect("read").count(), 0);
    }
}
