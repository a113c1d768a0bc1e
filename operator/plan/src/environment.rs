//! The variables of the containers.

use axon_api::{Task, paths, variables};
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, SecretKeySelector};

use crate::description::Packed;
use crate::repository::{Key, KeyKind};
use crate::requirements::Requirements;
use crate::settings::Settings;
use crate::surroundings;
use crate::volumes;

/// Variables between operator and runner, which a user's own of the same name would confuse even
/// where Axon does not set them, and those that would make an image of an earlier system run
/// something.
const RESERVED: &[&str] = &[
    variables::RUN,
    variables::RUN_FILE,
    variables::WORKSPACE_DIR,
    variables::TERMINATION_FILE,
    variables::BIN_DIR,
    variables::GITHUB_TOKEN_FILE,
    variables::SSH_DIR,
    variables::PROMPT_FILE,
    "AXON_SETUP_COMMAND",
    "AXON_SESSION_SETUP_ONLY",
];

/// The variables with the directories of Secrets begin so.
const SECRET_DIR: &str = "AXON_SECRET_DIR_";

/// A container that the runner starts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Prepare,
    Agent,
}

/// The variables of one container.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Environment {
    pub(crate) variables: Vec<EnvVar>,
    /// Names of users' variables that are not among them, because Axon sets or keeps the name.
    pub(crate) ignored: Vec<String>,
}

