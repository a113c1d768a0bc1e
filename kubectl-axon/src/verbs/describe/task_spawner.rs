//! The description of a `TaskSpawner`: why it makes no Tasks, its source, and its latest Tasks.

use axon_api::{SpawnerPhase, Task, TaskSpawner};
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;

use super::page::Page;
use crate::text::{cut, without_hints};
use crate::{ages, invocation};

/// How many of its Tasks are shown.
const TASKS: usize = 10;

pub(super) fn text(spawner: &TaskSpawner, tasks: &[Task], events: &[Event], now: Timestamp) -> String {
    let status = spawner.status.clone().unwrap_or_default();
    let mut page = Page::beginning_with(&sentence(spawner));
    page.head(&spawner.metadata);
    source(&mut page, spawner);
    template(&mut page, spawner);
    let count = |number: Option<i64>| number.map(|number| number.to_string());
    page.line_if("Poll Interval", spawner.spec.poll_interval.as_ref());
    page.line_if(
        "Max Concurrency",
        spawner.spec.max_concurrency.map(|number| number.to_string()),
    );
    page.line_if(
        "Max Total Tasks",
        spawner.spec.max_total_tasks.map(|number| number.to_string()),
    );
    page.line_if("Phase", status.phase.map(|phase| phase.to_string()));
    page.line_if("Message", status.message.as_ref());
    page.line_if("Discovered", count(status.total_discovered));
    page.line_if("Waiting", count(status.waiting_items));
    page.line_if("Active Tasks", count(status.active_tasks));
    page.line_if("Tasks Created", count(status.total_tasks_created));
    page.line_if("Missed Ticks", count(status.missed_ticks));
    let last = status.last_discovery_time.as_ref();
    page.line_if(
        "Last Discovery",
        last.map(|time| format!("{} ago", ages::between(time.0, now))),
    );
    let next = status.next_schedule_time.as_ref();
    page.line_if("Next Tick", next.map(|time| time.0.to_string()));
    latest(&mut page, tasks, now);
    page.conditions(&status.conditions, now);
    page.events(events, now);
    page.0
}

/// How it stands with the spawner, and why it makes no Tasks.
fn sentence(spawner: &TaskSpawner) -> String {
    let name = spawner.name_any();
    let Some(status) = &spawner.status else {
        return format!("Spawner `{name}` is not looked at yet: no operator has seen it.");
    };
    let message = without_hints(status.message.as_deref().unwrap_or_default()).0;
    let wrong = status
        .conditions
        .iter()
        .find(|condition| matches!(&*condition.type_, "Supported" | "Ready") && condition.status == "False");
    let is_spent = status
        .conditions
        .iter()
        .any(|condition| condition.type_ == "MaxTotalTasksReached" && condition.status == "True");
    match status.phase {
        Some(SpawnerPhase::Suspended) => format!(
            "Spawner `{name}` is suspended: {}",
            invocation::command(&format!("resume taskspawner {name}"))
        ),
        Some(SpawnerPhase::Failed) => {
            let why = wrong.map_or(message, |condition| without_hints(&condition.message).0);
            format!("Spawner `{name}` makes no tasks: {why}")
        }
        _ if is_spent => format!("Spawner `{name}` makes no more tasks: it has made all of maxTotalTasks."),
        None | Some(SpawnerPhase::Pending) => {
            format!("Spawner `{name}` has not heard from its source yet.")
        }
        Some(SpawnerPhase::Running) if message.is_empty() => format!("Spawner `{name}` is running."),
        Some(SpawnerPhase::Running) => format!("Spawner `{name}` is running: {message}"),
    }
}

/// The source with its settings, as they are spelled in the object.
fn source(page: &mut Page, spawner: &TaskSpawner) {
    let when = &spawner.spec.when;
    page.line("Source", when.source().unwrap_or("<none>"));
    let Ok(Value::Object(sources)) = serde_json::to_value(when) else {
        return;
    };
    let settings = sources.into_iter().filter_map(|(_, source)| match source {
        Value::Object(settings) => Some(settings),
        _ => None,
    });
    page.list(
        "Settings",
        settings.flatten().map(|(name, value)| {
            let value = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            format!("{name}: {value}")
        }),
    );
}

