//! The folder in which one embedded plane keeps all that it has.

use std::path::{Path, PathBuf};

/// The environment variable that names the folder.
pub const VARIABLE: &str = "AXON_LOCAL_DIR";

/// The folder of one embedded plane: `~/.axon/local`, or what `AXON_LOCAL_DIR` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The plane whose folder is `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder that the environment names: `AXON_LOCAL_DIR`, or else `~/.axon/local`. `None`
    /// when neither that variable nor `HOME` is set.
    pub fn from_environment() -> Option<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = set(VARIABLE)
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(set("HOME")?).join(".axon/local")))?;
        Some(Self::new(root))
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file of `SQLite`.
    pub fn database(&self) -> PathBuf {
        self.root.join("state.db")
    }

    /// The socket on which the command line talks to the plane.
    pub fn socket(&self) -> PathBuf {
        self.root.join("api.sock")
    }

    /// Held as long as a plane serves this folder; it takes the place of a cluster's Lease.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The kubeconfig for plain kubectl: loopback port, certificate and token.
    pub fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// What the plane logs.
    pub fn log(&self) -> PathBuf {
        self.root.join("serve.log")
    }

    /// All that belongs to one pod: volumes, logs, pid and outcome.
    pub fn pod(&self, uid: &str) -> PathBuf {
        self.root.join("pods").join(uid)
    }

    /// What one `PersistentVolumeClaim` holds.
    pub fn claim(&self, uid: &str) -> PathBuf {
        self.root.join("claims").join(uid)
    }

    /// The output of one container, standard output and error together.
    pub fn container_log(&self, pod_uid: &str, container: &str) -> PathBuf {
        self.pod(pod_uid).join(format!("{container}.log"))
    }
}
