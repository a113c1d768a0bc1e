//! Reads objects that Tasks name: from the world, and from the server where that is not enough.

use std::sync::Arc;

use axon_api::{Task, TaskDefaults};
use axon_plan::{Found, SecretKeys};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use crate::failure::Answer;
use crate::key::Key;
use crate::queue::Queue;
use crate::scope::SecretScope;
use crate::world::{DEFAULTS, Known, Loose, Object, SharedWorld, Wake};

/// What became of looking for an object that may be named.
#[derive(Clone, Debug, Default)]
pub(crate) enum Sought<T> {
    #[default]
    NotNamed,
    Missing,
    Invalid(String),
    Present(T),
}

impl<T> Sought<T> {
    /// The object, when it is there and can be read.
    pub(crate) fn present(&self) -> Option<&T> {
        match self {
            Self::Present(object) => Some(object),
            Self::NotNamed | Self::Missing | Self::Invalid(_) => None,
        }
    }

    /// As plans see it.
    pub(crate) fn found(&self) -> Found<'_, T> {
        self.found_as(|object| object)
    }

    fn found_as<'a, U>(&'a self, view: impl FnOnce(&'a T) -> &'a U) -> Found<'a, U> {
        match self {
            Self::NotNamed => Found::NotNamed,
            Self::Missing => Found::Missing,
            Self::Invalid(why) => Found::Invalid(why),
            Self::Present(object) => Found::Present(view(object)),
        }
    }
}

impl Sought<Arc<SecretKeys>> {
    /// As plans see it.
    pub(crate) fn keys(&self) -> Found<'_, SecretKeys> {
        self.found_as(|keys| &**keys)
    }
}

/// Reads for the object at `key`, a Task or another that names objects of its namespace.
pub(crate) struct Reader<'a> {
    pub(crate) client: &'a Client,
    pub(crate) world: &'a SharedWorld,
    /// Of Tasks.
    pub(crate) queue: &'a Queue,
    pub(crate) key: &'a Key,
    /// The Secrets that may be read.
    pub(crate) secrets: &'a SecretScope,
}

impl Reader<'_> {
    /// An object that the watch has not told of is looked for on the server, so that a Task created
    /// together with it does not first say that it is missing.
    pub(crate) async fn object<K: Object>(&self, name: &str) -> Result<Sought<K>, ReadError>
    where
        Loose<K>: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let key = self.key.sibling(name);
        let kept = self.world.lock().object::<K>(&key);
        if let Some(sought) = sought(kept.known()) {
            return Ok(sought);
        }
        let Some(sent) = self.get::<Loose<K>>(K::KIND, name).await? else {
            return Ok(Sought::Missing);
        };
        let wakes = self.world.lock().note_object(&sent);
        self.wake(wakes);
        let kept = self.world.lock().object::<K>(&key);
        Ok(sought(kept.known()).unwrap_or(Sought::Missing))
    }

    /// The TaskDefaults of the Task's namespace. Most have none, so that this is not asked for each
    /// Task: that there were none after this Task was created is enough.
    pub(crate) async fn defaults(&self, task: &Task) -> Result<Sought<TaskDefaults>, ReadError> {
        let newest = {
            let world = self.world.lock();
            let kept = world.object(&self.key.sibling(DEFAULTS));
            if let Some(sought) = sought(kept.known()) {
                return Ok(sought);
            }
            if world.has_no_defaults(self.key, task) {
                return Ok(Sought::NotNamed);
            }
            world.newest_task()
        };
        match self.object(DEFAULTS).await? {
            Sought::Missing => {
                let mut world = self.world.lock();
                world.note_no_defaults(&self.key.namespace, newest);
                Ok(Sought::NotNamed)
            }
            defaults => Ok(defaults),
        }
    }

    /// The keys of a Secret that have a value. The values are dropped here.
    pub(crate) async fn secret(&self, name: &str) -> Result<Sought<Arc<SecretKeys>>, ReadError> {
        if !self.secrets.has(&self.key.namespace, name) {
            return Ok(Sought::Invalid(not_listed(&self.key.namespace, name)));
        }
        let key = self.key.sibling(name);
        if let Some(keys) = self.world.lock().secret_keys(&key) {
            return Ok(Sought::Present(keys));
        }
        let Some(mut secret) = self.get::<Secret>("Secret", name).await? else {
            return Ok(Sought::Missing);
        };
        let data = secret.data.take().unwrap_or_default();
        let filled = data.into_iter().filter(|(_, value)| !value.0.is_empty());
        let keys: Arc<SecretKeys> = Arc::new(filled.map(|(key, _)| key).collect());
        let wakes = self.world.lock().note_secret(&secret, Arc::clone(&keys));
        self.wake(wakes);
        Ok(Sought::Present(keys))
    }

    /// Other Tasks may have been waiting for what this round has found; this Task is seen to.
    fn wake(&self, wakes: Vec<Wake>) {
        for (key, urgency) in wakes {
            if key != *self.key {
                self.queue.wake(&key, urgency);
            }
        }
    }

    /// An object of the same namespace, from the server.
    pub(crate) async fn get<K>(&self, kind: &'static str, name: &str) -> Result<Option<K>, ReadError>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.key.namespace);
        api.get_opt(name).await.map_err(|source| ReadError {
            kind,
            key: self.key.sibling(name),
            source: source.into(),
        })
    }
}

/// What to do about a Secret that is not asked for.
pub(crate) fn not_listed(namespace: &str, name: &str) -> String {
    format!(
        "the operator may not read it; add `{namespace}/{name}` to its --secrets, in the chart to rbac.secrets"
    )
}

fn sought<K>(known: Known<K>) -> Option<Sought<K>> {
    match known {
        Known::Present(object) => Some(Sought::Present(object)),
        Known::Invalid(why) => Some(Sought::Invalid(why)),
        Known::Unknown => None,
    }
}

/// The server did not answer as it should.
#[derive(Debug, thiserror::Error)]
#[error("failed to get {kind} `{key}`")]
pub struct ReadError {
    kind: &'static str,
    key: Key,
    #[source]
    source: Answer,
}
