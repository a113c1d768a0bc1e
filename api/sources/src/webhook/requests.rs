//! What a request is: whether it is wanted, which event it tells of, and what templates get of it.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::{FieldFilter, GenericWebhook, Path};
use crate::github::webhook::{hash, make_visible};
use crate::item::{Candidate, Cause, WorkItem};
use crate::{pattern, text, variables};

/// Bytes of an event's ID.
const MAX_ID_BYTES: usize = 1024;

/// A request whose signature was found right.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub body: &'a Value,
    pub received: Timestamp,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// It is wanted. There is no subject to report to.
    Match(Box<WorkItem>),
    /// It is not: why, as a fragment.
    NoMatch(String),
    /// It cannot be told from others: why, as a sentence. The sender is to know, with status 422.
    Unreadable(String),
}

/// Reads a request. A spec with a path or pattern that is none wants nothing, and says why.
pub fn read(spec: &GenericWebhook, request: &Request<'_>) -> Read {
    match wanted(spec, request.body) {
        Ok(()) => {}
        Err(why) => return Read::NoMatch(why),
    }
    let mut mapped = Vec::with_capacity(spec.field_mapping.len());
    for (name, path) in &spec.field_mapping {
        match Path::parse(path) {
            Ok(path) => mapped.push((name.as_str(), path.find(request.body))),
            Err(why) => return Read::NoMatch(why),
        }
    }
    let field = |wanted: &str| {
        mapped
            .iter()
            .find(|(name, _)| *name == wanted)
            .and_then(|(_, value)| *value)
    };
    let id = match field("id").map(as_text) {
        Some(id) if !id.trim().is_empty() && id.len() <= MAX_ID_BYTES => id,
        found => {
            let path = spec.field_mapping.get("id").map_or("", String::as_str);
            let why = match found {
                Some(id) if id.len() > MAX_ID_BYTES => "is longer than 1024 bytes",
                _ => "has no value",
            };
            return Read::Unreadable(format!(
                "the body's `{path}`, which tells one event from another, {why}"
            ));
        }
    };
    let text_of = |name: &str| field(name).map(as_text).unwrap_or_default();
    let mut payload = request.body.clone();
    make_visible(&mut payload);
    let mut variables = variables::with([
        ("ID", id.as_str().into()),
        ("Title", text::title(&text_of("title")).into()),
        ("Body", text::body(&text_of("body")).into()),
        ("URL", text_of("url").into()),
        ("Kind", "GenericWebhook".into()),
        ("Payload", payload),
    ]);
    for (name, value) in &mapped {
        let mut value = value.cloned().unwrap_or_else(|| Value::from(""));
        make_visible(&mut value);
        variables.insert((*name).to_owned(), value);
    }
    let digits = hash(&id, 32);
    Read::Match(Box::new(WorkItem {
        candidate: Candidate {
            key: format!("delivery-{digits}"),
            id: format!("{}-{}", spec.source, digits.get(..12).unwrap_or_default()),
            cause: Cause::Event,
            labels: Vec::new(),
            created: request.received,
        },
        variables,
        subject: None,
    }))
}

/// Why the body is not wanted.
fn wanted(spec: &GenericWebhook, body: &Value) -> Result<(), String> {
    for filter in &spec.filters {
        if !holds(filter, body)? {
            return Err(match &filter.value {
                Some(value) => format!("has no `{value}` at `{}`", filter.field),
                None => format!(
                    "has nothing at `{}` that `{}` is found in",
                    filter.field,
                    filter.pattern.as_deref().unwrap_or_default()
                ),
            });
        }
    }
    for filter in &spec.exclude_filters {
        if holds(filter, body)? {
            return Err(format!("has a value at `{}` that is excluded", filter.field));
        }
    }
    Ok(())
}

/// Whether one of the values at the field is as it must be.
fn holds(filter: &FieldFilter, body: &Value) -> Result<bool, String> {
    let found = Path::parse(&filter.field)?.find_all(body);
    let mut texts = found.into_iter().map(as_text);
    match (&filter.value, &filter.pattern) {
        (Some(value), _) => Ok(texts.any(|text| text == *value)),
        (None, Some(pattern)) => {
            let pattern = pattern::regex(pattern)?;
            Ok(texts.any(|text| pattern.is_match(&text)))
        }
        (None, None) => Err(format!(
            "the filter of `{}` has neither value nor pattern",
            filter.field
        )),
    }
}

/// A value as text: texts as they are, nothing for null, all else as JSON.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
