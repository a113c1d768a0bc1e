//! The variables of the containers.

use axon_api::{Task, paths, variables};
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, SecretKeySelector};

use crate::description::Packed;
use crate::requirements::Requirements;

/// Variables between operator and runner, which a user's own of the same name would confuse even
/// where Axon does not set them.
const RESERVED: &[&str] = &[
    variables::RUN,
    variables::RUN_FILE,
    variables::WORKSPACE_DIR,
    variables::TERMINATION_FILE,
    variables::BIN_DIR,
    variables::GITHUB_TOKEN_FILE,
    variables::PROMPT_FILE,
];

/// A container that the runner starts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Prepare,
    Agent,
}

/// The variables of one container.
pub(crate) fn variables(
    task: &Task,
    role: Role,
    requirements: &Requirements<'_>,
    packed: &Packed,
) -> Vec<EnvVar> {
    let mut env = Vec::new();
    if role == Role::Prepare || task.spec.image.is_none() {
        env.push(plain("HOME", paths::HOME));
    }
    env.push(plain(variables::WORKSPACE_DIR, paths::WORKSPACE));
    env.push(plain(variables::BIN_DIR, paths::BIN));
    env.push(plain(variables::TERMINATION_FILE, paths::TERMINATION_LOG));
    match packed {
        Packed::Inline(json) => env.push(plain(variables::RUN, json)),
        Packed::Secret(_) | Packed::TooLarge(_) => {
            env.push(plain(variables::RUN_FILE, paths::RUN_FILE));
        }
    }
    describe_task(&mut env, task, requirements);
    git(&mut env, requirements);
    if role == Role::Agent
        && let Some(credential) = requirements.credential
    {
        env.push(from_secret(
            credential.variable,
            credential.secret,
            credential.variable,
        ));
    }
    add_users(&mut env, task);
    env
}

/// What an agent or its image may read about the Task, also under the names of Kelos.
fn describe_task(env: &mut Vec<EnvVar>, task: &Task, requirements: &Requirements<'_>) {
    let spec = &task.spec;
    let workspace = requirements.workspace;
    let known = [
        (variables::AGENT_TYPE, Some(spec.agent_type())),
        (variables::MODEL, spec.model.as_deref()),
        (variables::EFFORT, spec.effort.as_deref()),
        (variables::BRANCH, spec.branch.as_deref()),
        (
            variables::BASE_BRANCH,
            workspace.and_then(|workspace| workspace.ref_.as_deref()),
        ),
        (variables::UPSTREAM_REPO, spec.upstream_repo.as_deref()),
        (variables::TASK, task.metadata.name.as_deref()),
        (variables::TASK_NAMESPACE, task.metadata.namespace.as_deref()),
    ];
    for (name, value) in known {
        let Some(value) = value else { continue };
        let value = unexpanded(value);
        env.push(plain(name, &value));
        if let Some(twin) = variables::kelos_name(name) {
            env.push(plain(&twin, &value));
        }
    }
}

fn git(env: &mut Vec<EnvVar>, requirements: &Requirements<'_>) {
    let (Some(workspace), Some(secret)) = (requirements.workspace, requirements.workspace_secret) else {
        return;
    };
    env.push(plain(variables::GITHUB_TOKEN_FILE, paths::GIT_TOKEN_FILE));
    env.push(from_secret("GITHUB_TOKEN", secret, paths::GIT_TOKEN_KEY));
    env.push(from_secret("GH_TOKEN", secret, paths::GIT_TOKEN_KEY));
    if let Some(host) = host(&workspace.repo).filter(|host| *host != "github.com") {
        env.push(from_secret("GH_ENTERPRISE_TOKEN", secret, paths::GIT_TOKEN_KEY));
        env.push(plain("GH_HOST", &unexpanded(host)));
    }
}

/// The user's own variables, but for names that Axon has set or keeps for itself.
fn add_users(env: &mut Vec<EnvVar>, task: &Task) {
    let overrides = task.spec.pod_overrides.as_ref();
    for variable in overrides
        .map(|overrides| overrides.env.as_slice())
        .unwrap_or_default()
    {
        let taken =
            RESERVED.contains(&variable.name.as_str()) || env.iter().any(|set| set.name == variable.name);
        if !taken {
            env.push(variable.clone());
        }
    }
}

/// The host of a repository's URL with its port if it names one, for `https://host/path`,
/// `ssh://git@host/path` and `git@host:path`; `None` for a file.
fn host(repo: &str) -> Option<&str> {
    let host = match repo.split_once("://") {
        Some(("file", _)) => return None,
        Some((_, rest)) => rest.split('/').next()?,
        None => repo.split(':').next()?,
    };
    let host = host.rsplit('@').next()?;
    Some(host).filter(|host| !host.is_empty())
}

/// Keeps the kubelet from expanding `$(NAME)` in a value.
fn unexpanded(value: &str) -> String {
    value.replace("$$", "$$$$").replace("$(", "$$(")
}

fn plain(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    }
}

fn from_secret(name: &str, secret: &str, key: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                key: key.to_owned(),
                name: secret.to_owned(),
                optional: Some(false),
            }),
            ..EnvVarSource::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_every_form_of_url_is_read() {
        for (repo, expected) in [
            ("https://github.com/o/r", Some("github.com")),
            (
                "https://git.example.com:8443/o/r.git",
                Some("git.example.com:8443"),
            ),
            ("ssh://git@github.example.com/o/r", Some("github.example.com")),
            ("git@github.com:o/r.git", Some("github.com")),
            ("file:///srv/r.git", None),
            ("https:///nothing", None),
        ] {
            assert_eq!(host(repo), expected, "{repo}");
        }
    }

    #[test]
    fn a_branch_that_looks_like_a_variable_is_left_as_it_is() {
        assert_eq!(unexpanded("a$(HOME)"), "a$$(HOME)");
        assert_eq!(unexpanded("a$b"), "a$b");
    }
}
