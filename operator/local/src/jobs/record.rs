//! What a pod's folder tells about its containers: the files that outlive the plane.
//!
//! - `NAME.pid`, the claim: made once, by a hard link that fails when it exists. Who makes it starts
//!   the container; it names the supervising process.
//! - `NAME.main`: the container's main process.
//! - `NAME.exit`: how it ended.
//! - `NAME.log`: what it printed.
//! - `termination-NAME`: its last word.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::fcntl::OFlag;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::process::Identity;

/// The kubelet reads at most this much of a termination message.
const MAX_TERMINATION_MESSAGE_BYTES: u64 = 4096;

/// Who starts a container, or has made sure that nobody does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claim {
    /// The supervising process; absent when the container was given up before its start.
    pub(super) supervisor: Option<Identity>,
    pub(super) started_at: Timestamp,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exit {
    /// 128 and the signal, when one ended it.
    #[expect(clippy::struct_field_names, reason = "it is Kubernetes' name for it")]
    pub(super) exit_code: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) signal: Option<i32>,
    pub(super) started_at: Timestamp,
    pub(super) finished_at: Timestamp,
    /// Why the program could not be started, or that it was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<Problem>,
}

/// An end that was not the program's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Problem {
    /// The program could not be executed.
    NotStarted(String),
    /// It was started, or about to be, and nobody saw its end.
    Lost,
}

/// How far a container came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    NotClaimed,
    /// The process to watch: the supervisor, or the main process where the supervisor was killed.
    Running {
        claim: Claim,
        watch: Identity,
    },
    Ended(Exit),
}

/// The files of one container.
#[derive(Clone, Debug)]
pub(super) struct Files {
    folder: PathBuf,
    container: String,
}

impl Files {
    pub(super) fn new(folder: &Path, container: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            container: container.to_owned(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn container(&self) -> &str {
        &self.container
    }

    fn claim_path(&self) -> PathBuf {
        self.folder.join(format!("{}.pid", self.container))
    }

    fn main_path(&self) -> PathBuf {
        self.folder.join(format!("{}.main", self.container))
    }

    fn exit_path(&self) -> PathBuf {
        self.folder.join(format!("{}.exit", self.container))
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.container))
    }

    pub(super) fn termination(&self) -> PathBuf {
        self.folder.join(format!("termination-{}", self.container))
    }

    /// Claims the container. `false` when another has it.
    pub(super) fn claim(&self, claim: &Claim) -> io::Result<bool> {
        let draft = self.draft("pid")?;
        write_durably(&draft, claim)?;
        let linked = fs::hard_link(&draft, self.claim_path());
        fs::remove_file(&draft)?;
        match linked {
            Ok(()) => {
                sync_folder(&self.folder)?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write_main(&self, main: &Identity) -> io::Result<()> {
        self.replace("main", &self.main_path(), main)
    }

    pub(super) fn write_exit(&self, exit: &Exit) -> io::Result<()> {
        self.replace("exit", &self.exit_path(), exit)
    }

    pub(super) fn main(&self) -> Option<Identity> {
        read(&self.main_path())
    }

    pub(super) fn read_claim(&self) -> Option<Claim> {
        read(&self.claim_path())
    }

    /// How far the container came.
    pub(super) fn trace(&self) -> Trace {
        let Some(claim) = self.read_claim() else {
            return Trace::NotClaimed;
        };
        if let Some(exit) = read(&self.exit_path()) {
            return Trace::Ended(exit);
        }
        if let Some(watch) = claim.supervisor.clone().filter(Identity::is_alive) {
            return Trace::Running { claim, watch };
        }
        // The supervisor may have written the end and ended itself between the two looks.
        if let Some(exit) = read(&self.exit_path()) {
            return Trace::Ended(exit);
        }
        if let Some(watch) = self.main().filter(Identity::is_alive) {
            return Trace::Running { claim, watch };
        }
        Trace::Ended(Exit {
            exit_code: 137,
            signal: None,
            started_at: claim.started_at,
            finished_at: Timestamp::now(),
            problem: Some(Problem::Lost),
        })
    }

    /// The last word of the container, as the kubelet reads it; empty when there is none.
    ///
    /// The program may have put anything in place of the file: a link is not followed, and a pipe
    /// not waited for.
    pub(super) fn termination_message(&self) -> String {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(self.termination());
        let Ok(file) = file else {
            return String::new();
        };
        if !file.metadata().is_ok_and(|data| data.is_file()) {
            return String::new();
        }
        let mut bytes = Vec::new();
        let read = file.take(MAX_TERMINATION_MESSAGE_BYTES).read_to_end(&mut bytes);
        match read {
            Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => String::new(),
        }
    }

    fn replace<T: Serialize>(&self, kind: &str, path: &Path, content: &T) -> io::Result<()> {
        let draft = self.draft(kind)?;
        write_durably(&draft, content)?;
        fs::rename(&draft, path)?;
        sync_folder(&self.folder)
    }

    /// A file that nobody else writes.
    fn draft(&self, kind: &str) -> io::Result<PathBuf> {
        let thread = format!("{:?}", std::thread::current().id());
        let thread: String = thread.chars().filter(char::is_ascii_digit).collect();
        let draft = self.folder.join(format!(
            ".{}.{kind}.{}.{thread}",
            self.container,
            std::process::id(),
        ));
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(draft),
        }
    }
}

fn write_durably<T: Serialize>(path: &Path, content: &T) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(&serde_json::to_vec(content)?)?;
    file.sync_data()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(supervisor: Option<Identity>) -> Claim {
        Claim {
            supervisor,
            started_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_container_is_claimed_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(folder.path(), "agent");
        assert_eq!(files.trace(), Trace::NotClaimed);
        let own = claim(Some(Identity::own().expect("own process")));
        assert!(files.claim(&own).expect("written"));
        assert!(!files.claim(&claim(None)).expect("refused"));
        assert!(matches!(files.trace(), Trace::Running { .. }));
    }

    #[test]
    fn a_container_whose_processes_are_gone_is_lost_and_one_with_an_end_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(folder.path(), "agent");
        assert!(files.claim(&claim(None)).expect("written"));
        let Trace::Ended(lost) = files.trace() else {
            panic!("not ended");
        };
        assert_eq!((lost.exit_code, lost.problem), (137, Some(Problem::Lost)));

        let exit = Exit {
            exit_code: 3,
            signal: None,
            started_at: Timestamp::UNIX_EPOCH,
            finished_at: Timestamp::UNIX_EPOCH,
            problem: None,
        };
        files.write_exit(&exit).expect("written");
        assert_eq!(files.trace(), Trace::Ended(exit));
    }

    #[test]
    fn a_container_whose_supervisor_was_killed_is_watched_by_its_main_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(folder.path(), "agent");
        let own = Identity::own().expect("own process");
        files.claim(&claim(None)).expect("written");
        files.write_main(&own).expect("written");
        assert!(matches!(files.trace(), Trace::Running { watch, .. } if watch == own));
    }

    #[test]
    fn a_termination_message_is_cut_and_a_link_in_its_place_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(folder.path(), "agent");
        assert_eq!(files.termination_message(), "");
        fs::write(files.termination(), "a".repeat(5000)).expect("written");
        assert_eq!(files.termination_message().len(), 4096);
        fs::remove_file(files.termination()).expect("removed");
        std::os::unix::fs::symlink("/etc/hostname", files.termination()).expect("linked");
        assert_eq!(files.termination_message(), "");
    }
}
