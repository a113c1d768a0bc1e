//! Bodies of requests to objects.

use serde_json::Value;

use super::metadata;
use super::registry::Resource;
use super::route::Query;
use super::status::Failure;

/// The object in a body, with its apiVersion and kind checked, or filled in when absent.
pub(crate) fn object(resource: &Resource, content_type: &str, body: &[u8]) -> Result<Value, Failure> {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let parsed = match media {
        "" | "application/json" | "*/*" => serde_json::from_slice(body).map_err(|error| error.to_string()),
        "application/yaml" | "application/x-yaml" | "text/yaml" => {
            serde_saphyr::from_slice(body).map_err(|error| error.to_string())
        }
        _ => {
            return Err(Failure::unsupported_media_type(
                "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml",
            ));
        }
    };
    let kind = &resource.kind;
    let version = &resource.version;
    let mut value: Value = parsed.map_err(|error| {
        Failure::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: {error}"
        ))
    })?;
    if !value.is_object() {
        return Err(Failure::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: the body is not an object"
        )));
    }
    check_type(resource, &mut value)?;
    metadata::check_types(&value, kind)?;
    Ok(value)
}

fn check_type(resource: &Resource, value: &mut Value) -> Result<(), Failure> {
    let api_version = resource.api_version();
    let given = value["apiVersion"].as_str().unwrap_or_default().to_owned();
    let given_kind = value["kind"].as_str().unwrap_or_default().to_owned();
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
    if given_kind != resource.kind {
        return Err(Failure::bad_request(format!(
            "the kind in the data ({given_kind}) does not match the expected kind ({})",
            resource.kind
        )));
    }
    Ok(())
}

/// The object must be of the namespace that the request names; it is put there if it names none.
pub(crate) fn check_namespace(resource: &Resource, namespace: &str, value: &mut Value) -> Result<(), Failure> {
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

/// What becomes of fields that the schema does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

impl FieldValidation {
    pub(crate) fn parse(query: &Query) -> Result<Self, Failure> {
        match query.get("fieldValidation") {
            None | Some("Warn") => Ok(Self::Warn),
            Some("Ignore") => Ok(Self::Ignore),
            Some("Strict") => Ok(Self::Strict),
            Some(other) => Err(Failure::bad_request(format!(
                "fieldValidation: Unsupported value: \"{other}\": supported values: \"Ignore\", \"Strict\", \"Warn\""
            ))),
        }
    }
}

/// Refuses unknown fields, or gives the warnings for them.
pub(crate) fn report_unknown(
    resource: &Resource,
    mode: FieldValidation,
    unknown: &[String],
) -> Result<Vec<String>, Failure> {
    let texts = unknown.iter().map(|path| format!("unknown field \"{path}\""));
    match mode {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(texts.collect()),
        FieldValidation::Strict if unknown.is_empty() => Ok(Vec::new()),
        FieldValidation::Strict => {
            let (kind, version) = (&resource.kind, &resource.version);
            let texts: Vec<String> = texts.collect();
            Err(Failure::bad_request(format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: strict decoding error: {}",
                texts.join(", ")
            )))
        }
    }
}
