//! Makes a payload small enough to be kept.

use serde_json::{Map, Value};

/// Objects at the top that no filter and hardly a template asks for.
const UNUSED: [&str; 4] = ["installation", "organization", "enterprise", "changes"];
/// Fields of a repository that stay.
const OF_REPOSITORY: [&str; 9] = [
    "id",
    "name",
    "full_name",
    "owner",
    "private",
    "fork",
    "default_branch",
    "html_url",
    "clone_url",
];
/// Fields of a user that stay.
const OF_USER: [&str; 4] = ["id", "login", "type", "html_url"];
/// Fields that are nowhere of use.
const NOWHERE: [&str; 4] = ["node_id", "_links", "reactions", "performed_via_github_app"];

/// The payload in at most `max` bytes of JSON. It loses by turns, until it fits: what nobody asks for;
/// addresses of the API; the ends of long texts; the ends of long lists; all but who did what to which
/// issue, pull request or run. When nothing fits it is empty.
///
/// Filters are to see the whole: they may ask for what is lost.
pub fn trim(payload: Value, max: usize) -> Value {
    let steps: [fn(Value) -> Value; 7] = [
        without_unused,
        without_addresses,
        |value| bounded(value, 8192, 300),
        |value| bounded(value, 2048, 100),
        |value| bounded(value, 256, 20),
        |value| essence(&value),
        |_| Value::Object(Map::new()),
    ];
    let mut payload = payload;
    for step in steps {
        if size(&payload) <= max {
            break;
        }
        payload = step(payload);
    }
    payload
}

fn size(value: &Value) -> usize {
    value.to_string().len()
}

fn without_unused(mut payload: Value) -> Value {
    if let Some(fields) = payload.as_object_mut() {
        for name in UNUSED {
            fields.remove(name);
        }
    }
    slim(&mut payload);
    payload
}

/// Leaves of repositories and users only what is of use, wherever they are.
fn slim(value: &mut Value) {
    if let Value::Object(fields) = value {
        if fields.contains_key("full_name") {
            fields.retain(|name, _| OF_REPOSITORY.contains(&name.as_str()));
        } else if fields.contains_key("login") {
            fields.retain(|name, _| OF_USER.contains(&name.as_str()));
        }
        fields.retain(|name, _| !NOWHERE.contains(&name.as_str()));
    }
    each_child(value, slim);
}

fn without_addresses(mut value: Value) -> Value {
    fn remove(value: &mut Value) {
        if let Value::Object(fields) = value {
            fields.retain(|name, _| name == "html_url" || !(name == "url" || name.ends_with("_url")));
        }
        each_child(value, remove);
    }
    remove(&mut value);
    value
}

fn bounded(mut value: Value, text: usize, list: usize) -> Value {
    fn shorten(value: &mut Value, text: usize, list: usize) {
        match value {
            Value::String(long) => *long = crate::text::cut(long, text),
            Value::Array(values) => values.truncate(list),
            _ => {}
        }
        each_child(value, |child| shorten(child, text, list));
    }
    shorten(&mut value, text, list);
    value
}

/// Who did what to which issue, pull request or run.
fn essence(payload: &Value) -> Value {
    let mut out = Value::Object(Map::new());
    for path in [
        &["action"][..],
        &["ref"],
        &["ref_type"],
        &["after"],
        &["sender", "login"],
        &["repository", "full_name"],
        &["issue", "number"],
        &["issue", "title"],
        &["issue", "html_url"],
        &["issue", "state"],
        &["issue", "pull_request"],
        &["pull_request", "number"],
        &["pull_request", "title"],
        &["pull_request", "html_url"],
        &["pull_request", "state"],
        &["pull_request", "head", "ref"],
        &["pull_request", "head", "sha"],
        &["comment", "id"],
        &["comment", "html_url"],
        &["comment", "body"],
        &["review", "id"],
        &["review", "state"],
        &["review", "body"],
        &["check_run", "name"],
        &["check_run", "conclusion"],
        &["check_run", "html_url"],
        &["check_run", "head_sha"],
        &["release", "tag_name"],
    ] {
        let found = path.iter().try_fold(payload, |value, name| value.get(name));
        let Some(found) = found else { continue };
        set(&mut out, path, found.clone());
    }
    out
}

/// Puts a value at a path, and objects on the way to it.
fn set(place: &mut Value, path: &[&str], value: Value) {
    let Some((name, rest)) = path.split_first() else {
        *place = value;
        return;
    };
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    if let Value::Object(fields) = place {
        set(fields.entry(*name).or_insert(Value::Null), rest, value);
    }
}

fn each_child(value: &mut Value, change: impl Fn(&mut Value)) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(change),
        Value::Object(fields) => fields.values_mut().for_each(change),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
