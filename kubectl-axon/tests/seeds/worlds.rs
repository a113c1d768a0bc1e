//! The objects of one README, after conversion.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::blocks;
use super::table::{self, Class};
use super::tools;

/// The text of the block at a line.
pub(crate) fn block(seed: &str, line: usize) -> String {
    blocks::stored(seed)
        .into_iter()
        .find(|block| block.line == line)
        .expect("a block")
        .text
}

/// A manifest with a fragment put in.
pub(crate) fn with_fragment(manifest: &str, fragment: &str) -> String {
    let mut object: Value = serde_saphyr::from_str(manifest).expect("a manifest");
    let fragment: Value = serde_saphyr::from_str(fragment).expect("a fragment");
    let fragment = fragment.get("spec").unwrap_or(&fragment);
    let spec = object["spec"].as_object_mut().expect("a spec");
    for (name, value) in fragment.as_object().expect("fields") {
        spec.insert(name.clone(), value.clone());
    }
    object.to_string()
}

/// Puts fields into an object, objects within it too.
pub(crate) fn overlay(at: &mut Value, over: &Value) {
    match (at, over) {
        (Value::Object(at), Value::Object(over)) => {
            for (name, value) in over {
                overlay(at.entry(name).or_insert(Value::Null), value);
            }
        }
        (at, over) => *at = over.clone(),
    }
}

/// Objects of a README; of two with one name the first counts.
pub(crate) struct World(Vec<Value>);

impl World {
    /// The objects of all manifests of a README.
    pub(crate) fn of(seed: &str) -> Self {
        let mut objects = Vec::new();
        for (line, class) in table::of(seed) {
            if matches!(class, Class::Manifest(_)) {
                objects.extend(tools::convert(&block(seed, line)).1);
            }
        }
        Self(objects)
    }

    /// This world after these objects were applied.
    pub(crate) fn with(&self, own: &[Value]) -> Self {
        Self(own.iter().chain(&self.0).cloned().collect())
    }

    /// The first object of this kind and name, as the server would have it.
    pub(crate) fn find<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Option<T> {
        let found = self
            .0
            .iter()
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)?;
        let mut object = found.clone();
        object["metadata"]["namespace"] = json!("default");
        object["metadata"]["uid"] = json!(format!("{name}-uid"));
        Some(serde_json::from_value(object).expect("an object of its kind"))
    }
}
