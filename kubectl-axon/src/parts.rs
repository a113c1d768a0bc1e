//! Small parts of the objects that the command line makes, read from flags.

use std::collections::BTreeMap;
use std::time::Duration;

use axon_api::kinds::reference::LocalReference;
use axon_api::{labels, units};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{EnvVar, Secret};
use kube::api::ObjectMeta;
use serde_json::Value;

use crate::failure::{Failure, Result};

/// Value of the label [`labels::MANAGED_BY`] on what the command line keeps up to date.
pub(crate) const MANAGER: &str = "kubectl-axon";

/// The labels of what the command line keeps up to date.
pub(crate) fn managed() -> BTreeMap<String, String> {
    BTreeMap::from([(labels::MANAGED_BY.to_owned(), MANAGER.to_owned())])
}

/// A Secret that the command line keeps up to date.
pub(crate) fn secret(name: &str, values: impl IntoIterator<Item = (&'static str, String)>) -> Result<Value> {
    let data = values
        .into_iter()
        .map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes())));
    to_value(&Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(managed()),
            ..ObjectMeta::default()
        },
        data: Some(data.collect()),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    })
}

pub(crate) fn named(name: &str) -> LocalReference {
    LocalReference {
        name: name.to_owned(),
    }
}

pub(crate) fn reference(name: Option<&String>) -> Option<LocalReference> {
    name.map(|name| named(name))
}

pub(crate) fn to_value(object: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(object).map_err(|error| Failure::new(format!("failed to write JSON: {error}")))
}

/// Names of objects are DNS-1123 subdomains. `what` says whose name it is.
pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    let part_is_valid = |part: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = part.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
    };
    if name.len() <= 253 && name.split('.').all(part_is_valid) {
        return Ok(());
    }
    Err(
        Failure::new(format!("invalid {what} name `{}`", crate::text::cut(name, 253))).hint(
            "a name has at most 253 characters: lowercase letters, digits, `-` and `.`, \
         with a letter or digit at the beginning and end",
        ),
    )
}

/// A Go duration of at least a second, as the kinds take them.
pub(crate) fn duration(flag: &str, text: &str) -> Result<Duration> {
    let whole_units = !text.contains(['n', 'u', 'µ']);
    match units::parse_go_duration(text).filter(|_| whole_units) {
        None => {
            Err(Failure::new(format!("invalid {flag} value `{text}`"))
                .hint("write it like 90s, 30m or 1h30m"))
        }
        Some(duration) if duration.as_secs() < 1 => Err(Failure::new(format!(
            "invalid {flag} value `{text}`: must be at least 1s"
        ))),
        Some(duration) => Ok(duration),
    }
}

/// Seconds as a number or as a Go duration; zero is allowed.
pub(crate) fn seconds(flag: &str, text: &str) -> Result<i32> {
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => Some(seconds),
        Err(_) => units::parse_go_duration(text).map(|duration| duration.as_secs()),
    };
    seconds
        .and_then(|seconds| i32::try_from(seconds).ok())
        .ok_or_else(|| {
            Failure::new(format!("invalid {flag} value `{text}`"))
                .hint("write seconds, such as 3600, or a duration, such as 1h")
        })
}

/// `NAME=VALUE` of a flag.
pub(crate) fn pair<'a>(flag: &str, text: &'a str) -> Result<(&'a str, &'a str)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name, value)),
        _ => Err(Failure::new(format!(
            "invalid {flag} value `{text}`: must be NAME=VALUE"
        ))),
    }
}

/// Whether a variable may have this name.
pub(crate) fn is_variable_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// `--env NAME=VALUE`, the last of one name wins.
pub(crate) fn variables(env: &[String]) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for text in env {
        let (name, value) = pair("--env", text)?;
        if !is_variable_name(name) {
            return Err(Failure::new(format!(
                "invalid --env name `{name}`: must match [A-Za-z_][A-Za-z0-9_]*"
            )));
        }
        variables.insert(name.to_owned(), value.to_owned());
    }
    Ok(variables)
}

/// `--env NAME=VALUE` after the variables of the config file, in the order in which they are given;
/// the last of one name wins.
pub(crate) fn env(config: &[EnvVar], flags: &[String]) -> Result<Vec<EnvVar>> {
    variables(flags)?;
    let mut all: Vec<EnvVar> = config.to_vec();
    for text in flags {
        let (name, value) = pair("--env", text)?;
        all.retain(|variable| variable.name != name);
        all.push(EnvVar {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            ..EnvVar::default()
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kubernetes_rule() {
        for (name, valid) in [
            ("a", true),
            ("a-b.c9", true),
            ("9a", true),
            ("", false),
            ("A", false),
            ("a_b", false),
            ("-a", false),
            ("a-", false),
            ("a..b", false),
            ("ä", false),
            (&"a".repeat(253), true),
            (&"a".repeat(254), false),
        ] {
            assert_eq!(check_name("task", name).is_ok(), valid, "{name:?}");
        }
    }

    #[test]
    fn seconds_are_a_number_or_a_duration() {
        for (text, read) in [("3600", Some(3600)), ("1h", Some(3600)), ("0", Some(0))] {
            assert_eq!(seconds("--ttl", text).ok(), read);
        }
        for text in ["soon", "-1", "", "99999999999"] {
            assert!(seconds("--ttl", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_flag_of_pairs_needs_a_name() {
        assert_eq!(pair("--x", "a=b=c"), Ok(("a", "b=c")));
        assert!(pair("--x", "=b").is_err());
        assert!(pair("--x", "a").is_err());
    }

    #[test]
    fn a_variable_of_a_flag_wins_over_the_files() {
        let file = [EnvVar {
            name: "A".into(),
            value: Some("file".into()),
            ..EnvVar::default()
        }];
        let all = env(&file, &["B=1".into(), "A=flag".into()]).expect("read");
        let pairs: Vec<_> = all
            .iter()
            .map(|variable| (variable.name.as_str(), variable.value.as_deref()))
            .collect();
        assert_eq!(pairs, [("B", Some("1")), ("A", Some("flag"))]);
    }
}
