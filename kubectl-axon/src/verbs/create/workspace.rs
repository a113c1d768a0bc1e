//! `create workspace`: a git repository and how Tasks check it out, with the Secret for it.

use std::path::PathBuf;

use axon_api::kinds::storage::{Storage, StorageScope};
use axon_api::kinds::workspace::{CloneOptions, Remote, WorkspaceFile, Worktree};
use axon_api::{Workspace, WorkspaceSpec, paths};
use clap::Args;

use super::ReadValue;
use crate::complete;
use crate::config::private_key;
use crate::failure::{Failure, Result};
use crate::parts::{check_name, named, pair, reference, secret, to_value};
use crate::run_objects::{Wanted, github_app};
use crate::writing::WriteArgs;

/// Create a workspace: a git repository and how tasks check it out
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  kubectl axon create workspace my-workspace \\
    --repo https://github.com/your-org/repo.git --ref main --token @token.txt
  kubectl axon create workspace my-workspace --repo https://github.com/your-org/repo.git \\
    --github-app-id 12345 --github-app-installation-id 67890 --github-app-key app.pem
  kubectl axon create workspace my-fork --repo git@github.com:me/fork.git \\
    --ssh-key ~/.ssh/deploy --known-hosts ~/.ssh/known_hosts \\
    --remote upstream=https://github.com/your-org/repo.git

--token, --github-app-... and --ssh-key make the Secret NAME-credentials. --token is the
repository's here; the token for the API server comes from the kubeconfig.")]
pub(super) struct WorkspaceArgs {
    /// Name of the workspace
    #[arg(value_name = "NAME")]
    pub(super) name: String,

    /// URL of the repository; with --local also a folder, `.` for the one you are in
    #[arg(long, value_name = "URL", required = true)]
    pub(super) repo: String,

    /// Branch, tag or commit to check out; default: the repository's default branch
    #[arg(long = "ref", value_name = "REF")]
    pub(super) git_ref: Option<String>,

    /// Commit to check out instead of the tip of --ref
    #[arg(long, value_name = "COMMIT")]
    pub(super) commit: Option<String>,

    /// Secret that is there already, with what the repository asks for
    #[arg(long, value_name = "NAME", group = "access", add = complete::secrets())]
    pub(super) secret: Option<String>,

    /// GitHub token for the repository
    #[arg(long, value_name = "TOKEN|@FILE", group = "access")]
    pub(super) token: Option<String>,

    /// ID of a GitHub App that makes tokens for the repository
    #[arg(long, value_name = "ID", group = "access", requires_all = ["github_app_installation_id", "github_app_key"])]
    pub(super) github_app_id: Option<String>,

    /// Installation of the GitHub App
    #[arg(long, value_name = "ID", requires = "github_app_id")]
    pub(super) github_app_installation_id: Option<String>,

    /// File with the private key of the GitHub App
    #[arg(long, value_name = "FILE", requires = "github_app_id", value_hint = clap::ValueHint::FilePath)]
    pub(super) github_app_key: Option<PathBuf>,

    /// File with an SSH key for the repository
    #[arg(long, value_name = "FILE", group = "access", requires = "known_hosts", value_hint = clap::ValueHint::FilePath)]
    pub(super) ssh_key: Option<PathBuf>,

    /// File with the keys of the repository's host, as `ssh-keyscan` prints them
    #[arg(long, value_name = "FILE", requires = "ssh_key", value_hint = clap::ValueHint::FilePath)]
    pub(super) known_hosts: Option<PathBuf>,

    /// Secret with which the repository is only cloned: agents never see it
    #[arg(long, value_name = "NAME", add = complete::secrets())]
    pub(super) clone_secret: Option<String>,

    /// One more remote of the checkout; may be given more than once
    #[arg(long = "remote", value_name = "NAME=URL")]
    pub(super) remotes: Vec<String>,

    /// What to run in the checkout before the agent: for a shell, or a JSON list without one
    #[arg(long, value_name = "COMMAND")]
    pub(super) setup_command: Option<String>,

    /// File to write into the checkout; may be given more than once
    #[arg(long = "file", value_name = "PATH=TEXT|@FILE")]
    pub(super) files: Vec<String>,

    /// Branch of a git worktree to work in
    #[arg(long, value_name = "BRANCH", help_heading = "Checkout")]
    pub(super) worktree_branch: Option<String>,

