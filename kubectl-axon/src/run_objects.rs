//! Flags and config file in, objects out: what `run` creates.

use std::collections::BTreeMap;

use axon_agents::{Agent, CredentialKind};
use axon_api::kinds::pod_overrides::PodOverrides;
use axon_api::kinds::reference::LocalReference;
use axon_api::kinds::task::{Credentials, CredentialsType, DEFAULT_TYPE};
use axon_api::{Task, TaskSpec, Workspace, WorkspaceSpec, labels, paths, units};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{EnvVar, Secret};
use kube::api::ObjectMeta;
use serde_json::Value;

use crate::config::{Config, ConfigCredential};
use crate::failure::{Failure, Result};
use crate::invocation;
use crate::text::closest;
use crate::verbs::run::{Sandbox, TaskArgs};

/// Name of the Secret that is made from the config file's key or token.
const CREDENTIALS: &str = "axon-credentials";
/// Name of the Workspace that is made from the config file's `workspace`.
const WORKSPACE: &str = "axon-workspace";
/// Name of the Secret that is made from the config file's `workspace.token`.
const WORKSPACE_CREDENTIALS: &str = "axon-workspace-credentials";
/// Value of the label [`labels::MANAGED_BY`] on what the command line keeps up to date.
pub(crate) const MANAGER: &str = "kubectl-axon";

/// The longest prompt that a Task may have, in bytes.
const MAX_PROMPT_BYTES: usize = 1024 * 1024;

/// What the flags leave open and the world has answered.
pub(crate) struct Inputs {
    /// The prompt, read from where the flags say.
    pub(crate) prompt: String,
    /// The Task's name, given or made.
    pub(crate) name: String,
    /// `--workspace-repo` as a URL.
    pub(crate) repository: Option<String>,
    /// Whether the Task is for the plane on this machine.
    pub(crate) local: bool,
}

/// An object to write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// Must not be there yet.
    Create(Value),
    /// Made, or brought to this content when it is there.
    Ensure(Value),
}

impl Wanted {
    pub(crate) fn object(&self) -> &Value {
        match self {
            Self::Create(object) | Self::Ensure(object) => object,
        }
    }
}

/// The objects of one `run`, in the order in which they are written; the Task is the last.
pub(crate) fn objects_for_run(args: &TaskArgs, config: &Config, inputs: Inputs) -> Result<Vec<Wanted>> {
    let agent = agent(args, config)?;
    check_name(&inputs.name)?;
    check_prompt(&inputs.prompt)?;
    if let Some(timeout) = &args.timeout {
        check_timeout(timeout)?;
    }
    if args.sandbox.is_some() && !inputs.local {
        return Err(Failure::new("--sandbox is only for tasks on this machine")
            .hint("add --local; in a cluster the agent's container is its sandbox"));
    }
    let mut wanted = Vec::new();
    let credentials = credentials(agent, args, config, &mut wanted)?;
    let (workspace_ref, workspace) = workspace(args, config, inputs.repository, &mut wanted)?;
    let mut task = Task::new(
        &inputs.name,
        TaskSpec {
            type_: Some(agent.name().to_owned()),
            prompt: inputs.prompt,
            credentials,
            model: args.model.clone().or_else(|| config.model.clone()),
            effort: args.effort.clone(),
            image: args.image.clone(),
            workspace_ref,
            workspace,
            agent_config_ref: reference(args.agent_config.as_ref().or(config.agent_config.as_ref())),
            depends_on: args.depends_on.clone(),
            branch: args.branch.clone(),
            timeout: args.timeout.clone(),
            pod_overrides: pod_overrides(&args.env)?,
            ..TaskSpec::default()
        },
    );
    if let Some(sandbox) = args.sandbox {
        task.metadata.annotations = Some(BTreeMap::from([(
            labels::SANDBOX.to_owned(),
            match sandbox {
                Sandbox::Bubblewrap => "bubblewrap",
                Sandbox::None => "none",
            }
            .to_owned(),
        )]));
    }
    wanted.push(Wanted::Create(to_value(&task)?));
    Ok(wanted)
}

