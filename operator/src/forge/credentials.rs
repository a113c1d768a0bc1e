//! With what GitHub is asked: a token of a Secret, or one that is made for a GitHub App.
//!
//! A Secret is read when it is needed, and its values are kept no longer. A token that was made is
//! kept in memory until it is about to expire.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axon_plan::spawner::Trouble;
use axon_sources::github::client::{Access, GitHubClient, What};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::book::Source;
use super::trouble::explain;
use crate::github_app::{App, GitHub, MintError, Token};
use crate::key::Key;

/// The key of a Secret with a token.
const TOKEN: &str = "GITHUB_TOKEN";
/// The keys of a Secret with a GitHub App.
const APP: &str = "appID";
/// A token that is good for less than this is made anew.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);
/// How long it is believed who a credential is of.
const LOGIN: Duration = Duration::from_hours(1);
/// Tokens and logins that are kept.
const MOST: usize = 4096;

/// What a credential is for: the token of an App can do no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum For {
    /// Reading issues and pull requests.
    Reading,
    /// And who is in a team.
    ReadingWithTeams,
    /// Writing comments and check runs.
    Reporting,
    /// All that the App may.
    Everything,
}

/// Gives credentials. Cheap to clone; clones share what they keep.
#[derive(Clone)]
pub struct Credentials {
    client: Client,
    github: GitHubClient,
    apps: GitHub,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    /// Tokens of Apps.
    tokens: HashMap<(Key, For), Token>,
    logins: HashMap<Key, (Instant, Option<String>)>,
}

/// What a Secret holds.
enum Held {
    Nothing,
    Token(String),
    App(Box<App>),
}

impl For {
    /// What looking for this needs.
    pub(super) fn reading(what: &What) -> Self {
        if what.asks_teams() {
            Self::ReadingWithTeams
        } else {
            Self::Reading
        }
    }

    fn permissions(self) -> Option<Value> {
        Some(match self {
            Self::Reading => json!({ "metadata": "read", "issues": "read", "pull_requests": "read" }),
            Self::ReadingWithTeams => {
                json!({ "metadata": "read", "issues": "read", "pull_requests": "read", "members": "read" })
            }
            Self::Reporting => {
                json!({ "metadata": "read", "issues": "write", "pull_requests": "write", "checks": "write" })
            }
            Self::Everything => return None,
        })
    }
}

impl Credentials {
    pub(super) fn new(client: Client, github: GitHubClient, apps: GitHub) -> Self {
        Self {
            client,
            github,
            apps,
            kept: Arc::default(),
        }
    }

    /// A credential for `source`.
    ///
    /// # Errors
    /// When there is none that could work.
    pub async fn access(&self, source: &Source, purpose: For) -> Result<Access, Trouble> {
        let Some(secret) = &source.secret else {
            return Ok(Access::anonymous());
        };
        let kept_for = (source.key(), purpose);
        if let Some(access) = self.kept().token(&kept_for) {
            return Ok(access);
        }
        match self.read(secret).await? {
            Held::Nothing => Ok(Access::anonymous()),
            Held::Token(token) => {
                Access::token(&token).ok_or_else(|| wrong(secret, "the value of `GITHUB_TOKEN` is no token"))
            }
            Held::App(app) => {
                let token = self.mint(&app, source, purpose).await?;
                let access =
                    Access::token(&token.value).ok_or_else(|| wrong(secret, "GitHub made no token"))?;
                let mut kept = self.kept();
                if kept.tokens.len() >= MOST {
                    kept.tokens.clear();
                }
                kept.tokens.insert(kept_for, token);
                Ok(access)
            }
        }
    }

    /// Proof that the App of `source` itself asks, for what only the App may ask for, such as its
    /// webhook. `None` when the credential is not of an App.
    ///
    /// # Errors
    /// When there is none that could work.
    pub async fn app(&self, source: &Source) -> Result<Option<Access>, Trouble> {
        let Some(secret) = &source.secret else {
            return Ok(None);
        };
        let Held::App(app) = self.read(secret).await? else {
            return Ok(None);
        };
        let proof = app.jwt(Timestamp::now()).map_err(|why| wrong(secret, &why))?;
        Ok(Access::token(&proof))
    }

