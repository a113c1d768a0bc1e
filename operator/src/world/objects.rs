//! The objects that Tasks name and whose specs matter, such as Workspaces, and the TaskSpawners that
//! make Tasks.

use axon_api::{AgentConfig, AgentProvider, TaskDefaults, TaskSpawner, Workspace};
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::runtime::watcher::Event;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::index::Named;
use super::lean::Loose;
use super::packed::Packed;
use super::shelf::{Entry, Put, Shelf};
use super::{Known, Wake, World};
use crate::key::Key;
use crate::queue::Urgency;

/// The name of the one TaskDefaults of a namespace.
pub(crate) const DEFAULTS: &str = "default";

/// A kind that Tasks name.
pub(crate) trait Object:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Serialize + 'static
{
    /// Its name, for messages.
    const KIND: &'static str;

    fn objects(world: &World) -> &Objects<Self>;
    fn objects_mut(world: &mut World) -> &mut Objects<Self>;

    /// As what Tasks name it.
    fn named(key: &Key) -> Named;

    /// What it names itself.
    fn names(&self, key: &Key) -> Vec<Named>;

    /// As what it names others: those who name this are concerned by a change of what it names.
    fn user(key: &Key) -> Named {
        Self::named(key)
    }

    /// What else has to be seen to when it has changed or is gone.
    fn changed(_world: &mut World, _key: &Key) -> Vec<Wake> {
        Vec::new()
    }
}

/// The objects of one kind.
#[derive(Debug)]
pub(crate) struct Objects<K> {
    shelf: Shelf<Facts<K>>,
}

#[derive(Debug)]
pub(crate) struct Facts<K> {
    /// The object, or why it cannot be read.
    packed: Result<Packed<K>, String>,
    names: Vec<Named>,
}

impl<K> Default for Objects<K> {
    fn default() -> Self {
        Self {
            shelf: Shelf::default(),
        }
    }
}

/// What is known of an object, in the form in which it is kept.
#[derive(Debug)]
pub(crate) struct Kept<K>(Option<Result<Packed<K>, String>>);

impl<K: Object> Kept<K> {
    /// What is known of it.
    pub(crate) fn known(self) -> Known<K> {
        let unpacked = match self.0 {
            None => return Known::Unknown,
            Some(Ok(packed)) => packed.unpack().map_err(|error| error.to_string()),
            Some(Err(why)) => Err(why),
        };
        match unpacked {
            Ok(object) => Known::Present(object),
            Err(why) => Known::Invalid(why),
        }
    }
}

impl World {
    /// The object at `key`, in the form in which it is kept: it may be large, so that it is not
    /// unpacked here.
    pub(crate) fn object<K: Object>(&self, key: &Key) -> Kept<K> {
        let entry = K::objects(self).shelf.get(key);
        Kept(entry.map(|entry| entry.value.packed.clone()))
    }

    /// Takes in an event about an object that Tasks name.
    pub(crate) fn on_object<K: Object>(&mut self, event: Event<Loose<K>>) -> Vec<Wake> {
        let kept = |world| &mut K::objects_mut(world).shelf;
        match event {
            Event::Apply(object) | Event::InitApply(object) => self.note_object(&object),
            Event::Delete(object) => {
                let key = Key::of(&object);
                let gone = kept(self).remove(&key, object.meta().uid.as_deref());
                gone.map_or_else(Vec::new, |entry| self.forget_object(&key, &entry))
            }
            Event::Init => {
                kept(self).begin_listing();
                Vec::new()
            }
            Event::InitDone => {
                let gone = kept(self).end_listing();
                gone.into_iter()
                    .flat_map(|(key, entry)| self.forget_object(&key, &entry))
                    .collect()
            }
        }
    }

    /// The server has this object.
    pub(crate) fn note_object<K: Object>(&mut self, sent: &Loose<K>) -> Vec<Wake> {
        let key = Key::of(sent);
        let (packed, names) = match read(sent) {
            Ok((object, packed)) => (Ok(packed), object.names(&key)),
            Err(error) => {
                tracing::warn!(kind = K::KIND, object = %key, %error, "the object cannot be read");
                (Err(error.to_string()), Vec::new())
            }
        };
        let facts = Facts {
            packed,
            names: names.clone(),
        };
        let put = K::objects_mut(self).shelf.put(key.clone(), sent.meta(), facts);
        let Put::Changed(before) = put else {
            return Vec::new();
        };
        let names_before = before.as_ref().map_or(&[][..], |entry| &entry.value.names);
        self.named_by_objects
            .replace(&K::user(&key), names_before, &names);
        self.object_changed::<K>(&key)
    }

    fn forget_object<K: Object>(&mut self, key: &Key, entry: &Entry<Facts<K>>) -> Vec<Wake> {
        self.named_by_objects
            .replace(&K::user(key), &entry.value.names, &[]);
        self.object_changed::<K>(key)
    }

    fn object_changed<K: Object>(&mut self, key: &Key) -> Vec<Wake> {
        let mut wakes = self.wake_users(&K::named(key));
        wakes.extend(K::changed(self, key));
        wakes
    }
}

fn read<K: Object>(sent: &Loose<K>) -> serde_json::Result<(K, Packed<K>)> {
    let packed = Packed::new(sent)?;
    let object = packed.unpack()?;
    Ok((object, packed))
}

