//! An item that each source of an example wants, found by the source's own code.

use axon_api::sources::comment_policy::{Authority, Permission, Standing};
use axon_api::sources::github::examined::{Examined, Known};
use axon_api::sources::github::facts::{Comment, IssueFacts, LineComment, PullFacts, Review, ReviewVerdict};
use axon_api::sources::github::webhook::Delivery;
use axon_api::sources::github::{issues, items, pull_requests, webhook as github_webhook};
use axon_api::sources::webhook::{self, Read, Request};
use axon_api::sources::{Candidate, When, WorkItem, cron};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

const CHECK_RUN: &str = include_str!("../../../api/sources/testdata/github/check_run.completed.json");

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_770_454_800 + second).expect("a moment")
}

/// An item that the source wants; the error says why it does not want the sample.
pub(crate) fn item(when: &When) -> Result<WorkItem, String> {
    axon_api::sources::check(when)?;
    if let Some(spec) = &when.cron {
        return Ok(cron::item(&spec.schedule, cron::candidate(at(0))));
    }
    if let Some(spec) = &when.github_webhook {
        return event(spec);
    }
    if let Some(spec) = &when.webhook {
        return alert(spec);
    }
    on_github(when)
}

/// An issue or a pull request with the labels that the source asks for.
fn on_github(when: &When) -> Result<WorkItem, String> {
    let is_pull_request = when.github_pull_requests.is_some();
    let (labels, asked) = match (&when.github_issues, &when.github_pull_requests) {
        (Some(spec), _) => (
            &spec.labels,
            spec.policy().and_then(|policy| policy.trigger_comment.clone()),
        ),
        (None, Some(spec)) => (
            &spec.labels,
            spec.policy().and_then(|policy| policy.trigger_comment.clone()),
        ),
        (None, None) => return Err("a source without a sample".to_owned()),
    };
    let issue = IssueFacts {
        number: 42,
        is_pull_request,
        is_open: true,
        title: "The page is blank after login".to_owned(),
        labels: labels.clone(),
        author: "ada".to_owned(),
        assignees: Vec::new(),
        is_draft: false,
        url: "https://github.com/your-org/your-repo/issues/42".to_owned(),
        created: at(0),
        updated: at(120),
        closed: None,
    };
    let pull = PullFacts {
        head_branch: "fix/blank-page".to_owned(),
        head_sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        base_branch: "main".to_owned(),
        head_repository: Some("your-org/your-repo".to_owned()),
    };
    let comments = [Comment {
        id: 7,
        author: "grace".to_owned(),
        is_bot: false,
        body: asked.map_or_else(
            || "It is so in Firefox only.".to_owned(),
            |command| format!("{command}\nIt is so in Firefox only."),
        ),
        url: "https://github.com/your-org/your-repo/issues/42#issuecomment-7".to_owned(),
        created: at(60),
        updated: at(60),
    }];
    let reviews = [Review {
        id: 8,
        author: "grace".to_owned(),
        is_bot: false,
        state: ReviewVerdict::ChangesRequested,
        body: "A test is missing.".to_owned(),
        commit: pull.head_sha.clone(),
        submitted: at(90),
    }];
    let line_comments = [LineComment {
        comment: Comment {
            id: 9,
            body: "This is null before the first render.".to_owned(),
            created: at(80),
            updated: at(80),
            ..comments[0].clone()
        },
        path: "src/page.ts".to_owned(),
        line: Some(12),
        commit: pull.head_sha.clone(),
    }];
    let mut authority = Authority::default();
    for login in ["ada", "grace"] {
        let permission = Some(Permission::Write);
        authority.record(
            login,
            Standing::Known {
                permission,
                teams: std::iter::empty().collect(),
            },
        );
    }
    let known = Known {
        pull: Some(&pull),
        files: Some(&[]),
        reviews: Some(&reviews),
        body: Some("Log in, and nothing is shown."),
        comments: Some(&comments),
        line_comments: Some(&line_comments),
        ..Known::nothing(&authority)
    };
    let origin = items::Origin {
        api_url: None,
        owner: "your-org",
        name: "your-repo",
    };
    match (&when.github_issues, &when.github_pull_requests) {
        (Some(spec), _) => {
            let candidate = wanted(issues::candidate(spec, &issue, &known))?;
            items::of_issue(spec, origin, &issue, &known, candidate)
        }
        (None, Some(spec)) => {
            let candidate = wanted(pull_requests::candidate(spec, &issue, &known))?;
            items::of_pull(spec, origin, &issue, &known, candidate)
        }
        (None, None) => return Err("a source without a sample".to_owned()),
    }
    .map_err(|need| format!("{need:?} is not known"))
}

fn wanted(examined: Examined) -> Result<Candidate, String> {
    match examined {
        Examined::Match(candidate) => Ok(candidate),
        other => Err(format!("{other:?}")),
    }
}

/// A check that has failed.
fn event(spec: &github_webhook::GitHubWebhook) -> Result<WorkItem, String> {
    let mut payload: serde_json::Value = serde_json::from_str(CHECK_RUN).expect("JSON");
    payload["check_run"]["conclusion"] = json!("failure");
    let delivery = Delivery {
        event: "check_run",
        id: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        received: at(0),
        payload: &payload,
    };
    let repository = payload["repository"]["full_name"].as_str();
    let authority = Authority::default();
    let known = Known::nothing(&authority);
    let candidate = wanted(github_webhook::candidate(spec, repository, &delivery, &known))?;
    Ok(github_webhook::item(&delivery, &known, candidate))
}

/// A request of another system.
fn alert(spec: &webhook::GenericWebhook) -> Result<WorkItem, String> {
    let body = json!({
        "action": "triggered",
        "event": {
            "id": "4d3c2b1a0f",
            "title": "TypeError in checkout",
            "message": "undefined is not a function",
            "web_url": "https://alerts.example.com/4d3c2b1a0f",
            "level": "error",
        },
    });
    let request = Request {
        body: &body,
        received: at(0),
    };
    match webhook::read(spec, &request) {
        Read::Match(item) => Ok(*item),
        other => Err(format!("{other:?}")),
    }
}
