//! Who asks, and what they may do.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderMap, Method, header};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::answer::Answer;
use super::jwt;
use super::model::{RepositoryState, State};
use super::new::Role;

/// How long a token of an installation is good.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// What a token is good for.
#[derive(Clone, Debug)]
pub struct Access {
    owner: Owner,
    /// `read` or `write`, by the names of the permissions of an App; `None` is everything.
    permissions: Option<BTreeMap<String, String>>,
    withheld: BTreeSet<String>,
    /// The full names in lower case; `None` is every repository.
    repositories: Option<BTreeSet<String>>,
    expires: Option<Timestamp>,
}

#[derive(Clone, Debug)]
enum Owner {
    User(String),
    Installation,
}

/// The one App of the fake.
#[derive(Clone, Debug)]
pub struct App {
    /// Default: 7.
    pub id: u64,
    /// Its name in URLs, and before `[bot]` in its login. Default: `axon`.
    pub slug: String,
    /// The id of its one installation, which has every repository. Default: 42.
    pub installation: u64,
    /// The RSA public key in DER (PKCS #1) that its proofs are checked with. Default: that of the
    /// operator's tests, whose private key is `operator/tests/keys/pkcs8.pem`.
    pub public_key: Vec<u8>,
    /// `read` or `write`, by name. Default: what Axon asks for.
    pub permissions: BTreeMap<String, String>,
}

/// The tokens that are good, or were.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    good: BTreeMap<String, Access>,
    made: u64,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    Anonymous,
    /// The App itself, by its proof.
    App,
    Token(Access),
}

impl Access {
    /// A personal access token of someone, who may do what their role in each repository allows.
    pub fn user(login: &str) -> Self {
        Self::of(Owner::User(login.to_owned()))
    }

    /// A token of the App's installation, with every permission and repository.
    pub fn installation() -> Self {
        Self::of(Owner::Installation)
    }

    /// Adds a repository to those that it is good for, which are then no longer all.
    #[must_use]
    pub fn repository(mut self, full_name: &str) -> Self {
        let repositories = self.repositories.get_or_insert_default();
        repositories.insert(full_name.to_lowercase());
        self
    }

    /// Takes a permission away, as `issues`: what needs it is refused.
    #[must_use]
    pub fn without(mut self, permission: &str) -> Self {
        self.withheld.insert(permission.to_owned());
        self
    }

    /// Leaves only reading of what a permission is for.
    #[must_use]
    pub fn read_only(mut self, permission: &str) -> Self {
        let permissions = self.permissions.get_or_insert_with(|| App::default().permissions);
        permissions.insert(permission.to_owned(), "read".to_owned());
        self
    }

    fn of(owner: Owner) -> Self {
        Self {
            owner,
            permissions: None,
            withheld: BTreeSet::new(),
            repositories: None,
            expires: None,
        }
    }

    fn has(&self, permission: &str, level: &str) -> bool {
        if self.withheld.contains(permission) {
            return false;
        }
        match &self.permissions {
            None => true,
            Some(permissions) => match permissions.get(permission).map(String::as_str) {
                Some("write" | "admin") => true,
                Some(has) => has == level,
                None => permission == "metadata",
            },
        }
    }
}

impl Default for App {
    fn default() -> Self {
        let permissions = [
            ("checks", "write"),
            ("contents", "write"),
            ("issues", "write"),
            ("members", "read"),
            ("metadata", "read"),
            ("pull_requests", "write"),
            ("repository_hooks", "write"),
        ];
        Self {
            id: 7,
            slug: "axon".to_owned(),
            installation: 42,
            public_key: include_bytes!("../../../operator/tests/keys/public.der").to_vec(),
            permissions: permissions
                .into_iter()
                .map(|(name, level)| (name.to_owned(), level.to_owned()))
                .collect(),
        }
    }
}

impl Tokens {
    pub(super) fn grant(&mut self, token: &str, access: Access) {
        self.good.insert(token.to_owned(), access);
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.good.remove(token);
    }

    /// Makes a token of the App's installation.
    pub(super) fn make(
        &mut self,
        permissions: BTreeMap<String, String>,
        repositories: Option<BTreeSet<String>>,
    ) -> (String, Timestamp) {
        self.made += 1;
        let token = format!("ghs_made-for-an-app-{}", self.made);
        let expires = Timestamp::now() + TOKEN_LIFE;
        let mut access = Access::installation();
        access.permissions = Some(permissions);
        access.repositories = repositories;
        access.expires = Some(expires);
        self.grant(&token, access);
        (token, expires)
    }
}

