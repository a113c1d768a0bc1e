//! Which spawners listen to which source: kept from the watches, for every replica.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axon_api::kinds::task_template::TaskTemplate;
use axon_api::sources::When;
use axon_api::sources::github::webhook::GitHubWebhook;
use axon_api::sources::webhook::GenericWebhook;
use axon_api::{TaskSpawner, Workspace};
use kube::ResourceExt;
use kube::runtime::watcher::Event;
use serde_json::Value;

use super::delivery::Wanting;
use crate::key::Key;
use crate::scope::Place;
use crate::watch::{self as watches, Watches};
use crate::world::Loose;

/// The source of GitHub's own deliveries.
pub(super) const GITHUB: &str = "github";

/// A spawner whose work comes from deliveries.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listener {
    pub(super) key: Key,
    pub(super) uid: String,
    /// What it listens to.
    pub(super) listens: Listens,
    /// The repository of its template's workspace.
    pub(super) workspace: WorkspaceOf,
    /// Whether somebody has suspended it. It takes no deliveries then.
    pub(super) is_suspended: bool,
}

/// What a spawner listens to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Listens {
    GitHub(GitHubWebhook),
    Generic(GenericWebhook),
}

/// Where the workspace of a spawner's template is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WorkspaceOf {
    None,
    /// Written out in place: its repository's URL.
    Inline(String),
    /// Name of a Workspace of the same namespace.
    Named(String),
}

/// The repository of a spawner's workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RepositoryOf {
    /// There is no workspace.
    None,
    Url(String),
    /// The Workspace is not there, or was not seen yet.
    Unknown,
}

/// All spawners that listen. Cheap to clone; clones share what they keep.
#[derive(Clone, Debug, Default)]
pub(super) struct Listeners(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    by_key: HashMap<Key, Arc<Listener>>,
    by_source: HashMap<String, HashSet<Key>>,
    /// Repositories of Workspaces.
    repositories: HashMap<Key, String>,
    /// What a listing that is under way has not told of.
    unseen_spawners: HashSet<Key>,
    unseen_workspaces: HashSet<Key>,
}

impl Listener {
    /// A spawner's; `None` when its work does not come from deliveries.
    pub(super) fn of(spawner: &TaskSpawner) -> Option<Self> {
        let When {
            github_webhook,
            webhook,
            ..
        } = &spawner.spec.when;
        let listens = match (github_webhook, webhook) {
            (Some(github), _) => Listens::GitHub(github.clone()),
            (None, Some(generic)) => Listens::Generic(generic.clone()),
            (None, None) => return None,
        };
        Some(Self {
            key: Key::of(spawner),
            uid: spawner.uid()?,
            listens,
            workspace: WorkspaceOf::of(&spawner.spec.task_template),
            is_suspended: spawner.is_suspended(),
        })
    }

    /// Last part of the path to which its deliveries go.
    pub(super) fn source(&self) -> &str {
        match &self.listens {
            Listens::GitHub(_) => GITHUB,
            Listens::Generic(generic) => &generic.source,
        }
    }

    /// Name of the Secret with its own keys; `None` means the operator's keys.
    pub(super) fn secret(&self) -> Option<&str> {
        let reference = match &self.listens {
            Listens::GitHub(github) => &github.secret_ref,
            Listens::Generic(generic) => &generic.secret_ref,
        };
        reference.as_ref().map(|reference| reference.name.as_str())
    }

    /// Whether an event of this name can be one of those that it listens to.
    pub(super) fn may_want(&self, event: &str) -> bool {
        match &self.listens {
            Listens::GitHub(github) => github.events.iter().any(|wanted| wanted == event),
            Listens::Generic(_) => true,
        }
    }

    /// As a delivery names it that it wants.
    pub(super) fn wanting(&self, is_decided: bool) -> Wanting {
        Wanting {
            namespace: self.key.namespace.to_string(),
            name: self.key.name.to_string(),
            uid: self.uid.clone(),
            is_decided,
        }
    }
}

