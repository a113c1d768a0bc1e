//! The part of kubectl's `-o jsonpath=` templates that people use: text, `{.a.b}`, `{['a.b']}`,
//! `{.items[0]}`, `{.items[*].name}`, `{range .items[*]}...{end}`, `{"\n"}` and `{@}`.
//! <https://kubernetes.io/docs/reference/kubectl/jsonpath/>

use serde_json::Value;

/// A template, read and ready.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<Node>);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Text(String),
    Path(Vec<Step>),
    Range(Vec<Step>, Vec<Node>),
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Index(i64),
    Every,
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // Open ranges are on a stack; the lowest entry is the template itself.
        let mut open: Vec<(Vec<Step>, Vec<Node>)> = vec![(Vec::new(), Vec::new())];
        let mut rest = text;
        while !rest.is_empty() {
            let Some((before, after)) = rest.split_once('{') else {
                push(&mut open, Node::Text(rest.to_owned()));
                break;
            };
            if !before.is_empty() {
                push(&mut open, Node::Text(before.to_owned()));
            }
            let (action, remainder) = split_action(after)?;
            rest = remainder;
            let action = action.trim();
            if let Some(path) = action.strip_prefix("range ") {
                open.push((path_steps(path.trim())?, Vec::new()));
            } else if action == "end" {
                let (path, nodes) = open
                    .pop()
                    .filter(|_| !open.is_empty())
                    .ok_or("`end` without `range`")?;
                push(&mut open, Node::Range(path, nodes));
            } else if let Some(quoted) = action.strip_prefix('"') {
                let quoted = quoted.strip_suffix('"').ok_or("a quote is not closed")?;
                push(&mut open, Node::Text(unescape(quoted)));
            } else {
                push(&mut open, Node::Path(path_steps(action)?));
            }
        }
        match open.pop() {
            Some((_, nodes)) if open.is_empty() => Ok(Self(nodes)),
            _ => Err("`range` without `end`".to_owned()),
        }
    }

    /// Fills in the template. What is not there gives nothing, as with kubectl.
    pub(crate) fn render(&self, value: &Value) -> String {
        let mut text = String::new();
        render(&self.0, value, &mut text);
        text
    }
}

fn push(open: &mut [(Vec<Step>, Vec<Node>)], node: Node) {
    if let Some((_, nodes)) = open.last_mut() {
        nodes.push(node);
    }
}

/// Splits at the brace that closes the action; braces in quotes do not count.
fn split_action(text: &str) -> Result<(&str, &str), String> {
    let mut quote = None;
    for (index, character) in text.char_indices() {
        match (quote, character) {
            (None, '}') => {
                let action = text.get(..index).unwrap_or_default();
                return Ok((action, text.get(index + 1..).unwrap_or_default()));
            }
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    Err("a `{` is not closed".to_owned())
}

fn path_steps(path: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = path.trim_start_matches(['$', '@']);
    if !rest.is_empty() && !rest.starts_with(['.', '[']) {
        return Err(format!("the path `{path}` must begin with `.` or `[`"));
    }
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (inside, remainder) = after.split_once(']').ok_or("a `[` is not closed")?;
            steps.push(subscript(inside)?);
            rest = remainder;
            continue;
        }
        let after = rest.strip_prefix('.').unwrap_or(rest);
        let (key, remainder) = split_key(after);
        match key.as_str() {
            "" => {}
            "*" => steps.push(Step::Every),
            _ => steps.push(Step::Key(key)),
        }
        rest = remainder;
        if rest.starts_with("..") {
            return Err("`..` is not supported".to_owned());
        }
    }
    Ok(steps)
}

/// Takes a key up to the next `.` or `[`; a backslash keeps a dot in the key.
fn split_key(text: &str) -> (String, &str) {
    let mut key = String::new();
    let mut escaped = false;
    for (index, character) in text.char_indices() {
        match character {
            '\\' if !escaped => escaped = true,
            '.' | '[' if !escaped => return (key, text.get(index..).unwrap_or_default()),
            _ => {
                key.push(character);
                escaped = false;
            }
        }
    }
    (key, "")
}

fn subscript(text: &str) -> Result<Step, String> {
    if text == "*" {
        return Ok(Step::Every);
    }
    if let Ok(index) = text.parse() {
        return Ok(Step::Index(index));
    }
    for quote in ['\'', '"'] {
        if let Some(key) = text.strip_prefix(quote).and_then(|key| key.strip_suffix(quote)) {
            return Ok(Step::Key(key.to_owned()));
        }
    }
    Err(format!("the subscript `[{text}]` is not supported"))
}

fn unescape(text: &str) -> String {
    text.replace("\\n", "\n")
        .replace("\\t", "\t")
        .replace("\\\"", "\"")
}

fn render(nodes: &[Node], value: &Value, text: &mut String) {
    for node in nodes {
        match node {
            Node::Text(literal) => text.push_str(literal),
            Node::Path(path) => {
                let found: Vec<String> = find(path, value).into_iter().map(show).collect();
                text.push_str(&found.join(" "));
            }
            Node::Range(path, inner) => {
                for found in find(path, value) {
                    render(inner, found, text);
                }
            }
        }
    }
}

fn find<'a>(path: &[Step], value: &'a Value) -> Vec<&'a Value> {
    let mut found = vec![value];
    for step in path {
        found = found.into_iter().flat_map(|value| take(step, value)).collect();
    }
    found
}

fn take<'a>(step: &Step, value: &'a Value) -> Vec<&'a Value> {
    match (step, value) {
        (Step::Key(key), Value::Object(object)) => object.get(key).into_iter().collect(),
        (Step::Index(index), Value::Array(items)) => {
            let position = if *index < 0 {
                items
                    .len()
                    .checked_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX))
            } else {
                usize::try_from(*index).ok()
            };
            position
                .and_then(|position| items.get(position))
                .into_iter()
                .collect()
        }
        (Step::Every, Value::Array(items)) => items.iter().collect(),
        (Step::Every, Value::Object(object)) => object.values().collect(),
        _ => Vec::new(),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates_give_what_kubectl_gives() {
        let list = json!({"items": [
            {"metadata": {"name": "a", "labels": {"x.io/y": "1"}}, "status": {"phase": "Running"}},
            {"metadata": {"name": "b"}, "status": {"attempts": 2}},
        ]});
        for (template, text) in [
            ("{.items[0].metadata.name}", "a"),
            ("{.items[-1].metadata.name}", "b"),
            ("{.items[*].metadata.name}", "a b"),
            ("{$.items[1].status}", r#"{"attempts":2}"#),
            ("{.items[0].metadata.labels['x.io/y']}", "1"),
            (r"{.items[0].metadata.labels.x\.io/y}", "1"),
            ("{.items[7].name}none", "none"),
            (
                r#"{range .items[*]}{.metadata.name}={.status.phase}{"\n"}{end}"#,
                "a=Running\nb=\n",
            ),
        ] {
            assert_eq!(
                Template::parse(template).map(|it| it.render(&list)),
                Ok(text.to_owned()),
                "{template}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for template in [
            "{.a",
            "{.a[",
            "{.a[?(@.b)]}",
            "{range .a}",
            "{end}",
            "{\"x}",
            "{name}",
        ] {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }
}
