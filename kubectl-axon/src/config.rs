//! The configuration file, `~/.axon/config.yaml`: defaults for flags, and the credentials from
//! which Secrets are made.

use std::path::{Path, PathBuf};

use axon_api::kinds::task::CredentialsType;
use k8s_openapi::api::core::v1::EnvVar;
use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::invocation;
use crate::parts::is_variable_name;
use crate::text::closest;

/// The keys of the file, as they are written there.
const KEYS: &[&str] = &[
    "oauthToken",
    "apiKey",
    "secret",
    "credentialType",
    "type",
    "model",
    "effort",
    "namespace",
    "workspace",
    "agentConfig",
    "provider",
    "env",
];

/// The keys below `workspace`.
const WORKSPACE_KEYS: &[&str] = &["name", "repo", "ref", "token", "githubApp"];

/// The keys below `workspace.githubApp`.
const GITHUB_APP_KEYS: &[&str] = &["appID", "installationID", "privateKeyPath"];

/// The keys of one of `env`.
const ENV_KEYS: &[&str] = &["name", "value", "valueFrom"];

/// The file's contents. Not `Debug`: it holds secrets.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(
    clippy::struct_field_names,
    reason = "the fields have the names of the file's keys"
)]
pub(crate) struct Config {
    /// A token, `@FILE`, or `none`.
    oauth_token: Option<String>,
    /// A key, `@FILE`, or `none`.
    api_key: Option<String>,
    /// Name of a Secret that is there already.
    pub(crate) secret: Option<String>,
    /// What that Secret holds.
    pub(crate) credential_type: Option<String>,
    #[serde(rename = "type")]
    pub(crate) type_: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) effort: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) workspace: Option<WorkspaceConfig>,
    pub(crate) agent_config: Option<String>,
    /// Name of an `AgentProvider`.
    pub(crate) provider: Option<String>,
    /// Variables for every agent.
    pub(crate) env: Vec<EnvVar>,
}

/// `workspace` in the file: a Workspace by name, or one to be made.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct WorkspaceConfig {
    /// Name of a Workspace that is there already; wins over `repo`.
    pub(crate) name: Option<String>,
    pub(crate) repo: Option<String>,
    #[serde(rename = "ref")]
    pub(crate) ref_: Option<String>,
    /// A token, or `@FILE`.
    token: Option<String>,
    #[serde(rename = "githubApp")]
    github_app: Option<GitHubApp>,
}

/// `workspace.githubApp` in the file.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct GitHubApp {
    #[serde(rename = "appID")]
    id: Option<Number>,
    #[serde(rename = "installationID")]
    installation: Option<Number>,
    #[serde(rename = "privateKeyPath")]
    private_key_path: Option<String>,
}

/// A number of GitHub's, which people write with quotes and without.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u64),
    Quoted(String),
}

/// What the Workspace of the file is cloned and pushed with.
#[derive(Clone, PartialEq)]
pub(crate) enum WorkspaceCredential {
    Token(String),
    App {
        id: String,
        installation: String,
        /// The key itself, in PEM.
        private_key: String,
    },
}

/// A credential of the file, read from where it says.
#[derive(Clone, PartialEq)]
pub(crate) struct ConfigCredential {
    pub(crate) kind: CredentialsType,
    /// `None` when the file says `none`: the agent runs without.
    pub(crate) value: Option<String>,
}

/// Warnings for stderr that reading the file gave.
pub(crate) type Warnings = Vec<String>;

impl Config {
    /// Reads the file that a flag names, else `~/.axon/config.yaml` if that exists.
    pub(crate) fn load(explicit: Option<&Path>) -> Result<(Self, Warnings)> {
        let path = match explicit {
            Some(path) => path.to_owned(),
            None => match default_path() {
                Some(path) => path,
                None => return Ok(<(Self, Warnings)>::default()),
            },
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && explicit.is_none() => {
                Ok(<(Self, Warnings)>::default())
            }
            Err(error) => Err(Failure::new(format!(
                "failed to read the config file `{}`: {error}",
                path.display()
            ))
            .hint(format!("`{} init` writes one", invocation::name()))),
        }
    }

