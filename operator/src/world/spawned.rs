//! The Tasks of each TaskSpawner, and which of them may start.

use std::collections::{BTreeMap, HashMap, HashSet};

use axon_api::Task;
use axon_plan::Admission;
use axon_plan::spawner::SpawnedTask;
use kube::{Resource, ResourceExt};

use super::{Wake, World};
use crate::key::Key;
use crate::queue::Urgency;

/// The spawner that controls a Task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) spawner: Key,
    pub(crate) uid: Box<str>,
}

/// The Tasks of all spawners, by the UID of the spawner and their own.
#[derive(Debug, Default)]
pub(crate) struct Spawned {
    tasks: HashMap<Box<str>, BTreeMap<Box<str>, Facts>>,
    /// UIDs of Tasks that may start, until they have started or are gone.
    admitted: HashSet<Box<str>>,
}

/// What rounds of a spawner ask about one of its Tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    seen: SpawnedTask,
    /// Whether the watch has told of it. Until then it is known from the operator's own write.
    is_watched: bool,
}

/// The spawner that controls the Task, if one does.
pub(crate) fn link(key: &Key, task: &Task) -> Option<Link> {
    let owners = task.owner_references();
    let controller = owners.iter().find(|owner| owner.controller == Some(true))?;
    let is_spawner = controller.kind == "TaskSpawner" && controller.api_version.starts_with("axon.io/");
    is_spawner.then(|| Link {
        spawner: key.sibling(&controller.name),
        uid: controller.uid.as_str().into(),
    })
}

impl World {
    /// The Tasks of the spawner with this UID, by their UID.
    pub(crate) fn spawned_tasks(&self, spawner_uid: &str) -> Vec<SpawnedTask> {
        let tasks = self.spawned.tasks.get(spawner_uid).into_iter().flatten();
        tasks.map(|(_, facts)| facts.seen.clone()).collect()
    }

    /// Whether the spawner of the Task, if it has one, lets it start.
    pub(crate) fn admission(&self, key: &Key, task: &Task) -> Admission {
        if link(key, task).is_none() {
            return Admission::NotSpawned;
        }
        let uid = task.meta().uid.as_deref().unwrap_or_default();
        if self.spawned.admitted.contains(uid) {
            Admission::Admitted
        } else {
            Admission::Held
        }
    }

    /// The Task with this UID may start.
    pub(crate) fn admit(&mut self, task_uid: &str) -> Option<Wake> {
        if !self.spawned.admitted.insert(task_uid.into()) {
            return None;
        }
        self.wake_owner(task_uid)
    }

    /// The server has created this Task of a spawner. The watch may not have told of it yet.
    pub(crate) fn note_spawned(&mut self, task: &Task) {
        let Some(link) = link(&Key::of(task), task) else {
            return;
        };
        let uid = task.meta().uid.as_deref().unwrap_or_default();
        let tasks = self.spawned.tasks.entry(link.uid).or_default();
        tasks.entry(uid.into()).or_insert_with(|| Facts {
            seen: SpawnedTask::of(task),
            is_watched: false,
        });
    }

    /// The Task that the operator created is not on the server any more, as that has said.
    pub(crate) fn note_spawned_gone(&mut self, spawner_uid: &str, task_uid: &str) {
        let tasks = self.spawned.tasks.get(spawner_uid);
        let facts = tasks.and_then(|tasks| tasks.get(task_uid));
        if facts.is_some_and(|facts| !facts.is_watched) {
            self.spawned.remove(spawner_uid, task_uid);
        }
    }

    /// The watch, or an answer, told of this Task.
    pub(super) fn put_spawned(&mut self, link: &Link, task: &Task) {
        let uid = task.meta().uid.as_deref().unwrap_or_default();
        let facts = Facts {
            seen: SpawnedTask::of(task),
            is_watched: true,
        };
        if facts.seen.has_started || facts.seen.is_finished() {
            self.spawned.admitted.remove(uid);
        }
        let tasks = self.spawned.tasks.entry(link.uid.clone()).or_default();
        let before = tasks.insert(uid.into(), facts.clone());
        if before.as_ref() != Some(&facts) {
            self.errands.spawners.wake(&link.spawner, Urgency::Normal);
        }
    }

