//! `TaskPipeline`: steps over Tasks, from a plan to a pull request.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agent_provider::InlineProvider;
use super::pod_overrides::PodOverrides;
use super::reference::LocalReference;
use super::task::Credentials;
use super::workspace::WorkspaceSpec;

/// A piece of work in steps, each of which is a Task: by default plan, implement, test and
/// pullRequest. Its spec cannot be changed once it is created, but for approvals and cancel.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "axon.io",
    version = "v1alpha1",
    kind = "TaskPipeline",
    plural = "taskpipelines",
    shortname = "tp",
    category = "axon",
    namespaced,
    status = "TaskPipelineStatus",
    doc = "A piece of work in steps, each of which is a Task.",
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Step","type":"string","jsonPath":".status.currentStep"}"#,
    printcolumn = r#"{"name":"Branch","type":"string","jsonPath":".status.branch","priority":1}"#,
    printcolumn = r#"{"name":"Pull Request","type":"string","jsonPath":".status.pullRequest.url","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.workspace) != has(self.workspaceRef)").message("one of workspace and workspaceRef is required"))]
#[x_kube(validation = Rule::new("(has(self.credentials) ? 1 : 0) + (has(self.providerRef) ? 1 : 0) + (has(self.provider) ? 1 : 0) <= 1").message("credentials, providerRef and provider are mutually exclusive"))]
pub struct TaskPipelineSpec {
    /// What is to be done. Up to 256 KiB.
    #[schemars(length(min = 1, max = 262_144))]
    pub prompt: String,

    /// Where the work came from. For people, and for the templates of steps as .Source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PipelineSource>,

    /// Workspace of the same namespace. Its ref is the branch that the pull request is to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_ref: Option<LocalReference>,

    /// A workspace written out in place, instead of workspaceRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceSpec>,

    /// Branch that the steps work on. Absent means ai/ and the name of the pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^\s\-][^\s]*$"))]
    pub branch: Option<String>,

    /// Steps in their order, at most 16. Absent means plan, implement, test and pullRequest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub steps: Vec<PipelineStep>,

    /// Agent type of the steps. Absent means the namespace's default.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub type_: Option<String>,

    /// Model of the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub model: Option<String>,

    /// Container image of the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,

    /// The agent's credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,

    /// AgentProvider of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_ref: Option<LocalReference>,

    /// A provider written out in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<InlineProvider>,

    /// AgentConfigs of the same namespace, merged in this order. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub agent_config_refs: Vec<LocalReference>,

    /// How often each step may fail and be tried again, or be gone back from: counted over the
    /// whole pipeline, and never set back. From 0 to 10; absent means 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub max_retries: Option<i32>,

    /// How long each step may run, as a Go duration. Absent means 30m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    pub step_timeout: Option<String>,

    /// Changes to the pods of the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_overrides: Option<PodOverrides>,

    /// What people have decided about steps that need an approval. Adding one needs the right to
    /// approve taskpipelines, and its user must be who adds it: kubectl axon approve does it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["task"]))]
    pub approvals: Vec<Approval>,

    /// Set to true to end the pipeline. Cannot be set back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<bool>,
}

/// Where the work came from.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.type == 'github-issue' ? (has(self.github) && !has(self.chat)) : (!has(self.github))").message("github is required for a source of type github-issue, and for no other"))]
pub struct PipelineSource {
    /// github-issue or chat.
    #[serde(rename = "type")]
    pub type_: PipelineSourceType,

    /// The issue, for github-issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<GitHubIssueSource>,

    /// The conversation, for chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<ChatSource>,
}

/// The kind of a pipeline's source.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename_all = "kebab-case")]
pub enum PipelineSourceType {
    #[serde(rename = "github-issue")]
    #[schemars(rename = "github-issue")]
    GitHubIssue,
    #[default]
    Chat,
}

/// An issue on GitHub.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GitHubIssueSource {
    /// Owner of the repository.
    #[schemars(length(min = 1, max = 100))]
    pub owner: String,
    /// Name of the repository.
    #[schemars(length(min = 1, max = 100))]
    pub repo: String,
    /// Number of the issue; minimum 1.
    #[schemars(range(min = 1))]
    pub issue_number: i64,
}

/// A conversation.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatSource {
    /// The conversation.
    #[schemars(length(max = 253))]
    pub session_id: String,
    /// Who speaks.
    #[schemars(length(max = 253))]
    pub user_id: String,
}

