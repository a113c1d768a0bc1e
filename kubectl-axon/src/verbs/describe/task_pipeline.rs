//! The description of a `TaskPipeline`: its steps with their Tasks, and what awaits an approval.

use axon_api::TaskPipeline;
use axon_api::kinds::task_pipeline::{Decision, PipelinePhase, PipelineSource};
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::credentials_word;
use super::page::Page;
use crate::text::{cut, without_hints};
use crate::verbs::approve::phase_word;
use crate::{ages, invocation};

/// How much of the text that is to be approved is shown.
const TEXT_CHARACTERS: usize = 8000;

/// The Secret with the text that awaits an approval.
pub(super) fn awaited_secret(pipeline: &TaskPipeline) -> Option<String> {
    let status = pipeline.status.as_ref()?;
    if status.phase != Some(PipelinePhase::AwaitingApproval) {
        return None;
    }
    status
        .runs
        .iter()
        .rev()
        .find(|run| Some(&run.step) == status.current_step.as_ref())?
        .text_secret
        .clone()
}

/// `awaited` is the text of the step that awaits an approval.
pub(super) fn text(
    pipeline: &TaskPipeline,
    awaited: Option<&str>,
    events: &[Event],
    now: Timestamp,
) -> String {
    let status = pipeline.status.clone().unwrap_or_default();
    let mut page = Page::beginning_with(&sentence(pipeline));
    page.head(&pipeline.metadata);
    spec(&mut page, pipeline);
    page.line_if("Phase", status.phase.map(phase_word));
    page.line_if("Reason", status.reason.as_ref());
    page.line_if("Message", status.message.as_ref());
    page.line_if("Step", status.current_step.as_ref());
    page.line_if("Retries", status.retries.map(|retries| retries.to_string()));
    page.line_if("Branch", status.branch.as_ref().or(pipeline.spec.branch.as_ref()));
    page.line_if(
        "Pull Request",
        status.pull_request.as_ref().map(|request| &request.url),
    );
    let end = status.completion_time.as_ref().map_or(now, |end| end.0);
    page.line_if(
        "Duration",
        status
            .start_time
            .as_ref()
            .map(|start| ages::between(start.0, end)),
    );
    runs(&mut page, pipeline);
    approvals(&mut page, pipeline);
    page.conditions(&status.conditions, now);
    page.events(events, now);
    if let Some(text) = awaited {
        page.text("To Approve", &cut(text, TEXT_CHARACTERS));
    }
    page.0
}

/// How it stands with the pipeline, and what it waits for.
fn sentence(pipeline: &TaskPipeline) -> String {
    let name = pipeline.name_any();
    let status = pipeline.status.clone().unwrap_or_default();
    let message = without_hints(status.message.as_deref().unwrap_or_default()).0;
    let because = if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    };
    let step = status.current_step.as_deref().unwrap_or_default();
    match status.phase {
        None => format!("Pipeline `{name}` is not looked at yet: no operator has seen it."),
        Some(PipelinePhase::AwaitingApproval) => format!(
            "Pipeline `{name}` waits for a person to approve step `{step}`: {}, or {}",
            invocation::command(&format!("approve {name}")),
            invocation::command(&format!("deny {name} --feedback TEXT"))
        ),
        Some(PipelinePhase::Complete) => match &status.pull_request {
            Some(request) => format!("Pipeline `{name}` is complete: {}", request.url),
            None => format!("Pipeline `{name}` is complete{because}"),
        },
        Some(PipelinePhase::Failed) => format!("Pipeline `{name}` has failed{because}"),
        Some(PipelinePhase::Cancelled) => format!("Pipeline `{name}` was cancelled{because}"),
        Some(_) if pipeline.spec.cancel == Some(true) => {
            format!("Pipeline `{name}` is being cancelled: it ends when the task of its step has.")
        }
        Some(PipelinePhase::Pending) => format!("Pipeline `{name}` has not begun yet{because}"),
        Some(_) if !message.is_empty() => format!("Pipeline `{name}` goes on{because}"),
        Some(_) => {
            let task = status
                .runs
                .last()
                .map(|run| format!(", task `{}`", run.task))
                .unwrap_or_default();
            format!("Pipeline `{name}` is at step `{step}`{task}")
        }
    }
}

fn spec(page: &mut Page, pipeline: &TaskPipeline) {
    let spec = &pipeline.spec;
    page.line("Prompt", cut(&spec.prompt, 2000));
    page.line_if("Source", spec.source.as_ref().and_then(source));
    page.line_if("Type", spec.type_.as_ref());
    page.line_if("Model", spec.model.as_ref());
    if let Some(credentials) = &spec.credentials {
        page.line("Credential Type", credentials_word(credentials.type_));
        page.line_if(
            "Secret",
            credentials.secret_ref.as_ref().map(|secret| &secret.name),
        );
    }
    page.line_if(
        "Provider",
        spec.provider_ref.as_ref().map(|provider| &provider.name),
    );
    page.line_if(
        "Workspace",
        spec.workspace_ref.as_ref().map(|workspace| &workspace.name),
    );
    page.line_if(
        "Repository",
        spec.workspace.as_ref().map(|workspace| &workspace.repo),
    );
    page.line(
        "Max Retries",
        spec.max_retries
            .map_or_else(|| "3".to_owned(), |retries| retries.to_string()),
    );
    page.line("Step Timeout", spec.step_timeout.as_deref().unwrap_or("30m"));
    let steps: Vec<String> = if spec.steps.is_empty() {
        ["plan", "implement", "test", "pullRequest"]
            .map(str::to_owned)
            .into()
    } else {
        spec.steps
            .iter()
            .map(|step| match step.approval {
                Some(true) => format!("{} (to be approved)", step.name),
                _ => step.name.clone(),
            })
            .collect()
    };
    page.line("Steps", steps.join(", "));
}

