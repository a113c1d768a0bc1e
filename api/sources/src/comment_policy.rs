//! Which comments ask for work, and who may ask: spec and decision.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which comments ask for work, and who may ask. A comment is a command when one of its lines, with
/// blanks around it removed, is the command exactly.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommentPolicy {
    /// Command that asks for work, such as /axon. The item matches when the body or a comment of
    /// somebody who may ask has it, and each newer one asks once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub trigger_comment: Option<String>,

    /// Commands that take the item out, such as /axon stop, until a newer triggerComment. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 1024)))]
    pub exclude_comments: Vec<String>,

    /// Users who may ask; upper and lower case are alike. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 100)))]
    pub allowed_users: Vec<String>,

    /// Teams as organization/team whose members may ask. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(max = 200), regex(pattern = r"^[^/\s]+/[^/\s]+$"))
    )]
    pub allowed_teams: Vec<String>,

    /// Permission on the repository with which one may ask: read, triage, write, maintain or admin.
    /// Without allowedUsers, allowedTeams and minimumPermission everybody may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_permission: Option<Permission>,
}

/// A permission on a repository; each includes those before it.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[schemars(rename_all = "lowercase")]
pub enum Permission {
    Read,
    Triage,
    Write,
    Maintain,
    Admin,
}