    /// Reads the file's text. `path` is for messages.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<(Self, Warnings)> {
        let shown = path.display();
        // An empty file, or one of comments only, is YAML's null.
        let whole: Value = parse_yaml(text, path)?;
        if whole.is_null() {
            return Ok(<(Self, Warnings)>::default());
        }
        let config: Self = parse_yaml(text, path)?;
        if config.oauth_token.is_some() && config.api_key.is_some() {
            return Err(Failure::new(format!(
                "the config file `{shown}` must specify only one of `oauthToken` and `apiKey`"
            )));
        }
        let mut warnings = unknown_keys(&whole, "", KEYS, path);
        if let Some(workspace) = whole.get("workspace") {
            warnings.extend(unknown_keys(workspace, "workspace.", WORKSPACE_KEYS, path));
            if let Some(app) = workspace.get("githubApp") {
                warnings.extend(unknown_keys(app, "workspace.githubApp.", GITHUB_APP_KEYS, path));
            }
        }
        for (index, variable) in config.env.iter().enumerate() {
            check_variable(index, variable, &shown.to_string())?;
            let written = &whole["env"][index];
            warnings.extend(unknown_keys(written, &format!("env[{index}]."), ENV_KEYS, path));
        }
        Ok((config, warnings))
    }

    /// Whether the file says anything about the agent's credential.
    pub(crate) fn names_credential(&self) -> bool {
        self.oauth_token.is_some()
            || self.api_key.is_some()
            || self.secret.is_some()
            || self.provider.is_some()
            || self.credential_type.as_deref() == Some("none")
    }

    /// The credential in the file, with `@FILE` read.
    pub(crate) fn credential(&self) -> Result<Option<ConfigCredential>> {
        let (kind, key, text) = match (&self.oauth_token, &self.api_key) {
            (Some(text), _) => (CredentialsType::OAuth, "oauthToken", text),
            (None, Some(text)) => (CredentialsType::ApiKey, "apiKey", text),
            (None, None) => return Ok(None),
        };
        let value = match text.trim() {
            "none" => None,
            _ => Some(secret_value(key, text)?),
        };
        Ok(Some(ConfigCredential { kind, value }))
    }
}

impl WorkspaceConfig {
    /// The credential in the file, with the files that it names read.
    pub(crate) fn credential(&self) -> Result<Option<WorkspaceCredential>> {
        match (&self.token, &self.github_app) {
            (Some(_), Some(_)) => Err(Failure::new(
                "`workspace` in the config file must specify either `token` or `githubApp`, not both",
            )),
            // As for the agent's key, `none` is nothing.
            (Some(text), None) if text.trim() == "none" => Ok(None),
            (Some(text), None) => {
                secret_value("workspace.token", text).map(|token| Some(WorkspaceCredential::Token(token)))
            }
            (None, Some(app)) => app.read().map(Some),
            (None, None) => Ok(None),
        }
    }
}

impl GitHubApp {
    fn read(&self) -> Result<WorkspaceCredential> {
        let missing = |key: &str| {
            Failure::new(format!(
                "`workspace.githubApp` in the config file does not say `{key}`"
            ))
        };
        let number = |number: &Option<Number>, key: &str| match number {
            Some(Number::Plain(number)) => Ok(number.to_string()),
            Some(Number::Quoted(text)) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            _ => Err(missing(key)),
        };
        let path = self
            .private_key_path
            .as_deref()
            .ok_or_else(|| missing("privateKeyPath"))?;
        let path = path.strip_prefix('@').unwrap_or(path);
        Ok(WorkspaceCredential::App {
            id: number(&self.id, "appID")?,
            installation: number(&self.installation, "installationID")?,
            private_key: private_key(&expand_home(path))?,
        })
    }
}

/// Reads a GitHub App's key, and notices when the file holds something else.
pub(crate) fn private_key(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(format!(
            "failed to read the private key `{}`: {error}",
            path.display()
        ))
    })?;
    if text.contains("PRIVATE KEY-----") {
        return Ok(text);
    }
    Err(
        Failure::new(format!("the file `{}` holds no private key", path.display()))
            .hint("a private key begins with a line like -----BEGIN RSA PRIVATE KEY-----"),
    )
}

