//! A place with everything that a container of a run has: a remote repository, a workspace, a home,
//! and the runner.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use axon_api::outcome::Outcome;
use axon_api::run::{Checkout, RunDescription, VERSION};
use axon_api::variables;
use flate2::Compression;
use flate2::write::GzEncoder;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

/// The runner under test.
pub(crate) const RUNNER: &str = env!("CARGO_BIN_EXE_axon-runner");

/// Larger descriptions travel in a file, as they do in a pod.
const MAX_INLINE: usize = 64 * 1024;

/// A user without any rights.
const NOBODY: u32 = 65534;

pub(crate) struct Place {
    root: tempfile::TempDir,
    variables: Vec<(String, OsString)>,
    unprivileged: bool,
    tiny_disk: bool,
}

/// What a subcommand of the runner has left.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    /// The termination file, if it is an outcome.
    pub(crate) outcome: Option<Outcome>,
}

impl fmt::Debug for Finished {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Finished")
            .field("status", &self.status)
            .field("stdout", &self.text().chars().take(4000).collect::<String>())
            .field("stderr", &self.stderr)
            .field("outcome", &self.outcome)
            .finish()
    }
}

impl Finished {
    pub(crate) fn outcome(&self) -> &Outcome {
        self.outcome
            .as_ref()
            .unwrap_or_else(|| panic!("no outcome: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// A runner that was started and not waited for.
pub(crate) struct Started {
    child: Child,
    stdout: BufReader<ChildStdout>,
    termination: PathBuf,
}

impl Place {
    /// A place with a remote that has the branches `main` and `topic` and the tag `v1`.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        for folder in ["workspace", "home", "tmp", "bin"] {
            fs::create_dir(root.path().join(folder)).expect("made");
        }
        let place = Self {
            root,
            variables: Vec::new(),
            unprivileged: false,
            tiny_disk: false,
        };
        place.make_remote("remote.git", "first");
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn checkout(&self) -> PathBuf {
        self.path("workspace/repo")
    }

    /// The URL of one of the place's repositories.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("file://{}", self.path(name).display())
    }

    /// Sets a variable of the container.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// Takes a variable of the container away again.
    pub(crate) fn forget(&mut self, name: &str) {
        self.variables.retain(|(have, _)| have != name);
    }

    /// Puts a program first on the container's `PATH`.
    pub(crate) fn add_program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("set");
    }

    /// Makes a bare repository whose first commit holds `text`.
    pub(crate) fn make_remote(&self, name: &str, text: &str) {
        let bare = self.path(name);
        let work = self.path(&format!("{name}.work"));
        git(
            self.root.path(),
            &["init", "-q", "--bare", "-b", "main", &bare.to_string_lossy()],
        );
        git(
            self.root.path(),
            &["init", "-q", "-b", "main", &work.to_string_lossy()],
        );
        for (branch, contents) in [("main", text), ("topic", "topic")] {
            if branch != "main" {
                git(&work, &["checkout", "-q", "-b", branch]);
            }
            fs::write(work.join("README"), contents).expect("written");
            git(&work, &["add", "README"]);
            git(&work, &["commit", "-q", "-m", contents]);
        }
        git(&work, &["tag", "v1", "main"]);
        // A second commit, so that the tag and the branch differ.
        git(&work, &["checkout", "-q", "main"]);
        fs::write(work.join("README"), format!("{text}, then more")).expect("written");
        git(&work, &["commit", "-q", "-a", "-m", "more"]);
        let url = bare.to_string_lossy().into_owned();
        git(&work, &["push", "-q", &url, "main", "topic", "v1"]);
    }

    /// What `git rev-parse` says of `name` in one of the place's repositories.
    pub(crate) fn commit(&self, repository: &str, name: &str) -> String {
        git(&self.path(repository), &["rev-parse", name])
    }

    /// A run of `shell` without a repository.
    pub(crate) fn script(prompt: impl Into<String>) -> RunDescription {
        RunDescription {
            version: VERSION,
            task: "fix".into(),
            namespace: "default".into(),
            uid: "a-uid".into(),
            attempt: 1,
            agent_type: "shell".into(),
            prompt: prompt.into(),
            outcome_limit_bytes: 3840,
            ..RunDescription::default()
        }
    }

    /// A run of `shell` on the place's remote.
    pub(crate) fn script_on_remote(&self, prompt: impl Into<String>) -> RunDescription {
        RunDescription {
            checkout: Some(Checkout {
                repo: self.url("remote.git"),
                directory: "repo".into(),
                ..Checkout::default()
            }),
            ..Place::script(prompt)
        }
    }

    /// Runs the runner as a user without rights from here on, whoever runs the tests.
    pub(crate) fn drop_privileges(&mut self) {
        let bin = self.path("bin");
        let installed = Command::new(RUNNER)
            .arg("install")
            .arg(&bin)
            .status()
            .expect("started");
        assert!(installed.success());
        self.unprivileged = true;
        if !geteuid().is_root() {
            return;
        }
        assert!(
            Command::new("setpriv").arg("--version").output().is_ok(),
            "these tests run as root and need setpriv to become somebody else: install util-linux, or run them \
             as an ordinary user"
        );
        give_to_nobody(self.root.path());
    }

    /// Gives the runner a workspace on a disk of 64 KiB from here on, in a mount namespace of its
    /// own.
    pub(crate) fn shrink_disk(&mut self) {
        self.tiny_disk = true;
    }

    /// `prepare` and then `run`.
    pub(crate) fn prepare_and_run(&self, description: &RunDescription) -> Finished {
        let prepared = self.prepare(description);
        assert!(prepared.status.success(), "{prepared:?}");
        self.run(description)
    }

    pub(crate) fn prepare(&self, description: &RunDescription) -> Finished {
        self.start("prepare", description).finish()
    }

    pub(crate) fn run(&self, description: &RunDescription) -> Finished {
        self.start("run", description).finish()
    }

    /// Starts a subcommand.
    pub(crate) fn start(&self, subcommand: &str, description: &RunDescription) -> Started {
        let mut child = self
            .described(description)
            .arg(subcommand)
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        Started {
            stdout: BufReader::new(child.stdout.take().expect("a pipe")),
            child,
            termination: self.path("termination"),
        }
    }

    /// `run` with its output in a file.
    pub(crate) fn run_into(&self, output: File, description: &RunDescription) -> Finished {
        let mut command = self.described(description);
        let ended = command.arg("run").stdout(output).output().expect("started");
        Finished {
            status: ended.status,
            stdout: Vec::new(),
            stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
            outcome: read_outcome(&self.path("termination")),
        }
    }

    /// The runner with a description, as the operator hands it over.
    fn described(&self, description: &RunDescription) -> Command {
        let _ = fs::remove_file(self.path("termination"));
        let mut command = self.command();
        let json = serde_json::to_vec(description).expect("JSON");
        if json.len() <= MAX_INLINE {
            command.env(variables::RUN, String::from_utf8(json).expect("text"));
        } else {
            let path = self.path("run.json.gz");
            let mut encoder = GzEncoder::new(File::create(&path).expect("made"), Compression::fast());
            encoder.write_all(&json).expect("written");
            encoder.finish().expect("written");
            command.env(variables::RUN_FILE, path);
        }
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn command(&self) -> Command {
        let mut command = if self.unprivileged && geteuid().is_root() {
            let mut command = Command::new("setpriv");
            let id = NOBODY.to_string();
            command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
            command.arg(self.path("bin/axon-runner"));
            command
        } else if self.tiny_disk {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--map-root-user", "sh", "-c"]);
            command.arg("mount -t tmpfs -o size=64k tmpfs \"$AXON_WORKSPACE_DIR\" && exec \"$0\" \"$@\"");
            command.arg(RUNNER);
            command
        } else {
            Command::new(RUNNER)
        };
        let path = std::env::var("PATH").expect("a PATH");
        command
            .env_clear()
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env(variables::WORKSPACE_DIR, self.path("workspace"))
            .env(variables::BIN_DIR, self.path("bin"))
            .env(variables::TERMINATION_FILE, self.path("termination"))
            .env(variables::TASK, "fix")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.path("workspace"));
        command
    }
}

impl Started {
    /// Waits until the output has this line.
    pub(crate) fn wait_for_line(&mut self, wanted: &str) {
        let mut line = String::new();
        while self.stdout.read_line(&mut line).expect("readable") > 0 {
            if line.trim_end() == wanted {
                return;
            }
            line.clear();
        }
        panic!("the output ended without the line `{wanted}`");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        kill(pid, signal).expect("sent");
    }

