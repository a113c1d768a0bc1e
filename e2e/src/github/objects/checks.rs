//! Check runs.

use serde_json::{Value, json};

use super::{View, app, node_id};
use crate::github::model::CheckRun;

pub(crate) fn check_run(view: View<'_>, run: &CheckRun) -> Value {
    let url = view.api(&format!("/check-runs/{}", run.id));
    let web = view.web(&format!("/runs/{}", run.id));
    let sent = |name: &str| run.sent.get(name).cloned().unwrap_or(Value::Null);
    let output = sent("output");
    json!({
        "id": run.id,
        "node_id": node_id("CR", run.id),
        "head_sha": run.sha,
        "external_id": run.sent.get("external_id").cloned().unwrap_or_else(|| "".into()),
        "url": url,
        "html_url": web,
        "details_url": run.sent.get("details_url").cloned().unwrap_or_else(|| web.clone().into()),
        "status": run.status(),
        "conclusion": sent("conclusion"),
        "started_at": run.sent.get("started_at").cloned().unwrap_or_else(|| run.started.to_string().into()),
        "completed_at": run.completed.map(|time| time.to_string()),
        "output": {
            "title": output["title"],
            "summary": output["summary"],
            "text": output["text"],
            "annotations_count": output["annotations"].as_array().map_or(0, Vec::len),
            "annotations_url": format!("{url}/annotations"),
        },
        "name": sent("name"),
        "check_suite": {"id": run.id + 1},
        "app": app(view.state),
        "pull_requests": [],
    })
}
