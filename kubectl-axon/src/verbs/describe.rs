//! `describe`: all that is known of a Task or a Workspace, for people.

use std::fmt::Write as _;

use axon_api::kinds::task::CredentialsType;
use axon_api::{Phase, Task, TaskStatus, Workspace};
use clap::Args;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::log::follow;
use crate::progress::duration;
use crate::resources::{Kind, targets};
use crate::table::Table;
use crate::text::{printable, without_hints};
use crate::{ages, complete, invocation, output};

/// Show all that is known of a task or workspace
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon describe my-task
  kubectl axon describe workspace my-workspace")]
pub(crate) struct DescribeArgs {
    /// `task` or `workspace`, and names; names alone are tasks
    #[arg(value_name = "KIND | NAME", required = true, add = complete::targets())]
    words: Vec<String>,
}

pub(crate) fn describe(context: &Context, args: &DescribeArgs) -> Result<Exit> {
    let targets = targets(&args.words)?;
    if targets.names.is_empty() {
        return Err(
            Failure::new(format!("no {} named", targets.kind.singular())).hint(format!(
                "{} lists them",
                invocation::command(&format!("get {}", targets.kind.plural()))
            )),
        );
    }
    cluster::block_on(async {
        let cluster = cluster::connect(context).await?;
        let mut texts = Vec::new();
        for name in &targets.names {
            texts.push(match targets.kind {
                Kind::Task => {
                    let task = follow::task(&cluster, name).await?;
                    let events = events(&cluster, &task).await;
                    task_text(&task, &events, Timestamp::now())
                }
                Kind::Workspace | Kind::Secret => workspace_text(&workspace(&cluster, name).await?),
            });
        }
        output::print(texts.join("\n\n"))?;
        Ok(Exit::Success)
    })
}

async fn workspace(cluster: &Cluster, name: &str) -> Result<Workspace> {
    let api: Api<Workspace> = cluster.api();
    let found = api
        .get_opt(name)
        .await
        .map_err(|error| Failure::api(&format!("get workspace `{name}`"), &error))?;
    found.ok_or_else(|| {
        Failure::new(format!(
            "workspace `{name}` not found in namespace `{}`",
            cluster.namespace
        ))
    })
}

/// The Task's events, oldest first. That they cannot be read hides nothing else.
async fn events(cluster: &Cluster, task: &Task) -> Vec<Event> {
    let api: Api<Event> = cluster.api();
    let selector = format!("involvedObject.uid={}", task.uid().unwrap_or_default());
    let Ok(found) = api.list(&ListParams::default().fields(&selector)).await else {
        return Vec::new();
    };
    let mut events = found.items;
    events.sort_by_key(last_seen);
    events
}

