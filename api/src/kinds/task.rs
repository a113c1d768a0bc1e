//! `Task`: one run of one agent.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agent_provider::InlineProvider;
use super::pod_overrides::PodOverrides;
use super::reference::LocalReference;
use super::workspace::WorkspaceSpec;

/// One run of one coding agent. Its spec cannot be changed once it is created, but for cancel and
/// ttlSecondsAfterFinished.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "axon.io",
    version = "v1alpha1",
    kind = "Task",
    plural = "tasks",
    category = "axon",
    namespaced,
    status = "TaskStatus",
    doc = "One run of one coding agent.",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.reason","priority":1}"#,
    printcolumn = r#"{"name":"Branch","type":"string","jsonPath":".status.results.branch","priority":1}"#,
    printcolumn = r#"{"name":"Commit","type":"string","jsonPath":".status.results.commit","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.workspace) && has(self.workspaceRef))").message("workspace and workspaceRef are mutually exclusive"))]
#[x_kube(validation = Rule::new("!(has(self.agentConfigRef) && has(self.agentConfigRefs))").message("agentConfigRef and agentConfigRefs are mutually exclusive"))]
#[x_kube(validation = Rule::new("(has(self.credentials) ? 1 : 0) + (has(self.providerRef) ? 1 : 0) + (has(self.provider) ? 1 : 0) <= 1").message("credentials, providerRef and provider are mutually exclusive"))]
pub struct TaskSpec {
    /// Agent type: claude-code, codex, gemini, opencode or shell. Absent means that of the
    /// namespace's TaskDefaults, else the operator's, which is claude-code.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,

    /// What the agent is to do. For type shell, the script to run. Up to 1 MiB.
    #[schemars(length(min = 1, max = 1_048_576))]
    pub prompt: String,

    /// The agent's credential, when it is not a provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,

    /// AgentProvider of the same namespace, with endpoint and credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_ref: Option<LocalReference>,

    /// A provider written out in place, instead of providerRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<InlineProvider>,

    /// Model, as the agent's CLI spells it. Absent means the CLI's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub model: Option<String>,

    /// Reasoning effort, as the agent's CLI spells it. Absent means the CLI's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub effort: Option<String>,

    /// Container image to run instead of the agent type's own. An image with an executable
    /// /axon_entrypoint.sh is started by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,

    /// Workspace of the same namespace to check out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_ref: Option<LocalReference>,

    /// A workspace written out in place, instead of workspaceRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceSpec>,

    /// AgentConfig of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_config_ref: Option<LocalReference>,

    /// AgentConfigs of the same namespace, merged in this order: instructions, plugins and skills
    /// add up, and of MCP servers of one name the last is taken. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub agent_config_refs: Vec<LocalReference>,

    /// Tasks of the same namespace that must have succeeded before this one starts, at most 64.
    /// The prompt may use what they produced: {{index .Deps "NAME" "Results" "branch"}}.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(
            length(min = 1, max = 253),
            regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        )
    )]
    pub depends_on: Vec<String>,

    /// Branch to work on: checked out if the remote has it, else made from the workspace's ref.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^\s\-][^\s]*$"))]
    pub branch: Option<String>,

    /// Repository owner/name that pull requests go to, when the workspace is a fork of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = r"^[^/\s]+/[^/\s]+$"))]
    pub upstream_repo: Option<String>,

    /// How long the agent may run, as a Go duration such as 30m or 1h30m, counted from its start.
    /// Absent means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    pub timeout: Option<String>,

    /// How long the pod may take to start the agent, as a Go duration. Absent means 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    pub start_timeout: Option<String>,

    /// Whether a run that failed after the agent had started is tried again. Absent means never:
    /// each try is paid for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,

    /// What the run may use before it is ended with reason LimitExceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,

    /// Set to true to end the Task. Cannot be set back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<bool>,

    /// Seconds after its end when the Task is deleted, with its Job and pod; minimum 0, which is
    /// at once. Absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub ttl_seconds_after_finished: Option<i32>,

    /// Changes to the pod that runs the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_overrides: Option<PodOverrides>,
}

/// The agent's credential.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.type == 'none' || has(self.secretRef)").message("secretRef is required for credentials of type api-key and oauth"))]
pub struct Credentials {
    /// Kind of credential: api-key, oauth or none.
    #[serde(rename = "type")]
    pub type_: CredentialsType,

    /// Secret of the same namespace. Its key is named like the agent's variable, for example
    /// ANTHROPIC_API_KEY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
}