impl Caller {
    /// The login in whose name something is written.
    pub(super) fn login(&self, app: &App) -> String {
        match self {
            Self::Token(access) => match &access.owner {
                Owner::User(login) => login.clone(),
                Owner::Installation => format!("{}[bot]", app.slug),
            },
            Self::App | Self::Anonymous => format!("{}[bot]", app.slug),
        }
    }

    /// The user whose token was shown.
    pub(super) fn user(&self) -> Option<&str> {
        match self {
            Self::Token(access) => match &access.owner {
                Owner::User(login) => Some(login),
                Owner::Installation => None,
            },
            _ => None,
        }
    }

    fn sees(&self, repository: &RepositoryState) -> bool {
        match self {
            Self::Anonymous | Self::App => !repository.private,
            Self::Token(access) => {
                let full_name = repository.full_name().to_lowercase();
                let within = access
                    .repositories
                    .as_ref()
                    .is_none_or(|names| names.contains(&full_name));
                let may = match &access.owner {
                    Owner::User(login) => repository.role(login).is_some_and(|role| role >= Role::Read),
                    Owner::Installation => true,
                };
                !repository.private || (within && may)
            }
        }
    }
}

/// Who shows these credentials for an operation; the refusal when they are no good.
pub(super) fn caller(state: &State, operation: &str, headers: &HeaderMap) -> Result<Caller, Answer> {
    let shown = headers
        .get(header::AUTHORIZATION)
        .map(|value| value.to_str().unwrap_or_default());
    let token = shown.map(|shown| shown.split_once(' ').map_or("", |(_, token)| token.trim()));
    if operation.starts_with("apps/") {
        let app = &state.app;
        let token = token.unwrap_or_default();
        return match jwt::verify(token, &app.public_key, &app.id.to_string(), Timestamp::now()) {
            Ok(()) => Ok(Caller::App),
            Err(why) => Err(Answer::refuse(401, why)),
        };
    }
    let Some(token) = token else {
        return Ok(Caller::Anonymous);
    };
    match state.tokens.good.get(token) {
        Some(access) if access.expires.is_none_or(|expires| expires > Timestamp::now()) => {
            Ok(Caller::Token(access.clone()))
        }
        _ => Err(Answer::refuse(401, "Bad credentials")),
    }
}

/// Refuses what the caller may not do: 404 for a repository that they do not see, 403 for what
/// they see and may not do.
pub(super) fn authorize(
    caller: &Caller,
    operation: &str,
    method: &Method,
    repository: Option<&RepositoryState>,
) -> Result<(), Answer> {
    if repository.is_some_and(|repository| !caller.sees(repository)) {
        return Err(Answer::not_found());
    }
    let level = if method == Method::GET { "read" } else { "write" };
    let access = match caller {
        Caller::Anonymous if level == "write" || needs_someone(operation) => {
            return Err(Answer::refuse(401, "Requires authentication"));
        }
        Caller::App | Caller::Anonymous => return Ok(()),
        Caller::Token(access) => access,
    };
    let permission = permission(operation);
    let may = permission.is_none_or(|permission| access.has(permission, level));
    match &access.owner {
        Owner::Installation if !may || operation.starts_with("users/") => {
            Err(Answer::refuse(403, "Resource not accessible by integration"))
        }
        Owner::User(_) if !may => Err(Answer::refuse(
            403,
            "Resource not accessible by personal access token",
        )),
        Owner::User(_) if permission == Some("checks") && level == "write" => {
            Err(Answer::refuse(403, "You must authenticate via a GitHub App."))
        }
        Owner::User(login) if permission == Some("repository_hooks") => {
            let role = repository.and_then(|repository| repository.role(login));
            let is_admin = role == Some(Role::Admin);
            is_admin.then_some(()).ok_or_else(Answer::not_found)
        }
        Owner::Installation | Owner::User(_) => Ok(()),
    }
}

/// Whether an operation is refused without a token even for what anyone sees.
fn needs_someone(operation: &str) -> bool {
    operation.contains("webhook")
        || operation.contains("collaborator")
        || operation.starts_with("teams/")
        || operation.starts_with("users/")
}

/// The permission of an App that an operation needs.
///
/// Source: <https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps>
fn permission(operation: &str) -> Option<&'static str> {
    let (group, _) = operation.split_once('/')?;
    match group {
        "issues" => Some("issues"),
        "pulls" => Some("pull_requests"),
        "checks" => Some("checks"),
        "teams" => Some("members"),
        "repos" if operation.contains("webhook") => Some("repository_hooks"),
        "repos" => Some("metadata"),
        _ => None,
    }
}
