//! Manifests of Kelos.

use serde_json::json;

use super::Weight;
use super::tests::{assert_valid, only_object, paths};

const TASK: &str = "
apiVersion: kelos.dev/v1alpha1
kind: Task
metadata:
  name: t
  labels: {kelos.dev/taskspawner: s, team: a}
spec:
  type: claude-code
  prompt: x
  credentials: {type: oauth, secretRef: {name: c}}
  model: opus
  effort: high
  image: i
  workspaceRef: {name: w}
  agentConfigRefs: [{name: a}]
  dependsOn: [b]
  branch: f/x
  upstreamRepo: o/r
  ttlSecondsAfterFinished: 0
  podOverrides:
    activeDeadlineSeconds: 3600
    env: [{name: A, value: b}]
";

#[test]
fn a_task_has_the_same_fields() {
    let source: serde_json::Value = serde_saphyr::from_str(TASK).expect("YAML");
    let object = only_object(TASK);
    assert_eq!(object["apiVersion"], "axon.io/v1alpha1");
    assert_eq!(object["spec"], source["spec"]);
    assert_eq!(
        object["metadata"]["labels"],
        json!({"axon.io/taskspawner": "s", "team": "a"})
    );
    assert_valid(&object);
    assert!(paths(TASK, Weight::Lost).is_empty() && paths(TASK, Weight::ToDo).is_empty());
}

#[test]
fn a_worker_is_the_task_itself() {
    let yaml = "{apiVersion: kelos.dev/v1alpha2, kind: Task, metadata: {name: t}, spec: {prompt: x, model: a, worker: {
        type: codex, model: b, credentials: {type: api-key, secretRef: {name: c}}, workspaceRef: {name: w}, color: red}}}";
    let object = only_object(yaml);
    assert_eq!(
        object["spec"],
        json!({"prompt": "x", "type": "codex", "model": "b", "workspaceRef": {"name": "w"},
            "credentials": {"type": "api-key", "secretRef": {"name": "c"}}})
    );
    assert_valid(&object);
    assert_eq!(paths(yaml, Weight::Lost), ["spec.worker.color"]);
}

#[test]
fn what_has_no_equivalent_is_lost_by_name() {
    for (kind, spec, expected) in [
        (
            "Task",
            "{prompt: x, podFailurePolicy: {rules: []}}",
            "spec.podFailurePolicy",
        ),
        (
            "Task",
            "{prompt: x, workerPoolRef: {name: p}}",
            "spec.workerPoolRef",
        ),
        ("Task", "{prompt: x, colour: red}", "spec.colour"),
        ("Workspace", "{repo: 'https://h/r', ghproxy: {}}", "spec.ghproxy"),
        ("Session", "{}", "kind"),
        ("SessionSpawner", "{}", "kind"),
        ("WorkerPool", "{}", "kind"),
        ("TaskBudget", "{}", "kind"),
        ("TaskRecord", "{}", "kind"),
    ] {
        let yaml =
            format!("{{apiVersion: kelos.dev/v1alpha2, kind: {kind}, metadata: {{name: n}}, spec: {spec}}}");
        assert_eq!(paths(&yaml, Weight::Lost), [expected], "{kind}");
    }
}

#[test]
fn variables_of_a_server_are_a_map() {
    let yaml = "{apiVersion: kelos.dev/v1alpha2, kind: AgentConfig, metadata: {name: a}, spec: {mcpServers: [
        {name: s, type: stdio, command: c, env: [{name: A, value: b}, {name: T, valueFrom: {secretKeyRef: {name: n, key: k}}}]},
        {name: m, type: stdio, command: c, env: {A: b}}]}}";
    let object = only_object(yaml);
    assert_eq!(
        object["spec"]["mcpServers"],
        json!([
            {"name": "s", "type": "stdio", "command": "c", "env": {"A": "b"}},
            {"name": "m", "type": "stdio", "command": "c", "env": {"A": "b"}},
        ])
    );
    assert_valid(&object);
    assert_eq!(paths(yaml, Weight::Lost), ["spec.mcpServers[0].env[1].valueFrom"]);
}

/// A spawner of Kelos with this source and this template.
fn spawner(when: &str, template: &str) -> String {
    format!(
        "{{apiVersion: kelos.dev/v1alpha2, kind: TaskSpawner, metadata: {{name: s}}, spec: {{when: {when}, taskTemplate: {template}}}}}"
    )
}

#[test]
fn a_spawner_keeps_its_trigger_and_its_template_is_one_of_tasks() {
    let yaml = "{apiVersion: kelos.dev/v1alpha2, kind: TaskSpawner, metadata: {name: s}, spec: {
        when: {githubIssues: {labels: [bug], pollInterval: 1m}}, maxConcurrency: 3,
        taskTemplate: {promptTemplate: 'Fix {{.Title}}', branch: 'b-{{.Number}}', worker: {type: codex, workspaceRef: {name: w}}}}}";
    let object = only_object(yaml);
    assert_eq!(
        object,
        json!({"apiVersion": "axon.io/v1alpha1", "kind": "TaskSpawner", "metadata": {"name": "s"}, "spec": {
            "when": {"githubIssues": {"labels": ["bug"], "pollInterval": "1m"}}, "maxConcurrency": 3,
            "taskTemplate": {"promptTemplate": "Fix {{.Title}}", "branch": "b-{{.Number}}", "type": "codex",
                "workspaceRef": {"name": "w"}}}})
    );
    assert_valid(&object);
    assert!(paths(yaml, Weight::Lost).is_empty() && paths(yaml, Weight::ToDo).is_empty());
}

