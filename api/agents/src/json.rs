//! Digging in one parsed line of a stream.

use serde_json::Value;

use crate::text;

/// The arguments that say best what a tool is asked, in the order of preference. They are the
/// spellings of the four CLIs' own tools.
const TELLING_ARGUMENTS: &[&str] = &[
    "command",
    "cmd",
    "file_path",
    "filePath",
    "absolute_path",
    "notebook_path",
    "path",
    "dir_path",
    "pattern",
    "query",
    "url",
    "skill",
    "name",
    "description",
    "prompt",
];

/// The JSON object that a line holds, or `None` when it holds something else.
pub(crate) fn object(line: &str) -> Option<Value> {
    let line = line.trim();
    if !line.starts_with('{') {
        return None;
    }
    serde_json::from_str(line).ok().filter(Value::is_object)
}

/// The string at a JSON pointer.
pub(crate) fn string<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// The number at a JSON pointer; 0 when there is none or when it is no whole number.
pub(crate) fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// The number at a JSON pointer, when it can be an amount of money.
pub(crate) fn amount(value: &Value, pointer: &str) -> Option<f64> {
    value
        .pointer(pointer)
        .and_then(Value::as_f64)
        .filter(|amount| amount.is_finite() && *amount >= 0.0)
}

/// The list at a JSON pointer; empty when there is none.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// One line of at most 120 characters that says what a tool is asked.
pub(crate) fn tool_summary(arguments: &Value) -> String {
    let telling = TELLING_ARGUMENTS
        .iter()
        .find_map(|name| arguments.get(name).and_then(Value::as_str));
    let any = || {
        arguments
            .as_object()
            .and_then(|all| all.values().find_map(Value::as_str))
    };
    telling
        .or_else(any)
        .or(arguments.as_str())
        .map(text::one_line)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_whole_object_is_an_event() {
        assert!(object(r#" {"type":"x"} "#).is_some());
        for line in ["", "text", "[1]", "3", r#"{"type":"#, "null"] {
            assert_eq!(object(line), None, "{line}");
        }
    }

    #[test]
    fn a_tool_is_summarised_by_its_most_telling_argument() {
        let cases = [
            (json!({"description": "list", "command": "ls\n-l"}), "ls -l"),
            (json!({"content": "x", "file_path": "a.txt"}), "a.txt"),
            (json!({"text": "hello"}), "hello"),
            (json!("free text"), "free text"),
            (json!({"n": 3}), ""),
            (json!(null), ""),
        ];
        for (arguments, expected) in cases {
            assert_eq!(tool_summary(&arguments), expected, "{arguments}");
        }
    }

    #[test]
    fn a_summary_is_cut_at_120_characters_not_bytes() {
        let summary = tool_summary(&json!({"command": "é".repeat(121)}));
        assert_eq!(summary, format!("{}...", "é".repeat(120)));
        assert_eq!(text::one_line(&"é".repeat(120)), "é".repeat(120));
    }
}
