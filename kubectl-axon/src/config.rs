//! The configuration file, `~/.axon/config.yaml`: defaults for flags, and the credentials from
//! which Secrets are made.

use std::path::{Path, PathBuf};

use axon_api::kinds::task::CredentialsType;
use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::invocation;
use crate::text::closest;

/// The keys of the file, as they are written there.
const KEYS: &[&str] = &[
    "oauthToken",
    "apiKey",
    "secret",
    "credentialType",
    "type",
    "model",
    "namespace",
    "workspace",
    "agentConfig",
];

/// The keys below `workspace`.
const WORKSPACE_KEYS: &[&str] = &["name", "repo", "ref", "token"];

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
    pub(crate) namespace: Option<String>,
    pub(crate) workspace: Option<WorkspaceConfig>,
    pub(crate) agent_config: Option<String>,
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
        }
        Ok((config, warnings))
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
    /// The token in the file, with `@FILE` read.
    pub(crate) fn token(&self) -> Result<Option<String>> {
        self.token
            .as_deref()
            .map(|text| secret_value("workspace.token", text))
            .transpose()
    }
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

fn expand_home(path: &str) -> PathBuf {
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
# Or a Workspace that is there already:
# workspace:
#   name: my-workspace

# Agent type: claude-code, codex, gemini, opencode or shell.
# type: claude-code
# model: <model>
# namespace: default
# agentConfig: my-agent-config
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Config, Warnings)> {
        Config::parse(text, Path::new("config.yaml"))
    }

    fn read(text: &str) -> Config {
        match parse(text) {
            Ok((config, warnings)) => {
                assert!(warnings.is_empty(), "{warnings:?}");
                config
            }
            Err(failure) => panic!("{}", failure.render()),
        }
    }

    #[test]
    fn every_key_is_read() {
        let config = read(
            "secret: s\ncredentialType: oauth\ntype: codex\nmodel: m\nnamespace: n\nagentConfig: a\n\
             workspace:\n  name: w\n  repo: r\n  ref: main\n  token: t\n",
        );
        assert_eq!(config.secret.as_deref(), Some("s"));
        assert_eq!(config.credential_type.as_deref(), Some("oauth"));
        assert_eq!(config.type_.as_deref(), Some("codex"));
        assert_eq!(config.model.as_deref(), Some("m"));
        assert_eq!(config.namespace.as_deref(), Some("n"));
        assert_eq!(config.agent_config.as_deref(), Some("a"));
        let workspace = config.workspace.expect("a workspace");
        assert_eq!(workspace.name.as_deref(), Some("w"));
        assert_eq!(workspace.ref_.as_deref(), Some("main"));
        assert_eq!(workspace.token().ok().flatten().as_deref(), Some("t"));
    }

    #[test]
    fn a_credential_is_a_value_a_file_or_none() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "from-file\n").expect("written");
        let at_file = format!("apiKey: '@{}'", file.path().display());
        for (text, kind, value) in [
            ("oauthToken: abc", CredentialsType::OAuth, Some("abc")),
            ("apiKey: none", CredentialsType::ApiKey, None),
            (at_file.as_str(), CredentialsType::ApiKey, Some("from-file")),
        ] {
            let credential = read(text).credential().ok().flatten().expect("a credential");
            assert!(credential.kind == kind, "{text}");
            assert_eq!(credential.value.as_deref(), value, "{text}");
        }
        assert!(read("model: m").credential().ok().flatten().is_none());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let failure = read("apiKey: '@/nowhere/key'")
            .credential()
            .err()
            .expect("a failure");
        assert!(
            failure.message().contains("`/nowhere/key`, which `apiKey`"),
            "{failure:?}"
        );
    }

    #[test]
    fn an_unknown_key_is_a_warning_with_a_suggestion() {
        let Ok((_, warnings)) = parse("oathToken: x\nworkspace:\n  rfe: main\n") else {
            panic!("unknown keys are no error");
        };
        assert!(
            warnings[0].ends_with("`oathToken`, did you mean `oauthToken`?"),
            "{warnings:?}"
        );
        assert!(
            warnings[1].ends_with("`workspace.rfe`, did you mean `workspace.ref`?"),
            "{warnings:?}"
        );
    }

    #[test]
    fn a_malformed_file_is_an_error_with_its_place_and_without_its_secrets() {
        for text in [
            "apiKey: [sk-secret\nmodel: m\n",
            "model: m\napiKey: {a: sk-secret}\n",
        ] {
            let failure = parse(text).err().expect("a failure").render();
            assert!(failure.contains("config.yaml:"), "{failure}");
            assert!(!failure.contains("sk-secret"), "{failure}");
        }
    }

    #[test]
    fn token_and_key_together_are_an_error() {
        let failure = parse("oauthToken: a\napiKey: b\n").err().expect("a failure");
        assert!(failure.message().contains("only one of"), "{failure:?}");
    }

    #[test]
    fn an_empty_file_has_no_defaults() {
        for text in ["", "# nothing\n", TEMPLATE] {
            assert!(read(text) == Config::default(), "{text:?}");
        }
    }

    #[test]
    fn an_explicit_file_must_exist() {
        assert!(Config::load(Some(Path::new("/nowhere/config.yaml"))).is_err());
    }
}