#[test]
fn every_field_of_the_sources_that_both_have_is_kept() {
    let template = "{promptTemplate: p, type: codex, workspaceRef: {name: w}}";
    for when in [
        "{githubIssues: {repo: o/r, labels: [a], excludeLabels: [b], state: all, types: [issues, pulls],
            priorityLabels: [c], assignee: '*', author: d, excludeAuthors: [e], pollInterval: '60',
            commentPolicy: {triggerComment: /go, excludeComments: [/stop], allowedUsers: [f], allowedTeams: [o/t], minimumPermission: write},
            reporting: {enabled: true, comments: {mode: Sticky}}}}",
        "{githubIssues: {triggerComment: /go, excludeComments: [/stop]}}",
        "{githubIssues: {}}",
        "{githubPullRequests: {repo: o/r, labels: [a], excludeLabels: [b], state: open, reviewState: changes_requested,
            draft: false, author: d, excludeAuthors: [e], filePatterns: {include: ['src/**'], exclude: ['*.md']},
            priorityLabels: [c], pollInterval: 5m, reporting: {checks: {name: agent}}}}",
        "{cron: {schedule: '0 9 * * 1'}}",
        "{githubWebhook: {events: [issues, push], repository: o/r, excludeAuthors: [e], filters: [{event: issues,
            action: labeled, bodyPattern: x, excludeBodyPatterns: [y], labels: [a], excludeLabels: [b], state: open,
            branch: 'f/*', tag: v1, draft: true, commentOn: Issue, author: d, excludeAuthors: [e],
            filePatterns: {include: [a]}, conclusion: failure, checkName: c}], reporting: {enabled: true}}}",
        "{webhook: {source: sentry, fieldMapping: {id: $.id, title: $.title}, filters: [{field: $.a, value: b}],
            excludeFilters: [{field: $.c, pattern: d}]}}",
    ] {
        let yaml = spawner(when, template);
        let object = only_object(&yaml);
        let source: serde_json::Value = serde_saphyr::from_str(when).expect("YAML");
        assert_eq!(object["spec"]["when"], source, "{when}");
        assert_valid(&object);
        assert!(paths(&yaml, Weight::Lost).is_empty(), "{when}");
    }
}

#[test]
fn a_spawner_whose_source_has_no_equivalent_is_left_out_and_told_what_to_do() {
    for source in ["jira", "linearWebhook", "slack"] {
        let yaml = spawner(&format!("{{{source}: {{}}}}"), "{promptTemplate: p, type: codex}");
        assert_eq!(
            paths(&yaml, Weight::Lost),
            [format!("spec.when.{source}"), "spec.when".to_owned()]
        );
        assert!(
            super::tests::convert_text(&yaml)
                .iter()
                .all(|converted| converted.objects.is_empty())
        );
    }
}

#[test]
fn what_a_template_of_a_spawner_cannot_have_is_told() {
    for (template, lost, to_do) in [
        (
            "{promptTemplate: '{{.Payload.Issue.User.Login}}', type: codex}",
            &[][..],
            &["spec.taskTemplate.promptTemplate"][..],
        ),
        (
            "{promptTemplate: '{{.Payload.issue.title}}', type: codex}",
            &[],
            &[],
        ),
        (
            "{promptTemplate: 'a', metadata: {labels: {who: '{{.Payload.Sender.Login}}'}}, type: codex}",
            &[],
            &["spec.taskTemplate.metadata.labels[who]"],
        ),
        (
            "{promptTemplate: '{{.Context.owner}}', contextSources: [{name: owner, http: {url: x}}], type: codex}",
            &["spec.taskTemplate.contextSources"],
            &["spec.taskTemplate.promptTemplate"],
        ),
        (
            "{promptTemplate: '{{if}}', type: codex}",
            &[],
            &["spec.taskTemplate.promptTemplate"],
        ),
        (
            "{promptTemplate: a, workerPoolRef: {name: p}, podFailurePolicy: {rules: []}}",
            &[
                "spec.taskTemplate.podFailurePolicy",
                "spec.taskTemplate.workerPoolRef",
            ],
            &[],
        ),
    ] {
        let yaml = spawner("{cron: {schedule: '@daily'}}", template);
        assert_eq!(paths(&yaml, Weight::Lost), lost, "{template}");
        assert_eq!(paths(&yaml, Weight::ToDo), to_do, "{template}");
    }
}

#[test]
fn what_events_need_on_their_way_is_to_be_done() {
    for (when, path) in [
        (
            "{githubWebhook: {events: [issues], repository: o/r}}",
            "spec.when.githubWebhook.events",
        ),
        (
            "{webhook: {source: s, fieldMapping: {id: $.id}}}",
            "spec.when.webhook.source",
        ),
    ] {
        let yaml = spawner(when, "{promptTemplate: p, type: codex}");
        assert_eq!(paths(&yaml, Weight::ToDo), [path]);
    }
    let checks = spawner(
        "{githubPullRequests: {reporting: {checks: {}}}}",
        "{promptTemplate: p, type: codex, workspaceRef: {name: w}}",
    );
    assert_eq!(
        paths(&checks, Weight::Changed),
        ["spec.when.githubPullRequests.reporting.checks"]
    );
}
