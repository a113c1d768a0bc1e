//! JSONPaths (RFC 9535), with bounds on what finding them may cost.

use jsonpath_rust::parser::model::JpQuery;
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use serde_json::Value;

/// Bytes of a path.
const MAX_BYTES: usize = 1024;

/// A path that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Path(JpQuery);

impl Path {
    /// Reads a path such as `$.event.title`.
    ///
    /// Finding it takes time linear in the body, whatever the path: `..` or one filter `[?…]` may be in
    /// it once, and a filter looks at its own element only and calls no functions.
    ///
    /// # Errors
    /// When it is none, or is more than that, as a fragment that names it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let failed = |why: &str| format!("failed to read the JSONPath `{text}`: {why}");
        if text.len() > MAX_BYTES {
            return Err(failed("it has more than 1024 bytes"));
        }
        bounded(text).map_err(failed)?;
        parse_json_path(text).map(Self).map_err(|error| {
            let error = error.to_string();
            let why = error
                .lines()
                .rev()
                .find_map(|line| line.trim().strip_prefix("= "))
                .unwrap_or("it is not well formed");
            failed(why)
        })
    }

    /// The first value that is found.
    pub fn find<'a>(&self, body: &'a Value) -> Option<&'a Value> {
        let found = js_path_process(&self.0, body).ok()?;
        found.into_iter().next().map(jsonpath_rust::query::QueryRef::val)
    }

    /// Every value that is found.
    pub fn find_all<'a>(&self, body: &'a Value) -> Vec<&'a Value> {
        let found = js_path_process(&self.0, body).unwrap_or_default();
        found
            .into_iter()
            .map(jsonpath_rust::query::QueryRef::val)
            .collect()
    }
}

/// Why finding it could take long. What is in quotes does not count.
fn bounded(text: &str) -> Result<(), &'static str> {
    let mut plain = String::with_capacity(text.len());
    let mut quote = None;
    let mut is_escaped = false;
    for c in text.chars() {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(_) if c == '\\' => is_escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => plain.push(c),
        }
    }
    let filters = plain.matches('?').count();
    let descents = plain.matches("..").count();
    if filters + descents > 1 {
        return Err("it has more than one `..` or filter");
    }
    if plain.matches('$').count() > 1 {
        return Err("a filter may look at its own element `@` only");
    }
    let in_filter = plain.split_once('?').map_or("", |(_, filter)| filter);
    let calls = in_filter.char_indices().any(|(at, c)| {
        c == '('
            && in_filter
                .get(..at)
                .unwrap_or_default()
                .ends_with(|before: char| before.is_ascii_alphanumeric() || before == '_')
    });
    if calls {
        return Err("a filter may call no functions; pattern matches texts");
    }
    if in_filter.contains('*') {
        return Err("a filter may have no `*`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn body() -> Value {
        json!({
            "event": {"title": "Crash", "id": 7, "tags": ["a", "b"], "a.b": true},
            "items": [{"name": "x", "level": 1}, {"name": "y", "level": 2}],
        })
    }

    #[test]
    fn paths_find_what_they_name() {
        for (text, expected) in [
            ("$.event.title", vec![json!("Crash")]),
            ("$['event']['a.b']", vec![json!(true)]),
            ("$.event.tags[0]", vec![json!("a")]),
            ("$.event.tags[-1]", vec![json!("b")]),
            ("$.event.tags[*]", vec![json!("a"), json!("b")]),
            ("$.items[?@.level == 2].name", vec![json!("y")]),
            ("$.items[?(@.name == '$..x')].name", vec![]),
            ("$..name", vec![json!("x"), json!("y")]),
            ("$.nothing", vec![]),
            ("$.event.title.more", vec![]),
        ] {
            let path = Path::parse(text).expect(text);
            let body = body();
            let found: Vec<Value> = path.find_all(&body).into_iter().cloned().collect();
            assert_eq!(found, expected, "{text}");
            assert_eq!(path.find(&body), expected.first(), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_or_could_take_long_is_refused_by_name() {
        for text in [
            "",
            "event.title",
            "$.",
            "$[",
            "$..a..b",
            "$..[?@.a == 1]",
            "$.a[?@.b == $.c]",
            "$.a[?length(@.b) > 1]",
            "$.a[?@.b[?@.c == 1]]",
            "$.a[?@.b[*]]",
        ] {
            let error = Path::parse(text).expect_err(text);
            assert!(
                error.starts_with(&format!("failed to read the JSONPath `{text}`: ")),
                "{error}"
            );
        }
        assert!(Path::parse(&format!("$.{}", "a".repeat(1023))).is_err());
    }

    /// JSON of some depth, with keys that paths name.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[ab]|.{0,2}", inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_path_and_no_body_is_too_odd(text in "\\$([.\\[\\]*?@:'a-b0-9-]|\\.\\.| == |\\[\\?@\\.a|.){0,12}", body in json()) {
            if let Ok(path) = Path::parse(&text) {
                let _ = path.find(&body);
            }
        }
    }
}