impl WorkspaceOf {
    fn of(template: &TaskTemplate) -> Self {
        match (&template.workspace, &template.workspace_ref) {
            (Some(inline), _) => Self::Inline(inline.repo.clone()),
            (None, Some(reference)) => Self::Named(reference.name.clone()),
            (None, None) => Self::None,
        }
    }
}

impl Listeners {
    /// Starts the watches that keep them, of `namespace` or of all.
    pub(super) fn start(&self, watches: &mut Watches<'_>, places: &[Place]) {
        let listeners = self.clone();
        watches.start::<Loose<Workspace>>("workspaces of deliveries", places, watches::all(), move |event| {
            listeners.lock().on_workspace(event);
        });
        let listeners = self.clone();
        watches.start::<Loose<TaskSpawner>>("listening taskspawners", places, watches::all(), move |event| {
            listeners.lock().on_spawner(event);
        });
    }

    /// Those that listen to `source` and are not suspended, in the order of their keys.
    pub(super) fn of_source(&self, source: &str) -> Vec<Arc<Listener>> {
        let state = self.lock();
        let keys = state.by_source.get(source).into_iter().flatten();
        let found = keys.filter_map(|key| state.by_key.get(key));
        let mut listeners: Vec<_> = found.filter(|listener| !listener.is_suspended).cloned().collect();
        listeners.sort_by(|a, b| a.key.cmp(&b.key));
        listeners
    }

