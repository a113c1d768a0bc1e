//! The CEL rules of a schema (`x-kubernetes-validations`), with transitions.

use kube_cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use serde_json::Value;

use super::schema::type_of;
use super::status::Cause;

/// The compiled rules of one kind.
pub(crate) struct Rules(CompiledSchema);

impl std::fmt::Debug for Rules {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Rules")
    }
}

thread_local! {
    // Registering CEL's functions costs more than most evaluations, and the registry cannot be
    // shared between threads.
    static VALIDATOR: Validator = Validator::new();
}

impl Rules {
    pub(crate) fn compile(schema: &Value) -> Self {
        Self(compile_schema(schema))
    }

    /// What the rules have against `object`, which replaces `old` if there is one.
    pub(crate) fn check(&self, object: &Value, old: Option<&Value>) -> Vec<Cause> {
        let found = VALIDATOR.with(|validator| validator.validate_compiled(&self.0, object, old));
        let Err(errors) = found else {
            return Vec::new();
        };
        errors
            .into_vec()
            .into_iter()
            .map(|error| {
                let shown = shown_type(lookup(object, &error.field_path));
                let detail = match error.kind {
                    ErrorKind::ValidationFailure => error.message,
                    _ => format!("rule evaluation error: {}", error.message),
                };
                Cause {
                    reason: "FieldValueInvalid",
                    field: error.field_path,
                    message: format!("Invalid value: {shown}: {detail}"),
                }
            })
            .collect()
    }
}

/// A rule's error shows the type of a value instead of the value.
fn shown_type(value: Option<&Value>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| format!("\"{}\"", type_of(value)))
}

fn lookup<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut at = object;
    for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
        at = match part.strip_suffix(']') {
            Some(index) => at.get(index.parse::<usize>().ok()?)?,
            None => at.get(part)?,
        };
    }
    Some(at)
}
