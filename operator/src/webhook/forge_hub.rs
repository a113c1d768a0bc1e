//! Answers what only the forge can tell of an event, with the hub's client and the credential of the
//! spawner's workspace.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axon_api::sources::comment_policy::Standing;
use axon_api::sources::github::examined::Need;
use axon_api::{TaskSpawner, Workspace, WorkspaceSpec};
use axon_plan::spawner::Trouble;
use axon_sources::github::client::{Failure, People, Repository};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kube::{Api, Client};
use tokio::time::Instant;

use super::forge::{Forge, Question, Told};
use crate::failure::Answer;
use crate::forge::{For, Hub, Source, explain};
use crate::key::Key;
use crate::read::not_listed;
use crate::scope::SecretScope;
use crate::world::{Known, SharedWorld};

/// Repositories whose people are remembered.
const MOST: usize = 256;

/// A hook by its source and number; an App's own hook has none.
type LookedInto = (Key, Option<u64>);

/// Asks GitHub on behalf of spawners whose work comes from its events. Cheap to clone; clones share what
/// they know.
#[derive(Clone)]
pub struct HubForge {
    pub(super) hub: Hub,
    client: Client,
    world: Arc<SharedWorld>,
    secrets: Arc<SecretScope>,
    /// Who people are, by [`Source::key`].
    people: Arc<Mutex<HashMap<Key, Arc<People>>>>,
    /// When hooks were looked into, by [`Source::key`] and their number.
    pub(super) looked: Arc<Mutex<HashMap<LookedInto, Instant>>>,
}

impl HubForge {
    /// One that asks with `hub`, and looks for Workspaces in `world` and then on the server. `secrets` are
    /// those that it may use.
    pub fn new(hub: Hub, client: Client, world: Arc<SharedWorld>, secrets: Arc<SecretScope>) -> Self {
        Self {
            hub,
            client,
            world,
            secrets,
            people: Arc::default(),
            looked: Arc::default(),
        }
    }

    /// The repository `owner/name`, or that of the spawner's workspace, on the workspace's server.
    pub(super) async fn source(
        &self,
        spawner: &TaskSpawner,
        repository: Option<&str>,
    ) -> Result<Source, Trouble> {
        let key = Key::of(spawner);
        let workspace = self.workspace(&key, spawner).await?;
        if let Some(secret) = &workspace.secret_ref
            && !self.secrets.has(&key.namespace, &secret.name)
        {
            return Err(Trouble {
                reason: "SecretNotListed",
                message: format!(
                    "the Secret `{}` cannot be used: {}",
                    secret.name,
                    not_listed(&key.namespace, &secret.name)
                ),
                passes: false,
            });
        }
        let own = super::filters::owner_and_name(&workspace.repo);
        let full_name = repository.unwrap_or(&own);
        let (owner, name) = full_name.rsplit_once('/').unwrap_or(("", full_name));
        self.hub.source(&key.namespace, &workspace, owner, name)
    }

    async fn workspace(&self, key: &Key, spawner: &TaskSpawner) -> Result<WorkspaceSpec, Trouble> {
        let template = &spawner.spec.task_template;
        if let Some(workspace) = &template.workspace {
            return Ok(workspace.clone());
        }
        let Some(reference) = &template.workspace_ref else {
            return Err(Trouble {
                reason: "WorkspaceMissing",
                message: "the template has no workspace, with whose credential GitHub could be asked\nhint: set taskTemplate.workspaceRef".to_owned(),
                passes: false,
            });
        };
        let name = &reference.name;
        let known = self.world.lock().object::<Workspace>(&key.sibling(name));
        if let Known::Present(workspace) = known.known() {
            return Ok(workspace.spec);
        }
        let workspaces: Api<Workspace> = Api::namespaced(self.client.clone(), &key.namespace);
        match workspaces.get_opt(name).await {
            Ok(Some(workspace)) => Ok(workspace.spec),
            Ok(None) => Err(Trouble {
                reason: "WorkspaceMissing",
                message: format!("Workspace `{name}` does not exist"),
                passes: true,
            }),
            Err(error) => Err(Trouble {
                reason: "WorkspaceUnread",
                message: format!("failed to get Workspace `{name}`: {}", Answer::from(error)),
                passes: true,
            }),
        }
    }

