//! Kelos' `TaskSpawner`.
//!
//! What triggers a spawner is spelled alike in axon.io; only the template of its Tasks is not.

use serde_json::Value;

use super::fields::{Fields, Target};
use super::kelos::run_fields;
use super::notes::Notes;

/// Fields of a spawner that stay as they are.
const SPAWNER_FIELDS: &[&str] = &[
    "when",
    "pollInterval",
    "maxConcurrency",
    "maxTotalTasks",
    "suspend",
    "credentials",
];

/// Fields of the template beside those of a Task.
const TEMPLATE_FIELDS: &[&str] = &["promptTemplate", "nameTemplate", "metadata", "contextSources"];

pub(super) fn spawner(mut spec: Fields, notes: &mut Notes) -> Target {
    let mut target = Target::default();
    target.keep(&mut spec, SPAWNER_FIELDS);
    if let Some(mut template) = spec.inner("taskTemplate", notes) {
        let mut tasks = Target::default();
        tasks.keep(&mut template, TEMPLATE_FIELDS);
        run_fields(&mut tasks, &mut template, notes);
        template.finish(notes);
        target.put("taskTemplate", Some(Value::from(tasks)));
    }
    spec.finish(notes);
    target
}
