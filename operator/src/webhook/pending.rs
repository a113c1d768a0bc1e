//! Deliveries that are kept and not yet dealt with, as the watch of their Secrets tells. A decision
//! of memory alone: no payload is here, and nothing is asked of the server.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use axon_api::sources::Candidate;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;

use super::delivery::{Delivery, Wanting};
use crate::key::Key;

/// What is kept, by the name of its Secret.
#[derive(Debug, Default)]
pub(super) struct Pending {
    kept: HashMap<Arc<str>, Kept>,
    /// Names of the Secrets that a spawner (by UID) is not done with.
    by_spawner: HashMap<String, BTreeSet<Arc<str>>>,
    /// What was told of a spawner since the last change.
    told: HashMap<String, Arc<[Candidate]>>,
    /// What a listing that is under way has not told of.
    unseen: HashSet<Arc<str>>,
}

#[derive(Debug)]
struct Kept {
    uid: String,
    resource_version: String,
    delivery: Delivery,
    /// UIDs of spawners that are done with it.
    settled: HashSet<String>,
}

/// A Secret that nobody needs any more, as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) name: Arc<str>,
    pub(super) uid: String,
    pub(super) resource_version: String,
}

impl Pending {
    /// Takes an event of the watch in. Answers with the spawners that have something new.
    pub(super) fn take_in(&mut self, event: Event<PartialObjectMeta<Secret>>) -> Vec<Key> {
        match event {
            Event::Init => {
                self.unseen = self.kept.keys().cloned().collect();
                Vec::new()
            }
            Event::InitDone => {
                for name in std::mem::take(&mut self.unseen) {
                    self.forget(&name);
                }
                Vec::new()
            }
            Event::Delete(secret) => {
                self.forget(&secret.name_any());
                Vec::new()
            }
            Event::Apply(secret) | Event::InitApply(secret) => self.keep(&secret),
        }
    }

    fn keep(&mut self, secret: &PartialObjectMeta<Secret>) -> Vec<Key> {
        let name: Arc<str> = secret.name_any().into();
        self.unseen.remove(&name);
        let delivery = match Delivery::read(&secret.metadata) {
            Ok(delivery) => delivery,
            Err(why) => {
                tracing::warn!(
                    secret = &*name,
                    why,
                    "a delivery cannot be read and is left alone"
                );
                return Vec::new();
            }
        };
        let uid = secret.uid().unwrap_or_default();
        // What was settled stays so when spawners are added, and not when the Secret is another one.
        let known = self.kept.remove(&name);
        let known = known.inspect(|known| self.unlink(&name, &known.delivery));
        let settled = match known {
            Some(known) if known.uid == uid => known.settled,
            _ => HashSet::new(),
        };
        let open = |wanting: &&Wanting| !settled.contains(&wanting.uid);
        let mut wakes = Vec::new();
        for wanting in delivery.spawners.iter().filter(open) {
            let names = self.by_spawner.entry(wanting.uid.clone()).or_default();
            names.insert(Arc::clone(&name));
            self.told.remove(&wanting.uid);
            wakes.push(Key::new(&wanting.namespace, &wanting.name));
        }
        let kept = Kept {
            uid,
            resource_version: secret.resource_version().unwrap_or_default(),
            delivery,
            settled,
        };
        self.kept.insert(name, kept);
        wakes
    }

    fn forget(&mut self, name: &str) {
        if let Some(kept) = self.kept.remove(name) {
            self.unlink(name, &kept.delivery);
        }
    }

    fn unlink(&mut self, name: &str, delivery: &Delivery) {
        for wanting in &delivery.spawners {
            self.unlink_from(name, &wanting.uid);
        }
    }

    fn unlink_from(&mut self, name: &str, spawner: &str) {
        let Some(names) = self.by_spawner.get_mut(spawner) else {
            return;
        };
        if names.remove(name) {
            self.told.remove(spawner);
        }
        if names.is_empty() {
            self.by_spawner.remove(spawner);
        }
    }

    /// How many Secrets there are.
    pub(super) fn count(&self) -> usize {
        self.kept.len()
    }

    /// Whether a Secret of this name is there and names all of these spawners.
    pub(super) fn covers(&self, name: &str, spawners: &[Wanting]) -> bool {
        let kept = self.kept.get(name);
        kept.is_some_and(|kept| kept.delivery.missing(spawners).is_empty())
    }

