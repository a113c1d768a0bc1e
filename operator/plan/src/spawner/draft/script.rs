//! A script's item, in variables: nothing of it is ever a part of the script.

use axon_api::sources::WorkItem;
use axon_api::variables;
use k8s_openapi::api::core::v1::EnvVar;
use serde_json::Value;

use super::Refusal;
use crate::environment;
use crate::template;

/// Bytes that one value may have.
const MAX_VALUE_BYTES: usize = 64 * 1024;
/// Bytes that all values may have together, as they stand in the pod: those that are escaped count
/// twice.
const MAX_BYTES: usize = 96 * 1024;
/// What is put where a value was cut.
const CUT: &str = " [cut]";

/// Whether the script uses nothing of the item.
pub(super) fn checked(source: Option<&str>) -> Result<(), Refusal> {
    let refuse = |message: &str| Err(Refusal::new("ShellTemplate", message));
    let Some(source) = source else {
        return refuse("type `shell` needs taskTemplate.promptTemplate, which is the script");
    };
    match template::parse(source) {
        Ok(template) if template.uses().is_empty() => Ok(()),
        Ok(_) => refuse("a script may not have a field of the item in it"),
        Err(error) => refuse(&format!("taskTemplate.promptTemplate, {error}")),
    }
}

/// Adds the variables of the item. They replace those of the same name.
pub(super) fn add_item(env: &mut Vec<EnvVar>, item: &WorkItem) {
    let mut left = MAX_BYTES;
    for (variable, name) in variables::item::ALL {
        env.retain(|known| known.name != *variable);
        let Some(value) = item.variables.get(*name) else {
            continue;
        };
        let value = bounded(&text(value), MAX_VALUE_BYTES.min(left));
        left = left.saturating_sub(value.len());
        env.push(environment::plain(variable, &value));
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The text without NUL, which no variable can have, escaped so that the kubelet expands nothing in it,
/// and cut so that the result has `limit` bytes at most.
fn bounded(text: &str, limit: usize) -> String {
    let plain = text.replace('\0', "");
    let whole = environment::unexpanded(&plain);
    if whole.len() <= limit {
        return whole;
    }
    let Some(room) = limit.checked_sub(CUT.len()) else {
        return String::new();
    };
    let mut bytes = 0;
    let mut end = 0;
    for (index, character) in plain.char_indices() {
        // A dollar is written as two at most.
        bytes += character.len_utf8() + usize::from(character == '$');
        if bytes > room {
            break;
        }
        end = index + character.len_utf8();
    }
    let cut = plain.get(..end).unwrap_or_default();
    format!("{}{CUT}", environment::unexpanded(cut))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the kubelet makes of a value: `$$` is a dollar, and `$(NAME)` would be a variable
    /// (<https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/>).
    fn expanded(value: &str) -> String {
        let mut result = String::new();
        let mut rest = value.chars().peekable();
        while let Some(character) = rest.next() {
            if character == '$' && rest.peek() == Some(&'$') {
                rest.next();
                result.push('$');
                continue;
            }
            assert!(
                !(character == '$' && rest.peek() == Some(&'(')),
                "`{value}` is expanded"
            );
            result.push(character);
        }
        result
    }

    #[test]
    fn nothing_in_a_value_is_expanded() {
        for text in [
            "$(touch /tmp/x)",
            "$(GITHUB_TOKEN)",
            "$$(GITHUB_TOKEN)",
            "a$",
            "$$$(A)",
        ] {
            assert_eq!(expanded(&bounded(text, 1000)), text);
        }
    }

    proptest! {
        #[test]
        fn whatever_the_text_it_arrives_as_it_is_or_is_cut(text in "[$(A)\\PC]{0,60}", limit in 0usize..90) {
            let value = bounded(&text, limit);
            prop_assert!(value.len() <= limit);
            let arrived = expanded(&value);
            let begins = arrived.strip_suffix(CUT).is_some_and(|begin| text.starts_with(begin));
            prop_assert!(arrived == text || begins || arrived.is_empty(), "{arrived}");
        }
    }
}
