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

#[test]
fn a_spawner_keeps_its_trigger_and_its_template_is_one_of_tasks() {
    let yaml = "{apiVersion: kelos.dev/v1alpha2, kind: TaskSpawner, metadata: {name: s}, spec: {
        when: {githubIssues: {labels: [bug], pollInterval: 1m}}, maxConcurrency: 3,
        taskTemplate: {promptTemplate: 'Fix {{.Title}}', branch: 'b-{{.Number}}', worker: {type: codex}}}}";
    assert_eq!(
        only_object(yaml),
        json!({"apiVersion": "axon.io/v1alpha1", "kind": "TaskSpawner", "metadata": {"name": "s"}, "spec": {
            "when": {"githubIssues": {"labels": ["bug"], "pollInterval": "1m"}}, "maxConcurrency": 3,
            "taskTemplate": {"promptTemplate": "Fix {{.Title}}", "branch": "b-{{.Number}}", "type": "codex"}}})
    );
    assert!(paths(yaml, Weight::Lost).is_empty());
}
