//! The variables of the agent's pod. Each `AXON_` one that an agent may read is also set under its
//! `KELOS_` name, for images that were made for Kelos: [`kelos_name`].

/// The run description as JSON, when it is small enough. The runner removes it before the agent
/// starts.
pub const RUN: &str = "AXON_RUN";
/// Path of the gzip'd run description, when it is not.
pub const RUN_FILE: &str = "AXON_RUN_FILE";
/// The directory that holds the checkout; the agent starts in its `repo` if there is one.
pub const WORKSPACE_DIR: &str = "AXON_WORKSPACE_DIR";
/// The file to which the runner writes the outcome. Removed before the agent starts.
pub const TERMINATION_FILE: &str = "AXON_TERMINATION_FILE";
/// The directory with the runner.
pub const BIN_DIR: &str = "AXON_BIN_DIR";

/// File with the token of the workspace.
pub const GITHUB_TOKEN_FILE: &str = "AXON_GITHUB_TOKEN_FILE";
/// Directory with the ssh key of the workspace.
pub const SSH_DIR: &str = "AXON_SSH_DIR";

/// Directory of mounted Secret `number`, of which each key is a file. Removed before the agent
/// starts.
pub fn secret_dir(number: usize) -> String {
    format!("AXON_SECRET_DIR_{number}")
}

/// The agent type.
pub const AGENT_TYPE: &str = "AXON_AGENT_TYPE";
/// The model, if one is named.
pub const MODEL: &str = "AXON_MODEL";
/// The effort, if one is named.
pub const EFFORT: &str = "AXON_EFFORT";
/// The branch to work on, if one is named.
pub const BRANCH: &str = "AXON_BRANCH";
/// The workspace's ref, if one is named.
pub const BASE_BRANCH: &str = "AXON_BASE_BRANCH";
/// The upstream repository, if one is named.
pub const UPSTREAM_REPO: &str = "AXON_UPSTREAM_REPO";
/// The Task's name.
pub const TASK: &str = "AXON_TASK";
/// The Task's namespace.
pub const TASK_NAMESPACE: &str = "AXON_TASK_NAMESPACE";
/// A file with the prompt, at every size.
pub const PROMPT_FILE: &str = "AXON_PROMPT_FILE";

/// The name of an `AXON_` variable for images that were made for Kelos.
pub fn kelos_name(variable: &str) -> Option<String> {
    variable.strip_prefix("AXON_").map(|rest| format!("KELOS_{rest}"))
}