fn last_seen(event: &Event) -> Option<Timestamp> {
    event
        .last_timestamp
        .as_ref()
        .map(|time| time.0)
        .or(event.event_time.as_ref().map(|time| time.0))
        .or(event.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

/// Lines `Label:   value`, in sections.
#[derive(Default)]
struct Page(String);

/// The column at which values begin.
const VALUES: usize = 20;

impl Page {
    fn line(&mut self, label: &str, value: impl AsRef<str>) {
        let value = printable(value.as_ref());
        let mut lines = value.lines();
        let _ = writeln!(
            self.0,
            "{:VALUES$}{}",
            format!("{label}:"),
            lines.next().unwrap_or_default()
        );
        for line in lines {
            let _ = writeln!(self.0, "{:VALUES$}{line}", "");
        }
    }

    fn line_if(&mut self, label: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.line(label, value);
        }
    }

    fn table(&mut self, title: &str, headers: &[&str], rows: &[Vec<String>]) {
        if rows.is_empty() {
            return;
        }
        let _ = writeln!(self.0, "{title}:");
        for line in Table::new(headers).with_header(rows).lines() {
            let _ = writeln!(self.0, "  {line}");
        }
    }
}

fn task_text(task: &Task, events: &[Event], now: Timestamp) -> String {
    let status = task.status.clone().unwrap_or_default();
    let mut page = Page(format!("{}\n\n", printable(&sentence(task, now))));
    head(&mut page, task);
    spec(&mut page, task);
    progress(&mut page, task, &status, now);
    let conditions: Vec<Vec<String>> = status
        .conditions
        .iter()
        .map(|condition| {
            vec![
                condition.type_.clone(),
                condition.status.clone(),
                ages::between(condition.last_transition_time.0, now),
                condition.reason.clone(),
                condition.message.clone(),
            ]
        })
        .collect();
    page.table(
        "Conditions",
        &["TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"],
        &conditions,
    );
    let results: Vec<Vec<String>> = status
        .results
        .iter()
        .map(|(key, value)| vec![key.clone(), value.clone()])
        .collect();
    page.table("Results", &["KEY", "VALUE"], &results);
    usage(&mut page, &status);
    let rows: Vec<Vec<String>> = events.iter().map(|event| event_row(event, now)).collect();
    page.table("Events", &["TYPE", "REASON", "AGE", "FROM", "MESSAGE"], &rows);
    if rows.is_empty() {
        page.line("Events", "<none>");
    }
    page.0
}

/// How it stands with the Task, and why it does not run if it does not.
fn sentence(task: &Task, now: Timestamp) -> String {
    let name = task.name_any();
    let status = task.status.clone().unwrap_or_default();
    let message = without_hints(status.message.as_deref().unwrap_or_default()).0;
    let because = if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    };
    let time = duration(task, now);
    match status.phase {
        None => format!("Task `{name}` is not looked at yet: no operator has seen it."),
        Some(Phase::Pending) => format!("Task `{name}` does not run yet{because}"),
        Some(Phase::Waiting) => format!("Task `{name}` does not run yet, it waits{because}"),
        Some(Phase::Running) => format!("Task `{name}` has been running for {time}{because}"),
        Some(Phase::Succeeded) => format!("Task `{name}` has succeeded after {time}{because}"),
        Some(Phase::Failed) if time.is_empty() => format!("Task `{name}` has failed before it ran{because}"),
        Some(Phase::Failed) => format!("Task `{name}` has failed after {time}{because}"),
        Some(Phase::TimedOut) => format!("Task `{name}` ran out of time after {time}{because}"),
        Some(Phase::Cancelled) => format!("Task `{name}` was cancelled{because}"),
    }
}

fn head(page: &mut Page, task: &Task) {
    page.line("Name", task.name_any());
    page.line("Namespace", task.namespace().unwrap_or_default());
    for (title, map) in [("Labels", task.labels()), ("Annotations", task.annotations())] {
        let lines: Vec<String> = map.iter().map(|(key, value)| format!("{key}={value}")).collect();
        page.line(
            title,
            if lines.is_empty() {
                "<none>".to_owned()
            } else {
                lines.join("\n")
            },
        );
    }
    page.line_if(
        "Created",
        task.metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0.to_string()),
    );
}

fn spec(page: &mut Page, task: &Task) {
    let spec = &task.spec;
    page.line("Type", spec.agent_type());
    page.line("Prompt", crate::text::cut(&spec.prompt, 2000));
    if let Some(credentials) = &spec.credentials {
        let kind = match credentials.type_ {
            CredentialsType::ApiKey => "api-key",
            CredentialsType::OAuth => "oauth",
            CredentialsType::None => "none",
        };
        page.line("Credential Type", kind);
        page.line_if(
            "Secret",
            credentials.secret_ref.as_ref().map(|secret| &secret.name),
        );
    }
    page.line_if("Model", spec.model.as_ref());
    page.line_if("Effort", spec.effort.as_ref());
    page.line_if("Image", spec.image.as_ref());
    page.line_if(
        "Workspace",
        spec.workspace_ref.as_ref().map(|workspace| &workspace.name),
    );
    if let Some(workspace) = &spec.workspace {
        page.line("Repository", &workspace.repo);
        page.line_if("Ref", workspace.ref_.as_ref());
    }
    page.line_if(
        "Agent Config",
        spec.agent_config_ref.as_ref().map(|config| &config.name),
    );
    page.line_if("Branch", spec.branch.as_ref());
    page.line_if("Upstream", spec.upstream_repo.as_ref());
    page.line_if(
        "Depends On",
        (!spec.depends_on.is_empty()).then(|| spec.depends_on.join(", ")),
    );
    page.line_if("Timeout", spec.timeout.as_ref());
    page.line_if("Cancel", spec.cancel.map(|cancel| cancel.to_string()));
    page.line_if(
        "TTL",
        spec.ttl_seconds_after_finished
            .map(|seconds| format!("{seconds}s")),
    );
}

