use super::*;
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
        "spec": {"prompt": "x", "workspaceRef": {"name": "w"}},
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
            "0123456789ab",
            "42s",
            "60m"
        ]
    );
    assert_eq!(
        cells(finished_task(), Kind::Task, true).split_off(8),
        ["Completed", "w", "j", "p", "1200/34", "$0.05"]
    );
}

#[test]
fn a_task_without_status_has_empty_cells() {
    let task = json!({"metadata": {"name": "t"}, "spec": {"prompt": "x"}});
    assert_eq!(
        cells(task, Kind::Task, false),
        ["", "t", "claude-code", "", "", "", "", ""]
    );
}

#[test]
fn a_task_that_cannot_be_read_is_a_row_nevertheless() {
    let task = json!({"metadata": {"name": "t"}, "spec": {"prompt": 7}});
    assert_eq!(cells(task, Kind::Task, false)[3], "Unreadable");
}

#[test]
fn a_workspace_is_a_row() {
    let workspace =
        json!({"metadata": {"name": "w", "namespace": "n"}, "spec": {"repo": "https://x/y", "ref": "main"}});
    assert_eq!(
        cells(workspace, Kind::Workspace, false),
        ["n", "w", "https://x/y", "main", ""]
    );
}
