//! How an agent type is started.

/// The two kinds of credential that a Secret can hold for an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// `credentials.type: api-key`.
    ApiKey,
    /// `credentials.type: oauth`.
    OAuth,
}

/// A credential as an agent type wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The key in the Secret and the variable of the container: they are the same by convention,
    /// for example `ANTHROPIC_API_KEY`.
    pub variable: &'static str,
}

/// What [`crate::Agent::launch`] may look at.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The prompt. Only `shell` looks inside; for the others it travels by stdin.
    pub prompt: &'a str,
    /// `Task.spec.model`.
    pub model: Option<&'a str>,
    /// `Task.spec.effort`.
    pub effort: Option<&'a str>,
    /// The agent's home directory, absolute, without a trailing slash.
    pub home: &'a str,
    /// Instructions, plugins and MCP servers.
    pub setup: &'a crate::setup::Setup,
    /// Looks up a variable of the container, credentials and base URLs among them.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// Everything that the runner needs to start an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The program, looked up on `PATH`, and its arguments. Never holds the prompt.
    pub argv: Vec<String>,
    /// Variables to set or to replace.
    pub set: Vec<(String, String)>,
    /// Variables that the agent must not see.
    pub unset: Vec<String>,
    /// Files to write before the start.
    pub files: Vec<ConfigFile>,
    /// Directories to copy before the start.
    pub directories: Vec<ConfigDirectory>,
    /// How the prompt reaches the agent.
    pub prompt: PromptDelivery,
}

/// How the prompt reaches the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromptDelivery {
    /// Written to its standard input, which is then closed.
    #[default]
    Stdin,
    /// Written to a private file outside of the repository, whose path is appended to `argv`.
    /// Standard input is empty.
    File,
}

/// A file of the agent's home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Below the agent's home, for example `.codex/config.toml`. Never absolute, never with `..`.
    pub path: String,
    pub contents: String,
    /// Permission bits: 0o600 for what may hold a secret, else 0o644.
    pub mode: u32,
}

/// A directory to copy into the agent's home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigDirectory {
    /// What is copied, absolute. Holds files and directories only, no links.
    pub from: std::path::PathBuf,
    /// Below the agent's home. Never absolute, never with `..`.
    pub path: String,
}