/// The variables of one container.
pub(crate) fn of(
    task: &Task,
    role: Role,
    requirements: &Requirements<'_>,
    packed: &Packed,
    settings: &Settings,
) -> Environment {
    let mut env = Vec::new();
    if role == Role::Prepare || !requirements.image.is_users() {
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
    for (number, _) in volumes::numbered(requirements, role) {
        let path = format!("{}/{number}", paths::SECRETS);
        env.push(plain(&variables::secret_dir(number), &path));
    }
    describe_task(&mut env, task, requirements);
    if let Some((_, key)) = volumes::key_of(requirements, role) {
        open_repository(&mut env, requirements, key);
    }
    if role == Role::Agent {
        for variable in &requirements.endpoint.own {
            env.retain(|set| set.name != variable.name);
            env.push(variable.clone());
        }
    }
    let mut given = surroundings::variables(settings);
    given.retain(|given| env.iter().all(|set| set.name != given.name));
    add_users(env, users(task, role, requirements, &given))
}

/// What an agent or its image may read about the Task, also under the names of Kelos.
fn describe_task(env: &mut Vec<EnvVar>, task: &Task, requirements: &Requirements<'_>) {
    let spec = &task.spec;
    let repository = requirements.repository.as_ref();
    let branch = match repository {
        Some(repository) => repository.branch,
        None => spec.branch.as_deref(),
    };
    let upstream = match repository {
        Some(repository) => repository.upstream.as_deref(),
        None => spec.upstream_repo.as_deref(),
    };
    let known = [
        (variables::AGENT_TYPE, Some(requirements.agent_type)),
        (variables::MODEL, requirements.model),
        (variables::EFFORT, spec.effort.as_deref()),
        (variables::BRANCH, branch),
        (
            variables::BASE_BRANCH,
            repository.and_then(|repository| repository.base),
        ),
        (variables::UPSTREAM_REPO, upstream),
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

fn open_repository(env: &mut Vec<EnvVar>, requirements: &Requirements<'_>, key: &Key) {
    if key.kind == KeyKind::Ssh {
        env.push(plain(variables::SSH_DIR, paths::SSH));
        return;
    }
    let secret = &key.mounted;
    env.push(plain(variables::GITHUB_TOKEN_FILE, paths::GIT_TOKEN_FILE));
    env.push(from_secret("GITHUB_TOKEN", secret, paths::GIT_TOKEN_KEY));
    env.push(from_secret("GH_TOKEN", secret, paths::GIT_TOKEN_KEY));
    let repository = requirements.repository.as_ref();
    let host = repository.and_then(|repository| host(&repository.spec.repo));
    if let Some(host) = host.filter(|host| *host != "github.com") {
        env.push(from_secret("GH_ENTERPRISE_TOKEN", secret, paths::GIT_TOKEN_KEY));
        env.push(plain("GH_HOST", &unexpanded(host)));
    }
}

/// The users' variables for one container, the weakest first: those that the operator was `given` for
/// all Tasks, those of the namespace's defaults, of the provider, and of the Task. Only the last of one name is kept. What comes later may refer to
/// what came before, as Kubernetes has it.
fn users<'r>(
    task: &'r Task,
    role: Role,
    requirements: &'r Requirements<'_>,
    given: &'r [EnvVar],
) -> Vec<&'r EnvVar> {
    let of_provider: &[EnvVar] = match role {
        Role::Agent => &requirements.endpoint.environment,
        // The provider is the agent's.
        Role::Prepare => &[],
    };
    let overrides = task.spec.pod_overrides.as_ref();
    let of_task = overrides.map(|overrides| overrides.env.as_slice());
    let all = given.iter().chain(requirements.default_env).chain(of_provider);
    let mut kept: Vec<&EnvVar> = Vec::new();
    for variable in all.chain(of_task.unwrap_or_default()) {
        kept.retain(|other| other.name != variable.name);
        kept.push(variable);
    }
    kept
}

/// Adds the users' variables, but for names that Axon has set or keeps for itself.
fn add_users(mut env: Vec<EnvVar>, users: Vec<&EnvVar>) -> Environment {
    let mut ignored = Vec::new();
    for variable in users {
        let name = &variable.name;
        if is_reserved(name) || env.iter().any(|set| set.name == *name) {
            ignored.push(name.clone());
        } else {
            env.push(variable.clone());
        }
    }
    Environment {
        variables: env,
        ignored,
    }
}

/// Whether Axon keeps the name of a variable for itself, under its own name or that of Kelos.
pub(crate) fn is_reserved(name: &str) -> bool {
    let own = name.strip_prefix("KELOS_").map(|rest| format!("AXON_{rest}"));
    let own = own.as_deref().unwrap_or(name);
    RESERVED.contains(&own) || own.starts_with(SECRET_DIR)
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

/// Keeps the kubelet from expanding `$(NAME)` in a value. It reads two dollars as one, from the left, so
/// that all of several are doubled, and a single one only before a parenthesis.
pub(crate) fn unexpanded(value: &str) -> String {
    let mut kept = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(start) = rest.find('$') {
        let (before, from) = rest.split_at(start);
        let after = from.trim_start_matches('$');
        let count = from.len() - after.len();
        let is_read = count > 1 || after.starts_with('(');
        kept.push_str(before);
        kept.push_str(&"$".repeat(if is_read { 2 * count } else { count }));
        rest = after;
    }
    kept.push_str(rest);
    kept
}

/// A variable with a value.
pub(crate) fn plain(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    }
}

/// A variable whose value is that of a key of a Secret.
pub(crate) fn from_secret(name: &str, secret: &str, key: &str) -> EnvVar {
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
    fn names_between_operator_and_runner_are_kept() {
        for name in [
            "AXON_RUN",
            "KELOS_SETUP_COMMAND",
            "AXON_SETUP_COMMAND",
            "AXON_SECRET_DIR_7",
        ] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["PATH", "AXON_NOTES", "RUN", "KELOS_NOTES"] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn a_branch_that_looks_like_a_variable_is_left_as_it_is() {
        assert_eq!(unexpanded("a$(HOME)"), "a$$(HOME)");
        assert_eq!(unexpanded("a$b"), "a$b");
        assert_eq!(unexpanded("$$(HOME)"), "$$$$(HOME)");
        assert_eq!(unexpanded("$$$(HOME)$"), "$$$$$$(HOME)$");
    }
}