    /// Login under which the credential of `source` comments; `None` when that is not to be known.
    ///
    /// # Errors
    /// When GitHub does not tell.
    pub async fn own_login(&self, source: &Source) -> Result<Option<String>, Trouble> {
        let key = source.key();
        if let Some((when, login)) = self.kept().logins.get(&key)
            && when.elapsed() < LOGIN
        {
            return Ok(login.clone());
        }
        let endpoint = &source.endpoint;
        let login = if let Some(proof) = self.app(source).await? {
            let app = self.github.repository(Arc::clone(endpoint), proof);
            app.app_login().await.map(Some)
        } else {
            let access = self.access(source, For::Reading).await?;
            let repository = self.github.repository(Arc::clone(endpoint), access);
            repository.login().await
        };
        let login = login.map_err(|failure| explain(source, &failure))?;
        let mut kept = self.kept();
        if kept.logins.len() >= MOST {
            kept.logins.clear();
        }
        kept.logins.insert(key, (Instant::now(), login.clone()));
        Ok(login)
    }

    /// Forgets what was made of a Secret.
    pub(super) fn forget(&self, namespace: &str, name: &str) {
        let credential = Key::new(namespace, name).to_string();
        let mut kept = self.kept();
        kept.tokens
            .retain(|(source, _), _| *source.namespace != *credential);
        kept.logins.retain(|source, _| *source.namespace != *credential);
    }

    async fn mint(&self, app: &App, source: &Source, purpose: For) -> Result<Token, Trouble> {
        let endpoint = &source.endpoint;
        let permissions = purpose.permissions();
        let token = self.apps.scoped_token(app, endpoint, permissions.as_ref()).await;
        let token = match token {
            // An App that lacks one of the permissions may still have enough of them.
            Err(MintError::Refused(_)) if permissions.is_some() => {
                self.apps.scoped_token(app, endpoint, None).await
            }
            token => token,
        };
        token.map_err(|error| match error {
            MintError::Refused(message) => Trouble {
                reason: "Unauthorized",
                message,
                passes: false,
            },
            MintError::Trouble { .. } => Trouble {
                reason: "GitHubUnavailable",
                message: error.to_string(),
                passes: true,
            },
        })
    }

    async fn read(&self, secret: &Key) -> Result<Held, Trouble> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &secret.namespace);
        let found = api.get_opt(&secret.name).await.map_err(|error| Trouble {
            reason: "SecretUnreadable",
            message: format!("failed to get Secret `{secret}`: {error}"),
            passes: true,
        })?;
        let Some(found) = found else {
            return Err(Trouble {
                reason: "SecretNotFound",
                message: format!(
                    "the Secret `{}` that the Workspace names is not there\nhint: kubectl create secret generic {} --from-literal=GITHUB_TOKEN=...",
                    secret.name, secret.name
                ),
                passes: false,
            });
        };
        held(&found.data.unwrap_or_default()).map_err(|why| wrong(secret, &why))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn token(&mut self, kept_for: &(Key, For)) -> Option<Access> {
        let token = self.tokens.get(kept_for)?;
        if token.expires.duration_since(Timestamp::now()) < MARGIN {
            self.tokens.remove(kept_for);
            return None;
        }
        Access::token(&token.value)
    }
}

fn held(data: &BTreeMap<String, ByteString>) -> Result<Held, String> {
    if let Some(token) = data.get(TOKEN) {
        let token = std::str::from_utf8(&token.0);
        let token = token.map_err(|_| format!("the value of `{TOKEN}` is not text"))?;
        return Ok(Held::Token(token.trim().to_owned()));
    }
    if data.contains_key(APP) {
        return Ok(Held::App(Box::new(App::read(data)?)));
    }
    Ok(Held::Nothing)
}

fn wrong(secret: &Key, why: &str) -> Trouble {
    Trouble {
        reason: "Unauthorized",
        message: format!(
            "the Secret `{}` holds no credential for GitHub: {why}",
            secret.name
        ),
        passes: false,
    }
}