    /// What waits for a spawner, the oldest first.
    pub(super) fn of_spawner(&mut self, uid: &str) -> Arc<[Candidate]> {
        if let Some(told) = self.told.get(uid) {
            return Arc::clone(told);
        }
        let names = self.by_spawner.get(uid).into_iter().flatten();
        let kept = names.filter_map(|name| self.kept.get(name));
        let mut candidates: Vec<_> = kept.map(|kept| kept.delivery.candidate()).collect();
        // One event is one candidate, though keys of two scopes may have signed it.
        candidates.sort_by(|a, b| (&a.key, a.created).cmp(&(&b.key, b.created)));
        candidates.dedup_by(|a, b| a.key == b.key);
        candidates.sort_by(|a, b| (a.created, &a.key).cmp(&(b.created, &b.key)));
        let told: Arc<[Candidate]> = candidates.into();
        if !told.is_empty() {
            self.told.insert(uid.to_owned(), Arc::clone(&told));
        }
        told
    }

    /// The Secrets with the delivery `key` that wait for a spawner, by name.
    pub(super) fn secrets_of(&self, uid: &str, key: &str) -> Vec<Arc<str>> {
        let names = self.by_spawner.get(uid).into_iter().flatten();
        let is_it = |name: &&Arc<str>| {
            self.kept
                .get(*name)
                .is_some_and(|kept| kept.delivery.key() == key)
        };
        names.filter(is_it).cloned().collect()
    }

    /// What is kept under a name.
    pub(super) fn delivery(&self, name: &str) -> Option<&Delivery> {
        self.kept.get(name).map(|kept| &kept.delivery)
    }

    /// The Secret as it was last seen, if nobody needs it once the spawner `uid` is done with it.
    pub(super) fn spent_without(&self, name: &Arc<str>, uid: &str) -> Option<Spent> {
        let kept = self.kept.get(name)?;
        let mut others = kept.delivery.spawners.iter().filter(|wanting| wanting.uid != uid);
        others
            .all(|wanting| kept.settled.contains(&wanting.uid))
            .then(|| Spent {
                name: Arc::clone(name),
                uid: kept.uid.clone(),
                resource_version: kept.resource_version.clone(),
            })
    }

    /// The spawner is done with what is kept under a name.
    pub(super) fn settle(&mut self, name: &str, uid: &str) {
        if let Some(kept) = self.kept.get_mut(name) {
            kept.settled.insert(uid.to_owned());
        }
        self.unlink_from(name, uid);
    }

    /// The Secret is gone.
    pub(super) fn gone(&mut self, spent: &Spent) {
        let is_it = |kept: &Kept| kept.uid == spent.uid;
        if self.kept.get(&spent.name).is_some_and(is_it) {
            self.forget(&spent.name);
        }
    }

    /// Spawners that something waits for, each once.
    pub(super) fn awaited(&self) -> Vec<Wanting> {
        let mut seen = HashSet::new();
        let all = self.kept.values().flat_map(|kept| {
            let open = |wanting: &&Wanting| !kept.settled.contains(&wanting.uid);
            kept.delivery.spawners.iter().filter(open)
        });
        all.filter(|wanting| seen.insert(&wanting.uid)).cloned().collect()
    }

    /// Names of all that waits for a spawner, by UID.
    pub(super) fn waiting_for(&self, uid: &str) -> Vec<Arc<str>> {
        let names = self.by_spawner.get(uid).into_iter().flatten();
        names.cloned().collect()
    }

    /// Secrets that nobody needs though they are still there, as after an interrupted deletion.
    pub(super) fn spent(&self) -> Vec<Spent> {
        let names = self.kept.keys();
        names.filter_map(|name| self.spent_without(name, "")).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axon_api::labels;
    use kube::api::ObjectMeta;

    use super::*;

    fn wanting(name: &str) -> Wanting {
        Wanting {
            namespace: "team".to_owned(),
            name: name.to_owned(),
            uid: format!("{name}-uid"),
            is_decided: true,
        }
    }

    fn secret(name: &str, id: &str, second: u8, spawners: &[&str]) -> PartialObjectMeta<Secret> {
        let delivery = Delivery {
            source: "github".to_owned(),
            event: "issues".to_owned(),
            id: id.to_owned(),
            received: format!("2026-01-02T03:04:{second:02}Z").parse().expect("a time"),
            labels: Vec::new(),
            is_trimmed: false,
            spawners: spawners.iter().map(|name| wanting(name)).collect(),
        };
        let json = serde_json::to_string(&delivery).expect("JSON");
        PartialObjectMeta {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                uid: Some(format!("{name}-uid")),
                resource_version: Some("1".to_owned()),
                annotations: Some(BTreeMap::from([(labels::DELIVERED.to_owned(), json)])),
                ..ObjectMeta::default()
            },
            ..PartialObjectMeta::default()
        }
    }