fn progress(page: &mut Page, task: &Task, status: &TaskStatus, now: Timestamp) {
    page.line_if("Phase", status.phase.map(|phase| phase.to_string()));
    page.line_if("Reason", status.reason.as_ref());
    page.line_if("Message", status.message.as_ref());
    page.line_if("Attempts", status.attempts.map(|attempts| attempts.to_string()));
    page.line_if("Job", status.job_name.as_ref());
    page.line_if("Pod", status.pod_name.as_ref());
    page.line_if(
        "Started",
        status.start_time.as_ref().map(|time| time.0.to_string()),
    );
    page.line_if(
        "Completed",
        status.completion_time.as_ref().map(|time| time.0.to_string()),
    );
    page.line_if(
        "Duration",
        Some(duration(task, now)).filter(|text| !text.is_empty()),
    );
    page.line_if("Exit Code", status.exit_code.map(|code| code.to_string()));
}

fn usage(page: &mut Page, status: &TaskStatus) {
    let Some(usage) = &status.usage else {
        return;
    };
    page.line(
        "Usage",
        format!(
            "{} input tokens ({} from the cache, {} to it), {} output tokens",
            usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.output_tokens
        ),
    );
    page.line_if("Cost", usage.cost_usd.as_ref().map(|cost| format!("${cost}")));
}

fn event_row(event: &Event, now: Timestamp) -> Vec<String> {
    let from = event
        .reporting_component
        .clone()
        .filter(|from| !from.is_empty())
        .or_else(|| event.source.clone().and_then(|source| source.component));
    vec![
        event.type_.clone().unwrap_or_default(),
        event.reason.clone().unwrap_or_default(),
        last_seen(event)
            .map(|time| ages::between(time, now))
            .unwrap_or_default(),
        from.unwrap_or_default(),
        event.message.clone().unwrap_or_default(),
    ]
}

fn workspace_text(workspace: &Workspace) -> String {
    let mut page = Page::default();
    page.line("Name", workspace.name_any());
    page.line("Namespace", workspace.namespace().unwrap_or_default());
    page.line("Repository", &workspace.spec.repo);
    page.line_if("Ref", workspace.spec.ref_.as_ref());
    page.line_if(
        "Secret",
        workspace.spec.secret_ref.as_ref().map(|secret| &secret.name),
    );
    let files: Vec<String> = workspace
        .spec
        .files
        .iter()
        .map(|file| file.path.clone())
        .collect();
    page.line_if("Files", (!files.is_empty()).then(|| files.join("\n")));
    page.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn task(status: &Value) -> Task {
        serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "Task",
            "metadata": {"name": "t", "namespace": "n"},
            "spec": {"prompt": "line one\nline two", "type": "shell", "workspaceRef": {"name": "w"}},
            "status": status,
        }))
        .expect("a task")
    }

    fn now() -> Timestamp {
        "2026-01-01T00:10:00Z".parse().expect("a time")
    }

    #[test]
    fn the_first_sentence_says_why_a_task_does_not_run() {
        for (status, text) in [
            (
                json!({}),
                "Task `t` is not looked at yet: no operator has seen it.",
            ),
            (
                json!({"phase": "Waiting", "message": "workspace `w` not found"}),
                "Task `t` does not run yet, it waits: workspace `w` not found",
            ),
            (
                json!({"phase": "Running", "startTime": "2026-01-01T00:05:00Z"}),
                "Task `t` has been running for 5m",
            ),
            (
                json!({"phase": "Failed", "message": "image `x` cannot be pulled"}),
                "Task `t` has failed before it ran: image `x` cannot be pulled",
            ),
        ] {
            assert_eq!(sentence(&task(&status), now()), text);
        }
    }

    #[test]
    fn sections_appear_when_there_is_something_in_them() {
        let text = task_text(
            &task(&json!({
                "phase": "Succeeded",
                "conditions": [{"type": "Complete", "status": "True", "reason": "Succeeded", "message": "done", "lastTransitionTime": "2026-01-01T00:09:00Z"}],
                "results": {"branch": "b"},
                "usage": {"inputTokens": 10, "outputTokens": 2, "costUSD": "0.1"},
            })),
            &[],
            now(),
        );
        for line in [
            "Prompt:             line one\n                    line two\n",
            "Workspace:          w\n",
            "Conditions:\n  TYPE       STATUS   SINCE   REASON      MESSAGE\n  Complete   True     60s     Succeeded   done\n",
            "Results:\n  KEY      VALUE\n  branch   b\n",
            "Cost:               $0.1\n",
            "Events:             <none>\n",
        ] {
            assert!(text.contains(line), "{line:?} is missing in:\n{text}");
        }
        assert!(!text.contains("Model:"));
    }
}
