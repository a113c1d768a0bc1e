//! Label and field selectors.

use serde_json::Value;

use super::status::Failure;

/// A label selector: all requirements must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Labels {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let failed = |why: String| Failure::bad_request(format!("unable to parse requirement: {why}"));
        let mut requirements = Vec::new();
        for part in split(text) {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            requirements.push(requirement(part).map_err(failed)?);
        }
        Ok(Self(requirements))
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        self.0.iter().all(|requirement| {
            let value = labels
                .and_then(|labels| labels.get(&requirement.key))
                .and_then(Value::as_str);
            match (&requirement.operator, value) {
                (Operator::In(values), Some(value)) => values.iter().any(|one| one == value),
                (Operator::NotIn(values), Some(value)) => !values.iter().any(|one| one == value),
                (Operator::Exists, Some(_)) | (Operator::Absent | Operator::NotIn(_), None) => true,
                (Operator::In(_) | Operator::Exists, None) | (Operator::Absent, Some(_)) => false,
            }
        })
    }
}

/// Splits at commas that are outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0_i32;
    let mut rest = text;
    let mut from = 0;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                let (part, tail) = rest.split_at(at - from);
                parts.push(part);
                rest = tail.strip_prefix(',').unwrap_or(tail);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(rest);
    parts
}

fn requirement(part: &str) -> Result<Requirement, String> {
    if let Some(key) = part.strip_prefix('!') {
        return finish(key, Operator::Absent);
    }
    if let Some((head, tail)) = part.split_once('(') {
        let values = tail
            .strip_suffix(')')
            .ok_or_else(|| format!("found '{part}', expected: ')'"))?
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        let words: Vec<&str> = head.split_whitespace().collect();
        return match words.as_slice() {
            [key, "in"] => finish(key, Operator::In(values)),
            [key, "notin"] => finish(key, Operator::NotIn(values)),
            _ => Err(format!("found '{}', expected: in, notin", head.trim())),
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return finish(key, Operator::NotIn(vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return finish(key, Operator::In(vec![value.trim().to_owned()]));
    }
    finish(part, Operator::Exists)
}

fn finish(key: &str, operator: Operator) -> Result<Requirement, String> {
    let key = key.trim();
    let name = key.rsplit('/').next().unwrap_or_default();
    let valid = !name.is_empty()
        && name.len() <= 63
        && key
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "-_./".contains(character));
    if !valid {
        return Err(format!("invalid label key \"{key}\""));
    }
    let (Operator::In(values) | Operator::NotIn(values)) = &operator else {
        return Ok(Requirement {
            key: key.to_owned(),
            operator,
        });
    };
    for value in values {
        let valid = value.len() <= 63
            && value
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character));
        if !valid {
            return Err(format!("invalid label value: \"{value}\": at key: \"{key}\""));
        }
    }
    Ok(Requirement {
        key: key.to_owned(),
        operator,
    })
}

/// A field selector: all requirements must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<Field>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    path: String,
    value: String,
    equal: bool,
}

impl Fields {
    /// Reads a selector; `known` are the fields that this resource can be selected by beyond name
    /// and namespace.
    pub(crate) fn parse(text: &str, known: &[&str]) -> Result<Self, Failure> {
        let mut fields = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (path, value, true)
            } else {
                return Err(Failure::bad_request(format!(
                    "invalid selector: '{text}'; can't understand '{part}'"
                )));
            };
            let path = path.trim();
            if !["metadata.name", "metadata.namespace"].contains(&path) && !known.contains(&path) {
                return Err(Failure::bad_request(format!("field label not supported: {path}")));
            }
            fields.push(Field {
                path: path.to_owned(),
                value: value.trim().to_owned(),
                equal,
            });
        }
        Ok(Self(fields))
    }

    /// The one name that can match, when the selector says so.
    pub(crate) fn name(&self) -> Option<&str> {
        let field = self
            .0
            .iter()
            .find(|field| field.equal && field.path == "metadata.name")?;
        Some(&field.value)
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|field| {
            let pointer = format!("/{}", field.path.replace('.', "/"));
            let found = match object.pointer(&pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Null) | None => String::new(),
                Some(other) => other.to_string(),
            };
            (found == field.value) == field.equal
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn label_selectors_select() {
        let object = json!({ "metadata": { "labels": { "app": "a", "tier/x": "web" } } });
        let cases = [
            ("", true),
            ("app", true),
            ("!app", false),
            ("missing", false),
            ("!missing", true),
            ("app=a", true),
            ("app==a", true),
            ("app=b", false),
            ("app!=b", true),
            ("missing!=b", true),
            ("app in (b, a)", true),
            ("app in (b)", false),
            ("app notin (b),tier/x=web", true),
            ("missing notin (b)", true),
            ("missing in (b)", false),
            ("app=a,missing", false),
        ];
        for (text, expected) in cases {
            let labels = Labels::parse(text).expect(text);
            assert_eq!(labels.matches(&object), expected, "{text}");
        }
    }

    #[test]
    fn selectors_that_make_no_sense_are_refused() {
        for text in ["a in b", "a b", "a=b=c", "a in (b", "=b", "a=b c"] {
            assert!(Labels::parse(text).is_err(), "{text}");
        }
        for text in ["spec.type=shell", "metadata.name"] {
            assert!(Fields::parse(text, &[]).is_err(), "{text}");
        }
    }

    #[test]
    fn field_selectors_select() {
        let object = json!({ "metadata": { "name": "n" }, "status": { "phase": "Running" } });
        let cases = [
            ("metadata.name=n", true),
            ("metadata.name!=n", false),
            ("status.phase=Running,metadata.name==n", true),
            ("status.phase=Pending", false),
            ("spec.nodeName=", true),
        ];
        for (text, expected) in cases {
            let fields = Fields::parse(text, &["status.phase", "spec.nodeName"]).expect(text);
            assert_eq!(fields.matches(&object), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_them_panic(text in ".*") {
            let _ = Labels::parse(&text);
            let _ = Fields::parse(&text, &[]);
        }
    }
}
