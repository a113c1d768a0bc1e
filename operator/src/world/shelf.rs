//! The objects of one kind as last seen, whoever saw them: the watch or the operator's own writes.

use std::collections::HashMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::key::Key;

/// The objects of one kind.
#[derive(Debug)]
pub(crate) struct Shelf<V> {
    entries: HashMap<Key, Entry<V>>,
    /// Counts the complete listings, to tell at the end of one what it did not have.
    listing: u32,
    /// The newest version of any of them.
    newest: u64,
}

/// One object.
#[derive(Debug)]
pub(crate) struct Entry<V> {
    pub(crate) uid: Box<str>,
    version: Option<u64>,
    listing: u32,
    pub(crate) value: V,
}

impl<V> Entry<V> {
    /// The object's version, when it is a number.
    pub(crate) fn version(&self) -> Option<u64> {
        self.version
    }

    /// Whether this is the object's version `version`.
    pub(crate) fn is_version(&self, version: Option<&str>) -> bool {
        self.version.is_some() && self.version == version.and_then(|text| text.parse().ok())
    }
}

/// What became of an object that was put on the shelf.
#[derive(Debug)]
pub(crate) enum Put<V> {
    /// It was there in this version or a newer one.
    Known,
    /// It is on the shelf; this was there before.
    Changed(Option<Entry<V>>),
}

impl<V> Default for Shelf<V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            listing: 0,
            newest: 0,
        }
    }
}

impl<V> Shelf<V> {
    /// The object at `key`.
    pub(crate) fn get(&self, key: &Key) -> Option<&Entry<V>> {
        self.entries.get(key)
    }

    /// The object at `key`, to be changed.
    pub(crate) fn get_mut(&mut self, key: &Key) -> Option<&mut Entry<V>> {
        self.entries.get_mut(key)
    }

    /// Whether the version of `metadata`, or a newer one of the same object, is there already.
    /// Such an object counts as listed.
    pub(crate) fn knows(&mut self, key: &Key, metadata: &ObjectMeta) -> bool {
        let listing = self.listing;
        let Some(entry) = self.entries.get_mut(key) else {
            return false;
        };
        let same = Some(&*entry.uid) == metadata.uid.as_deref();
        let known = same
            && match (entry.version, version(metadata)) {
                (Some(ours), Some(theirs)) => ours >= theirs,
                _ => false,
            };
        if known {
            entry.listing = listing;
        }
        known
    }

    /// Puts an object there, unless it is known.
    pub(crate) fn put(&mut self, key: Key, metadata: &ObjectMeta, value: V) -> Put<V> {
        if self.knows(&key, metadata) {
            return Put::Known;
        }
        let entry = Entry {
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            version: version(metadata),
            listing: self.listing,
            value,
        };
        self.newest = self.newest.max(entry.version.unwrap_or_default());
        Put::Changed(self.entries.insert(key, entry))
    }

    /// The newest version of any object that was ever put here; 0 when none has had a number.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Takes away the object with this key and UID; another object of the same name stays.
    pub(crate) fn remove(&mut self, key: &Key, uid: Option<&str>) -> Option<Entry<V>> {
        let entry = self.entries.get(key)?;
        if uid.is_some_and(|uid| *uid != *entry.uid) {
            return None;
        }
        self.entries.remove(key)
    }

    /// A complete listing begins.
    pub(crate) fn begin_listing(&mut self) {
        self.listing = self.listing.wrapping_add(1);
    }

    /// A complete listing is over: what was neither in it nor written since is gone.
    pub(crate) fn end_listing(&mut self) -> Vec<(Key, Entry<V>)> {
        let listing = self.listing;
        self.entries
            .extract_if(|_, entry| entry.listing != listing)
            .collect()
    }
}

/// Versions of one kind are the revisions of the store behind the server, which grow. Kubernetes
/// promises since 1.35 that they can be compared as numbers, and did so before.
pub(crate) fn version(metadata: &ObjectMeta) -> Option<u64> {
    metadata.resource_version.as_deref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(uid: &str, version: &str) -> ObjectMeta {
        ObjectMeta {
            uid: Some(uid.to_owned()),
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        }
    }

    fn key() -> Key {
        Key::new("default", "a")
    }

    fn value(shelf: &Shelf<&'static str>) -> Option<&'static str> {
        shelf.get(&key()).map(|entry| entry.value)
    }

    #[test]
    fn a_late_echo_does_not_undo_a_newer_write() {
        let mut shelf = Shelf::default();
        shelf.put(key(), &metadata("u", "5"), "seen");
        shelf.put(key(), &metadata("u", "10"), "written");
        assert!(matches!(
            shelf.put(key(), &metadata("u", "9"), "late"),
            Put::Known
        ));
        assert!(matches!(
            shelf.put(key(), &metadata("u", "10"), "echo"),
            Put::Known
        ));
        assert_eq!(value(&shelf), Some("written"));
    }

    #[test]
    fn an_object_made_anew_replaces_the_old_one() {
        let mut shelf = Shelf::default();
        shelf.put(key(), &metadata("old", "10"), "old");
        shelf.put(key(), &metadata("new", "11"), "new");
        assert!(shelf.remove(&key(), Some("old")).is_none());
        assert_eq!(value(&shelf), Some("new"));
    }

    #[test]
    fn versions_that_are_no_numbers_always_replace() {
        let mut shelf = Shelf::default();
        shelf.put(key(), &metadata("u", "x"), "first");
        shelf.put(key(), &metadata("u", "w"), "second");
        assert_eq!(value(&shelf), Some("second"));
    }

    #[test]
    fn what_a_listing_lacks_is_gone_unless_it_was_written_meanwhile() {
        let mut shelf = Shelf::default();
        for name in ["listed", "deleted", "written"] {
            shelf.put(Key::new("default", name), &metadata(name, "1"), ());
        }
        shelf.begin_listing();
        shelf.put(Key::new("default", "written"), &metadata("written", "2"), ());
        shelf.put(Key::new("default", "listed"), &metadata("listed", "1"), ());
        let gone: Vec<_> = shelf.end_listing().into_iter().map(|(key, _)| key).collect();
        assert_eq!(gone, [Key::new("default", "deleted")]);
    }
}
