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

/// The item of a TaskSpawner that a script was made for, in variables of their own: nothing of it is
/// ever a part of the script. Each is the template variable of the same name.
pub mod item {
    /// `.ID`.
    pub const ID: &str = "AXON_ITEM_ID";
    /// `.Number`.
    pub const NUMBER: &str = "AXON_ITEM_NUMBER";
    /// `.Title`.
    pub const TITLE: &str = "AXON_ITEM_TITLE";
    /// `.Body`.
    pub const BODY: &str = "AXON_ITEM_BODY";
    /// `.URL`.
    pub const URL: &str = "AXON_ITEM_URL";
    /// `.Labels`.
    pub const LABELS: &str = "AXON_ITEM_LABELS";
    /// `.Kind`.
    pub const KIND: &str = "AXON_ITEM_KIND";
    /// `.Branch`.
    pub const BRANCH: &str = "AXON_ITEM_BRANCH";
    /// `.Comments`.
    pub const COMMENTS: &str = "AXON_ITEM_COMMENTS";
    /// `.Time`, of cron.
    pub const TIME: &str = "AXON_ITEM_TIME";
    /// `.Schedule`, of cron.
    pub const SCHEDULE: &str = "AXON_ITEM_SCHEDULE";
    /// `.ReviewState`, of pull requests.
    pub const REVIEW_STATE: &str = "AXON_ITEM_REVIEW_STATE";
    /// `.ReviewComments`, of pull requests.
    pub const REVIEW_COMMENTS: &str = "AXON_ITEM_REVIEW_COMMENTS";
    /// `.Event`, of GitHub's events.
    pub const EVENT: &str = "AXON_ITEM_EVENT";
    /// `.Action`, of GitHub's events.
    pub const ACTION: &str = "AXON_ITEM_ACTION";
    /// `.Payload`, of events, as JSON.
    pub const PAYLOAD: &str = "AXON_ITEM_PAYLOAD";

    /// Each variable with the template variable that it has, those first that are the least likely
    /// to be long.
    pub const ALL: &[(&str, &str)] = &[
        (ID, "ID"),
        (NUMBER, "Number"),
        (KIND, "Kind"),
        (URL, "URL"),
        (BRANCH, "Branch"),
        (TIME, "Time"),
        (SCHEDULE, "Schedule"),
        (EVENT, "Event"),
        (ACTION, "Action"),
        (REVIEW_STATE, "ReviewState"),
        (TITLE, "Title"),
        (LABELS, "Labels"),
        (BODY, "Body"),
        (COMMENTS, "Comments"),
        (REVIEW_COMMENTS, "ReviewComments"),
        (PAYLOAD, "Payload"),
    ];
}

/// The name of an `AXON_` variable for images that were made for Kelos.
pub fn kelos_name(variable: &str) -> Option<String> {
    variable.strip_prefix("AXON_").map(|rest| format!("KELOS_{rest}"))
}
