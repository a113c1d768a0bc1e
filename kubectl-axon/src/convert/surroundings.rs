//! What the documents of one conversion know about each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{group_of, metadata, xonovex};

/// What other documents decide about a conversion.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// Namespaces for which `agent.xonovex.com` defaults are among the documents.
    with_defaults: BTreeSet<String>,
    /// The Secrets, by namespace and name.
    secrets: BTreeMap<(String, String), Value>,
}

impl Surroundings {
    pub(super) fn of<'a>(objects: impl Iterator<Item = &'a Value>) -> Self {
        let mut found = Self::default();
        for object in objects {
            let namespace = metadata::namespace(object).to_owned();
            match (group_of(object), object["kind"].as_str()) {
                (xonovex::GROUP, Some("AgentConfig")) => {
                    found.with_defaults.insert(namespace);
                }
                ("", Some("Secret")) => {
                    let key = (namespace, metadata::name(object).to_owned());
                    found.secrets.insert(key, object.clone());
                }
                _ => {}
            }
        }
        found
    }

    /// Whether the namespace's defaults are converted along.
    pub(super) fn has_defaults(&self, namespace: &str) -> bool {
        self.with_defaults.contains(namespace)
    }

    /// A Secret of the documents.
    pub(super) fn secret(&self, namespace: &str, name: &str) -> Option<&Value> {
        self.secrets.get(&(namespace.to_owned(), name.to_owned()))
    }
}
