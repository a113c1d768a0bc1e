//! The run description: all that the runner is told, as one JSON document.

use axon_agents::setup::{McpServer, Plugin};
use serde::{Deserialize, Serialize};

use crate::kinds::workspace::{CloneOptions, Remote, WorkspaceFile};

/// The version of the document that this build writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// Up to this many bytes of JSON travel in the Job as the variable `AXON_RUN`; what is larger
/// travels in the run Secret. (Linux refuses to start a program with one variable or argument of
/// 131,072 bytes.)
pub const MAX_INLINE_BYTES: usize = 64 * 1024;

/// The run Secret holds at most this many bytes, after gzip.
pub const MAX_SECRET_BYTES: usize = 900 * 1024;

/// All that the runner is told. Written by the operator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunDescription {
    /// Always [`VERSION`].
    pub version: u32,
    /// Name of the Task.
    pub task: String,
    /// Namespace of the Task.
    pub namespace: String,
    /// UID of the Task.
    pub uid: String,
    /// The attempt, counted from 1.
    pub attempt: i32,
    /// Agent type.
    pub agent_type: String,
    pub prompt: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_repo: Option<String>,
    /// What to check out; absent without a workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout: Option<Checkout>,
    /// Instructions for the agent: those of all AgentConfigs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Bundles of skills and sub-agents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<Plugin>,
    /// Skills to fetch while the checkout is prepared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<SkillSource>,
    /// MCP servers, each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mcp_servers: Vec<RunMcpServer>,
    /// Program and arguments to run in the checkout before the agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup_command: Vec<String>,
    /// Whether the runner ends its log with the text that the run ended with
    /// ([`crate::markers`]), and proves it in the outcome.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub print_text: bool,
    /// Milliseconds from the agent's start after which it is ended; absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_milliseconds: Option<u64>,
    #[serde(default)]
    pub limits: RunLimits,
    /// Whether the image is the user's own: only then is its entrypoint looked for and a marker
    /// block of its output believed.
    #[serde(default)]
    pub custom_image: bool,
    /// The outcome may have at most this many bytes as JSON.
    pub outcome_limit_bytes: usize,
}

/// What to check out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkout {
    /// URL of the repository, without credentials.
    pub repo: String,
    /// Branch, tag or 40-digit commit; absent means the default branch.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub ref_: Option<String>,
    /// Commit to check out instead of the tip of `ref`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Branch to work on: checked out if the remote has it, else made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// More remotes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remotes: Vec<Remote>,
    /// How much is cloned.
    #[serde(default)]
    pub clone: CloneOptions,
    /// The checkout's directory below the workspace directory: `repo`, or a worktree of its own.
    pub directory: String,
    /// Directory below the workspace directory with the clone of which `directory` is a worktree;
    /// absent when it is a clone itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_clone: Option<String>,
    /// Whether the workspace directory outlives the pod: what an earlier run left there is used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub persistent: bool,
    /// How the repository knows us.
    #[serde(default)]
    pub access: Access,
    /// Files to write into the checkout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<WorkspaceFile>,
    /// Name of the Secret with the token, for messages; absent means that there is no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
}

/// How a repository knows us. What it names is a file; where it is, the variables say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Access {
    /// Not at all.
    #[default]
    Anonymous,
    /// By the token in `AXON_GITHUB_TOKEN_FILE`.
    Token,
    /// By the key in `AXON_SSH_DIR`: files `ssh-privatekey` and `known_hosts`.
    Ssh,
}

/// Skills in a git repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SkillSource {
    /// `owner/name` on GitHub, or a URL.
    pub source: String,
    /// The one skill to take; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill: Option<String>,
    /// Number of the mounted Secret ([`crate::variables::secret_dir`]) with the key `GITHUB_TOKEN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<usize>,
}

/// An MCP server, and where the rest of its headers or variables is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunMcpServer {
    #[serde(flatten)]
    pub server: McpServer,
    /// Number of the mounted Secret ([`crate::variables::secret_dir`]) of which each key is a
    /// variable (stdio) or a header (http, sse), and wins over those that are here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<usize>,
}

/// What the run may use; each absent one is without bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunLimits {
    #[serde(rename = "costUSD", default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u32>,
}
