//! Which comments ask for work, and who may ask: spec and decision.

mod authority;
mod command;
mod decide;
mod thread;

pub use authority::{Authority, Standing};
pub(crate) use authority::{May, needs_question};
pub use command::has_command;
pub use decide::{Asked, decide, people_to_ask};
pub use thread::{Body, Said, Thread};

use std::borrow::Cow;

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

impl CommentPolicy {
    /// The policy of a spec that has either `commentPolicy` or the older two fields, which everybody
    /// may use. `None` when comments do not matter.
    pub fn of<'a>(
        policy: Option<&'a Self>,
        trigger_comment: Option<&str>,
        exclude_comments: &[String],
    ) -> Option<Cow<'a, Self>> {
        let policy = policy.map_or_else(
            || {
                Cow::Owned(Self {
                    trigger_comment: trigger_comment.map(str::to_owned),
                    exclude_comments: exclude_comments.to_vec(),
                    ..Self::default()
                })
            },
            Cow::Borrowed,
        );
        policy.has_commands().then_some(policy)
    }

    /// Whether any command is named.
    pub fn has_commands(&self) -> bool {
        self.trigger_comment.is_some() || !self.exclude_comments.is_empty()
    }

    /// Whether only some may ask.
    pub fn is_restricted(&self) -> bool {
        !self.allowed_users.is_empty() || !self.allowed_teams.is_empty() || self.minimum_permission.is_some()
    }
}

impl std::fmt::Display for Permission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        })
    }
}