    /// This Task is gone.
    pub(super) fn forget_spawned(&mut self, link: &Link, task_uid: &str) {
        self.spawned.remove(&link.uid, task_uid);
        self.errands.spawners.wake(&link.spawner, Urgency::Normal);
    }
}

impl Spawned {
    fn remove(&mut self, spawner_uid: &str, task_uid: &str) {
        self.admitted.remove(task_uid);
        if let Some(tasks) = self.tasks.get_mut(spawner_uid) {
            tasks.remove(task_uid);
            if tasks.is_empty() {
                self.tasks.remove(spawner_uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use serde_json::{Value, json};

    use super::*;
    use crate::world::Loose;

    fn task(uid: &str, status: &Value) -> Value {
        json!({
            "metadata": {
                "name": "fix-bugs-42", "namespace": "dev", "uid": uid,
                "annotations": { "axon.io/item": "issue-42", "axon.io/trigger": "match-1" },
                "ownerReferences": [{
                    "apiVersion": "axon.io/v1alpha1", "kind": "TaskSpawner", "name": "fix-bugs", "uid": "s",
                    "controller": true,
                }],
            },
            "spec": { "prompt": "p" }, "status": status,
        })
    }

    fn typed(object: Value) -> Task {
        serde_json::from_value(object).expect("a Task")
    }

    fn tell(world: &mut World, object: Value) {
        let sent: Loose<Task> = serde_json::from_value(object).expect("a Task");
        world.on_task(Event::Apply(sent));
    }

    fn key() -> Key {
        Key::new("dev", "fix-bugs-42")
    }

    #[test]
    fn a_task_of_a_spawner_is_held_until_it_is_admitted() {
        let mut world = World::default();
        let object = task("t", &Value::Null);
        tell(&mut world, object.clone());
        let task = typed(object);
        assert_eq!(world.admission(&key(), &task), Admission::Held);
        let woken = world.admit("t").map(|(key, _)| key);
        assert_eq!(woken, Some(key()));
        assert_eq!(world.admission(&key(), &task), Admission::Admitted);
        assert_eq!(world.admit("t"), None, "once is enough");
    }

    #[test]
    fn a_change_of_a_task_wakes_its_spawner() {
        let mut world = World::default();
        let spawners = world.errands().spawners;
        tell(&mut world, task("t", &Value::Null));
        assert_eq!(spawners.depth(), 1);
        assert_eq!(world.spawned_tasks("s").len(), 1);
        world.on_task(Event::Delete(
            serde_json::from_value(task("t", &Value::Null)).expect("a Task"),
        ));
        assert_eq!(world.spawned_tasks("s"), []);
    }

    #[test]
    fn a_task_that_was_just_created_counts_before_the_watch_tells_of_it() {
        let mut world = World::default();
        world.note_spawned(&typed(task("t", &Value::Null)));
        assert_eq!(world.spawned_tasks("s").len(), 1);
        world.note_spawned_gone("s", "t");
        assert_eq!(world.spawned_tasks("s"), []);
        tell(&mut world, task("t", &Value::Null));
        world.note_spawned_gone("s", "t");
        assert_eq!(
            world.spawned_tasks("s").len(),
            1,
            "what the watch has told of, it tells the end of"
        );
    }

    #[test]
    fn a_task_of_nobody_is_not_held() {
        let mut object = task("t", &Value::Null);
        object["metadata"]["ownerReferences"] = json!([]);
        assert_eq!(
            World::default().admission(&key(), &typed(object)),
            Admission::NotSpawned
        );
    }
}