    fn keys(pending: &mut Pending, spawner: &str) -> Vec<String> {
        let candidates = pending.of_spawner(&format!("{spawner}-uid"));
        candidates.iter().map(|candidate| candidate.key.clone()).collect()
    }

    fn key(id: &str) -> String {
        format!("delivery-{}", axon_api::names::delivery("github", id))
    }

    #[test]
    fn a_delivery_waits_for_each_spawner_that_wants_it_the_oldest_first() {
        let mut pending = Pending::default();
        pending.take_in(Event::Apply(secret("late", "2", 9, &["a"])));
        let woken = pending.take_in(Event::Apply(secret("early", "1", 3, &["a", "b"])));
        assert_eq!(woken, [Key::new("team", "a"), Key::new("team", "b")]);
        assert_eq!(keys(&mut pending, "a"), [key("1"), key("2")]);
        assert_eq!(keys(&mut pending, "b"), [key("1")]);
        assert!(keys(&mut pending, "c").is_empty());
        assert_eq!(pending.count(), 2);
    }

    #[test]
    fn one_event_that_keys_of_two_scopes_have_signed_is_one_candidate_and_two_secrets() {
        let mut pending = Pending::default();
        pending.take_in(Event::Apply(secret("one", "1", 3, &["a"])));
        pending.take_in(Event::Apply(secret("two", "1", 3, &["a"])));
        assert_eq!(keys(&mut pending, "a"), [key("1")]);
        assert_eq!(pending.secrets_of("a-uid", &key("1")).len(), 2);
    }

    #[test]
    fn the_secret_is_spent_when_the_last_spawner_is_done_with_it() {
        let mut pending = Pending::default();
        pending.take_in(Event::Apply(secret("one", "1", 3, &["a", "b"])));
        let name: Arc<str> = "one".into();
        assert_eq!(pending.spent_without(&name, "a-uid"), None);
        pending.settle("one", "a-uid");
        assert!(keys(&mut pending, "a").is_empty());
        assert_eq!(keys(&mut pending, "b"), [key("1")]);
        let spent = pending.spent_without(&name, "b-uid").expect("spent");
        assert_eq!(spent.uid, "one-uid");
        assert!(pending.spent().is_empty());
        pending.settle("one", "b-uid");
        assert_eq!(pending.spent(), std::slice::from_ref(&spent));
        pending.gone(&spent);
        assert_eq!(pending.count(), 0);
    }

    #[test]
    fn a_spawner_that_is_added_later_waits_and_those_that_were_done_stay_done() {
        let mut pending = Pending::default();
        pending.take_in(Event::Apply(secret("one", "1", 3, &["a", "b"])));
        pending.settle("one", "a-uid");
        assert!(!pending.covers("one", &[wanting("c")]));
        let woken = pending.take_in(Event::Apply(secret("one", "1", 3, &["a", "b", "c"])));
        assert_eq!(woken, [Key::new("team", "b"), Key::new("team", "c")]);
        assert!(pending.covers("one", &[wanting("c"), wanting("a")]));
        assert!(keys(&mut pending, "a").is_empty());
    }

    #[test]
    fn another_secret_under_the_same_name_waits_for_all_again() {
        let mut pending = Pending::default();
        pending.take_in(Event::Apply(secret("one", "1", 3, &["a"])));
        pending.settle("one", "a-uid");
        let mut anew = secret("one", "1", 3, &["a"]);
        anew.metadata.uid = Some("another".to_owned());
        pending.take_in(Event::Apply(anew));
        assert_eq!(keys(&mut pending, "a"), [key("1")]);
    }

    #[test]
    fn what_a_new_listing_does_not_tell_of_is_gone() {
        let mut pending = Pending::default();
        for name in ["one", "two"] {
            pending.take_in(Event::Apply(secret(name, name, 3, &["a"])));
        }
        pending.take_in(Event::Init);
        pending.take_in(Event::InitApply(secret("two", "two", 3, &["a"])));
        pending.take_in(Event::InitDone);
        assert_eq!(keys(&mut pending, "a"), [key("two")]);
        assert_eq!(pending.awaited(), [wanting("a")]);
        assert_eq!(pending.waiting_for("a-uid"), [Arc::from("two")]);
    }

    #[test]
    fn a_secret_that_is_no_delivery_counts_for_nothing() {
        let mut pending = Pending::default();
        let mut broken = secret("one", "1", 3, &["a"]);
        broken.metadata.annotations = None;
        assert!(pending.take_in(Event::Apply(broken)).is_empty());
        assert_eq!(pending.count(), 0);
    }
}