    /// Closes the reading end of the runner's output and waits for the runner.
    pub(crate) fn finish_unread(mut self) -> Finished {
        drop(self.stdout);
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().expect("a pipe");
        pipe.read_to_string(&mut stderr).expect("readable");
        finished(&mut self.child, Vec::new(), stderr, &self.termination)
    }

    /// Waits for the runner.
    pub(crate) fn finish(mut self) -> Finished {
        let mut pipe = self.child.stderr.take().expect("a pipe");
        let errors = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).expect("readable");
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let mut stdout = Vec::new();
        self.stdout.read_to_end(&mut stdout).expect("readable");
        let stderr = errors.join().expect("read");
        finished(&mut self.child, stdout, stderr, &self.termination)
    }
}

fn finished(child: &mut Child, stdout: Vec<u8>, stderr: String, termination: &Path) -> Finished {
    Finished {
        status: child.wait().expect("ended"),
        stdout,
        stderr,
        outcome: read_outcome(termination),
    }
}

fn read_outcome(termination: &Path) -> Option<Outcome> {
    fs::read_to_string(termination)
        .ok()
        .and_then(|text| Outcome::parse(&text))
}

/// Where a program of this machine is.
pub(crate) fn which(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("a PATH");
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
        .expect("on PATH")
}

/// Runs git for the test itself and gives what it prints.
pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .envs([("GIT_AUTHOR_NAME", "T"), ("GIT_AUTHOR_EMAIL", "t@t")])
        .envs([("GIT_COMMITTER_NAME", "T"), ("GIT_COMMITTER_EMAIL", "t@t")])
        .output()
        .expect("git starts");
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn give_to_nobody(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).expect("given");
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).expect("readable") {
            give_to_nobody(&entry.expect("an entry").path());
        }
    }
}
