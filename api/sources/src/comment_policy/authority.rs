//! What people may do, as far as it was found out.

use std::collections::{BTreeMap, BTreeSet};

use super::{CommentPolicy, Permission};
use crate::github::names::is_among;

/// What is known of people, by login in lower case. Who is not in it was not asked for yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    people: BTreeMap<String, Standing>,
}

/// What is known of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This is what they have.
    Known {
        /// Permission on the repository; `None` for none at all. It is only asked for when the policy
        /// has `minimumPermission`.
        permission: Option<Permission>,
        /// Teams of `allowedTeams` that they are an active member of, as the policy spells them.
        teams: BTreeSet<String>,
    },
    /// It could not be found out: why.
    Failed(String),
}

/// Whether one may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum May {
    Yes,
    No,
    /// It could not be found out: why.
    Unknown(String),
}

impl Authority {
    /// Records what was found out about `login`.
    pub fn record(&mut self, login: &str, standing: Standing) {
        self.people.insert(login.to_lowercase(), standing);
    }

    /// Whether `login` was asked for already.
    pub fn knows(&self, login: &str) -> bool {
        self.people.contains_key(&login.to_lowercase())
    }

    /// Whether `login` may ask under this policy.
    pub(crate) fn may(&self, policy: &CommentPolicy, login: &str) -> May {
        if needs_no_question(policy, login) {
            return May::Yes;
        }
        match self.people.get(&login.to_lowercase()) {
            None if needs_question(policy, login) => May::Unknown("it was not asked for".to_owned()),
            None => May::No,
            Some(Standing::Failed(why)) => May::Unknown(why.clone()),
            Some(Standing::Known { permission, teams }) => {
                let has_permission = policy
                    .minimum_permission
                    .is_some_and(|minimum| permission.is_some_and(|has| has >= minimum));
                let is_member = policy.allowed_teams.iter().any(|team| teams.contains(team));
                if has_permission || is_member {
                    May::Yes
                } else {
                    May::No
                }
            }
        }
    }
}

/// Whether the policy alone says that `login` may ask.
fn needs_no_question(policy: &CommentPolicy, login: &str) -> bool {
    !policy.is_restricted() || is_among(&policy.allowed_users, login)
}

/// Whether only a question to GitHub can tell whether `login` may ask.
pub(crate) fn needs_question(policy: &CommentPolicy, login: &str) -> bool {
    let asks_github = !policy.allowed_teams.is_empty() || policy.minimum_permission.is_some();
    asks_github && !needs_no_question(policy, login)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(permission: Option<Permission>, teams: &[&str]) -> Standing {
        Standing::Known {
            permission,
            teams: teams.iter().map(|team| (*team).to_owned()).collect(),
        }
    }

    #[test]
    fn a_permission_includes_those_below_it() {
        let policy = CommentPolicy {
            minimum_permission: Some(Permission::Write),
            ..CommentPolicy::default()
        };
        for (has, expected) in [
            (None, May::No),
            (Some(Permission::Read), May::No),
            (Some(Permission::Triage), May::No),
            (Some(Permission::Write), May::Yes),
            (Some(Permission::Maintain), May::Yes),
            (Some(Permission::Admin), May::Yes),
        ] {
            let mut authority = Authority::default();
            authority.record("Ada", known(has, &[]));
            assert_eq!(authority.may(&policy, "ADA"), expected, "{has:?}");
        }
    }

    #[test]
    fn users_teams_and_permission_are_alternatives() {
        let policy = CommentPolicy {
            allowed_users: vec!["Grace".to_owned()],
            allowed_teams: vec!["org/core".to_owned()],
            minimum_permission: Some(Permission::Admin),
            ..CommentPolicy::default()
        };
        let mut authority = Authority::default();
        authority.record("ada", known(Some(Permission::Read), &["org/core"]));
        authority.record("linus", known(Some(Permission::Admin), &[]));
        authority.record("eve", known(Some(Permission::Maintain), &["org/other"]));
        authority.record("mallory", Standing::Failed("it timed out".to_owned()));
        for (login, expected) in [
            ("grace", May::Yes),
            ("ada", May::Yes),
            ("linus", May::Yes),
            ("eve", May::No),
            ("mallory", May::Unknown("it timed out".to_owned())),
        ] {
            assert_eq!(authority.may(&policy, login), expected, "{login}");
        }
    }

    #[test]
    fn only_github_is_asked_about_those_whom_the_policy_does_not_name() {
        let users_only = CommentPolicy {
            allowed_users: vec!["ada".to_owned()],
            ..CommentPolicy::default()
        };
        assert!(!needs_question(&users_only, "eve"));
        let teams = CommentPolicy {
            allowed_teams: vec!["org/core".to_owned()],
            ..users_only
        };
        assert!(needs_question(&teams, "eve"));
        assert!(!needs_question(&teams, "Ada"));
        assert!(!needs_question(&CommentPolicy::default(), "eve"));
    }
}
