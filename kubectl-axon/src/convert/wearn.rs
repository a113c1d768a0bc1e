//! The agent-operator of `agents.wearn.dev/v1alpha1`.

use serde_json::{Value, json};

use super::fields::{Fields, Target, object};
use super::metadata;
use super::notes::Notes;
use super::surroundings::Surroundings;
use super::wearn_parts::{self as parts, Owner};

/// The API group.
pub(super) const GROUP: &str = "agents.wearn.dev";

/// What that system does when a task does not say otherwise.
const DEFAULT_BRANCH: &str = "main";
const DEFAULT_MAX_RETRIES: i64 = 3;
const DEFAULT_STEP_TIMEOUT: &str = "30m";

/// The steps: their name in axon.io, that of their fields there, their model for Claude, and their
/// turns.
const STEPS: &[(&str, &str, &str, i64)] = &[
    ("plan", "plan", "sonnet", 15),
    ("implement", "implement", "sonnet", 50),
    ("test", "test", "haiku", 8),
    ("pullRequest", "pullRequest", "haiku", 3),
];

/// Converts one object of that system.
pub(super) fn convert(document: Value, surroundings: &Surroundings, notes: &mut Notes) -> Vec<Value> {
    let kind = document["kind"].as_str().unwrap_or_default().to_owned();
    let namespace = metadata::namespace(&document).to_owned();
    let name = metadata::name(&document).to_owned();
    let mut document = Fields::of("", document, notes);
    document.take("apiVersion");
    document.take("kind");
    let metadata = document.take("metadata").unwrap_or_else(|| json!({}));
    let spec = Fields::of("spec", document.take("spec").unwrap_or_default(), notes);
    document.finish(notes);
    let mut owner = Owner {
        name,
        namespace,
        surroundings,
        secrets: Vec::new(),
    };
    let converted = match kind.as_str() {
        "CodingTask" => object("TaskPipeline", &metadata, pipeline(spec, &mut owner, notes)),
        "AgentRun" => object("Task", &metadata, run(spec, &mut owner, notes)),
        _ => {
            notes.lost(
                "kind",
                format!("axon.io has no kind for a {kind} of {GROUP}; it is left out"),
            );
            return Vec::new();
        }
    };
    let mut objects = owner.secrets;
    objects.push(converted);
    objects
}

/// The name of the `CodingTask` that made a run.
pub(super) fn task_that_made(object: &Value) -> Option<&str> {
    if super::group_of(object) != GROUP {
        return None;
    }
    object["metadata"]["ownerReferences"]
        .as_array()?
        .iter()
        .find(|owner| owner["kind"] == "CodingTask")?["name"]
        .as_str()
}

fn pipeline(mut spec: Fields, owner: &mut Owner, notes: &mut Notes) -> Target {
    let mut target = Target::default();
    target.keep(&mut spec, &["prompt"]);
    if let Some(source) = spec.inner("source", notes) {
        target.put("source", Some(source_of(source, notes)));
    }
    let (workspace, branch) = repository(&mut spec, owner, notes);
    target.put("workspace", workspace);
    let branch = branch.unwrap_or_else(|| {
        let branch = format!("ai/{}", owner.name);
        written_out(notes, "spec.repository.workBranch", &format!("branch {branch}"));
        branch
    });
    target.put("branch", Some(branch));
    let agent = parts::provider(&mut target, &mut spec, notes);
    target.put("steps", Some(steps(&mut spec, &agent, notes)));
    parts::image(&mut target, &mut spec, "agentImage", notes);
    let retries = spec.take("maxRetries");
    if retries.is_none() {
        written_out(
            notes,
            "spec.maxRetries",
            &format!("maxRetries {DEFAULT_MAX_RETRIES}"),
        );
    }
    target.put(
        "maxRetries",
        Some(retries.unwrap_or_else(|| json!(DEFAULT_MAX_RETRIES))),
    );
    target.put("stepTimeout", Some(timeout(&mut spec, "stepTimeout", notes)));
    target.put("podOverrides", Some(parts::pod(&mut spec, notes)));
    spec.finish(notes);
    target
}

fn written_out(notes: &mut Notes, path: &str, what: &str) {
    notes.changed(path, format!("{what} is written out, the default of {GROUP}"));
}

fn timeout(spec: &mut Fields, name: &str, notes: &mut Notes) -> String {
    let given = spec.text(name, notes);
    given.unwrap_or_else(|| {
        written_out(notes, &spec.path(name), &format!("{name} {DEFAULT_STEP_TIMEOUT}"));
        DEFAULT_STEP_TIMEOUT.to_owned()
    })
}

