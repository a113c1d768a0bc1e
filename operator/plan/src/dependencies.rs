//! Whether the Tasks on which a Task depends have succeeded, and what they produced.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use axon_api::kinds::task::FinishedDependency;
use axon_api::{Phase, Task, TaskStatus};
use serde_json::{Map, Value, json};

use crate::observed::{DependencyTask, Observed};
use crate::requirements::{Blocked, forever, namespace, waiting};
use crate::results;
use crate::template::{self, TemplateError};

/// How many Tasks [`find_cycle`] looks at before it takes a circle for not there.
const MAX_VISITED: usize = 100_000;

/// Bytes that all outputs and results of dependencies may have in a status.
const PRODUCED_BYTES: usize = 4096;
/// Bytes that their names and UIDs may have: enough for 64 names of 20 characters.
const NAMES_BYTES: usize = 64 * (20 + 36 + 50);

/// The names of the Tasks that must yet succeed before this one starts: none for a Task that has
/// succeeded, and none of those that its status records. It is what [`find_cycle`] walks along.
pub fn open(task: &Task) -> Vec<String> {
    if task.phase() == Some(Phase::Succeeded) {
        return Vec::new();
    }
    let names = task.spec.depends_on.iter();
    names
        .filter(|name| !is_recorded(task.status.as_ref(), name))
        .cloned()
        .collect()
}

/// The circle of dependencies that leads from the Task `name` back to it, itself first and last.
/// `depends_on` gives the [`open`] dependencies of a Task, and `None` for one that is not there.
/// Each Task is asked for once.
pub fn find_cycle(name: &str, depends_on: impl Fn(&str) -> Option<Vec<String>>) -> Option<Vec<String>> {
    let mut visited = BTreeSet::from([name.to_owned()]);
    let mut path = vec![(name.to_owned(), depends_on(name)?.into_iter())];
    while let Some((_, rest)) = path.last_mut() {
        let Some(next) = rest.next() else {
            path.pop();
            continue;
        };
        if next == name {
            let circle = path.into_iter().map(|(name, _)| name);
            return Some(circle.chain([next]).collect());
        }
        if visited.len() >= MAX_VISITED || !visited.insert(next.clone()) {
            continue;
        }
        if let Some(names) = depends_on(&next) {
            path.push((next, names.into_iter()));
        }
    }
    None
}

/// The dependencies that have succeeded: those that the status records already, and those that are
/// seen to have. What they produced is cut to [`PRODUCED_BYTES`] together, in equal shares, and a
/// name for which there is no room is not recorded.
pub(crate) fn record(observed: &Observed<'_>) -> Vec<FinishedDependency> {
    let task = observed.task;
    let before = task
        .status
        .as_ref()
        .map(|status| status.dependencies.as_slice())
        .unwrap_or_default();
    let mut all = before.to_vec();
    let mut left = NAMES_BYTES.saturating_sub(all.iter().map(|old| name_bytes(&old.name, &old.uid)).sum());
    let share = PRODUCED_BYTES / task.spec.depends_on.len().max(1);
    for name in &task.spec.depends_on {
        let Some(seen) = seen(observed, name).filter(|seen| seen.phase == Some(Phase::Succeeded)) else {
            continue;
        };
        if all.iter().any(|known| known.name == *name) {
            continue;
        }
        let Some(rest) = left.checked_sub(name_bytes(name, &seen.uid)) else {
            continue;
        };
        left = rest;
        let (outputs, results) = results::share(&seen.outputs, &seen.results, share);
        all.push(FinishedDependency {
            name: name.clone(),
            uid: seen.uid.clone(),
            outputs,
            results,
        });
    }
    all
}

/// The bytes that a recorded dependency takes in the status, but for what it produced.
fn name_bytes(name: &str, uid: &str) -> usize {
    name.len() + uid.len() + r#"{"name":"","uid":"","outputs":[],"results":{}},"#.len()
}