fn source(source: &PipelineSource) -> Option<String> {
    match (&source.github, &source.chat) {
        (Some(issue), _) => Some(format!("{}/{}#{}", issue.owner, issue.repo, issue.issue_number)),
        (None, Some(chat)) => Some(format!("chat {} of {}", chat.session_id, chat.user_id)),
        (None, None) => None,
    }
}

fn runs(page: &mut Page, pipeline: &TaskPipeline) {
    let runs = pipeline.status.iter().flat_map(|status| &status.runs);
    let rows: Vec<Vec<String>> = runs
        .map(|run| {
            vec![
                run.step.clone(),
                run.task.clone(),
                run.phase.map(|phase| phase.to_string()).unwrap_or_default(),
                run.text_secret.clone().unwrap_or_default(),
                run.decided_by.clone().unwrap_or_default(),
            ]
        })
        .collect();
    page.table(
        "Runs",
        &["STEP", "TASK", "PHASE", "TEXT IN SECRET", "DECIDED BY"],
        &rows,
    );
}

fn approvals(page: &mut Page, pipeline: &TaskPipeline) {
    let rows: Vec<Vec<String>> = pipeline
        .spec
        .approvals
        .iter()
        .map(|approval| {
            vec![
                approval.task.clone(),
                match approval.decision {
                    Decision::Approved => "Approved",
                    Decision::Denied => "Denied",
                }
                .to_owned(),
                approval.user.clone(),
                approval.feedback.clone().unwrap_or_default(),
            ]
        })
        .collect();
    page.table("Approvals", &["TASK", "DECISION", "USER", "FEEDBACK"], &rows);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pipeline(status: &Value) -> TaskPipeline {
        serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "TaskPipeline",
            "metadata": {"name": "p", "namespace": "n"},
            "spec": {
                "prompt": "Add dark mode", "workspaceRef": {"name": "w"},
                "steps": [{"name": "plan", "approval": true}, {"name": "implement"}],
                "source": {"type": "github-issue", "github": {"owner": "o", "repo": "r", "issueNumber": 7}},
                "approvals": [{"task": "p-plan-1", "decision": "Denied", "user": "ann", "feedback": "shorter"}],
            },
            "status": status,
        }))
        .expect("a pipeline")
    }

    fn awaiting() -> TaskPipeline {
        pipeline(&json!({
            "phase": "AwaitingApproval", "currentStep": "plan", "branch": "ai/p",
            "startTime": "2026-01-01T00:00:00Z",
            "runs": [
                {"step": "plan", "task": "p-plan-1", "phase": "Succeeded", "textSecret": "p-a", "decidedBy": "ann"},
                {"step": "plan", "task": "p-plan-2", "phase": "Succeeded", "textSecret": "p-b"},
            ],
        }))
    }

    #[test]
    fn what_awaits_an_approval_is_shown_with_the_way_to_give_it() {
        let pipeline = awaiting();
        assert_eq!(awaited_secret(&pipeline).as_deref(), Some("p-b"));
        let now = "2026-01-01T00:10:00Z".parse().expect("a time");
        assert_eq!(
            text(&pipeline, Some("1. Do it.\n2. Done."), &[], now),
            "\
Pipeline `p` waits for a person to approve step `plan`: `axon approve p`, or `axon deny p --feedback TEXT`

Name:               p
Namespace:          n
Labels:             <none>
Annotations:        <none>
Prompt:             Add dark mode
Source:             o/r#7
Workspace:          w
Max Retries:        3
Step Timeout:       30m
Steps:              plan (to be approved), implement
Phase:              AwaitingApproval
Step:               plan
Branch:             ai/p
Duration:           10m
Runs:
  STEP   TASK       PHASE       TEXT IN SECRET   DECIDED BY
  plan   p-plan-1   Succeeded   p-a              ann
  plan   p-plan-2   Succeeded   p-b              -
Approvals:
  TASK       DECISION   USER   FEEDBACK
  p-plan-1   Denied     ann    shorter
Events:             <none>
To Approve:
  1. Do it.
  2. Done.
"
        );
    }

    #[test]
    fn the_first_sentence_says_where_it_is() {
        for (status, sentence_) in [
            (
                json!({}),
                "Pipeline `p` is not looked at yet: no operator has seen it.",
            ),
            (
                json!({"phase": "Testing", "currentStep": "test", "runs": [{"step": "test", "task": "p-test-1"}]}),
                "Pipeline `p` is at step `test`, task `p-test-1`",
            ),
            (
                json!({"phase": "Planning", "currentStep": "plan", "message": "step `plan` runs as Task `p-plan-1`"}),
                "Pipeline `p` goes on: step `plan` runs as Task `p-plan-1`",
            ),
            (
                json!({"phase": "Complete", "pullRequest": {"url": "https://h/1"}}),
                "Pipeline `p` is complete: https://h/1",
            ),
            (
                json!({"phase": "Failed", "message": "step `test` failed 3 times"}),
                "Pipeline `p` has failed: step `test` failed 3 times",
            ),
        ] {
            assert_eq!(sentence(&pipeline(&status)), sentence_);
        }
    }
}
