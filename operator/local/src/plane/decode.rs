//! Bodies of requests to objects.

use serde_json::Value;

use super::metadata;
use super::registry::Resource;
use super::route::Query;
use super::status::{Cause, Failure};
use super::{protobuf, schema, typed};

/// The object in a body, with its apiVersion and kind checked, or filled in when absent.
pub(crate) fn object(resource: &Resource, content_type: &str, body: &[u8]) -> Result<Value, Failure> {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let parsed = match media {
        "" | "application/json" | "*/*" => serde_json::from_slice(body).map_err(|error| error.to_string()),
        "application/yaml" | "application/x-yaml" | "text/yaml" => {
            serde_saphyr::from_slice(body).map_err(|error| error.to_string())
        }
        protobuf::MEDIA_TYPE if resource.group.is_empty() => protobuf::object(&resource.kind, body)
            .ok_or_else(|| "it is not understood here as protobuf: send JSON".to_owned()),
        _ => {
            return Err(Failure::unsupported_media_type(
                "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml",
            ));
        }
    };
    let kind = &resource.kind;
    let version = &resource.version;
    let unrecognized = |why: &str| {
        Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {why}"
        ))
    };
    let mut value: Value = parsed.map_err(|error| unrecognized(&error))?;
    if !value.is_object() {
        return Err(unrecognized("it is not an object"));
    }
    check_type(resource, &mut value)?;
    metadata::check_types(&value, kind, version)?;
    Ok(value)
}

pub(crate) fn check_type(resource: &Resource, value: &mut Value) -> Result<(), Failure> {
    let api_version = resource.api_version();
    let given = value["apiVersion"].as_str().unwrap_or_default().to_owned();
    let given_kind = value["kind"].as_str().unwrap_or_default().to_owned();
    let is_custom = resource.custom().is_some();
    if given_kind.is_empty() && is_custom {
        return Err(Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): Object 'Kind' is missing",
            resource.kind
        )));
    }
    if given.is_empty() && given_kind.is_empty() {
        value["apiVersion"] = api_version.into();
        value["kind"] = resource.kind.as_str().into();
        return Ok(());
    }
    if given != api_version {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({given}) does not match the expected API version ({api_version})"
        )));
    }
    if given_kind != resource.kind && is_custom {
        let detail = format!("must be {}", resource.kind);
        let cause = Cause::invalid("kind", &Value::from(given_kind.as_str()), &detail);
        let name = metadata::text(value, "name");
        return Err(Failure::invalid(&resource.group, &given_kind, name, &[cause]));
    }
    if given_kind != resource.kind {
        return Err(Failure::bad_request(format!(
            "the kind in the data ({given_kind}) does not match the expected kind ({})",
            resource.kind
        )));
    }
    Ok(())
}

/// The object must be of the namespace that the request names; it is put there if it names none.
pub(crate) fn check_namespace(
    resource: &Resource,
    namespace: &str,
    value: &mut Value,
) -> Result<(), Failure> {
    if !resource.namespaced {
        metadata::of(value).remove("namespace");
        return Ok(());
    }
    let given = metadata::text(value, "namespace");
    if !given.is_empty() && given != namespace {
        return Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    metadata::of(value).insert("namespace".to_owned(), namespace.into());
    Ok(())
}

/// Drops the fields that a kind does not know, fills in the defaults of its schema, and returns the
/// paths of what was dropped.
pub(crate) fn normalize(resource: &Resource, value: &mut Value) -> Result<Vec<String>, Failure> {
    let Some(custom) = resource.custom() else {
        return typed::prune(resource, value);
    };
    let unknown = schema::prune(&custom.schema, value);
    schema::fill_defaults(&custom.schema, value);
    Ok(unknown)
}

/// What becomes of fields that the schema does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

impl FieldValidation {
    pub(crate) fn parse(query: &Query, options: &str) -> Result<Self, Failure> {
        match query.get("fieldValidation") {
            None | Some("Warn") => Ok(Self::Warn),
            Some("Ignore") => Ok(Self::Ignore),
            Some("Strict") => Ok(Self::Strict),
            Some(other) => {
                let supported = "\"\", \"Ignore\", \"Strict\", \"Warn\"";
                let cause = Cause::unsupported("fieldValidation", &Value::from(other), supported);
                Err(Failure::invalid("meta.k8s.io", options, "", &[cause]))
            }
        }
    }
}

/// Refuses unknown fields, or gives the warnings for them.
pub(crate) fn report_unknown(mode: FieldValidation, unknown: &[String]) -> Result<Vec<String>, StrictError> {
    let texts: Vec<String> = unknown
        .iter()
        .map(|path| format!("unknown field \"{path}\""))
        .collect();
    match mode {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Strict if !texts.is_empty() => Err(StrictError(texts.join(", "))),
        FieldValidation::Warn | FieldValidation::Strict => Ok(texts),
    }
}

/// Unknown fields in a request that allows none.
#[derive(Debug)]
pub(crate) struct StrictError(String);

impl StrictError {
    /// In the body of a new object or of one that is replaced.
    pub(crate) fn in_body(&self, resource: &Resource) -> Failure {
        let (kind, version) = (&resource.kind, &resource.version);
        Failure::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: strict decoding error: {}",
            self.0
        ))
    }

    /// In what a patch makes of an object.
    pub(crate) fn in_patch(&self, patched: &Value) -> Failure {
        let shown = Value::from(patched.to_string());
        let detail = format!("strict decoding error: {}", self.0);
        Failure::invalid("", "", "", &[Cause::invalid("patch", &shown, &detail)])
    }
}