/// One step of a pipeline.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineStep {
    /// Name of the step. plan, implement, test and pullRequest have a prompt of their own.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z]([A-Za-z0-9-]*[A-Za-z0-9])?$")
    )]
    pub name: String,

    /// Prompt template with .Prompt, .Branch, .BaseBranch, .Source, .Failure, .Feedback and
    /// .Steps.NAME.Text, .Results and .Outputs. Required but for the four known steps of an agent.
    /// In a step of type shell, what is inserted is one word for the shell; put no quotes around.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65_536))]
    pub prompt: Option<String>,

    /// Agent type of this step; shell runs its prompt as a script.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub type_: Option<String>,

    /// Model of this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub model: Option<String>,

    /// How long this step may run, as a Go duration. Absent means stepTimeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    pub timeout: Option<String>,

    /// Turns of the conversation; minimum 1. Absent means 15 for plan, 50 for implement, 8 for
    /// test, 3 for pullRequest, and no limit for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_turns: Option<i32>,

    /// Whether a person has to approve before the next step begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<bool>,

    /// Step to go back to when this one fails, with its output as .Failure; itself or an earlier
    /// one. Absent means implement for test, and this step itself for all others. Of test and of a
    /// step that goes back to another, an agent has to end its answer with AXON-RESULT: pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40))]
    pub on_failure: Option<String>,
}

/// What a person has decided about a step.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Task of the step that is decided upon, so that a decision is of one result only.
    #[schemars(length(min = 1, max = 253))]
    pub task: String,

    /// Approved or Denied.
    pub decision: Decision,

    /// Who decided: the name with which the API server knows them.
    #[schemars(length(min = 1, max = 253))]
    pub user: String,

    /// For the next try of a denied step, as .Feedback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16_384))]
    pub feedback: Option<String>,
}

/// A decision.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Go on with the next step.
    Approved,
    /// Do the step once more, with the feedback; without feedback, end the pipeline.
    #[default]
    Denied,
}

/// What became of a pipeline. Written by the operator only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskPipelineStatus {
    /// Generation of the spec that this status is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Pending, Planning, Implementing, Testing, PullRequest, Running (a step with a name of its
    /// own), AwaitingApproval, Complete, Failed or Cancelled. The last three are final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<PipelinePhase>,

    /// One word for why the pipeline is in its phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// Complete (the pipeline has ended, in whatever way) and Approved (the step that needs it).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// Step that runs, or waits for its approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_step: Option<String>,

    /// Branch that the steps work on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,

    /// How often a step has failed and was tried again, or was gone back from, all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i32>,

    /// How often each step has failed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<String, i32>,

    /// How many Tasks were made for the pipeline: the number in the name of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_count: Option<i32>,

    /// Runs of steps, oldest first: the last one of each step, and of the others the latest, as
    /// many as fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<StepRun>,

    /// The pull request that the last step opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequest>,

    /// When the first step was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,

    /// When the pipeline ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
}

/// One run of a step.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRun {
    /// The step.
    pub step: String,
    /// Its Task.
    pub task: String,
    /// UID of the Task, once it was seen.
    #[serde(rename = "taskUID", default, skip_serializing_if = "Option::is_none")]
    pub task_uid: Option<String>,
    /// Phase of the Task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<super::task::Phase>,
    /// Passed or Failed, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<StepResult>,
    /// Secret of the same namespace with the text that the step ended with, under the key text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_secret: Option<String>,
    /// Who approved or denied the step's result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
}

/// What became of a run of a step.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepResult {
    Passed,
    Failed,
}

/// A pull request.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullRequest {
    /// Address for people.
    pub url: String,
    /// Number in its repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
}

/// Where a pipeline is.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PipelinePhase {
    Pending,
    Planning,
    AwaitingApproval,
    Implementing,
    Testing,
    PullRequest,
    /// A step with a name of its own runs.
    Running,
    Complete,
    Failed,
    Cancelled,
}

impl PipelinePhase {
    /// Whether a pipeline in this phase has ended for good.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Cancelled)
    }

    /// The phase as it is spelled in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Planning => "Planning",
            Self::AwaitingApproval => "AwaitingApproval",
            Self::Implementing => "Implementing",
            Self::Testing => "Testing",
            Self::PullRequest => "PullRequest",
            Self::Running => "Running",
            Self::Complete => "Complete",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }
}

impl std::fmt::Display for PipelinePhase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl TaskPipeline {
    /// The phase, when the operator has written one.
    pub fn phase(&self) -> Option<PipelinePhase> {
        self.status.as_ref().and_then(|status| status.phase)
    }

    /// Whether the pipeline has ended for good.
    pub fn is_finished(&self) -> bool {
        self.phase().is_some_and(PipelinePhase::is_final)
    }
}
