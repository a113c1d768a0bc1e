//! Storage that outlives a pod.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A volume that holds the checkout and outlives the pod.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// StorageClass. Absent means the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,

    /// Size, as a quantity such as 10Gi. Absent means 10Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E)?$")
    )]
    pub size: Option<String>,

    /// Access mode: ReadWriteOnce, ReadWriteOncePod or ReadWriteMany. Absent means ReadWriteOnce,
    /// and ReadWriteMany for a volume that is shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mode: Option<AccessMode>,

    /// Who has the volume: Task, each Task one of its own, deleted with it; or Workspace, all
    /// Tasks of the Workspace one together, in which each works in a git worktree of one clone.
    /// Absent means Task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<StorageScope>,
}

/// How many nodes may mount a volume.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessMode {
    ReadWriteOnce,
    ReadWriteOncePod,
    ReadWriteMany,
}

/// Who has a volume.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorageScope {
    /// Each Task one of its own, deleted with it.
    #[default]
    Task,
    /// All Tasks of a Workspace one together.
    Workspace,
}

impl AccessMode {
    /// The mode as Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "ReadWriteOnce",
            Self::ReadWriteOncePod => "ReadWriteOncePod",
            Self::ReadWriteMany => "ReadWriteMany",
        }
    }
}
