use super::*;
use crate::resources::Kind;
use serde_json::json;

const NOW: &str = "2026-01-01T01:00:00Z";

fn cells(object: Value, kind: Kind, wide: bool) -> Vec<String> {
    let columns = Columns {
        kind,
        wide,
        namespace: true,
    };
    let cells = row(object, columns, NOW.parse().expect("a time"));
    assert_eq!(cells.len(), headers(columns).len());
    cells
}

fn finished_task() -> Value {
    json!({
        "apiVersion": "axon.io/v1alpha1", "kind": "Task",
        "metadata": {"name": "t", "namespace": "n", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"prompt": "x", "workspaceRef": {"name": "w"},
                 "agentConfigRefs": [{"name": "a"}, {"name": "b"}]},
        "status": {
            "phase": "Succeeded", "reason": "Completed", "jobName": "j", "podName": "p",
            "startTime": "2026-01-01T00:00:03Z", "completionTime": "2026-01-01T00:00:45Z",
            "results": {"branch": "b", "commit": "0123456789abcdef"},
            "usage": {"inputTokens": 1200, "outputTokens": 34, "costUSD": "0.05"},
        },
    })
}

#[test]
fn a_task_is_a_row() {
    assert_eq!(
        cells(finished_task(), Kind::Task, false),
        [
            "n",
            "t",
            "claude-code",
            "Succeeded",
            "b",
            "w",
            "a,b",
            "42s",
            "60m"
        ]
    );
    assert_eq!(
        cells(finished_task(), Kind::Task, true).split_off(9),
        ["Completed", "0123456789ab", "j", "p", "1200/34", "$0.05"]
    );
}

#[test]
fn the_type_of_a_task_may_come_from_elsewhere() {
    let task = json!({
        "metadata": {"name": "t"}, "spec": {"prompt": "x"},
        "status": {"effective": [{"field": "type", "value": "codex", "from": "TaskDefaults/default"}]},
    });
    assert_eq!(cells(task, Kind::Task, false)[2], "codex");
}

#[test]
fn a_task_without_status_has_empty_cells() {
    let task = json!({"metadata": {"name": "t"}, "spec": {"prompt": "x"}});
    assert_eq!(
        cells(task, Kind::Task, false),
        ["", "t", "claude-code", "", "", "", "", "", ""]
    );
}

#[test]
fn what_cannot_be_read_is_a_row_nevertheless() {
    for (kind, spec) in [
        (Kind::Task, json!({"prompt": 7})),
        (Kind::Workspace, json!({"repo": []})),
        (Kind::TaskPipeline, json!(null)),
    ] {
        let object = json!({"metadata": {"name": "t"}, "spec": spec});
        let cells = cells(object, kind, true);
        assert_eq!(cells[1..3], ["t", "Unreadable"], "{kind:?}");
    }
}

#[test]
fn every_other_kind_is_a_row() {
    let object = |spec: Value, status: Value| json!({"metadata": {"name": "x", "namespace": "n"}, "spec": spec, "status": status});
    for (kind, object, expected) in [
        (
            Kind::Workspace,
            object(
                json!({"repo": "https://x/y", "ref": "main", "secretRef": {"name": "s"},
                       "storage": {"size": "5Gi", "scope": "Workspace"}}),
                json!(null),
            ),
            &["https://x/y", "main", "", "s", "5Gi of the Workspace"][..],
        ),
        (
            Kind::AgentConfig,
            object(
                json!({
                    "plugins": [{"name": "p"}, {"name": "q"}],
                    "skills": [{"source": "o/r"}, {"source": "o/r", "skill": "lint"}],
                    "mcpServers": [{"name": "m", "type": "http"}],
                }),
                json!(null),
            ),
            &["p,q", "o/r,lint", "m", ""],
        ),
        (
            Kind::AgentProvider,
            object(
                json!({"displayName": "Gateway", "agentTypes": ["claude-code", "codex"],
                       "baseURL": "https://h", "authTokenSecretRef": {"name": "s", "key": "k"}}),
                json!({"ready": false, "conditions": [{
                    "type": "Ready", "status": "False", "reason": "SecretNotFound", "message": "",
                    "lastTransitionTime": NOW,
                }]}),
            ),
            &[
                "Gateway",
                "claude-code,codex",
                "False",
                "",
                "SecretNotFound",
                "https://h",
                "s/k",
            ],
        ),
        (
            Kind::TaskDefaults,
            object(
                json!({"type": "gemini", "timeout": "1h", "model": "m", "providers": {"gemini": "p"}}),
                json!(null),
            ),
            &["gemini", "1h", "", "m", "", "gemini=p"],
        ),
        (
            Kind::TaskPipeline,
            object(
                json!({"prompt": "x", "workspaceRef": {"name": "w"}}),
                json!({"phase": "AwaitingApproval", "currentStep": "plan", "branch": "ai/x",
                       "retries": 1, "reason": "AwaitingApproval", "pullRequest": {"url": "https://h/1"}}),
            ),
            &[
                "AwaitingApproval",
                "plan",
                "https://h/1",
                "",
                "AwaitingApproval",
                "ai/x",
                "1",
                "w",
            ],
        ),
    ] {
        assert_eq!(cells(object, kind, true).split_off(2), expected, "{kind:?}");
    }
}
