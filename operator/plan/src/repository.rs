//! The repository of a Task: how it is reached, and where its checkout lies.

use axon_api::kinds::reference::LocalReference;
use axon_api::kinds::workspace::{Remote, WorkspaceSpec};
use axon_api::run::{Access, Checkout};
use axon_api::{TaskDefaults, names, paths, repository};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use crate::effective::Inherited;
use crate::observed::{Found, Observed, SecretKeys};
use crate::plan::Step;
use crate::references;
use crate::requirements::{Blocked, SECRET_KEY_MISSING, forever, namespace, secret_keys, waiting};
use crate::storage;
use crate::token;

/// Keys of a Secret with the key of a GitHub App.
pub(crate) const APP_KEYS: &[&str] = &["appID", "installationID", "privateKey"];
/// The remote that tells where pull requests go.
const UPSTREAM: &str = "upstream";

/// The repository of a Task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Repository<'a> {
    pub(crate) spec: &'a WorkspaceSpec,
    /// The branch to work on.
    pub(crate) branch: Option<&'a str>,
    /// Where the checkout starts from.
    pub(crate) base: Option<&'a str>,
    /// Where pull requests go, as owner/name.
    pub(crate) upstream: Option<String>,
    /// With what the checkout is made.
    pub(crate) clone_key: Option<Key>,
    /// What the agent has. When it is absent the agent cannot push.
    pub(crate) agent_key: Option<Key>,
    /// A token that has to be made first.
    pub(crate) make_token: Option<Step>,
    /// The volume that outlives the pod.
    pub(crate) claim: Option<PersistentVolumeClaim>,
    /// The checkout's directory below the workspace directory.
    directory: String,
    shared_clone: Option<&'static str>,
}

/// What opens a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) kind: KeyKind,
    /// The Secret that is mounted: for an App the one with the token that is made of it.
    pub(crate) mounted: String,
    /// The Secret that the Workspace names.
    pub(crate) named: String,
}

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Token,
    /// The key of a GitHub App, of which tokens are made.
    App,
    Ssh,
}

impl Repository<'_> {
    /// What the runner is told of it.
    pub(crate) fn checkout(&self) -> Checkout {
        let spec = self.spec;
        let key = self.clone_key.as_ref().or(self.agent_key.as_ref());
        Checkout {
            repo: spec.repo.clone(),
            ref_: self.base.map(str::to_owned),
            commit: spec.commit.clone(),
            branch: self.branch.map(str::to_owned),
            remotes: spec.remotes.clone(),
            clone: spec.clone.clone().unwrap_or_default(),
            directory: self.directory.clone(),
            shared_clone: self.shared_clone.map(str::to_owned),
            persistent: self.claim.is_some(),
            access: match key.map(|key| key.kind) {
                None => Access::Anonymous,
                Some(KeyKind::Token | KeyKind::App) => Access::Token,
                Some(KeyKind::Ssh) => Access::Ssh,
            },
            files: spec.files.clone(),
            secret_name: key.map(|key| key.named.clone()),
        }
    }
}

/// The Workspace that the Task names, or the one that it has in place.
pub(crate) fn workspace<'a>(observed: &Observed<'a>) -> Result<Option<&'a WorkspaceSpec>, Blocked> {
    let spec = &observed.task.spec;
    let Some(reference) = &spec.workspace_ref else {
        return Ok(spec.workspace.as_ref());
    };
    let name = &reference.name;
    match observed.workspace {
        Found::Present(workspace) => Ok(Some(&workspace.spec)),
        Found::Invalid(why) => Err(waiting(
            "WorkspaceInvalid",
            format!("waits for Workspace `{name}` to be corrected: {why}"),
        )),
        Found::Missing | Found::NotNamed => Err(waiting(
            "WorkspaceNotFound",
            format!(
                "waits for Workspace `{name}`, which does not exist in namespace `{}`",
                namespace(observed)
            ),
        )),
    }
}

/// Finds out how the repository is reached and where its checkout lies; `None` without a workspace.
pub(crate) fn resolve<'a>(
    observed: &Observed<'a>,
    defaults: Option<&TaskDefaults>,
    inherited: &mut Inherited,
) -> Result<Option<Repository<'a>>, Blocked> {
    let Some(spec) = workspace(observed)? else {
        return Ok(None);
    };
    let task = observed.task;
    let agent_key = key(observed, spec, spec.secret_ref.as_ref())?;
    let clone_key = key(observed, spec, spec.clone_secret_ref.as_ref())?;
    let make_token = token::request(observed, spec, [agent_key.as_ref(), clone_key.as_ref()])?;
    let volume = storage::resolve(observed, spec, defaults, inherited)?;
    let is_shared = volume.as_ref().is_some_and(|volume| volume.is_shared);
    let (directory, shared_clone) = if is_shared || spec.worktree.is_some() {
        let uid = task.metadata.uid.as_deref().unwrap_or_default();
        (format!("worktrees/{uid}"), Some("clone"))
    } else {
        (paths::REPOSITORY.to_owned(), None)
    };
    let worktree = spec.worktree.as_ref();
    let source_branch = worktree.and_then(|worktree| worktree.source_branch.as_deref());
    let own_upstream = task.spec.upstream_repo.clone();
    Ok(Some(Repository {
        spec,
        branch: references::branch(task, Some(spec)),
        base: source_branch.or(spec.ref_.as_deref()),
        upstream: own_upstream.or_else(|| upstream(&spec.remotes)),
        clone_key: clone_key.or_else(|| agent_key.clone()),
        agent_key,
        make_token,
        claim: volume.map(|volume| volume.claim),
        directory,
        shared_clone,
    }))
}

