//! `Workspace`: a git repository and how to check it out.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::reference::LocalReference;

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

    /// Secret of the same namespace whose key GITHUB_TOKEN holds a token for the repository. It is
    /// used to clone and to push, and reaches the agent as GITHUB_TOKEN and GH_TOKEN. Absent means
    /// that the repository is public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,

    /// Files to write into the checkout before the agent starts, at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub files: Vec<WorkspaceFile>,
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
