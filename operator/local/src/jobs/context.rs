//! What the parts of the Job runner share.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kube::Client;
use tokio::sync::{OnceCell, Semaphore, watch};

use super::sandbox::{Bubblewrap, bubblewrap};
use crate::directory::Directory;

/// What the parts of the Job runner share.
pub(super) struct Context {
    pub(super) client: Client,
    pub(super) directory: Directory,
    /// The program that has the hidden commands `local container` and `local runner`.
    pub(super) program: PathBuf,
    /// What every container's environment starts from.
    pub(super) environment: BTreeMap<String, String>,
    /// The user's homes: what the environment says, and what the system says.
    pub(super) homes: Vec<PathBuf>,
    pub(super) node_name: String,
    /// One permit for each pod that may run.
    pub(super) permits: Semaphore,
    /// Counts the changes of Secrets and `ConfigMap`s.
    pub(super) configuration: watch::Receiver<u64>,
    pub(super) bubblewrap: OnceCell<Bubblewrap>,
}

impl Context {
    /// Whether bubblewrap works, tried once.
    pub(super) async fn bubblewrap(&self) -> &Bubblewrap {
        self.bubblewrap.get_or_init(bubblewrap::probe).await
    }
}