/// What the Secret opens the repository with, which its keys tell.
fn key(
    observed: &Observed<'_>,
    spec: &WorkspaceSpec,
    reference: Option<&LocalReference>,
) -> Result<Option<Key>, Blocked> {
    let Some(LocalReference { name }) = reference else {
        return Ok(None);
    };
    let keys = secret_keys(observed, name)?;
    let kind = if is_ssh(&spec.repo) {
        ssh_kind(&spec.repo, name, keys)?
    } else {
        token_kind(&spec.repo, name, keys)?
    };
    let task = &observed.task.metadata;
    let mounted = match kind {
        KeyKind::Token | KeyKind::Ssh => name.clone(),
        KeyKind::App => names::token_secret(
            task.name.as_deref().unwrap_or_default(),
            task.uid.as_deref().unwrap_or_default(),
        ),
    };
    Ok(Some(Key {
        kind,
        mounted,
        named: name.clone(),
    }))
}

/// Whether the repository is reached by ssh.
fn is_ssh(repo: &str) -> bool {
    repo.starts_with("ssh://") || !repo.contains("://")
}

/// Whether the Secret has the key of a GitHub App.
pub(crate) fn has_app(keys: &SecretKeys) -> bool {
    APP_KEYS.iter().all(|key| keys.contains(*key))
}

fn token_kind(repo: &str, name: &str, keys: &SecretKeys) -> Result<KeyKind, Blocked> {
    if keys.contains(paths::GIT_TOKEN_KEY) {
        return Ok(KeyKind::Token);
    }
    if has_app(keys) {
        return Ok(KeyKind::App);
    }
    if keys.contains(paths::SSH_KEY) {
        return Err(forever(
            "SecretNotForRepository",
            format!(
                "Secret `{name}` has an ssh key, with which `{repo}` cannot be reached: its URL would have to begin with ssh:// or git@"
            ),
        ));
    }
    Err(missing(name, keys))
}

fn ssh_kind(repo: &str, name: &str, keys: &SecretKeys) -> Result<KeyKind, Blocked> {
    if keys.contains(paths::SSH_KEY) {
        if keys.contains(paths::SSH_KNOWN_HOSTS) {
            return Ok(KeyKind::Ssh);
        }
        return Err(waiting(
            SECRET_KEY_MISSING,
            format!(
                "waits for Secret `{name}` to have `{}` with the keys of the repository's host, as ssh-keyscan prints them; an unknown host is never trusted",
                paths::SSH_KNOWN_HOSTS
            ),
        ));
    }
    if keys.contains(paths::GIT_TOKEN_KEY) || has_app(keys) {
        return Err(forever(
            "SecretNotForRepository",
            format!(
                "Secret `{name}` has a token, with which `{repo}` cannot be reached: its URL would have to begin with https://, or the Secret to have {} and {}",
                paths::SSH_KEY,
                paths::SSH_KNOWN_HOSTS
            ),
        ));
    }
    Err(missing(name, keys))
}

/// Tells what the Secret lacks; of a GitHub App that is there in part, the rest.
fn missing(name: &str, keys: &SecretKeys) -> Blocked {
    let lacks: Vec<&str> = APP_KEYS
        .iter()
        .copied()
        .filter(|key| !keys.contains(*key))
        .collect();
    let message = if lacks.len() < APP_KEYS.len() {
        format!(
            "waits for Secret `{name}` to have `{}`, which a GitHub App needs too",
            lacks.join("` and `")
        )
    } else {
        format!(
            "waits for Secret `{name}` to have `{}`; or `{}` of a GitHub App; or `{}` and `{}`",
            paths::GIT_TOKEN_KEY,
            APP_KEYS.join("`, `"),
            paths::SSH_KEY,
            paths::SSH_KNOWN_HOSTS
        )
    };
    waiting(SECRET_KEY_MISSING, message)
}

/// The owner and name of the remote that is called upstream.
fn upstream(remotes: &[Remote]) -> Option<String> {
    let remote = remotes.iter().find(|remote| remote.name == UPSTREAM)?;
    let identity = repository::identity(&remote.url);
    if identity.starts_with("file:") {
        return None;
    }
    let (_, path) = identity.split_once('/')?;
    path.contains('/').then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remote_called_upstream_tells_owner_and_name() {
        for (name, url, expected) in [
            ("upstream", "https://github.com/o/r.git", Some("o/r")),
            ("upstream", "git@github.com:o/r.git", Some("o/r")),
            ("upstream", "https://gitlab.com/group/sub/r", Some("group/sub/r")),
            ("upstream", "https://example.com/r", None),
            ("upstream", "file:///srv/o/r", None),
            ("fork", "https://github.com/o/r", None),
        ] {
            let remote = Remote {
                name: name.to_owned(),
                url: url.to_owned(),
            };
            assert_eq!(upstream(&[remote]).as_deref(), expected, "{name} {url}");
        }
    }
}
