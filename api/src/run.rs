//! The run description: all that the runner is told, as one JSON document.

use serde::{Deserialize, Serialize};

use crate::kinds::workspace::WorkspaceFile;

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
    /// Branch to work on: checked out if the remote has it, else made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Files to write into the checkout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<WorkspaceFile>,
    /// Name of the Secret with the token, for messages; absent means that there is no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
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