/// Tells the first dependency that keeps the Task from starting; one that has failed comes before
/// one that has not ended.
pub(crate) fn check(observed: &Observed<'_>) -> Result<(), Blocked> {
    let task = observed.task;
    let own = task.metadata.name.as_deref().unwrap_or_default();
    if task.spec.depends_on.iter().any(|name| name == own) {
        return Err(forever(
            "DependencyCycle",
            format!("Task `{own}` depends on itself"),
        ));
    }
    if let Some(circle) = observed.dependency_cycle {
        return Err(forever(
            "DependencyCycle",
            format!(
                "the Tasks wait for one another in a circle: {}",
                circle.join(" -> ")
            ),
        ));
    }
    if !task.spec.depends_on.is_empty() {
        // A mistake that can be seen at once is not told only when all have succeeded.
        template::parse(&task.spec.prompt).map_err(|error| invalid_template(&error))?;
    }
    let mut unfinished = None;
    for name in &task.spec.depends_on {
        if is_recorded(task.status.as_ref(), name) {
            continue;
        }
        let phase = seen(observed, name).map(|task| task.phase);
        match phase {
            Some(Some(Phase::Succeeded)) => {}
            Some(Some(phase)) if phase.is_final() => {
                return Err(forever(
                    "DependencyFailed",
                    format!("Task `{name}`, on which this one depends, ended as {phase}"),
                ));
            }
            Some(_) => {
                unfinished.get_or_insert_with(|| {
                    waiting(
                        "DependencyNotFinished",
                        format!("waits for Task `{name}` to succeed"),
                    )
                });
            }
            None => {
                unfinished.get_or_insert_with(|| {
                    waiting(
                        "DependencyNotFound",
                        format!(
                            "waits for Task `{name}`, which does not exist in namespace `{}`",
                            namespace(observed)
                        ),
                    )
                });
            }
        }
    }
    unfinished.map_or(Ok(()), Err)
}

/// The prompt that is run. With dependencies it is a template for what they produced.
pub(crate) fn prompt<'a>(observed: &'a Observed<'_>) -> Result<Cow<'a, str>, Blocked> {
    let spec = &observed.task.spec;
    if spec.depends_on.is_empty() {
        return Ok(Cow::Borrowed(&spec.prompt));
    }
    let prompt = template::render(&spec.prompt, &data(observed)).map_err(|error| invalid_template(&error))?;
    if prompt.trim().is_empty() {
        return Err(forever(
            "PromptTemplateInvalid",
            "the prompt is empty once it is rendered".to_owned(),
        ));
    }
    Ok(Cow::Owned(prompt))
}

fn invalid_template(error: &TemplateError) -> Blocked {
    forever(
        "PromptTemplateInvalid",
        format!("the prompt cannot be rendered: {error}"),
    )
}

/// What a prompt may use: `.Deps`, by the names of the Tasks.
fn data(observed: &Observed<'_>) -> Value {
    let names = observed.task.spec.depends_on.iter();
    let dependencies: Map<String, Value> = names
        .filter_map(|name| {
            let (outputs, results) = produced(observed, name)?;
            let entry = json!({ "Name": name, "Outputs": outputs, "Results": results });
            Some((name.clone(), entry))
        })
        .collect();
    json!({ "Deps": dependencies })
}

/// What a dependency produced: as it is told by the Task itself, unless that is gone or another one
/// by now, and only what was recorded of it is known.
fn produced<'a>(
    observed: &'a Observed<'_>,
    name: &str,
) -> Option<(&'a [String], &'a BTreeMap<String, String>)> {
    let recorded = observed
        .task
        .status
        .as_ref()
        .and_then(|status| recorded(status, name));
    let seen = seen(observed, name).filter(|seen| {
        seen.phase == Some(Phase::Succeeded) && recorded.is_none_or(|recorded| recorded.uid == seen.uid)
    });
    match (seen, recorded) {
        (Some(seen), _) => Some((&seen.outputs, &seen.results)),
        (None, Some(recorded)) => Some((&recorded.outputs, &recorded.results)),
        (None, None) => None,
    }
}

fn is_recorded(status: Option<&TaskStatus>, name: &str) -> bool {
    status.is_some_and(|status| recorded(status, name).is_some())
}

fn recorded<'a>(status: &'a TaskStatus, name: &str) -> Option<&'a FinishedDependency> {
    let recorded = status.dependencies.iter();
    recorded.into_iter().find(|dependency| dependency.name == name)
}

fn seen<'a>(observed: &'a Observed<'_>, name: &str) -> Option<&'a DependencyTask> {
    let mut dependencies = observed.dependencies.iter();
    let dependency = dependencies.find(|dependency| dependency.name == name)?;
    dependency.task.as_ref()
}
