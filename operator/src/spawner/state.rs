//! What is kept of a spawner between its rounds.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use axon_plan::spawner::memory::Memory;
use tokio::time::Instant;

use crate::key::Key;

/// What is kept of one spawner.
#[derive(Debug, Default)]
pub(super) struct State {
    /// UID of the spawner that this is of: one made anew under the name remembers nothing.
    pub(super) uid: String,
    /// What it remembers, as last read or written; `None` until it is read.
    pub(super) memory: Option<Memory>,
    /// The generation of the spec that `refused` is of.
    pub(super) generation: Option<i64>,
    /// Items that could not become a Task, by key: why.
    pub(super) refused: BTreeMap<String, String>,
    /// Version of the Secret that the source was asked with.
    pub(super) secret_version: Option<u64>,
    /// Items that did not match any more when they were fetched, until when they are left alone: the
    /// source may not have noticed yet.
    pub(super) passed_over: HashMap<String, Instant>,
}

/// What is kept of all spawners.
#[derive(Debug, Default)]
pub(super) struct States(Mutex<HashMap<Key, State>>);

impl States {
    /// Takes what is kept of the spawner, for the time of its round.
    pub(super) fn take(&self, key: &Key, uid: &str, generation: Option<i64>) -> State {
        let known = self.lock().remove(key).filter(|state| state.uid == uid);
        let mut state = known.unwrap_or_else(|| State {
            uid: uid.to_owned(),
            ..State::default()
        });
        if state.generation != generation {
            state.generation = generation;
            state.refused.clear();
            state.passed_over.clear();
        }
        state
    }

    /// Puts it back after the round.
    pub(super) fn put(&self, key: &Key, state: State) {
        self.lock().insert(key.clone(), state);
    }

    /// The spawner is gone.
    pub(super) fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spawner_made_anew_remembers_nothing_of_the_old_one() {
        let states = States::default();
        let key = Key::new("default", "fix-bugs");
        let mut state = states.take(&key, "old", Some(1));
        state.memory = Some(Memory::default());
        states.put(&key, state);
        assert!(states.take(&key, "new", Some(1)).memory.is_none());
    }

    #[test]
    fn what_was_refused_is_tried_again_when_the_spec_has_changed() {
        let states = States::default();
        let key = Key::new("default", "fix-bugs");
        let mut state = states.take(&key, "u", Some(1));
        state.refused.insert("issue-1".to_owned(), "why".to_owned());
        states.put(&key, state);
        let state = states.take(&key, "u", Some(1));
        assert_eq!(state.refused.len(), 1);
        states.put(&key, state);
        assert!(states.take(&key, "u", Some(2)).refused.is_empty());
    }
}
