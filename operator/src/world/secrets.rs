//! Secrets: which there are, which keys they have, and when the tokens among them expire. Never
//! their values.

use std::sync::Arc;

use axon_api::labels;
use axon_plan::SecretKeys;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};

use super::index::Named;
use super::shelf::Put;
use super::{Wake, World};
use crate::key::Key;
use crate::queue::Urgency;

/// A Secret, of which the watch tells only that it is there.
#[derive(Debug, Default)]
pub(crate) struct SecretFacts {
    /// Its keys, once they were asked for.
    keys: Option<Arc<SecretKeys>>,
}

/// A Secret with a token that the operator made for a Task.
#[derive(Debug)]
pub(crate) struct TokenFacts {
    task_uid: Box<str>,
    expires: Option<Timestamp>,
}

impl World {
    /// The keys of the Secret at `key`, when they were asked for in its present version.
    pub fn secret_keys(&self, key: &Key) -> Option<Arc<SecretKeys>> {
        self.secrets.get(key)?.value.keys.clone()
    }

    /// The version of the Secret at `key`, as the watch has told it.
    pub(crate) fn secret_version(&self, key: &Key) -> Option<u64> {
        self.secrets.get(key)?.version()
    }

    /// When the token in the Secret at `key` expires.
    pub(crate) fn token_expires(&self, key: &Key) -> Option<Timestamp> {
        self.tokens.get(key)?.value.expires
    }

    /// Takes in an event about a Secret.
    pub fn on_secret(&mut self, event: Event<PartialObjectMeta<Secret>>) -> Vec<Wake> {
        match event {
            Event::Apply(secret) | Event::InitApply(secret) => {
                if secret.annotations().contains_key(labels::TOKEN_EXPIRES) {
                    return self.note_token(&secret).into_iter().collect();
                }
                // Run Secrets are the operator's own: many, and named by nobody.
                if secret.labels().contains_key(labels::TASK_UID) {
                    return Vec::new();
                }
                let key = Key::of(&secret);
                let put = self
                    .secrets
                    .put(key.clone(), secret.meta(), SecretFacts::default());
                match put {
                    Put::Known => Vec::new(),
                    Put::Changed(_) => self.wake_users(&Named::Secret(key)),
                }
            }
            Event::Delete(secret) => {
                let key = Key::of(&secret);
                let uid = secret.meta().uid.as_deref();
                let token = self.tokens.remove(&key, uid);
                let owner = token.and_then(|token| self.wake_owner(&token.value.task_uid));
                let mut wakes: Vec<Wake> = owner.into_iter().collect();
                if self.secrets.remove(&key, uid).is_some() {
                    wakes.extend(self.wake_users(&Named::Secret(key)));
                }
                wakes
            }
            Event::Init => {
                self.secrets.begin_listing();
                self.tokens.begin_listing();
                Vec::new()
            }
            Event::InitDone => {
                let tokens = self.tokens.end_listing();
                let mut wakes: Vec<Wake> = tokens
                    .iter()
                    .filter_map(|(_, token)| self.wake_owner(&token.value.task_uid))
                    .collect();
                for (key, _) in self.secrets.end_listing() {
                    wakes.extend(self.wake_users(&Named::Secret(key)));
                }
                wakes
            }
        }
    }

    /// The server has this Secret, with these keys.
    pub fn note_secret(&mut self, secret: &Secret, keys: Arc<SecretKeys>) -> Vec<Wake> {
        let key = Key::of(secret);
        let put = self
            .secrets
            .put(key.clone(), secret.meta(), SecretFacts::default());
        // The watch may have told of a newer version, of which these may not be the keys.
        let version = secret.meta().resource_version.as_deref();
        if let Some(entry) = self.secrets.get_mut(&key)
            && entry.is_version(version)
        {
            entry.value.keys = Some(keys);
        }
        match put {
            Put::Known => Vec::new(),
            Put::Changed(_) => self.wake_users(&Named::Secret(key)),
        }
    }

    /// The server has this Secret with a token that was made for a Task.
    pub(crate) fn note_token<K: Resource<DynamicType = ()>>(&mut self, secret: &K) -> Option<Wake> {
        let task_uid: Box<str> = secret.labels().get(labels::TASK_UID)?.as_str().into();
        let annotation = secret.annotations().get(labels::TOKEN_EXPIRES);
        let facts = TokenFacts {
            task_uid: task_uid.clone(),
            expires: annotation.and_then(|text| text.parse().ok()),
        };
        match self.tokens.put(Key::of(secret), secret.meta(), facts) {
            Put::Known => None,
            Put::Changed(_) => self.wake_owner(&task_uid),
        }
    }

    /// All that names an object, directly or through another that names it, is concerned.
    pub(super) fn wake_users(&self, named: &Named) -> Vec<Wake> {
        let mut tasks = std::collections::BTreeSet::new();
        let mut open = vec![named];
        // Secrets are named by what Tasks name, and those by nothing but Tasks and TaskDefaults, so
        // that this ends.
        while let Some(named) = open.pop() {
            tasks.extend(self.named_by_tasks.users(named));
            for user in self.named_by_objects.users(named) {
                match user {
                    Named::AgentProvider(provider) => {
                        self.errands.providers.wake(provider, Urgency::Normal);
                    }
                    Named::TaskSpawner(spawner) => self.errands.spawners.wake(spawner, Urgency::Normal),
                    _ => {}
                }
                open.push(user);
            }
        }
        self.wake_all(tasks)
    }
}
