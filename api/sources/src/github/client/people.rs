//! Who somebody is to a repository, remembered for a minute.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::failure::{Failure, FailureKind};
use super::wire::User;
use super::{Question, Repository, segment};
use crate::comment_policy::Permission;

/// How long an answer is good.
const GOOD: Duration = Duration::from_mins(1);
/// Answers that are kept.
const MOST: usize = 4096;

/// What is known of people. One for each repository and credential.
#[derive(Debug, Default)]
pub struct People {
    permissions: Remembered<String, Option<Permission>>,
    members: Remembered<(String, String), bool>,
}

#[derive(Debug)]
struct Remembered<K, V>(Mutex<HashMap<K, (Instant, V)>>);

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Remembered<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (when, value) = answers.get(key)?;
        (when.elapsed() < GOOD).then(|| value.clone())
    }

    fn put(&self, key: K, value: V) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.clear();
        }
        answers.insert(key, (Instant::now(), value));
    }
}

#[derive(Deserialize)]
struct PermissionWire {
    #[serde(default)]
    permission: String,
    #[serde(default)]
    role_name: String,
}

#[derive(Deserialize)]
struct MembershipWire {
    #[serde(default)]
    state: String,
}

#[derive(Deserialize)]
struct AppWire {
    slug: String,
}

impl People {
    /// The permission that a user has on the repository; `None` when that is none.
    pub async fn permission(
        &self,
        repository: &Repository,
        user: &str,
    ) -> Result<Option<Permission>, Failure> {
        let user = user.to_lowercase();
        if let Some(known) = self.permissions.get(&user) {
            return Ok(known);
        }
        let permission = repository.permission(&user).await?;
        self.permissions.put(user, permission);
        Ok(permission)
    }

    /// Whether a user is an active member of `team`, as organization/team.
    pub async fn is_member(&self, repository: &Repository, team: &str, user: &str) -> Result<bool, Failure> {
        let key = (team.to_lowercase(), user.to_lowercase());
        if let Some(known) = self.members.get(&key) {
            return Ok(known);
        }
        let is_member = repository.is_member(team, user).await?;
        self.members.put(key, is_member);
        Ok(is_member)
    }
}

impl Repository {
    async fn permission(&self, user: &str) -> Result<Option<Permission>, Failure> {
        let url = self.url(&format!("/collaborators/{}/permission", segment(user)));
        let answer = self.ask(Question::get(url, "permission")).await;
        let Some(answer) = or_absent(answer)? else {
            return Ok(None);
        };
        let wire: PermissionWire = answer.read()?;
        // A role that an organization made itself has a name of its own, and a permission.
        Ok(permission_named(&wire.role_name).or_else(|| permission_named(&wire.permission)))
    }

    async fn is_member(&self, team: &str, user: &str) -> Result<bool, Failure> {
        let Some((organization, team)) = team.split_once('/') else {
            return Ok(false);
        };
        let url = format!(
            "{}/orgs/{}/teams/{}/memberships/{}",
            self.endpoint.api,
            segment(organization),
            segment(team),
            segment(user)
        );
        let answer = self.ask(Question::get(url, "membership")).await;
        let Some(answer) = or_absent(answer)? else {
            return Ok(false);
        };
        let wire: MembershipWire = answer.read()?;
        Ok(wire.state == "active")
    }

    /// Login of the user that a token is of. `None` when the token is of nobody, as that of an App
    /// is.
    pub async fn login(&self) -> Result<Option<String>, Failure> {
        if self.access.is_anonymous() {
            return Ok(None);
        }
        let url = format!("{}/user", self.endpoint.api);
        match self.ask(Question::get(url, "user")).await {
            Ok(answer) => Ok(Some(answer.read::<User>()?.login)),
            Err(failure) if failure.kind == FailureKind::Forbidden => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Login under which an App comments, when the credential is the App's own proof.
    pub async fn app_login(&self) -> Result<String, Failure> {
        let url = format!("{}/app", self.endpoint.api);
        let wire: AppWire = self.ask(Question::get(url, "app")).await?.read()?;
        Ok(format!("{}[bot]", wire.slug))
    }
}

fn or_absent<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
        answer => answer.map(Some),
    }
}

fn permission_named(name: &str) -> Option<Permission> {
    Some(match name {
        "read" | "pull" => Permission::Read,
        "triage" => Permission::Triage,
        "write" | "push" => Permission::Write,
        "maintain" => Permission::Maintain,
        "admin" => Permission::Admin,
        _ => return None,
    })
}
