//! Writing to stdout and stderr, and the formats of `-o`.

use std::io::{ErrorKind, Write};

use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::jsonpath::Template;

/// Writes to stdout and flushes it. A reader that has gone ends the program without a word.
pub(crate) fn print(text: impl AsRef<[u8]>) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_ref())
        .and_then(|()| stdout.flush())
        .map_err(|error| stdout_failure(&error))
}

/// What an error of writing to stdout means.
pub(crate) fn stdout_failure(error: &std::io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        Failure::silent(Exit::Success)
    } else {
        Failure::new(format!("failed to write to stdout: {error}"))
    }
}

/// Writes a line to stderr. That nobody reads it is no reason to stop.
pub(crate) fn note(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
}

/// A value of `-o`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Format {
    Wide,
    Json,
    Yaml,
    Name,
    JsonPath(Template),
}

impl Format {
    /// Reads a value of `-o`, for clap.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "wide" => Ok(Self::Wide),
            "json" => Ok(Self::Json),
            "yaml" => Ok(Self::Yaml),
            "name" => Ok(Self::Name),
            _ => match text.strip_prefix("jsonpath=") {
                Some(template) => Template::parse(template).map(Self::JsonPath),
                None => Err("must be one of wide, json, yaml, name, jsonpath=TEMPLATE".to_owned()),
            },
        }
    }
}

/// JSON as people read it, with a line break at the end.
pub(crate) fn to_json(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// YAML with a line break at the end.
pub(crate) fn to_yaml(value: &Value) -> Result<String> {
    let mut text = serde_saphyr::to_string(value)
        .map_err(|error| Failure::new(format!("failed to write YAML: {error}")))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// The object as people want to see it: the bookkeeping of fields is left out.
pub(crate) fn without_managed_fields(mut object: Value) -> Value {
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

/// Several objects as kubectl gives them, in a `List`.
pub(crate) fn list_of(items: &[Value]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "List",
        "metadata": { "resourceVersion": "" },
        "items": items,
    })
}

/// `task.axon.io/x` or `secret/x`: kind, group and name of an object.
pub(crate) fn kind_and_name(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or("object").to_lowercase();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    match object["apiVersion"]
        .as_str()
        .and_then(|version| version.split_once('/'))
    {
        Some((group, _)) => format!("{kind}.{group}/{name}"),
        None => format!("{kind}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_format_is_told_the_known_ones() {
        assert_eq!(Format::parse("yaml"), Ok(Format::Yaml));
        assert!(Format::parse("table").is_err_and(|message| message.contains("wide, json")));
        assert!(Format::parse("jsonpath={.a").is_err());
    }

    #[test]
    fn an_object_is_named_by_kind_and_group() {
        let task = json!({"apiVersion": "axon.io/v1alpha1", "kind": "Task", "metadata": {"name": "x"}});
        assert_eq!(kind_and_name(&task), "task.axon.io/x");
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}});
        assert_eq!(kind_and_name(&secret), "secret/x");
    }
}
