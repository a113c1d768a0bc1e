use serde_json::{Value, json};

use super::*;

fn checked(when: Value) -> Result<(), String> {
    let when: When = serde_json::from_value(when).expect("a source");
    check(&when)
}

#[test]
fn sources_that_are_well_told_pass() {
    for when in [
        json!({"githubIssues": {"repo": "org/repo", "pollInterval": "60", "triggerComment": "/axon"}}),
        json!({"githubPullRequests": {"repo": "https://github.com/org/repo.git", "filePatterns": {"include": ["src/**"]}}}),
        json!({"cron": {"schedule": "0 9 * * 1-5", "timeZone": "Europe/Paris"}}),
        json!({"githubWebhook": {"events": ["push"], "filters": [{"event": "push", "branch": "release/*", "bodyPattern": "^fix"}]}}),
        json!({"webhook": {"source": "sentry", "fieldMapping": {"id": "$.id"}, "filters": [{"field": "$.a", "pattern": "x"}]}}),
    ] {
        assert_eq!(checked(when.clone()), Ok(()), "{when}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_field_and_value() {
    for (when, parts) in [
        (json!({}), ["one of githubIssues", "is required"]),
        (
            json!({"githubIssues": {"repo": "org"}}),
            ["githubIssues.repo: ", "`org`"],
        ),
        (
            json!({"githubIssues": {"pollInterval": "1s"}}),
            ["githubIssues.pollInterval: ", "`1s`"],
        ),
        (
            json!({"githubIssues": {"pollInterval": "-5m"}}),
            ["githubIssues.pollInterval: ", "`-5m`"],
        ),
        (
            json!({"githubIssues": {"triggerComment": " "}}),
            ["githubIssues.triggerComment: ", "` `"],
        ),
        (
            json!({"githubIssues": {"commentPolicy": {"triggerComment": "/a", "excludeComments": ["/b", "/a "]}}}),
            ["githubIssues.commentPolicy.excludeComments[1]: ", "`/a `"],
        ),
        (
            json!({"githubPullRequests": {"filePatterns": {"exclude": ["a", "["]}}}),
            ["githubPullRequests.filePatterns.exclude[1]: ", "`[`"],
        ),
        (
            json!({"cron": {"schedule": "* * *"}}),
            ["cron.schedule: ", "`* * *`"],
        ),
        (
            json!({"cron": {"schedule": "@daily", "timeZone": "Paris"}}),
            ["cron.timeZone: ", "`Paris`"],
        ),
        (
            json!({"githubWebhook": {"events": ["push"], "filters": [{"event": "issues"}]}}),
            ["githubWebhook.filters[0].event: ", "`issues`"],
        ),
        (
            json!({"githubWebhook": {"events": ["push"], "filters": [{"event": "push"}, {"event": "push", "tag": "["}]}}),
            ["githubWebhook.filters[1].tag: ", "`[`"],
        ),
        (
            json!({"githubWebhook": {"events": ["push"], "filters": [{"event": "push", "excludeBodyPatterns": ["("]}]}}),
            ["githubWebhook.filters[0].excludeBodyPatterns[0]: ", "`(`"],
        ),
        (
            json!({"webhook": {"source": "s", "fieldMapping": {"id": "id"}}}),
            ["webhook.fieldMapping.id: ", "`id`"],
        ),
        (
            json!({"webhook": {"source": "s", "fieldMapping": {}}}),
            ["webhook.fieldMapping: ", "must have id"],
        ),
        (
            json!({"webhook": {"source": "s", "fieldMapping": {"id": "$.id"}, "excludeFilters": [{"field": "$.a", "pattern": "("}]}}),
            ["webhook.excludeFilters[0].pattern: ", "`(`"],
        ),
    ] {
        let error = checked(when.clone()).expect_err("it is wrong");
        assert!(parts.iter().all(|part| error.contains(part)), "{when}: {error}");
    }
}