    fn people(&self, source: &Source) -> Arc<People> {
        let mut people = lock(&self.people);
        if people.len() >= MOST {
            people.clear();
        }
        Arc::clone(people.entry(source.key()).or_default())
    }

    async fn answer(&self, question: &Question<'_>) -> Result<Told, Trouble> {
        let spawner = question.spawner;
        let asks = Asks::of(spawner);
        let source = self.source(spawner, Some(question.repository)).await?;
        let repository = self.hub.repository(&source, asks.purpose()).await?;
        let number = || question.number.ok_or_else(no_number);
        let told = match question.need {
            Need::Pull => repository
                .pull(number()?)
                .await
                .map(|pull| Told::Pull(pull.facts)),
            Need::Files => repository.files(number()?).await.map(Told::Files),
            Need::People(people) => {
                let known = self.people(&source);
                Ok(Told::People(asks.people(&repository, &known, people).await))
            }
            other => return Err(not_of_events(other)),
        };
        told.map_err(|failure| explain(&source, &failure))
    }
}

impl Forge for HubForge {
    fn tell<'a>(&'a self, question: &'a Question<'a>) -> BoxFuture<'a, Result<Told, Trouble>> {
        self.answer(question).boxed()
    }

    fn own_login<'a>(&'a self, spawner: &'a TaskSpawner) -> BoxFuture<'a, Result<Option<String>, Trouble>> {
        let template = &spawner.spec.task_template;
        if template.workspace.is_none() && template.workspace_ref.is_none() {
            // Nothing is written on behalf of such a spawner.
            return std::future::ready(Ok(None)).boxed();
        }
        async move {
            let source = self.source(spawner, None).await?;
            self.hub.credentials().own_login(&source).await
        }
        .boxed()
    }
}

/// What a spawner's policy asks about people.
struct Asks<'a> {
    permission: bool,
    teams: &'a [String],
}

impl<'a> Asks<'a> {
    fn of(spawner: &'a TaskSpawner) -> Self {
        let webhook = spawner.spec.when.github_webhook.as_ref();
        let policy = webhook.and_then(|webhook| webhook.comment_policy.as_ref());
        policy.map_or(
            Self {
                permission: false,
                teams: &[],
            },
            |policy| Self {
                permission: policy.minimum_permission.is_some(),
                teams: &policy.allowed_teams,
            },
        )
    }

    fn purpose(&self) -> For {
        if self.teams.is_empty() {
            For::Reading
        } else {
            For::ReadingWithTeams
        }
    }

    /// What people may do. What cannot be found out is told as that.
    async fn people(
        &self,
        repository: &Repository,
        known: &People,
        people: &BTreeSet<String>,
    ) -> Vec<(String, Standing)> {
        let mut told = Vec::new();
        for login in people {
            let standing = self.standing(repository, known, login).await;
            let standing = standing.unwrap_or_else(|failure| Standing::Failed(failure.message));
            told.push((login.clone(), standing));
        }
        told
    }

    async fn standing(
        &self,
        repository: &Repository,
        known: &People,
        login: &str,
    ) -> Result<Standing, Failure> {
        let permission = if self.permission {
            known.permission(repository, login).await?
        } else {
            None
        };
        let mut teams = BTreeSet::new();
        for team in self.teams {
            if known.is_member(repository, team, login).await? {
                teams.insert(team.clone());
            }
        }
        Ok(Standing::Known { permission, teams })
    }
}

fn no_number() -> Trouble {
    Trouble {
        reason: "EventUndecided",
        message: "the event is of no issue or pull request that could be asked for".to_owned(),
        passes: false,
    }
}

fn not_of_events(need: &Need) -> Trouble {
    Trouble {
        reason: "EventUndecided",
        message: format!("an event is not decided by {need:?}"),
        passes: false,
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
