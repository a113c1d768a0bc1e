//! `TaskSpawner`: a source, and a template of the Tasks that its items become.

use axon_sources::When;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reference::LocalReference;
use super::task::CredentialsType;
use super::task_template::TaskTemplate;

/// A source of work, such as the issues of a repository or a schedule, and a template of the Tasks
/// that its items become. Each item becomes a Task once.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "axon.io",
    version = "v1alpha1",
    kind = "TaskSpawner",
    plural = "taskspawners",
    shortname = "ts",
    category = "axon",
    namespaced,
    status = "TaskSpawnerStatus",
    doc = "A source of work and a template of the Tasks that its items become.",
    printcolumn = r#"{"name":"Source","type":"string","jsonPath":".status.source"}"#,
    printcolumn = r#"{"name":"Workspace","type":"string","jsonPath":".spec.taskTemplate.workspaceRef.name","priority":1}"#,
    printcolumn = r#"{"name":"Suspend","type":"boolean","jsonPath":".spec.suspend","priority":1}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Active","type":"integer","jsonPath":".status.activeTasks"}"#,
    printcolumn = r#"{"name":"Discovered","type":"integer","jsonPath":".status.totalDiscovered"}"#,
    printcolumn = r#"{"name":"Tasks","type":"integer","jsonPath":".status.totalTasksCreated"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.when.githubIssues) || has(self.when.githubPullRequests)) || has(self.taskTemplate.workspaceRef) || has(self.taskTemplate.workspace)").message("githubIssues and githubPullRequests need taskTemplate.workspaceRef or taskTemplate.workspace, whose repository and token they ask with"))]
#[x_kube(validation = Rule::new("!has(self.credentials) || !(has(self.taskTemplate.credentials) || has(self.taskTemplate.providerRef) || has(self.taskTemplate.provider))").message("credentials and those of taskTemplate are mutually exclusive"))]
pub struct TaskSpawnerSpec {
    /// Where the work comes from: exactly one source.
    pub when: When,

    /// What the Tasks are.
    pub task_template: TaskTemplate,

    /// How often a source that is polled is asked, as a Go duration or whole seconds, at least 5s.
    /// Absent means 5m. A source's own pollInterval wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 32),
        regex(pattern = r"^(([0-9]+(\.[0-9]+)?(ms|s|m|h))+|[0-9]+)$")
    )]
    pub poll_interval: Option<String>,

    /// Tasks of this spawner that may be unfinished at once; further items wait. From 0 to 1000;
    /// absent or 0 means 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub max_concurrency: Option<i32>,

    /// Tasks that this spawner may make in its life; minimum 0. Absent or 0 means without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_total_tasks: Option<i32>,

    /// Whether the spawner makes no new Tasks. Those that are there go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// Credentials of which each Task gets one, in turn by its name, instead of those of
    /// taskTemplate. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub credentials: Vec<SpawnerCredential>,
}

/// One of the credentials of a spawner.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpawnerCredential {
    /// Name of the credential. A Task that has it is labelled axon.io/spawner-credential.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,

    /// Kind of credential: api-key or oauth.
    #[serde(rename = "type")]
    pub type_: CredentialsType,

    /// Secret of the same namespace.
    pub secret_ref: LocalReference,
}

/// What a spawner has done, and how it is. Written by the operator only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskSpawnerStatus {
    /// Generation of the spec that this status is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Pending, Running, Suspended or Failed. Failed is not final: what is wrong may be mended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<SpawnerPhase>,

    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// Supported (this build has the source), Ready (the source can be asked and the templates are
    /// well formed), RateLimited, Suspended, MaxTotalTasksReached and DownProof (whether events that
    /// come while the operator is down are found again).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// Name of the source, such as githubIssues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,

    /// Items that match now; of events and ticks, those that have matched so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_discovered: Option<i64>,

    /// Items that match and wait, for a free place or for being told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_items: Option<i64>,

    /// Tasks that this spawner has made in its life and given a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_tasks_created: Option<i64>,

    /// Tasks of this spawner that have not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_tasks: Option<i64>,

    /// The Tasks that take up the places of maxConcurrency, as letters and digits of the hash of their
    /// UID. No other Task of this spawner starts. Absent maxConcurrency there are 1000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub places: Vec<String>,

    /// When the source was last heard from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_discovery_time: Option<Time>,

    /// Of cron: the latest tick that was decided upon. No tick up to it becomes a Task any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_schedule_time: Option<Time>,

    /// Of cron: the next tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_schedule_time: Option<Time>,

    /// Of cron: ticks that were missed and became no Task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_ticks: Option<i64>,
}

/// How a spawner is.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SpawnerPhase {
    /// The source has not been heard from yet.
    Pending,
    Running,
    Suspended,
    /// The source cannot be asked, or a template is wrong; conditions say what.
    Failed,
}

impl SpawnerPhase {
    /// The phase as it is spelled in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Suspended => "Suspended",
            Self::Failed => "Failed",
        }
    }
}

impl std::fmt::Display for SpawnerPhase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl TaskSpawner {
    /// Whether it makes no new Tasks because somebody said so.
    pub fn is_suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }
}
