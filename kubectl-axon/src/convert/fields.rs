//! Taking an object of a source system apart, field by field.

use serde_json::{Map, Value};

use super::notes::Notes;

/// Group and version of what is written.
pub(super) const API_VERSION: &str = "axon.io/v1alpha1";

/// The fields of one object of the source that have not been taken yet.
#[derive(Debug)]
pub(super) struct Fields {
    path: String,
    fields: Map<String, Value>,
}

impl Fields {
    /// The fields of `value`, which is at `path`. What is no object has no fields, and is lost.
    pub(super) fn of(path: impl Into<String>, value: Value, notes: &mut Notes) -> Self {
        let path = path.into();
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => Map::new(),
            _ => {
                notes.lost(&path, "this is not an object");
                Map::new()
            }
        };
        Self { path, fields }
    }

    /// The path of a field, from the document's root.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            return name.to_owned();
        }
        format!("{}.{name}", self.path)
    }

    /// Takes a field as it is. Null counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a field that is a text. An empty text counts as absent; a number or a truth value
    /// becomes its text.
    pub(super) fn text(&mut self, name: &str, notes: &mut Notes) -> Option<String> {
        match self.take(name)? {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(text),
            scalar @ (Value::Number(_) | Value::Bool(_)) => Some(scalar.to_string()),
            _ => {
                notes.lost(self.path(name), "this is not a text");
                None
            }
        }
    }

    /// Takes a field that is an object.
    pub(super) fn inner(&mut self, name: &str, notes: &mut Notes) -> Option<Self> {
        let path = self.path(name);
        self.take(name).map(|value| Self::of(path, value, notes))
    }

    /// Takes the name of another object, which is a text or an object with a `name`, and gives
    /// a reference.
    pub(super) fn reference(&mut self, name: &str, notes: &mut Notes) -> Option<Value> {
        let found = match self.take(name)? {
            Value::String(text) => text,
            value => {
                let mut inner = Self::of(self.path(name), value, notes);
                let found = inner.text("name", notes).unwrap_or_default();
                inner.finish(notes);
                found
            }
        };
        (!found.is_empty()).then(|| serde_json::json!({ "name": found }))
    }

    /// Names every field that nobody has taken as lost.
    pub(super) fn finish(self, notes: &mut Notes) {
        for (name, value) in &self.fields {
            if !value.is_null() {
                notes.lost(self.path(name), "axon.io has no such field");
            }
        }
    }
}

/// An object of axon.io that is being put together.
#[derive(Debug, Default)]
pub(super) struct Target(Map<String, Value>);

impl Target {
    /// Sets a field, when there is a value for it. Empty objects and lists count as absent.
    pub(super) fn put(&mut self, name: &str, value: Option<impl Into<Value>>) {
        let Some(value) = value.map(Into::into) else {
            return;
        };
        let is_empty = match &value {
            Value::Object(fields) => fields.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Null => true,
            _ => false,
        };
        if !is_empty {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// Moves fields that have the same name and meaning.
    pub(super) fn keep(&mut self, source: &mut Fields, names: &[&str]) {
        for name in names {
            self.put(name, source.take(name));
        }
    }

    /// Sets a field to an object, also to an empty one.
    pub(super) fn set(&mut self, name: &str, object: Self) {
        self.0.insert(name.to_owned(), object.into_value());
    }

    /// The value of a field that is set.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Whether the field is set.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

impl From<Target> for Value {
    fn from(target: Target) -> Self {
        target.into_value()
    }
}

/// An object of axon.io with the metadata of the source.
pub(super) fn object(kind: &str, metadata: &Value, spec: impl Into<Value>) -> Value {
    serde_json::json!({
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": metadata,
        "spec": spec.into(),
    })
}
