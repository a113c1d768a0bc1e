//! A plane of this machine for a test, and what commands on it say.

#![allow(dead_code, reason = "each file of tests uses its part")]

use std::path::Path;
use std::process::{Command, Stdio};

/// A plane of its own, which ends with the test.
pub(crate) struct Plane {
    folder: tempfile::TempDir,
}

/// How a command has ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn out(self, text: &str) -> Self {
        assert_eq!(self.out, text, "{}", self.err);
        self
    }

    #[track_caller]
    pub(crate) fn shows(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.out.contains(part), "{part:?} is missing in\n{}", self.out);
        }
        self
    }

    #[track_caller]
    pub(crate) fn notes(self, part: &str) -> Self {
        assert!(self.err.contains(part), "{part:?} is missing in\n{}", self.err);
        self
    }
}

impl Plane {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("home")).expect("made");
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-axon"));
        command
            .env_clear()
            .env("HOME", self.path().join("home"))
            .env("AXON_LOCAL_DIR", self.path().join("local"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn git(&self) -> Command {
        let mut command = Command::new("git");
        command.env("HOME", self.path().join("home"));
        command
    }

    /// One command with `--local`.
    pub(crate) fn axon(&self, arguments: &[&str]) -> Said {
        said(self.command().arg("--local").args(arguments))
    }

    /// One command as it is, with neither a cluster nor a plane.
    pub(crate) fn plain(&self, arguments: &[&str]) -> Said {
        said(self.command().args(arguments))
    }

    /// URL of a repository of this machine with one commit.
    pub(crate) fn repository(&self) -> String {
        let folder = self.path().join("repository");
        let git = |arguments: &[&str]| {
            let mut command = self.git();
            let done = command.arg("-C").arg(&folder).args(arguments).output();
            let done = done.expect("git starts");
            assert!(done.status.success(), "{arguments:?}: {done:?}");
        };
        std::fs::create_dir(&folder).expect("made");
        git(&["init", "-q", "-b", "main"]);
        git(&[
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "first",
        ]);
        format!("file://{}", folder.display())
    }

    /// What is offered for an unfinished command with `--local`.
    pub(crate) fn complete(&self, words: &[&str]) -> String {
        let output = self
            .command()
            .args(["__complete", "--local"])
            .args(words)
            .output()
            .expect("it starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a script as a Task, without a sandbox: not every machine has one.
    pub(crate) fn script(&self, name: &str, script: &str, more: &[&str]) -> Said {
        let mut arguments = vec![
            "run",
            "-t",
            "shell",
            "--sandbox",
            "none",
            "--name",
            name,
            "-p",
            script,
        ];
        arguments.extend(more);
        self.axon(&arguments)
    }
}

fn said(command: &mut Command) -> Said {
    let output = command.output().expect("it starts");
    Said {
        code: output.status.code().expect("it was not killed"),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = self.command().args(["local", "stop"]).output();
    }
}
