//! <https://docs.github.com/en/rest/checks/runs>

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde_json::json;

use super::{Call, Outcome};
use crate::github::answer::Answer;
use crate::github::model::CheckRun;
use crate::github::objects;

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    call.view()?;
    let id = call.state.next_id();
    let now = call.state.clock.now();
    let sent = call.body.as_object().cloned().unwrap_or_default();
    let sha = call.body["head_sha"].as_str().unwrap_or_default().to_owned();
    let mut run = CheckRun {
        id,
        sha,
        sent,
        started: now,
        completed: None,
    };
    if run.status() == "completed" {
        run.completed = Some(now);
    }
    call.repository_mut()?.check_runs.push(run);
    shown(call, id).map(Answer::created)
}

pub(super) fn update(call: &mut Call<'_>) -> Outcome {
    let id = call.id("check_run_id");
    let now = call.state.clock.now();
    let sent = call.body.as_object().cloned().unwrap_or_default();
    let runs = &mut call.repository_mut()?.check_runs;
    let run = runs
        .iter_mut()
        .find(|run| run.id == id)
        .ok_or_else(Answer::not_found)?;
    run.sent.extend(sent);
    if run.status() == "completed" {
        run.completed.get_or_insert(now);
    }
    shown(call, id).map(Answer::ok)
}

pub(super) fn get(call: &Call<'_>) -> Outcome {
    shown(call, call.id("check_run_id")).map(Answer::ok)
}

fn shown(call: &Call<'_>, id: u64) -> Result<serde_json::Value, Answer> {
    let view = call.view()?;
    let run = view.repository.check_runs.iter().find(|run| run.id == id);
    Ok(objects::check_run(view, run.ok_or_else(Answer::not_found)?))
}

/// The runs of a commit, or of the tip of a branch that a pull request has. Without a filter only
/// the latest of each name.
pub(super) fn list(call: &Call<'_>) -> Outcome {
    let view = call.view()?;
    let reference = call.parameter("ref");
    let pulls = view
        .repository
        .items
        .values()
        .filter_map(|item| item.pull.as_ref());
    let tip = pulls
        .filter(|pull| pull.head == reference)
        .map(|pull| pull.sha.as_str())
        .next_back();
    let sha = tip.unwrap_or(reference);
    let mut found: Vec<&CheckRun> = view
        .repository
        .check_runs
        .iter()
        .filter(|run| run.sha == sha)
        .filter(|run| {
            call.text("check_name")
                .is_none_or(|name| run.sent["name"] == name)
        })
        .filter(|run| call.text("status").is_none_or(|status| run.status() == status))
        .collect();
    found.sort_by_key(|run| Reverse(run.id));
    if call.text("filter").unwrap_or("latest") == "latest" {
        let mut names = BTreeSet::new();
        found.retain(|run| names.insert(run.sent["name"].to_string()));
    }
    let total = found.len();
    let mut answer = call.page(&found, |run| objects::check_run(view, run));
    answer.body = json!({"total_count": total, "check_runs": answer.body});
    Ok(answer)
}