fn template(page: &mut Page, spawner: &TaskSpawner) {
    let template = &spawner.spec.task_template;
    page.line_if("Type", template.type_.as_ref());
    page.line_if("Model", template.model.as_ref());
    page.line_if(
        "Workspace",
        template.workspace_ref.as_ref().map(|workspace| &workspace.name),
    );
    page.line_if(
        "Repository",
        template.workspace.as_ref().map(|workspace| &workspace.repo),
    );
    page.line_if("Branch", template.branch.as_ref());
    page.line_if(
        "Prompt",
        template.prompt_template.as_ref().map(|prompt| cut(prompt, 2000)),
    );
}

fn latest(page: &mut Page, tasks: &[Task], now: Timestamp) {
    let shown = &tasks[tasks.len().saturating_sub(TASKS)..];
    let rows: Vec<Vec<String>> = shown
        .iter()
        .map(|task| {
            let item = task.annotations().get(axon_api::labels::ITEM);
            let age = task.creation_timestamp();
            vec![
                task.name_any(),
                item.cloned().unwrap_or_default(),
                task.phase().map(|phase| phase.to_string()).unwrap_or_default(),
                age.map(|age| ages::between(age.0, now)).unwrap_or_default(),
            ]
        })
        .collect();
    page.table("Latest Tasks", &["NAME", "ITEM", "PHASE", "AGE"], &rows);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spawner(status: &Value) -> TaskSpawner {
        serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "TaskSpawner",
            "metadata": {"name": "fix-bugs", "namespace": "n"},
            "spec": {
                "when": {"githubIssues": {"labels": ["bug"], "state": "open"}},
                "taskTemplate": {"type": "shell", "promptTemplate": "true", "workspaceRef": {"name": "w"}},
                "maxConcurrency": 3,
            },
            "status": status,
        }))
        .expect("a spawner")
    }

    fn now() -> Timestamp {
        "2026-01-01T00:10:00Z".parse().expect("a time")
    }

    #[test]
    fn the_first_sentence_says_why_no_tasks_are_made() {
        let failed = json!({"phase": "Failed", "conditions": [{
            "type": "Ready", "status": "False", "reason": "RepositoryNotFound",
            "message": "repository `a/b` not found", "lastTransitionTime": "2026-01-01T00:09:00Z",
        }]});
        for (status, says) in [
            (
                failed,
                "Spawner `fix-bugs` makes no tasks: repository `a/b` not found",
            ),
            (
                json!({"phase": "Running", "message": "3 wait"}),
                "Spawner `fix-bugs` is running: 3 wait",
            ),
            (
                json!(null),
                "Spawner `fix-bugs` is not looked at yet: no operator has seen it.",
            ),
        ] {
            assert_eq!(sentence(&spawner(&status)), says);
        }
        assert!(sentence(&spawner(&json!({"phase": "Suspended"}))).contains("resume taskspawner fix-bugs"));
    }

    #[test]
    fn source_and_tasks_are_shown_as_they_are_spelled() {
        let task: Task = serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "Task",
            "metadata": {
                "name": "fix-bugs-42", "creationTimestamp": "2026-01-01T00:05:00Z",
                "annotations": {"axon.io/item": "issue-42"},
            },
            "spec": {"prompt": "p"}, "status": {"phase": "Running"},
        }))
        .expect("a task");
        let page = text(
            &spawner(&json!({"phase": "Running", "activeTasks": 1})),
            &[task],
            &[],
            now(),
        );
        for line in [
            "Source:             githubIssues",
            "Settings:           labels: [\"bug\"]",
            "                    state: open",
            "Max Concurrency:    3",
            "Active Tasks:       1",
            "  fix-bugs-42   issue-42   Running   5m",
        ] {
            assert!(page.lines().any(|other| other == line), "no `{line}` in\n{page}");
        }
    }
}
