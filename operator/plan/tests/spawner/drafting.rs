//! The Task that an item becomes.

use std::collections::BTreeSet;

use axon_api::report::ReportTarget;
use axon_api::sources::{Cause, Subject, SubjectKind, WorkItem};
use axon_api::{Task, TaskSpawner};
use axon_plan::spawner::{Refusal, Spawn, draft};
use serde_json::{Map, Value, json};

use crate::world::{candidate, spawner};

fn item(title: &str) -> WorkItem {
    let variables: Map<String, Value> = [
        ("ID", json!("42")),
        ("Number", json!(42)),
        ("Title", json!(title)),
        ("Body", json!("It broke.")),
        ("URL", json!("https://github.com/o/r/issues/42")),
        ("Labels", json!("bug, help")),
        ("Comments", json!("")),
        ("Kind", json!("Issue")),
        ("Branch", json!("")),
        ("Time", json!("")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    WorkItem {
        candidate: candidate("issue-42", Cause::Match),
        variables,
        subject: Some(Subject {
            kind: SubjectKind::Issue,
            api_url: None,
            owner: "o".to_owned(),
            repository: "r".to_owned(),
            number: 42,
            head_sha: None,
        }),
    }
}

fn of(template: &Value) -> TaskSpawner {
    spawner(json!({ "when": { "githubIssues": {} }, "taskTemplate": template }))
}

fn spawn(item: &WorkItem, run: u32) -> Spawn {
    Spawn {
        candidate: item.candidate.clone(),
        trigger: format!("match-{run}"),
        run,
        suffix: if run > 1 { format!("-{run}") } else { String::new() },
    }
}

fn try_draft(spawner: &TaskSpawner, item: &WorkItem) -> Result<Task, Refusal> {
    draft(spawner, &spawn(item, 1), item, "claude-code")
}

fn drafted(spawner: &TaskSpawner, item: &WorkItem) -> Task {
    try_draft(spawner, item).expect("a Task")
}

fn name(task: &Task) -> &str {
    task.metadata.name.as_deref().expect("a name")
}

#[test]
fn an_issue_becomes_a_task_with_all_that_the_template_says() {
    let mut spawner = of(&json!({
        "type": "codex",
        "branch": "axon-task-{{.Number}}",
        "metadata": { "labels": { "team": "{{.Labels}}" }, "annotations": { "from": "{{.URL}}" } },
        "ttlSecondsAfterFinished": 0,
        "timeout": "30m",
    }));
    let issues = spawner.spec.when.github_issues.as_mut().expect("issues");
    issues.repo = Some("upstream/r".to_owned());
    issues.reporting = serde_json::from_value(json!({ "enabled": true })).ok();
    insta::assert_snapshot!(
        serde_json::to_string_pretty(&drafted(&spawner, &item("It is slow"))).expect("JSON")
    );
}

#[test]
fn comments_are_in_the_default_prompt_when_there_are_any() {
    let mut item = item("t");
    item.variables.insert("Comments".to_owned(), json!("me too"));
    assert_eq!(
        drafted(&of(&json!({})), &item).spec.prompt,
        "Issue #42: t\n\nIt broke.\n\nComments:\nme too"
    );
}

#[test]
fn what_a_stranger_writes_is_never_a_template() {
    let hostile = "{{.Body}} {{index .Deps \"x\"}} {{{";
    let plain = drafted(&of(&json!({ "promptTemplate": "{{.Title}}" })), &item(hostile));
    assert_eq!(plain.spec.prompt, hostile);
    // With dependencies the prompt of a Task is a template itself.
    let spawner = of(&json!({ "promptTemplate": "{{.Title}}", "dependsOn": ["first"] }));
    let with_dependencies = drafted(&spawner, &item(hostile));
    let rendered = axon_plan::template::render(&with_dependencies.spec.prompt, &json!({ "Deps": {} }));
    assert_eq!(rendered.expect("a prompt"), hostile);
}

#[test]
fn a_branch_that_git_would_take_for_something_else_is_refused() {
    let spawner = of(&json!({ "branch": "{{.Title}}" }));
    for title in ["--upload-pack=touch /tmp/x", "-f", "a b", "a..b", "x\ny", ""] {
        let refusal = try_draft(&spawner, &item(title)).expect_err(title);
        assert_eq!(refusal.reason, "BranchInvalid", "{title}");
    }
    assert_eq!(
        drafted(&spawner, &item("fix/it")).spec.branch.as_deref(),
        Some("fix/it")
    );
}

#[test]
fn a_name_is_made_of_spawner_and_id_and_is_another_one_for_each_run() {
    let spawner = of(&json!({}));
    let item = item("t");
    assert_eq!(name(&drafted(&spawner, &item)), "fix-42");
    let second = draft(&spawner, &spawn(&item, 2), &item, "claude-code").expect("a Task");
    assert_eq!(name(&second), "fix-42-2");
}

#[test]
fn a_name_template_gives_a_valid_name_whatever_the_title() {
    let spawner = of(&json!({ "nameTemplate": "{{.Title}}" }));
    let mut names = BTreeSet::new();
    for title in [
        "Fix: THE bug!",
        "../../etc",
        "--force",
        &"x".repeat(300),
        &format!("{}y", "x".repeat(300)),
        "ünïcode",
    ] {
        let task = drafted(&spawner, &item(title));
        assert!(name(&task).len() <= 63);
        assert!(names.insert(name(&task).to_owned()), "{title}");
    }
    assert_eq!(
        try_draft(&spawner, &item("🎉")).expect_err("no name").reason,
        "NameInvalid"
    );
}

#[test]
fn labels_are_valid_whatever_the_title() {
    let spawner = of(&json!({ "metadata": { "labels": { "title": "{{.Title}}" } } }));
    for (title, label) in [("a b/c", "a-b-c"), ("🎉", ""), ("ok", "ok")] {
        let labels = drafted(&spawner, &item(title)).metadata.labels.expect("labels");
        assert_eq!(labels["title"], label);
        assert_eq!(labels["axon.io/taskspawner"], "fix");
    }
}

#[test]
fn a_prompt_that_is_too_long_is_refused_with_its_size() {
    let mut item = item("t");
    item.variables
        .insert("Body".to_owned(), json!("x".repeat(1 << 20)));
    let refusal = try_draft(&of(&json!({})), &item).expect_err("too large");
    assert!(refusal.message.contains("1048576"), "{}", refusal.message);
}

#[test]
fn a_field_that_the_item_does_not_have_is_told_with_its_place() {
    let refusal =
        try_draft(&of(&json!({ "promptTemplate": "x {{.Nope}}" })), &item("t")).expect_err("no field");
    assert!(
        refusal.message.contains("promptTemplate, line 1, column 5"),
        "{}",
        refusal.message
    );
}

#[test]
fn credentials_are_given_in_turn_and_the_same_item_has_always_the_same() {
    let mut spawner = of(&json!({}));
    spawner.spec.credentials = serde_json::from_value(json!([
        { "name": "one", "type": "api-key", "secretRef": { "name": "s-one" } },
        { "name": "two", "type": "api-key", "secretRef": { "name": "s-two" } },
    ]))
    .expect("credentials");
    let mut seen = BTreeSet::new();
    for number in 0..20 {
        let mut item = item("t");
        item.candidate = candidate(&format!("issue-{number}"), Cause::Match);
        let task = drafted(&spawner, &item);
        let again = drafted(&spawner, &item);
        assert_eq!((&task.metadata, &task.spec), (&again.metadata, &again.spec));
        let label = task.metadata.labels.expect("labels")["axon.io/spawner-credential"].clone();
        let secret = task
            .spec
            .credentials
            .and_then(|credentials| credentials.secret_ref);
        assert_eq!(secret.map(|secret| secret.name), Some(format!("s-{label}")));
        seen.insert(label);
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn where_to_report_is_written_down_only_when_it_is_wanted() {
    let mut spawner = of(&json!({}));
    let annotations = drafted(&spawner, &item("t"))
        .metadata
        .annotations
        .expect("annotations");
    assert!(!annotations.contains_key("axon.io/report"));
    let issues = spawner.spec.when.github_issues.as_mut().expect("issues");
    issues.reporting = serde_json::from_value(json!({ "comments": { "mode": "Sticky" } })).ok();
    let annotations = drafted(&spawner, &item("t"))
        .metadata
        .annotations
        .expect("annotations");
    let target = ReportTarget::parse(&annotations["axon.io/report"]).expect("a target");
    assert_eq!((target.number, target.spawner.as_str()), (42, "fix"));
}

#[test]
fn every_field_of_the_template_reaches_the_task() {
    let template = json!({
        "type": "codex", "promptTemplate": "p", "nameTemplate": "n", "metadata": { "labels": { "a": "b" } },
        "credentials": { "type": "none" }, "providerRef": { "name": "p" },
        "provider": { "name": "anthropic" }, "model": "m", "effort": "high", "image": "i",
        "workspaceRef": { "name": "w" }, "workspace": { "repo": "https://github.com/o/r" },
        "agentConfigRef": { "name": "c" }, "agentConfigRefs": [{ "name": "d" }], "dependsOn": ["t"],
        "branch": "b", "upstreamRepo": "u/r", "timeout": "1m", "startTimeout": "2m",
        "retry": { "limit": 2 }, "limits": { "turns": 3 }, "ttlSecondsAfterFinished": 4,
        "podOverrides": { "serviceAccountName": "s" },
    });
    let definitions = axon_api::crd::all();
    let kind = definitions
        .iter()
        .find(|definition| definition.spec.names.kind == "TaskSpawner");
    let kind = serde_json::to_value(kind.expect("the kind")).expect("JSON");
    let spec = &kind["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let fields = &spec["properties"]["taskTemplate"]["properties"];
    let fields: Vec<&String> = fields.as_object().expect("fields").keys().collect();
    let task = drafted(&of(&template), &item("t"));
    assert_eq!(name(&task), "n");
    let spec = serde_json::to_value(&task.spec).expect("JSON");
    for field in fields {
        assert!(!template[field].is_null(), "{field} is not tried");
        match field.as_str() {
            "promptTemplate" => assert_eq!(spec["prompt"], "p"),
            "nameTemplate" | "metadata" => {}
            _ => assert_eq!(spec[field], template[field], "{field}"),
        }
    }
}

fn script() -> TaskSpawner {
    of(&json!({ "type": "shell", "promptTemplate": "printf '%s' \"$AXON_ITEM_TITLE\"" }))
}

fn variable(task: &Task, name: &str) -> Option<String> {
    let overrides = task.spec.pod_overrides.as_ref()?;
    let mut env = overrides.env.iter();
    env.find(|variable| variable.name == name)?.value.clone()
}

#[test]
fn a_script_has_the_item_in_variables_that_nothing_expands() {
    for (title, value) in [
        ("$(touch /tmp/x)", "$$(touch /tmp/x)"),
        ("$(GITHUB_TOKEN)", "$$(GITHUB_TOKEN)"),
        ("$$(GITHUB_TOKEN)", "$$$$(GITHUB_TOKEN)"),
        ("`id`; $HOME", "`id`; $HOME"),
        ("a\0b", "ab"),
    ] {
        let task = drafted(&script(), &item(title));
        assert_eq!(task.spec.prompt, "printf '%s' \"$AXON_ITEM_TITLE\"");
        assert_eq!(variable(&task, "AXON_ITEM_TITLE").as_deref(), Some(value));
    }
    let task = drafted(&script(), &item("t"));
    assert_eq!(variable(&task, "AXON_ITEM_NUMBER").as_deref(), Some("42"));
    assert_eq!(variable(&task, "AXON_ITEM_LABELS").as_deref(), Some("bug, help"));
}

#[test]
fn the_variables_of_a_script_are_bounded_each_and_together() {
    let mut item = item("t");
    for name in ["Body", "Comments", "Payload"] {
        item.variables.insert(name.to_owned(), json!("$".repeat(200_000)));
    }
    let task = drafted(&script(), &item);
    let env = task.spec.pod_overrides.expect("overrides").env;
    let sizes: Vec<usize> = env
        .iter()
        .map(|variable| variable.value.as_ref().map_or(0, String::len))
        .collect();
    assert!(sizes.iter().all(|size| *size <= 64 * 1024), "{sizes:?}");
    assert!(sizes.iter().sum::<usize>() <= 96 * 1024, "{sizes:?}");
}

#[test]
fn a_script_with_a_field_in_it_is_refused_once_more() {
    let spawner = of(&json!({ "promptTemplate": "echo {{.Title}}" }));
    let item = item("t");
    let refusal = draft(&spawner, &spawn(&item, 1), &item, "shell").expect_err("a script");
    assert_eq!(refusal.reason, "ShellTemplate");
}
