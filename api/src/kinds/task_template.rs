//! The template of the Tasks that a spawner makes.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::agent_provider::InlineProvider;
use super::pod_overrides::PodOverrides;
use super::reference::LocalReference;
use super::task::{Credentials, Limits, RetryPolicy};
use super::workspace::WorkspaceSpec;

/// What the Tasks of a spawner are. promptTemplate, branch, nameTemplate and the values of
/// metadata are Go templates over the item, such as {{.Title}}; all else is as in a Task.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.workspace) && has(self.workspaceRef))").message("workspace and workspaceRef are mutually exclusive"))]
#[x_kube(validation = Rule::new("!(has(self.agentConfigRef) && has(self.agentConfigRefs))").message("agentConfigRef and agentConfigRefs are mutually exclusive"))]
#[x_kube(validation = Rule::new("(has(self.credentials) ? 1 : 0) + (has(self.providerRef) ? 1 : 0) + (has(self.provider) ? 1 : 0) <= 1").message("credentials, providerRef and provider are mutually exclusive"))]
pub struct TaskTemplate {
    /// Agent type of the Tasks. Absent means the namespace's default.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub type_: Option<String>,

    /// Template of the prompt. Absent means kind, number, title, body and comments of the item. For
    /// type shell it is required, is a script, and may use no field of the item: those are in the
    /// variables AXON_ITEM_TITLE and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65_536))]
    pub prompt_template: Option<String>,

    /// Template of the name. What it gives is put in lower case, and what a name may not have becomes
    /// a dash. Absent means the spawner's name and the item's ID. A Task that an item gets once more
    /// has a suffix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub name_template: Option<String>,

    /// Labels and annotations of the Tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<TemplateMetadata>,

    /// The agent's credential, when it is not a provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,

    /// AgentProvider of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_ref: Option<LocalReference>,

    /// A provider written out in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<InlineProvider>,

    /// Model of the Tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub model: Option<String>,

    /// Reasoning effort of the Tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub effort: Option<String>,

    /// Container image of the Tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,

    /// Workspace of the same namespace: what the Tasks check out, and whose repository and token the
    /// GitHub sources ask with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_ref: Option<LocalReference>,

    /// A workspace written out in place, instead of workspaceRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceSpec>,

    /// AgentConfig of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_config_ref: Option<LocalReference>,

    /// AgentConfigs of the same namespace, merged in this order. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub agent_config_refs: Vec<LocalReference>,

    /// Tasks of the same namespace that must have succeeded before one starts. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    pub depends_on: Vec<String>,

    /// Template of the branch, such as axon-task-{{.Number}}. Tasks of one branch run one after the
    /// other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub branch: Option<String>,

    /// Repository owner/name that pull requests go to. Absent means the source's repo, when it has
    /// one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = r"^[^/\s]+/[^/\s]+$"))]
    pub upstream_repo: Option<String>,

    /// How long the agent may run, as a Go duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    pub timeout: Option<String>,

    /// How long the pod may take to start the agent, as a Go duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    pub start_timeout: Option<String>,

    /// Whether a run that failed after the agent had started is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,

    /// What a run may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,

    /// Seconds after its end when a Task is deleted; minimum 0. The item is not taken again for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub ttl_seconds_after_finished: Option<i32>,

    /// Changes to the pods that run the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_overrides: Option<PodOverrides>,
}

/// Labels and annotations of Tasks.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateMetadata {
    /// Labels; their values are templates. Keys under axon.io/ are Axon's own. At most 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub labels: BTreeMap<String, String>,

    /// Annotations; their values are templates. Keys under axon.io/ are Axon's own. At most 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub annotations: BTreeMap<String, String>,
}
