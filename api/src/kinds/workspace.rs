//! `Workspace`: a git repository and how to check it out.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::reference::LocalReference;
use super::storage::Storage;

/// A git repository and how Tasks check it out.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "axon.io",
    version = "v1alpha1",
    kind = "Workspace",
    plural = "workspaces",
    shortname = "ws",
    category = "axon",
    namespaced,
    doc = "A git repository and how Tasks check it out.",
    printcolumn = r#"{"name":"Repo","type":"string","jsonPath":".spec.repo"}"#,
    printcolumn = r#"{"name":"Ref","type":"string","jsonPath":".spec.ref"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.remotes) || self.remotes.all(r, r.name != 'origin')").message("the remote origin is the repository itself"))]
pub struct WorkspaceSpec {
    /// URL of the repository: https://, http://, git://, ssh://, file:// or git@host:path.
    /// Never with a token in it: secretRef is for that.
    #[schemars(
        length(min = 1, max = 2048),
        regex(pattern = r"^(https?://|git://|ssh://|file:///|git@)[^\s]+$")
    )]
    pub repo: String,

    /// Branch, tag or 40-digit commit to check out. Absent means the repository's default branch.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^\s\-][^\s]*$"))]
    pub ref_: Option<String>,

    /// Commit to check out, 7 to 64 hexadecimal digits, instead of the tip of ref.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = r"^[0-9a-f]{7,64}$"))]
    pub commit: Option<String>,

    /// Secret of the same namespace with what the repository asks for: GITHUB_TOKEN with a token;
    /// or appID, installationID and privateKey of a GitHub App, for which a token of this
    /// repository is made for each Task; or ssh-privatekey and known_hosts. It is used to clone and
    /// to push, and a token reaches the agent as GITHUB_TOKEN and GH_TOKEN. Absent means that the
    /// repository is public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,

    /// Secret like secretRef, with which the repository is only cloned: the agent never sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clone_secret_ref: Option<LocalReference>,

    /// More remotes of the checkout, at most 16. One named upstream tells the agent where pull
    /// requests go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub remotes: Vec<Remote>,

    /// Program and arguments to run in the checkout before the agent, without a shell. Its failure
    /// fails the Task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 65_536)))]
    pub setup_command: Vec<String>,

    /// How much is cloned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clone: Option<CloneOptions>,

    /// Work in a git worktree with a branch of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<Worktree>,

    /// Volume for the checkout. Absent means one that goes with the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,

    /// Files to write into the checkout before the agent starts, at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub files: Vec<WorkspaceFile>,
}

/// A remote of the checkout.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remote {
    /// Name of the remote.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"))]
    pub name: String,

    /// URL of the remote, as repo.
    #[schemars(
        length(min = 1, max = 2048),
        regex(pattern = r"^(https?://|git://|ssh://|file:///|git@)[^\s]+$")
    )]
    pub url: String,
}

/// How much of a repository is cloned.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloneOptions {
    /// Commits of history, minimum 1; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub depth: Option<i32>,

    /// Partial clone: blob:none fetches contents of files when they are needed, tree:0 directories
    /// too. Absent means all at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 64),
        regex(pattern = r"^(blob:none|blob:limit=[0-9]+[kmg]?|tree:[0-9]+)$")
    )]
    pub filter: Option<String>,

    /// Whether submodules are checked out too, all levels of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submodules: Option<bool>,

    /// Whether files of git LFS are fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lfs: Option<bool>,
}

/// A git worktree.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Worktree {
    /// Branch of the worktree: checked out if the remote has it, else made. The Task's branch wins.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^\s\-][^\s]*$"))]
    pub branch: String,

    /// Branch from which it is made. Absent means ref.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^\s\-][^\s]*$"))]
    pub source_branch: Option<String>,
}

/// A file to write into the checkout.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceFile {
    /// Path below the checkout's root, with forward slashes; without `..` and not absolute.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.contains('\\\\') && !self.split('/').exists(p, p == '..' || p == '.git')").message("path must be relative, with forward slashes, without \"..\" and outside of .git"))]
    pub path: String,

    /// The file's text.
    #[schemars(length(max = 262_144))]
    pub content: String,
}