/// A source has what its type asks for, and nothing else.
fn source_of(mut source: Fields, notes: &mut Notes) -> Value {
    let mut target = Target::default();
    let kind = source.text("type", notes);
    let is_issue = kind.as_deref() == Some("github-issue");
    target.put("type", kind);
    for (name, belongs) in [("github", is_issue), ("chat", !is_issue)] {
        let path = source.path(name);
        match source.take(name) {
            Some(value) if belongs => target.put(name, Some(value)),
            Some(_) => notes.lost(path, "the source is of another type"),
            None => {}
        }
    }
    source.finish(notes);
    target.into()
}

/// The workspace, and the branch to work on when it is named.
fn repository(spec: &mut Fields, owner: &mut Owner, notes: &mut Notes) -> (Option<Value>, Option<String>) {
    let Some(mut repository) = spec.inner("repository", notes) else {
        return (None, None);
    };
    let mut target = Target::default();
    target.put("repo", repository.text("url", notes));
    let base = repository.text("branch", notes).unwrap_or_else(|| {
        written_out(
            notes,
            "spec.repository.branch",
            &format!("workspace.ref {DEFAULT_BRANCH}"),
        );
        DEFAULT_BRANCH.to_owned()
    });
    target.put("ref", Some(base));
    let branch = repository.text("workBranch", notes);
    repository.finish(notes);
    target.put("secretRef", parts::git_secret(spec, owner, notes));
    (Some(target.into()), branch)
}

/// All four steps, each with its model and turns.
fn steps(spec: &mut Fields, agent: &str, notes: &mut Notes) -> Vec<Value> {
    let mut model = spec.inner("model", notes);
    let mut text = |name: &str, notes: &mut Notes| model.as_mut().and_then(|model| model.text(name, notes));
    let default = text("default", notes);
    let models: Vec<Option<String>> = STEPS.iter().map(|(_, field, ..)| text(field, notes)).collect();
    let mut take = |name: &str| model.as_mut().and_then(|model| model.take(name));
    let turns = take("maxTurns");
    let turns: Vec<Option<Value>> = STEPS
        .iter()
        .map(|(_, field, ..)| take(&format!("{field}MaxTurns")).or_else(|| turns.clone()))
        .collect();
    if let Some(model) = model {
        model.finish(notes);
    }
    if default.is_none() && models.iter().all(Option::is_none) && agent == parts::CLAUDE {
        written_out(notes, "spec.model", "the model of each step");
    }
    if turns.iter().all(Option::is_none) {
        written_out(notes, "spec.model.maxTurns", "maxTurns of each step");
    }
    STEPS
        .iter()
        .zip(models)
        .zip(turns)
        .map(|(((name, _, claude, limit), model), turns)| {
            let mut step = Target::default();
            step.put("name", Some(*name));
            let own = (agent == parts::CLAUDE).then(|| (*claude).to_owned());
            step.put("model", model.or_else(|| default.clone()).or(own));
            step.put("maxTurns", Some(turns.unwrap_or_else(|| json!(limit))));
            step.into()
        })
        .collect()
}

/// One step on its own is one Task.
fn run(mut spec: Fields, owner: &mut Owner, notes: &mut Notes) -> Target {
    let mut target = Target::default();
    let task = spec.reference("taskRef", notes);
    let task = task
        .as_ref()
        .and_then(|reference| reference["name"].as_str())
        .map(str::to_owned);
    let step = spec.text("step", notes).unwrap_or_default();
    notes.changed(
        "spec.step",
        format!("a Task has no steps: the prompt of step `{step}` is run as it is"),
    );
    if let Some(prompt) = spec.text("prompt", notes) {
        let prompt = match spec.text("context", notes) {
            Some(context) => format!("{prompt}\n\nContext from previous steps:\n{context}"),
            None => prompt,
        };
        target.put("prompt", Some(prompt));
    }
    let (workspace, branch) = repository(&mut spec, owner, notes);
    target.put("workspace", workspace);
    // The first step looks at the base branch; all others work on the task's.
    if step != "plan" {
        let branch = branch.or_else(|| {
            let branch = format!("ai/{}", task.as_ref()?);
            written_out(notes, "spec.repository.workBranch", &format!("branch {branch}"));
            Some(branch)
        });
        target.put("branch", branch);
    }
    parts::provider(&mut target, &mut spec, notes);
    target.keep(&mut spec, &["model"]);
    if let Some(turns) = spec.take("maxTurns") {
        target.put("limits", Some(json!({ "turns": turns })));
    }
    parts::image(&mut target, &mut spec, "image", notes);
    target.put("timeout", Some(timeout(&mut spec, "timeout", notes)));
    target.put("podOverrides", Some(parts::pod(&mut spec, notes)));
    spec.finish(notes);
    target
}
