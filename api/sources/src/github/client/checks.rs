//! Check runs of a commit.

use http::Method;
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::{PER_PAGE, Question, Repository, segment};

/// A check run, as GitHub has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CheckRun {
    pub id: u64,
    pub name: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// How it ended, such as `success`; `None` before.
    #[serde(default)]
    pub conclusion: Option<String>,
    /// What its maker calls it.
    #[serde(default)]
    pub external_id: Option<String>,
}

/// What a check run is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckState {
    pub name: String,
    /// Commit that it is about; of use only when it is created.
    pub head_sha: String,
    /// What its maker calls it, to find it again.
    pub external_id: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: &'static str,
    /// How it ended, such as `success`, `failure` or `cancelled`; only of a completed one.
    pub conclusion: Option<&'static str>,
    pub started: Option<Timestamp>,
    pub completed: Option<Timestamp>,
    pub title: String,
    /// Markdown.
    pub summary: String,
}

#[derive(Deserialize)]
struct CheckRuns {
    #[serde(default)]
    check_runs: Vec<CheckRun>,
}

impl CheckState {
    fn body(&self) -> Value {
        let mut body = json!({
            "name": self.name,
            "external_id": self.external_id,
            "status": self.status,
            "output": { "title": self.title, "summary": self.summary },
        });
        let times = [("started_at", self.started), ("completed_at", self.completed)];
        for (name, time) in times {
            if let Some(time) = time {
                body[name] = json!(time.to_string());
            }
        }
        if let Some(conclusion) = self.conclusion {
            body["conclusion"] = json!(conclusion);
        }
        body
    }
}

impl Repository {
    /// Makes a check run. Only the token of an App may.
    pub async fn create_check_run(&self, state: &CheckState) -> Result<CheckRun, Failure> {
        let mut body = state.body();
        body["head_sha"] = json!(state.head_sha);
        let url = self.url("/check-runs");
        self.ask(Question::send(Method::POST, url, body, "check_run"))
            .await?
            .read()
    }

    /// Changes the check run with this ID.
    pub async fn update_check_run(&self, id: u64, state: &CheckState) -> Result<CheckRun, Failure> {
        let url = self.url(&format!("/check-runs/{id}"));
        self.ask(Question::send(Method::PATCH, url, state.body(), "check_run"))
            .await?
            .read()
    }

    /// The newest check runs of a commit that have this name, at most a hundred: also those after
    /// which others of the name were made.
    pub async fn check_runs(&self, sha: &str, name: &str) -> Result<Vec<CheckRun>, Failure> {
        let path = format!(
            "/commits/{}/check-runs?check_name={}&filter=all&per_page={PER_PAGE}",
            segment(sha),
            segment(name)
        );
        let answer = self.ask(Question::get(self.url(&path), "check_runs")).await?;
        Ok(answer.read::<CheckRuns>()?.check_runs)
    }
}
