//! What a Task names: the objects that have to be observed before it can be decided about.

use std::collections::BTreeSet;

use axon_api::{AgentConfig, AgentProvider, Task, TaskDefaults, WorkspaceSpec};

/// The agent type of a Task: its own, else that of the defaults, else the operator's.
pub fn agent_type<'a>(
    task: &'a Task,
    defaults: Option<&'a TaskDefaults>,
    fallback: Option<&'a str>,
) -> Option<&'a str> {
    let of_defaults = || defaults.and_then(|defaults| defaults.spec.type_.as_deref());
    task.spec.type_.as_deref().or_else(of_defaults).or(fallback)
}

/// The names of the AgentConfigs of a Task, in its order.
pub fn agent_configs(task: &Task) -> impl Iterator<Item = &str> {
    let spec = &task.spec;
    let all = spec.agent_config_ref.iter().chain(&spec.agent_config_refs);
    all.map(|reference| reference.name.as_str())
}

/// The name of the AgentProvider of a Task: its own, else that of the defaults for its agent type,
/// unless the Task has credentials or a provider in place.
pub fn provider<'a>(task: &'a Task, defaults: Option<&'a TaskDefaults>, agent_type: &str) -> Option<&'a str> {
    let spec = &task.spec;
    if let Some(reference) = &spec.provider_ref {
        return Some(&reference.name);
    }
    if spec.credentials.is_some() || spec.provider.is_some() {
        return None;
    }
    let providers = &defaults?.spec.providers;
    providers.get(agent_type).map(String::as_str)
}

/// The branch that a Task works on: its own, else that of the workspace's worktree. `workspace` is
/// its own or the one that it names.
pub fn branch<'a>(task: &'a Task, workspace: Option<&'a WorkspaceSpec>) -> Option<&'a str> {
    let of_worktree = || Some(workspace?.worktree.as_ref()?.branch.as_str());
    task.spec.branch.as_deref().or_else(of_worktree)
}

/// The names of all Secrets that a Task needs. `workspace` is its own or the one that it names,
/// `provider` the one that [`provider`] names.
pub fn secrets(
    task: &Task,
    defaults: Option<&TaskDefaults>,
    provider: Option<&AgentProvider>,
    workspace: Option<&WorkspaceSpec>,
    configs: &[&AgentConfig],
) -> BTreeSet<String> {
    let spec = &task.spec;
    let mut names = BTreeSet::new();
    let mut add = |name: Option<&String>| names.extend(name.cloned());
    let own = spec.credentials.as_ref();
    let of_defaults = || defaults.and_then(|defaults| defaults.spec.credentials.as_ref());
    let has_provider = spec.provider.is_some() || spec.provider_ref.is_some() || provider.is_some();
    let credentials = own.or_else(|| if has_provider { None } else { of_defaults() });
    add(credentials
        .and_then(|credentials| credentials.secret_ref.as_ref())
        .map(|secret| &secret.name));
    let inline = spec
        .provider
        .as_ref()
        .and_then(|provider| provider.auth_secret_ref.as_ref());
    add(inline.map(|key| &key.name));
    let of_provider = provider.and_then(|provider| provider.spec.auth_token_secret_ref.as_ref());
    add(of_provider.map(|key| &key.name));
    if let Some(workspace) = workspace {
        add(workspace.secret_ref.as_ref().map(|secret| &secret.name));
        add(workspace.clone_secret_ref.as_ref().map(|secret| &secret.name));
    }
    for config in configs {
        for skill in &config.spec.skills {
            add(skill.secret_ref.as_ref().map(|secret| &secret.name));
        }
        for server in &config.spec.mcp_servers {
            add(server.env_from.as_ref().map(|from| &from.secret_ref.name));
            add(server.headers_from.as_ref().map(|from| &from.secret_ref.name));
        }
    }
    names
}
