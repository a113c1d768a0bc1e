//! Installing Axon on a cluster: what the verbs `install`, `upgrade`, `uninstall` and `doctor` share.
//!
//! `manifest` says what is to be there, from the chart and flags; `present` reads what is there;
//! `refusal` decides from both whether to go on. All of that is known before the first write.

pub(crate) mod deployment;
pub(crate) mod flags;
pub(crate) mod images;
pub(crate) mod manifest;
pub(crate) mod present;
pub(crate) mod process;
pub(crate) mod refusal;
pub(crate) mod remains;
pub(crate) mod removal;
pub(crate) mod rights;
pub(crate) mod schemas;
pub(crate) mod server;
pub(crate) mod versions;

/// Whether a verb waits until what it has begun is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wait {
    /// Wait until it is done
    True,
    /// Return at once
    False,
}

/// What becomes of the definitions when the operator is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Definitions {
    Stay,
    /// With them go all objects of users.
    Go,
}

/// The namespace of the operator unless a flag names another.
pub(crate) const NAMESPACE: &str = "axon-system";

/// The operator's Deployment.
pub(crate) const DEPLOYMENT: &str = "axon-controller-manager";

/// The Lease by which the operator's replicas agree which of them works.
pub(crate) const LEASE: &str = "axon-operator";

/// The version of this program, and of what it installs.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