/// The agent type, or why this build cannot run it.
fn agent(args: &TaskArgs, config: &Config) -> Result<&'static dyn Agent> {
    let name = args
        .agent_type
        .as_deref()
        .or(config.type_.as_deref())
        .unwrap_or(DEFAULT_TYPE);
    if let Some(agent) = axon_agents::find(name) {
        return Ok(agent);
    }
    if axon_agents::NAMES.contains(&name) {
        return Err(Failure::new(format!("agent type `{name}` is not in this build"))
            .hint(format!("build with the cargo feature `{name}`")));
    }
    let failure = Failure::new(format!(
        "unknown agent type `{name}`: must be one of {}",
        axon_agents::NAMES.join(", ")
    ));
    Err(match closest(name, axon_agents::NAMES.iter().copied()) {
        Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
        None => failure,
    })
}

/// Names of objects are DNS-1123 subdomains.
fn check_name(name: &str) -> Result<()> {
    let part_is_valid = |part: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = part.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
    };
    if name.len() <= 253 && name.split('.').all(part_is_valid) {
        return Ok(());
    }
    Err(
        Failure::new(format!("invalid task name `{}`", crate::text::cut(name, 253))).hint(
            "a name has at most 253 characters: lowercase letters, digits, `-` and `.`, \
         with a letter or digit at the beginning and end",
        ),
    )
}

fn check_prompt(prompt: &str) -> Result<()> {
    if prompt.trim().is_empty() {
        return Err(Failure::new("the prompt is empty"));
    }
    if prompt.len() > MAX_PROMPT_BYTES {
        return Err(Failure::new(format!(
            "the prompt has {} bytes, more than the limit of {MAX_PROMPT_BYTES}",
            prompt.len()
        ))
        .hint("put long material into a file of the repository and name it in the prompt"));
    }
    Ok(())
}

fn check_timeout(text: &str) -> Result<()> {
    let whole_units = !text.contains(['n', 'u', 'µ']);
    match units::parse_go_duration(text).filter(|_| whole_units) {
        None => {
            Err(Failure::new(format!("invalid --timeout value `{text}`"))
                .hint("write it like 90s, 30m or 1h30m"))
        }
        Some(timeout) if timeout.as_secs() < 1 => Err(Failure::new(format!(
            "invalid --timeout value `{text}`: must be at least 1s"
        ))),
        Some(_) => Ok(()),
    }
}

/// The Task's credentials by the order of precedence: flag, the file's Secret, the file's value.
fn credentials(
    agent: &dyn Agent,
    args: &TaskArgs,
    config: &Config,
    wanted: &mut Vec<Wanted>,
) -> Result<Option<Credentials>> {
    if args.credential_type() == Some(CredentialsType::None) {
        return match args.secret {
            Some(_) => Err(Failure::new(
                "--secret cannot be used with --credential-type none",
            )),
            None => Ok(Some(Credentials::default())),
        };
    }
    if !takes_credentials(agent) {
        return match args.secret {
            Some(_) => Err(
                Failure::new(format!("agent type `{}` takes no credentials", agent.name()))
                    .hint("leave --secret out; --env gives a script what it needs"),
            ),
            None => Ok(None),
        };
    }
    if let Some(secret) = args.secret.as_ref().or(config.secret.as_ref()) {
        let kind = match (args.credential_type(), &args.secret, &config.credential_type) {
            (Some(kind), _, _) => kind,
            // The file's credentialType speaks of the file's Secret.
            (None, None, Some(text)) => credentials_type(text)?,
            _ => CredentialsType::ApiKey,
        };
        variable(agent, kind)?;
        return Ok(Some(Credentials {
            type_: kind,
            secret_ref: reference(Some(secret)),
        }));
    }
    if args.credential_type.is_some() {
        return Err(Failure::new("--credential-type needs a Secret").hint("name one with --secret"));
    }
    let Some(ConfigCredential { kind, value }) = config.credential()? else {
        return Err(Failure::new(
            "no credentials configured (set oauthToken/apiKey in config file, or use --secret flag)",
        )
        .hint(format!("`{} init` writes a config file", invocation::name()))
        .hint("--credential-type none runs the agent without credentials; -t shell needs none"));
    };
    let Some(value) = value else {
        return Ok(Some(Credentials::default()));
    };
    let key = variable(agent, kind)?;
    wanted.push(secret(CREDENTIALS, key, value)?);
    Ok(Some(Credentials {
        type_: kind,
        secret_ref: Some(named(CREDENTIALS)),
    }))
}

