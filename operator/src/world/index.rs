//! Who names an object.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::key::Key;

/// An object that others name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Named {
    Task(Key),
    Workspace(Key),
    AgentConfig(Key),
    AgentProvider(Key),
    TaskSpawner(Key),
    Secret(Key),
    /// The TaskDefaults of a namespace.
    Defaults(Arc<str>),
    /// What the TaskDefaults of a namespace name for Tasks without credentials and provider.
    DefaultCredentials(Arc<str>),
}

/// Which objects name an object: answered without looking at all of them.
#[derive(Debug)]
pub(crate) struct Index<U> {
    users: HashMap<Named, BTreeSet<U>>,
}

impl<U> Default for Index<U> {
    fn default() -> Self {
        Self {
            users: HashMap::new(),
        }
    }
}

impl<U: Clone + Ord> Index<U> {
    /// From now on `user` names `after` instead of `before`.
    pub(crate) fn replace(&mut self, user: &U, before: &[Named], after: &[Named]) {
        for named in before {
            if after.contains(named) {
                continue;
            }
            if let Some(users) = self.users.get_mut(named) {
                users.remove(user);
                if users.is_empty() {
                    self.users.remove(named);
                }
            }
        }
        for named in after {
            self.users.entry(named.clone()).or_default().insert(user.clone());
        }
    }

    /// Those who name `named`.
    pub(crate) fn users(&self, named: &Named) -> impl Iterator<Item = &U> {
        self.users.get(named).into_iter().flatten()
    }

    /// Whether nobody names anything.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_forgets_what_is_no_longer_named() {
        let mut index = Index::default();
        let task = Key::new("default", "task");
        let old = [Named::Workspace(Key::new("default", "old"))];
        let new = [Named::Workspace(Key::new("default", "new"))];
        index.replace(&task, &[], &old);
        index.replace(&task, &old, &new);
        assert_eq!(index.users(&old[0]).count(), 0);
        assert_eq!(index.users(&new[0]).collect::<Vec<_>>(), [&task]);
        index.replace(&task, &new, &[]);
        assert!(index.is_empty());
    }
}
