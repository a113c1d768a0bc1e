//! The variables that templates have whatever the source that is polled.

use serde_json::{Map, Value};

/// Names of the variables that are always there, empty when they do not apply. `Number` is a number,
/// and 0 then.
pub const NAMES: &[&str] = &[
    "ID",
    "Number",
    "Title",
    "Body",
    "URL",
    "Labels",
    "Comments",
    "Kind",
    "Branch",
    "ReviewState",
    "ReviewComments",
    "Time",
    "Schedule",
];

/// All of [`NAMES`], with these set.
pub(crate) fn with<const N: usize>(set: [(&str, Value); N]) -> Map<String, Value> {
    let mut variables: Map<String, Value> = NAMES
        .iter()
        .map(|name| {
            let nothing = match *name {
                "Number" => Value::from(0),
                _ => Value::from(""),
            };
            ((*name).to_owned(), nothing)
        })
        .collect();
    for (name, value) in set {
        variables.insert(name.to_owned(), value);
    }
    variables
}
