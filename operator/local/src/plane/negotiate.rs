//! The forms in which objects are answered: whole, their metadata only, or as a table.

use http::StatusCode;
use serde_json::{Value, json};

use super::registry::Resource;
use super::route::Query;
use super::status::Failure;
use super::table::{self, Include};

/// What a client wants of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Metadata,
    Table(Include),
}

/// The first form in an `Accept` header that the plane knows.
pub(crate) fn form(accept: &str, query: &Query) -> Result<Form, Failure> {
    if accept.trim().is_empty() {
        return Ok(Form::Whole);
    }
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        if !["application/json", "*/*", "application/*"].contains(&media) {
            continue;
        }
        let mut kind = None;
        let mut group = None;
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name {
                "as" => kind = Some(value),
                "g" => group = Some(value),
                _ => {}
            }
        }
        match (kind, group) {
            (None, _) => return Ok(Form::Whole),
            (Some("Table"), Some("meta.k8s.io")) => return Ok(Form::Table(Include::parse(query)?)),
            (Some("PartialObjectMetadata" | "PartialObjectMetadataList"), Some("meta.k8s.io")) => {
                return Ok(Form::Metadata);
            }
            _ => {}
        }
    }
    Err(Failure::new(
        StatusCode::NOT_ACCEPTABLE,
        "NotAcceptable",
        "only the following media types are accepted: application/json",
    ))
}

/// Whether discovery is wanted in one document.
pub(crate) fn wants_aggregated(accept: &str) -> bool {
    accept.split(',').any(|range| {
        range.contains("application/json")
            && range.contains("g=apidiscovery.k8s.io")
            && range.contains("v=v2")
            && !range.contains("v=v2beta1")
            && range.contains("as=APIGroupDiscoveryList")
    })
}

/// The metadata of an object, as an object of its own.
pub(crate) fn partial(value: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": value["metadata"],
    })
}

impl Form {
    /// One object in this form.
    pub(crate) fn one(self, resource: &Resource, value: &Value) -> Value {
        match self {
            Self::Whole => value.clone(),
            Self::Metadata => partial(value),
            Self::Table(include) => {
                let version = value.pointer("/metadata/resourceVersion").cloned();
                let metadata = json!({ "resourceVersion": version });
                table::table(resource, std::slice::from_ref(value), &metadata, include)
            }
        }
    }

    /// A list in this form.
    pub(crate) fn many(self, resource: &Resource, items: &[Value], metadata: &Value) -> Value {
        match self {
            Self::Whole => json!({
                "kind": format!("{}List", resource.kind),
                "apiVersion": resource.api_version(),
                "metadata": metadata,
                "items": items,
            }),
            Self::Metadata => json!({
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": items.iter().map(partial).collect::<Vec<_>>(),
            }),
            Self::Table(include) => table::table(resource, items, metadata, include),
        }
    }
}