/// Reads `credentialType` of the config file.
fn credentials_type(text: &str) -> Result<CredentialsType> {
    match text {
        "api-key" => Ok(CredentialsType::ApiKey),
        "oauth" => Ok(CredentialsType::OAuth),
        "none" => Ok(CredentialsType::None),
        _ => Err(Failure::new(format!(
            "unknown credentialType `{text}` in the config file: must be one of api-key, oauth, none"
        ))),
    }
}

fn takes_credentials(agent: &dyn Agent) -> bool {
    [CredentialKind::ApiKey, CredentialKind::OAuth]
        .into_iter()
        .any(|kind| agent.credential(kind).is_some())
}

/// The key in the Secret for a credential of this kind.
fn variable(agent: &dyn Agent, kind: CredentialsType) -> Result<&'static str> {
    let (wanted, name) = match kind {
        CredentialsType::ApiKey => (CredentialKind::ApiKey, "api-key"),
        CredentialsType::OAuth => (CredentialKind::OAuth, "oauth"),
        CredentialsType::None => return Ok(""),
    };
    match agent.credential(wanted) {
        Some(credential) => Ok(credential.variable),
        None => Err(Failure::new(format!(
            "agent type `{}` has no credentials of type {name}",
            agent.name()
        ))),
    }
}

/// The Task's workspace: by reference, or in place.
fn workspace(
    args: &TaskArgs,
    config: &Config,
    repository: Option<String>,
    wanted: &mut Vec<Wanted>,
) -> Result<(Option<LocalReference>, Option<WorkspaceSpec>)> {
    if let Some(name) = &args.workspace {
        return Ok((Some(named(name)), None));
    }
    if let Some(repo) = repository {
        let inline = WorkspaceSpec {
            repo,
            ref_: args.workspace_ref.clone(),
            ..WorkspaceSpec::default()
        };
        return Ok((None, Some(inline)));
    }
    let Some(workspace) = &config.workspace else {
        return Ok((None, None));
    };
    if let Some(name) = &workspace.name {
        return Ok((Some(named(name)), None));
    }
    let Some(repo) = &workspace.repo else {
        return Err(Failure::new(
            "`workspace` in the config file names neither `name` nor `repo`",
        ));
    };
    let token = workspace.token()?;
    let secret_ref = token.is_some().then(|| named(WORKSPACE_CREDENTIALS));
    if let Some(token) = token {
        wanted.push(secret(WORKSPACE_CREDENTIALS, paths::GIT_TOKEN_KEY, token)?);
    }
    let mut object = Workspace::new(
        WORKSPACE,
        WorkspaceSpec {
            repo: repo.clone(),
            ref_: workspace.ref_.clone(),
            secret_ref,
            ..WorkspaceSpec::default()
        },
    );
    object.metadata.labels = Some(managed());
    wanted.push(Wanted::Ensure(to_value(&object)?));
    Ok((Some(named(WORKSPACE)), None))
}

fn secret(name: &str, key: &str, value: String) -> Result<Wanted> {
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(managed()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(key.to_owned(), ByteString(value.into_bytes()))])),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    };
    Ok(Wanted::Ensure(to_value(&secret)?))
}

fn managed() -> BTreeMap<String, String> {
    BTreeMap::from([(labels::MANAGED_BY.to_owned(), MANAGER.to_owned())])
}

fn named(name: &str) -> LocalReference {
    LocalReference {
        name: name.to_owned(),
    }
}

fn reference(name: Option<&String>) -> Option<LocalReference> {
    name.map(|name| named(name))
}

/// `--env NAME=VALUE`, the last of one name wins.
fn pod_overrides(env: &[String]) -> Result<Option<PodOverrides>> {
    let mut variables: Vec<EnvVar> = Vec::new();
    for text in env {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Failure::new(format!("invalid --env value `{text}`: must be NAME=VALUE")))?;
        let mut characters = name.chars();
        let valid = characters
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && characters.all(|character| character.is_ascii_alphanumeric() || character == '_');
        if !valid {
            return Err(Failure::new(format!(
                "invalid --env name `{name}`: must match [A-Za-z_][A-Za-z0-9_]*"
            )));
        }
        variables.retain(|variable| variable.name != name);
        variables.push(EnvVar {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            ..EnvVar::default()
        });
    }
    Ok((!variables.is_empty()).then(|| PodOverrides {
        env: variables,
        ..PodOverrides::default()
    }))
}

fn to_value(object: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(object).map_err(|error| Failure::new(format!("failed to write JSON: {error}")))
}

#[cfg(test)]
#[path = "run_objects_tests.rs"]
mod tests;