    /// Branch from which that of the worktree is made; default: --ref
    #[arg(
        long,
        value_name = "BRANCH",
        requires = "worktree_branch",
        help_heading = "Checkout"
    )]
    pub(super) worktree_source: Option<String>,

    /// Clone only this many commits of history
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..), help_heading = "Checkout")]
    pub(super) depth: Option<i32>,

    /// Clone without what this names, such as blob:none
    #[arg(long, value_name = "FILTER", help_heading = "Checkout")]
    pub(super) filter: Option<String>,

    /// Check submodules out too
    #[arg(long, help_heading = "Checkout")]
    pub(super) submodules: bool,

    /// Fetch files of git LFS
    #[arg(long, help_heading = "Checkout")]
    pub(super) lfs: bool,

    /// Keep the checkout in a volume of this size, such as 10Gi
    #[arg(long, value_name = "QUANTITY", help_heading = "Storage")]
    pub(super) storage_size: Option<String>,

    /// `StorageClass` of the volume; default: the cluster's
    #[arg(long, value_name = "NAME", help_heading = "Storage")]
    pub(super) storage_class: Option<String>,

    /// One volume for all tasks of the workspace; each works in a git worktree
    #[arg(long, help_heading = "Storage")]
    pub(super) storage_shared: bool,

    #[command(flatten)]
    pub(super) write: WriteArgs,
}

/// `repo` is `--repo` as a URL.
pub(super) fn objects(args: &WorkspaceArgs, repo: String, read: ReadValue<'_>) -> Result<Vec<Wanted>> {
    check_name("workspace", &args.name)?;
    let mut wanted = Vec::new();
    let values = credential(args, read)?;
    let credentials = format!("{}-credentials", args.name);
    let secret_ref = match values {
        Some(values) => {
            wanted.push(Wanted::Replace(secret(&credentials, values)?));
            Some(named(&credentials))
        }
        None => reference(args.secret.as_ref()),
    };
    let spec = WorkspaceSpec {
        repo,
        ref_: args.git_ref.clone(),
        commit: args.commit.clone(),
        secret_ref,
        clone_secret_ref: reference(args.clone_secret.as_ref()),
        remotes: args
            .remotes
            .iter()
            .map(|text| {
                let (name, url) = pair("--remote", text)?;
                Ok(Remote {
                    name: name.to_owned(),
                    url: url.to_owned(),
                })
            })
            .collect::<Result<_>>()?,
        setup_command: args
            .setup_command
            .as_deref()
            .map(setup_command)
            .transpose()?
            .unwrap_or_default(),
        clone: clone(args),
        worktree: args.worktree_branch.as_ref().map(|branch| Worktree {
            branch: branch.clone(),
            source_branch: args.worktree_source.clone(),
        }),
        storage: storage(args),
        files: args
            .files
            .iter()
            .map(|text| {
                let (path, text) = pair("--file", text)?;
                Ok(WorkspaceFile {
                    path: path.to_owned(),
                    content: read(&format!("--file {path}"), text)?,
                })
            })
            .collect::<Result<_>>()?,
    };
    wanted.push(Wanted::Ensure(to_value(&Workspace::new(&args.name, spec))?));
    Ok(wanted)
}

/// The keys of the Secret that the flags make; `None` when they make none.
fn credential(args: &WorkspaceArgs, read: ReadValue<'_>) -> Result<Option<Vec<(&'static str, String)>>> {
    if let Some(token) = &args.token {
        let token = read("--token", token)?.trim().to_owned();
        if token.is_empty() {
            return Err(Failure::new("--token is empty"));
        }
        return Ok(Some(vec![(paths::GIT_TOKEN_KEY, token)]));
    }
    if let (Some(id), Some(installation), Some(key)) = (
        &args.github_app_id,
        &args.github_app_installation_id,
        &args.github_app_key,
    ) {
        return Ok(Some(github_app(
            id.clone(),
            installation.clone(),
            private_key(key)?,
        )));
    }
    if let (Some(key), Some(hosts)) = (&args.ssh_key, &args.known_hosts) {
        let hosts = std::fs::read_to_string(hosts).map_err(|error| {
            Failure::new(format!(
                "failed to read the known hosts `{}`: {error}",
                hosts.display()
            ))
        })?;
        return Ok(Some(vec![
            (paths::SSH_KEY, private_key(key)?),
            (paths::SSH_KNOWN_HOSTS, hosts),
        ]));
    }
    Ok(None)
}

/// A JSON list is program and arguments; anything else is for a shell.
fn setup_command(text: &str) -> Result<Vec<String>> {
    if text.trim().is_empty() {
        return Err(Failure::new("--setup-command is empty"));
    }
    if !text.trim_start().starts_with('[') {
        return Ok(vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()]);
    }
    serde_json::from_str(text).map_err(|error| {
        Failure::new(format!("--setup-command is no JSON list of strings: {error}"))
            .hint(r#"write it like '["npm","ci"]', or without brackets for a shell"#)
    })
}

fn clone(args: &WorkspaceArgs) -> Option<CloneOptions> {
    let options = CloneOptions {
        depth: args.depth,
        filter: args.filter.clone(),
        submodules: args.submodules.then_some(true),
        lfs: args.lfs.then_some(true),
    };
    (options != CloneOptions::default()).then_some(options)
}

fn storage(args: &WorkspaceArgs) -> Option<Storage> {
    let storage = Storage {
        class_name: args.storage_class.clone(),
        size: args.storage_size.clone(),
        access_mode: None,
        scope: args.storage_shared.then_some(StorageScope::Workspace),
    };
    (storage != Storage::default()).then_some(storage)
}
