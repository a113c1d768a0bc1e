//! The description of a Task.

use axon_api::{Phase, Task, TaskStatus};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::credentials_word;
use super::page::Page;
use super::why::{Surroundings, sentence};
use crate::progress::duration;
use crate::verbs::get::columns::agent_type;

pub(super) fn text(task: &Task, around: &Surroundings, now: Timestamp) -> String {
    let status = task.status.clone().unwrap_or_default();
    let mut page = Page::beginning_with(&sentence(task, around, now));
    page.head(&task.metadata);
    spec(&mut page, task);
    progress(&mut page, task, &status, now);
    settings(&mut page, task, &status);
    dependencies(&mut page, task, &status, around);
    page.conditions(&status.conditions, now);
    let results: Vec<Vec<String>> = status
        .results
        .iter()
        .map(|(key, value)| vec![key.clone(), value.clone()])
        .collect();
    page.table("Results", &["KEY", "VALUE"], &results);
    usage(&mut page, &status);
    page.events(&around.events, now);
    page.0
}

fn spec(page: &mut Page, task: &Task) {
    let spec = &task.spec;
    page.line("Type", agent_type(task));
    page.line("Prompt", crate::text::cut(&spec.prompt, 2000));
    page.line_if(
        "Workspace",
        spec.workspace_ref.as_ref().map(|workspace| &workspace.name),
    );
    if let Some(workspace) = &spec.workspace {
        page.line("Repository", &workspace.repo);
        page.line_if("Ref", workspace.ref_.as_ref());
    }
    let configs: Vec<&str> = spec
        .agent_config_ref
        .iter()
        .chain(&spec.agent_config_refs)
        .map(|config| config.name.as_str())
        .collect();
    page.line_if("Agent Config", (!configs.is_empty()).then(|| configs.join(", ")));
    page.line_if("Branch", spec.branch.as_ref());
    page.line_if("Upstream", spec.upstream_repo.as_ref());
    page.line_if("Cancel", spec.cancel.map(|cancel| cancel.to_string()));
    page.line_if(
        "Retries",
        spec.retry
            .as_ref()
            .map(|retry| format!("at most {}", retry.limit)),
    );
    page.line_if(
        "TTL",
        spec.ttl_seconds_after_finished
            .map(|seconds| format!("{seconds}s")),
    );
    if let Some(limits) = &spec.limits {
        page.line_if(
            "Cost Limit",
            limits.cost_usd.as_ref().map(|cost| format!("${cost}")),
        );
        page.line_if("Token Limit", limits.tokens.map(|tokens| tokens.to_string()));
        page.line_if("Turn Limit", limits.turns.map(|turns| turns.to_string()));
    }
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

/// What the Task is run with, and where each value is from: its own spec, or elsewhere as the
/// operator has recorded it.
fn settings(page: &mut Page, task: &Task, status: &TaskStatus) {
    let spec = &task.spec;
    let credentials = spec.credentials.as_ref().map(|credentials| {
        let kind = credentials_word(credentials.type_);
        match &credentials.secret_ref {
            Some(secret) => format!("{kind} from Secret {}", secret.name),
            None => kind.to_owned(),
        }
    });
    let inline = spec.provider.as_ref().map(|provider| {
        provider
            .name
            .clone()
            .or_else(|| provider.base_url.clone())
            .unwrap_or_else(|| "inline".to_owned())
    });
    let own = [
        ("type", spec.type_.clone()),
        ("credentials", credentials),
        (
            "providerRef",
            spec.provider_ref.as_ref().map(|provider| provider.name.clone()),
        ),
        ("provider", inline),
        ("model", spec.model.clone()),
        ("effort", spec.effort.clone()),
        ("image", spec.image.clone()),
        ("timeout", spec.timeout.clone()),
        ("startTimeout", spec.start_timeout.clone()),
    ];
    let own = own
        .into_iter()
        .filter_map(|(field, value)| Some(vec![field.to_owned(), value?, "Task".to_owned()]));
    let inherited = status
        .effective
        .iter()
        .map(|setting| vec![setting.field.clone(), setting.value.clone(), setting.from.clone()]);
    page.table(
        "Settings",
        &["FIELD", "VALUE", "FROM"],
        &own.chain(inherited).collect::<Vec<_>>(),
    );
}

/// Each dependency, and what it has produced once it has succeeded. One that has succeeded counts
/// also when it is gone by now.
fn dependencies(page: &mut Page, task: &Task, status: &TaskStatus, around: &Surroundings) {
    let rows: Vec<Vec<String>> = task
        .spec
        .depends_on
        .iter()
        .map(|name| {
            let finished = status.dependencies.iter().find(|done| done.name == *name);
            let results: Vec<String> = finished
                .iter()
                .flat_map(|done| &done.results)
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            let seen = around
                .dependencies
                .iter()
                .find(|dependency| dependency.name_any() == *name);
            let standing = match (finished, seen) {
                (Some(_), _) => "Succeeded",
                (None, Some(task)) => task.phase().map_or("not looked at yet", Phase::as_str),
                (None, None) => "not found",
            };
            vec![name.clone(), standing.to_owned(), results.join(" ")]
        })
        .collect();
    page.table("Depends On", &["TASK", "STATE", "RESULTS"], &rows);
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_finished_task_is_described_whole() {
        let task: Task = serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "Task",
            "metadata": {"name": "t", "namespace": "n"},
            "spec": {
                "prompt": "line one\nline two", "workspaceRef": {"name": "w"}, "timeout": "1h",
                "agentConfigRefs": [{"name": "a"}, {"name": "b"}], "dependsOn": ["x", "y", "z"],
                "retry": {"limit": 2},
            },
            "status": {
                "phase": "Succeeded", "attempts": 1,
                "startTime": "2026-01-01T00:05:00Z", "completionTime": "2026-01-01T00:09:00Z",
                "conditions": [{"type": "Complete", "status": "True", "reason": "Succeeded", "message": "done", "lastTransitionTime": "2026-01-01T00:09:00Z"}],
                "effective": [{"field": "type", "value": "codex", "from": "TaskDefaults/default"}],
                "dependencies": [{"name": "x", "uid": "u", "results": {"branch": "b"}}],
                "results": {"branch": "b"},
                "usage": {"inputTokens": 10, "outputTokens": 2, "costUSD": "0.1"},
            },
        }))
        .expect("a task");
        let now = "2026-01-01T00:10:00Z".parse().expect("a time");
        let running: Task = serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "Task",
            "metadata": {"name": "y"}, "spec": {"prompt": "x"}, "status": {"phase": "Running"},
        }))
        .expect("a task");
        let around = Surroundings {
            dependencies: vec![running],
            ..Surroundings::default()
        };
        assert_eq!(
            text(&task, &around, now),
            "\
Task `t` has succeeded after 4m

Name:               t
Namespace:          n
Labels:             <none>
Annotations:        <none>
Type:               codex
Prompt:             line one
                    line two
Workspace:          w
Agent Config:       a, b
Retries:            at most 2
Phase:              Succeeded
Attempts:           1
Started:            2026-01-01T00:05:00Z
Completed:          2026-01-01T00:09:00Z
Duration:           4m
Settings:
  FIELD     VALUE   FROM
  timeout   1h      Task
  type      codex   TaskDefaults/default
Depends On:
  TASK   STATE       RESULTS
  x      Succeeded   branch=b
  y      Running     -
  z      not found   -
Conditions:
  TYPE       STATUS   SINCE   REASON      MESSAGE
  Complete   True     60s     Succeeded   done
Results:
  KEY      VALUE
  branch   b
Usage:              10 input tokens (0 from the cache, 0 to it), 2 output tokens
Cost:               $0.1
Events:             <none>
"
        );
    }
}
