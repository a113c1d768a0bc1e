//! How a source names a Secret.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A Secret of the spawner's namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
