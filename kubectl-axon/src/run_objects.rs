//! Flags and config file in, objects out: what `run` creates.

use std::collections::BTreeMap;

use axon_api::kinds::pod_overrides::PodOverrides;
use axon_api::kinds::reference::LocalReference;
use axon_api::kinds::task::RetryPolicy;
use axon_api::{Task, TaskDefaultsSpec, TaskSpec, Workspace, WorkspaceSpec, labels, paths};
use k8s_openapi::api::core::v1::EnvVar;
use serde_json::Value;

use crate::config::{Config, WorkspaceCredential};
use crate::credentials::{Chosen, access};
use crate::failure::{Failure, Result};
use crate::parts::{check_name, duration, env, managed, named, seconds, secret, to_value};
use crate::verbs::run::{Sandbox, TaskArgs};

/// Name of the Workspace that is made from the config file's `workspace`.
const WORKSPACE: &str = "axon-workspace";
/// Name of the Secret that is made from the config file's `workspace.token` or `.githubApp`.
const WORKSPACE_CREDENTIALS: &str = "axon-workspace-credentials";

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
    /// The namespace's defaults, if flags and file leave something to them.
    pub(crate) defaults: Option<TaskDefaultsSpec>,
}

/// An object to write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// Must not be there yet.
    Create(Value),
    /// Made, or brought to this content when it is there; other keys of a Secret stay.
    Ensure(Value),
    /// Made, or brought to exactly this content when it is there.
    Replace(Value),
}

impl Wanted {
    pub(crate) fn object(&self) -> &Value {
        match self {
            Self::Create(object) | Self::Ensure(object) | Self::Replace(object) => object,
        }
    }
}

impl TaskArgs {
    /// What the flags say about agent and credential.
    pub(crate) fn chosen(&self) -> Chosen<'_> {
        Chosen {
            agent_type: self.agent_type.as_deref(),
            secret: self.secret.as_ref(),
            credential_type: self.credential_type(),
            provider: self.provider.as_ref(),
        }
    }
}

/// The objects of one `run`, in the order in which they are written; the Task is the last.
pub(crate) fn objects_for_run(args: &TaskArgs, config: &Config, inputs: Inputs) -> Result<Vec<Wanted>> {
    check_name("task", &inputs.name)?;
    check_prompt(&inputs.prompt)?;
    if let Some(timeout) = &args.timeout {
        duration("--timeout", timeout)?;
    }
    if args.sandbox.is_some() && !inputs.local {
        return Err(Failure::new("--sandbox is only for tasks on this machine")
            .hint("add --local; in a cluster the agent's container is its sandbox"));
    }
    let mut wanted = Vec::new();
    let access = access(args.chosen(), config, inputs.defaults.as_ref(), &mut wanted)?;
    let (workspace_ref, workspace) = workspace(args, config, inputs.repository, &mut wanted)?;
    let (agent_config_ref, agent_config_refs) = agent_configs(args, config);
    let mut task = Task::new(
        &inputs.name,
        TaskSpec {
            type_: access.type_,
            prompt: inputs.prompt,
            credentials: access.credentials,
            provider_ref: access.provider_ref,
            model: args.model.clone().or_else(|| config.model.clone()),
            effort: args.effort.clone().or_else(|| config.effort.clone()),
            image: args.image.clone(),
            workspace_ref,
            workspace,
            agent_config_ref,
            agent_config_refs,
            depends_on: args.depends_on.clone(),
            branch: args.branch.clone(),
            timeout: args.timeout.clone(),
            retry: args.retry.map(|limit| RetryPolicy { limit }),
            ttl_seconds_after_finished: args
                .ttl
                .as_deref()
                .map(|text| seconds("--ttl", text))
                .transpose()?,
            pod_overrides: pod_overrides(&config.env, &args.env)?,
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

/// One `AgentConfig` is named by the field for one, more by the list.
fn agent_configs(args: &TaskArgs, config: &Config) -> (Option<LocalReference>, Vec<LocalReference>) {
    let names: Vec<&String> = match args.agent_configs.as_slice() {
        [] => config.agent_config.iter().collect(),
        names => names.iter().collect(),
    };
    match names.as_slice() {
        [] => (None, Vec::new()),
        [one] => (Some(named(one)), Vec::new()),
        _ => (None, names.into_iter().map(|name| named(name)).collect()),
    }
}

pub(crate) fn check_prompt(prompt: &str) -> Result<()> {
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
    Ok((config_workspace(config, wanted)?, None))
}

/// The Workspace of the config file: one that is there, or one that is kept up to date.
pub(crate) fn config_workspace(config: &Config, wanted: &mut Vec<Wanted>) -> Result<Option<LocalReference>> {
    let Some(workspace) = &config.workspace else {
        return Ok(None);
    };
    if let Some(name) = &workspace.name {
        return Ok(Some(named(name)));
    }
    let Some(repo) = &workspace.repo else {
        return Err(Failure::new(
            "`workspace` in the config file names neither `name` nor `repo`",
        ));
    };
    let credential = workspace.credential()?;
    let secret_ref = credential.is_some().then(|| named(WORKSPACE_CREDENTIALS));
    if let Some(credential) = credential {
        let values = match credential {
            WorkspaceCredential::Token(token) => vec![(paths::GIT_TOKEN_KEY, token)],
            WorkspaceCredential::App {
                id,
                installation,
                private_key,
            } => github_app(id, installation, private_key),
        };
        wanted.push(Wanted::Replace(secret(WORKSPACE_CREDENTIALS, values)?));
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
    Ok(Some(named(WORKSPACE)))
}

/// The keys of a Secret with a GitHub App.
pub(crate) fn github_app(
    id: String,
    installation: String,
    private_key: String,
) -> Vec<(&'static str, String)> {
    vec![
        ("appID", id),
        ("installationID", installation),
        ("privateKey", private_key),
    ]
}

/// The variables of the config file and of `--env`.
pub(crate) fn pod_overrides(config: &[EnvVar], flags: &[String]) -> Result<Option<PodOverrides>> {
    let env = env(config, flags)?;
    Ok((!env.is_empty()).then(|| PodOverrides {
        env,
        ..PodOverrides::default()
    }))
}

#[cfg(test)]
#[path = "run_objects_tests.rs"]
mod tests;