    /// The repository of a listener's workspace.
    pub(super) fn repository(&self, listener: &Listener) -> RepositoryOf {
        match &listener.workspace {
            WorkspaceOf::None => RepositoryOf::None,
            WorkspaceOf::Inline(url) => RepositoryOf::Url(url.clone()),
            WorkspaceOf::Named(name) => {
                let known = self.lock().repositories.get(&listener.key.sibling(name)).cloned();
                known.map_or(RepositoryOf::Unknown, RepositoryOf::Url)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn on_spawner(&mut self, event: Event<Loose<TaskSpawner>>) {
        match event {
            Event::Init => self.unseen_spawners = self.by_key.keys().cloned().collect(),
            Event::InitDone => {
                for key in std::mem::take(&mut self.unseen_spawners) {
                    self.forget(&key);
                }
            }
            Event::Delete(spawner) => self.forget(&Key::of(&spawner)),
            Event::Apply(sent) | Event::InitApply(sent) => {
                let key = Key::of(&sent);
                self.unseen_spawners.remove(&key);
                // What cannot be read wants nothing; its controller says so in its status.
                let listener = decode(&sent).as_ref().and_then(Listener::of);
                let known = self.by_key.get(&key).map(|known| &**known);
                if known == listener.as_ref() {
                    return;
                }
                self.forget(&key);
                if let Some(listener) = listener {
                    let source = listener.source().to_owned();
                    self.by_source.entry(source).or_default().insert(key.clone());
                    self.by_key.insert(key, Arc::new(listener));
                }
            }
        }
    }

    fn on_workspace(&mut self, event: Event<Loose<Workspace>>) {
        match event {
            Event::Init => self.unseen_workspaces = self.repositories.keys().cloned().collect(),
            Event::InitDone => {
                for key in std::mem::take(&mut self.unseen_workspaces) {
                    self.repositories.remove(&key);
                }
            }
            Event::Delete(workspace) => {
                self.repositories.remove(&Key::of(&workspace));
            }
            Event::Apply(sent) | Event::InitApply(sent) => {
                let key = Key::of(&sent);
                self.unseen_workspaces.remove(&key);
                let value = serde_json::to_value(&sent).unwrap_or_default();
                match value.pointer("/spec/repo").and_then(Value::as_str) {
                    Some(url) => self.repositories.insert(key, url.to_owned()),
                    None => self.repositories.remove(&key),
                };
            }
        }
    }

    fn forget(&mut self, key: &Key) {
        let Some(listener) = self.by_key.remove(key) else {
            return;
        };
        if let Some(keys) = self.by_source.get_mut(listener.source()) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_source.remove(listener.source());
            }
        }
    }
}

/// The spawner without its status, which changes often and says nothing here.
fn decode(sent: &Loose<TaskSpawner>) -> Option<TaskSpawner> {
    let mut value = serde_json::to_value(sent).ok()?;
    value.as_object_mut()?.remove("status");
    serde_json::from_value(value).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spawner(name: &str, when: &Value) -> Loose<TaskSpawner> {
        serde_json::from_value(json!({
            "metadata": { "namespace": "team", "name": name, "uid": format!("{name}-uid") },
            "spec": { "when": when, "taskTemplate": { "workspaceRef": { "name": "code" } } },
        }))
        .expect("a TaskSpawner")
    }

    fn issues() -> Value {
        json!({ "githubWebhook": { "events": ["issues"] } })
    }

    fn names(listeners: &Listeners, source: &str) -> Vec<String> {
        let found = listeners.of_source(source);
        found
            .iter()
            .map(|listener| listener.key.name.to_string())
            .collect()
    }

    #[test]
    fn a_spawner_is_found_by_its_source_for_as_long_as_it_has_it() {
        let listeners = Listeners::default();
        let sentry = json!({ "webhook": { "source": "sentry", "fieldMapping": { "id": "$.id" } } });
        let cron = json!({ "cron": { "schedule": "@daily" } });
        for (name, when) in [("a", &issues()), ("b", &sentry), ("c", &cron)] {
            listeners.lock().on_spawner(Event::Apply(spawner(name, when)));
        }
        assert_eq!(names(&listeners, GITHUB), ["a"]);
        assert_eq!(names(&listeners, "sentry"), ["b"]);
        listeners.lock().on_spawner(Event::Apply(spawner("b", &issues())));
        assert_eq!(names(&listeners, GITHUB), ["a", "b"]);
        assert!(names(&listeners, "sentry").is_empty());
        listeners
            .lock()
            .on_spawner(Event::Delete(spawner("a", &issues())));
        assert_eq!(names(&listeners, GITHUB), ["b"]);
    }

    #[test]
    fn a_spawner_that_cannot_be_read_hurts_only_itself() {
        let listeners = Listeners::default();
        listeners.lock().on_spawner(Event::Apply(spawner("a", &issues())));
        let broken = json!({ "githubWebhook": { "events": "issues" } });
        listeners.lock().on_spawner(Event::Apply(spawner("b", &broken)));
        assert_eq!(names(&listeners, GITHUB), ["a"]);
    }

    #[test]
    fn a_suspended_spawner_takes_nothing() {
        let listeners = Listeners::default();
        let mut value = serde_json::to_value(spawner("a", &issues())).expect("JSON");
        value["spec"]["suspend"] = json!(true);
        let suspended = serde_json::from_value(value).expect("a TaskSpawner");
        listeners.lock().on_spawner(Event::Apply(suspended));
        assert!(names(&listeners, GITHUB).is_empty());
    }

    #[test]
    fn what_a_new_listing_does_not_tell_of_is_gone() {
        let listeners = Listeners::default();
        let mut state = listeners.lock();
        for name in ["a", "b"] {
            state.on_spawner(Event::Apply(spawner(name, &issues())));
        }
        state.on_spawner(Event::Init);
        state.on_spawner(Event::InitApply(spawner("b", &issues())));
        state.on_spawner(Event::InitDone);
        drop(state);
        assert_eq!(names(&listeners, GITHUB), ["b"]);
    }

    #[test]
    fn the_repository_is_that_of_the_workspace_once_it_is_known() {
        let listeners = Listeners::default();
        listeners.lock().on_spawner(Event::Apply(spawner("a", &issues())));
        let listener = Arc::clone(&listeners.of_source(GITHUB)[0]);
        assert_eq!(listeners.repository(&listener), RepositoryOf::Unknown);
        let url = "https://github.com/org/repo.git";
        let workspace: Loose<Workspace> = serde_json::from_value(json!({
            "metadata": { "namespace": "team", "name": "code" }, "spec": { "repo": url },
        }))
        .expect("a Workspace");
        listeners.lock().on_workspace(Event::Apply(workspace.clone()));
        assert_eq!(listeners.repository(&listener), RepositoryOf::Url(url.to_owned()));
        listeners.lock().on_workspace(Event::Delete(workspace));
        assert_eq!(listeners.repository(&listener), RepositoryOf::Unknown);
    }
}