/// Kind of credential.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename_all = "kebab-case")]
pub enum CredentialsType {
    ApiKey,
    #[serde(rename = "oauth")]
    #[schemars(rename = "oauth")]
    OAuth,
    #[default]
    None,
}

/// How often a run that failed is tried again.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryPolicy {
    /// More runs at most, from 1 to 10. They follow after 10 seconds, a minute and then five
    /// minutes each.
    #[schemars(range(min = 1, max = 10))]
    pub limit: i32,
}

/// What a run may use.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// US dollars, as a decimal such as "2.50". Counted for agents and models whose price is known.
    #[serde(rename = "costUSD", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub cost_usd: Option<String>,

    /// Input and output tokens together; minimum 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub tokens: Option<i64>,

    /// Turns of the conversation; minimum 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub turns: Option<i32>,
}

/// What became of a Task. Written by the operator only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStatus {
    /// Generation of the spec that this status is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Pending, Waiting, Running, Succeeded, Failed, TimedOut or Cancelled. The last four are
    /// final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,

    /// One word for why the Task is in its phase, such as WorkspaceNotFound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// A sentence for people: what happened, or what the Task waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// Supported (this build can run the Task), Ready (all that it names was found), Started (the
    /// agent was started) and Complete (the Task has ended, in whatever way).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// What the Task has from elsewhere, with where it is from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effective: Vec<EffectiveSetting>,

    /// The dependencies that have succeeded, with what they produced: they may be gone by now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub dependencies: Vec<FinishedDependency>,

    /// How many Jobs were made for the Task, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i32>,

    /// Name of the Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,

    /// UID of the Job.
    #[serde(rename = "jobUID", default, skip_serializing_if = "Option::is_none")]
    pub job_uid: Option<String>,

    /// Name of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,

    /// UID of the one pod that may start. Recorded before it is let go.
    #[serde(rename = "podUID", default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,

    /// When the agent started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,

    /// When the Task ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,

    /// Exit code of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,

    /// What the run produced, as lines `key: value` with the keys branch, commit, base-branch, pr,
    /// cost-usd, input-tokens and output-tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,

    /// The outputs as a map; the last value of a key that appears twice, such as pr.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub results: BTreeMap<String, String>,

    /// Tokens and cost of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<TaskUsage>,
}

/// A setting that a Task has from elsewhere.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveSetting {
    /// Field of a Task's spec, such as timeout.
    pub field: String,
    /// Its value, cut to 256 bytes.
    pub value: String,
    /// Where it is from, such as TaskDefaults/default or operator.
    pub from: String,
}

/// A dependency that has succeeded.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FinishedDependency {
    /// Name of the Task.
    pub name: String,
    /// UID of the Task.
    pub uid: String,
    /// Its outputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// Its results.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub results: BTreeMap<String, String>,
}

/// Tokens and cost of a run.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskUsage {
    /// US dollars, as a decimal. Absent when the price is not known.
    #[serde(rename = "costUSD", default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<String>,
    /// All input tokens, cached ones included.
    #[serde(default)]
    pub input_tokens: i64,
    /// The part of inputTokens that was read from the provider's cache.
    #[serde(default)]
    pub cache_read_tokens: i64,
    /// The part of inputTokens that was written to the provider's cache.
    #[serde(default)]
    pub cache_write_tokens: i64,
    /// All output tokens.
    #[serde(default)]
    pub output_tokens: i64,
}

/// Where a Task is in its life.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// The Job is made, or about to be; the agent has not started.
    Pending,
    /// Something that the Task names is missing; it starts when that appears.
    Waiting,
    /// The agent runs.
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Cancelled,
}

impl Phase {
    /// Whether a Task in this phase has ended for good.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::TimedOut | Self::Cancelled
        )
    }

    /// The phase as it is spelled in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Waiting => "Waiting",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::TimedOut => "TimedOut",
            Self::Cancelled => "Cancelled",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// The agent type of a Task that names none.
pub const DEFAULT_TYPE: &str = "claude-code";

impl TaskSpec {
    /// The agent type: the one named, else claude-code.
    pub fn agent_type(&self) -> &str {
        self.type_.as_deref().unwrap_or(DEFAULT_TYPE)
    }
}

impl Task {
    /// The phase, when the operator has written one.
    pub fn phase(&self) -> Option<Phase> {
        self.status.as_ref().and_then(|status| status.phase)
    }

    /// Whether the Task has ended for good.
    pub fn is_finished(&self) -> bool {
        self.phase().is_some_and(Phase::is_final)
    }
}