fn secrets<'a>(key: &Key, names: impl IntoIterator<Item = &'a String>) -> Vec<Named> {
    let names = names.into_iter();
    names.map(|name| Named::Secret(key.sibling(name))).collect()
}

impl Object for Workspace {
    const KIND: &'static str = "Workspace";

    fn objects(world: &World) -> &Objects<Self> {
        &world.workspaces
    }

    fn objects_mut(world: &mut World) -> &mut Objects<Self> {
        &mut world.workspaces
    }

    fn named(key: &Key) -> Named {
        Named::Workspace(key.clone())
    }

    fn names(&self, key: &Key) -> Vec<Named> {
        let both = self.spec.secret_ref.iter().chain(&self.spec.clone_secret_ref);
        secrets(key, both.map(|secret| &secret.name))
    }

    /// The branches that its Tasks want may be those of another repository.
    fn changed(world: &mut World, key: &Key) -> Vec<Wake> {
        let known = world.object::<Self>(key).known();
        world.note_repository(key, known);
        let tasks: Vec<Key> = world.named_by_tasks.users(&Self::named(key)).cloned().collect();
        tasks.iter().flat_map(|task| world.queue_up_anew(task)).collect()
    }
}

impl Object for AgentConfig {
    const KIND: &'static str = "AgentConfig";

    fn objects(world: &World) -> &Objects<Self> {
        &world.agent_configs
    }

    fn objects_mut(world: &mut World) -> &mut Objects<Self> {
        &mut world.agent_configs
    }

    fn named(key: &Key) -> Named {
        Named::AgentConfig(key.clone())
    }

    fn names(&self, key: &Key) -> Vec<Named> {
        let skills = self
            .spec
            .skills
            .iter()
            .filter_map(|skill| skill.secret_ref.as_ref());
        let servers = self.spec.mcp_servers.iter();
        let sources = servers.flat_map(|server| server.env_from.iter().chain(&server.headers_from));
        let all = skills.chain(sources.map(|source| &source.secret_ref));
        secrets(key, all.map(|secret| &secret.name))
    }
}

impl Object for AgentProvider {
    const KIND: &'static str = "AgentProvider";

    fn objects(world: &World) -> &Objects<Self> {
        &world.agent_providers
    }

    fn objects_mut(world: &mut World) -> &mut Objects<Self> {
        &mut world.agent_providers
    }

    fn named(key: &Key) -> Named {
        Named::AgentProvider(key.clone())
    }

    fn names(&self, key: &Key) -> Vec<Named> {
        secrets(
            key,
            self.spec.auth_token_secret_ref.iter().map(|secret| &secret.name),
        )
    }

    /// Whether it is ready has to be found out.
    fn changed(world: &mut World, key: &Key) -> Vec<Wake> {
        world.errands.providers.wake(key, Urgency::Normal);
        Vec::new()
    }
}

impl Object for TaskDefaults {
    const KIND: &'static str = "TaskDefaults";

    fn objects(world: &World) -> &Objects<Self> {
        &world.defaults
    }

    fn objects_mut(world: &mut World) -> &mut Objects<Self> {
        &mut world.defaults
    }

    fn named(key: &Key) -> Named {
        Named::Defaults(key.namespace.clone())
    }

    fn names(&self, key: &Key) -> Vec<Named> {
        let providers = self.spec.providers.values();
        let mut names: Vec<Named> = providers
            .map(|name| Named::AgentProvider(key.sibling(name)))
            .collect();
        let credentials = self.spec.credentials.iter();
        let secret = credentials.filter_map(|credentials| credentials.secret_ref.as_ref());
        names.extend(secrets(key, secret.map(|secret| &secret.name)));
        names
    }

    fn user(key: &Key) -> Named {
        Named::DefaultCredentials(key.namespace.clone())
    }

    fn changed(world: &mut World, key: &Key) -> Vec<Wake> {
        world.without_defaults.remove(&key.namespace);
        Vec::new()
    }
}

impl Object for TaskSpawner {
    const KIND: &'static str = "TaskSpawner";

    fn objects(world: &World) -> &Objects<Self> {
        &world.task_spawners
    }

    fn objects_mut(world: &mut World) -> &mut Objects<Self> {
        &mut world.task_spawners
    }

    fn named(key: &Key) -> Named {
        Named::TaskSpawner(key.clone())
    }

    fn names(&self, key: &Key) -> Vec<Named> {
        let when = &self.spec.when;
        let signed = when
            .webhook
            .iter()
            .filter_map(|webhook| webhook.secret_ref.as_ref());
        let from_github = when.github_webhook.iter();
        let signed = signed.chain(from_github.filter_map(|webhook| webhook.secret_ref.as_ref()));
        let own = self.spec.task_template.workspace.iter();
        let own = own.filter_map(|workspace| workspace.secret_ref.as_ref());
        let mut names = secrets(
            key,
            signed
                .map(|secret| &secret.name)
                .chain(own.map(|secret| &secret.name)),
        );
        let workspace = self.spec.task_template.workspace_ref.iter();
        names.extend(workspace.map(|workspace| Named::Workspace(key.sibling(&workspace.name))));
        names
    }

    /// What its source has to say, and what becomes of it, has to be found out.
    fn changed(world: &mut World, key: &Key) -> Vec<Wake> {
        world.errands.spawners.wake(key, Urgency::Normal);
        Vec::new()
    }
}