fn check_variable(index: usize, variable: &EnvVar, shown: &str) -> Result<()> {
    let name = &variable.name;
    let problem = match (&variable.value, &variable.value_from) {
        _ if name.is_empty() => format!("env[{index}]: name is required"),
        _ if !is_variable_name(name) => {
            format!("env[{index}]: invalid name `{name}`: must match [A-Za-z_][A-Za-z0-9_]*")
        }
        (Some(_), Some(_)) => format!("env[{index}] `{name}`: value and valueFrom are mutually exclusive"),
        (None, None) => format!("env[{index}] `{name}`: one of value or valueFrom is required"),
        _ => return Ok(()),
    };
    Err(Failure::new(format!(
        "the config file `{shown}` has a mistake: {problem}"
    )))
}

/// `~/.axon/config.yaml`; `None` without a home directory.
pub(crate) fn default_path() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".axon").join("config.yaml"))
}

/// The error names the line and column and does not quote the file, which holds secrets.
fn parse_yaml<T: serde::de::DeserializeOwned>(text: &str, path: &Path) -> Result<T> {
    serde_saphyr::from_str(text).map_err(|error| {
        let place = error
            .location()
            .map(|location| format!(":{}:{}", location.line(), location.column()))
            .unwrap_or_default();
        Failure::new(format!(
            "failed to parse the config file `{}{place}`: {}",
            path.display(),
            without_place(&error.without_snippet().to_string())
        ))
    })
}

/// The parser's message without the place that it ends with, which is said already.
fn without_place(message: &str) -> &str {
    message.split(" at line ").next().unwrap_or(message).trim()
}

fn unknown_keys(value: &Value, prefix: &str, known: &[&str], path: &Path) -> Warnings {
    let Some(object) = value.as_object() else {
        return Warnings::new();
    };
    let unknown = object.keys().filter(|key| !known.contains(&key.as_str()));
    unknown
        .map(|key| {
            let meant = closest(key, known.iter().copied())
                .map(|meant| format!(", did you mean `{prefix}{meant}`?"))
                .unwrap_or_default();
            format!(
                "warning: the config file `{}` has the unknown key `{prefix}{key}`{meant}",
                path.display()
            )
        })
        .collect()
}

/// A secret as the file gives it: the value itself, or `@FILE` that holds it.
fn secret_value(key: &str, text: &str) -> Result<String> {
    let text = text.trim();
    let value = match text.strip_prefix('@') {
        None => text.to_owned(),
        Some(file) => {
            let path = expand_home(file);
            std::fs::read_to_string(&path)
                .map_err(|error| {
                    Failure::new(format!(
                        "failed to read `{}`, which `{key}` in the config file names: {error}",
                        path.display()
                    ))
                })?
                .trim()
                .to_owned()
        }
    };
    if value.is_empty() {
        return Err(Failure::new(format!("`{key}` in the config file is empty")));
    }
    Ok(value)
}

pub(crate) fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

/// What `init` writes.
pub(crate) const TEMPLATE: &str = "\
# Defaults of `kubectl axon`. Flags win over what is here.

# The agent's credential: one of these two. A Secret `axon-credentials` is made from it and kept
# up to date. `@FILE` reads the value from a file; `none` runs the agent without one.
# oauthToken: <your-oauth-token>
# apiKey: <your-api-key>

# Or a Secret that is there already, and what it holds: api-key or oauth.
# secret: my-credentials
# credentialType: api-key

# The repository that agents work on. A Workspace `axon-workspace` is made from it.
# workspace:
#   repo: https://github.com/your-org/your-repo.git
#   ref: main
#   token: <github-token>   # for private repositories, and to push
#   githubApp:              # or a GitHub App instead of the token
#     appID: '12345'
#     installationID: '67890'
#     privateKeyPath: ~/.config/my-app.private-key.pem
# Or a Workspace that is there already:
# workspace:
#   name: my-workspace

# Agent type: claude-code, codex, gemini, opencode or shell.
# type: claude-code
# model: <model>
# effort: high
# namespace: default
# agentConfig: my-agent-config

# An AgentProvider with endpoint and credential, instead of the keys above.
# provider: my-provider

# Variables for every agent.
# env:
# - name: LOG_LEVEL
#   value: debug
";

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
