//! How one object names another.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The name of an object of the same namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalReference {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
