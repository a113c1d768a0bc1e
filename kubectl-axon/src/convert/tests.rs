//! What holds for every source, and what the tests of each have in common.

use serde_json::{Value, json};

use super::{Converted, Weight, check, convert, read};

/// Converts the documents of a text.
pub(super) fn convert_text(yaml: &str) -> Vec<Converted> {
    convert(read::parse(yaml, "f").expect("documents"))
}

/// The one object that comes out of a text.
pub(super) fn only_object(yaml: &str) -> Value {
    let mut objects: Vec<Value> = convert_text(yaml)
        .into_iter()
        .flat_map(|converted| converted.objects)
        .collect();
    assert_eq!(objects.len(), 1, "{objects:?}");
    objects.remove(0)
}

/// The paths of all notes of a weight.
pub(super) fn paths(yaml: &str, weight: Weight) -> Vec<String> {
    convert_text(yaml)
        .iter()
        .flat_map(|converted| &converted.notes)
        .filter(|note| note.weight == weight)
        .map(|note| note.path.clone())
        .collect()
}

/// Asserts that the server would take the object.
pub(super) fn assert_valid(object: &Value) {
    assert_eq!(check::problems(object), Some(Vec::new()), "{object:#}");
}

#[test]
fn what_is_no_kind_of_the_sources_stays_as_it_is() {
    for object in [
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "Yg=="}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "labels": {"kelos.dev/task": "x"}}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "status": {"replicas": 1}}),
    ] {
        let yaml = object.to_string();
        assert_eq!(only_object(&yaml), object);
        assert!(
            convert_text(&yaml)
                .iter()
                .all(|converted| converted.notes.is_empty())
        );
    }
}

#[test]
fn the_servers_bookkeeping_is_left_behind() {
    let yaml = "{apiVersion: v1, kind: Secret, metadata: {name: s, uid: u, resourceVersion: '1', generation: 1,
        creationTimestamp: t, managedFields: [], annotations: {kubectl.kubernetes.io/last-applied-configuration: x}}}";
    assert_eq!(
        only_object(yaml),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
    );
    let yaml = "{apiVersion: axon.io/v1alpha1, kind: Task, metadata: {name: t, uid: u, finalizers: [x]},
        spec: {prompt: x}, status: {phase: Running}}";
    assert_eq!(
        only_object(yaml),
        json!({"apiVersion": "axon.io/v1alpha1", "kind": "Task", "metadata": {"name": "t"}, "spec": {"prompt": "x"}})
    );
}

#[test]
fn a_run_that_has_ended_is_told_to_run_again() {
    for (phase, expected) in [("Succeeded", 1), ("Failed", 1), ("Running", 0), ("Waiting", 0)] {
        let yaml = format!(
            "{{apiVersion: axon.io/v1alpha1, kind: Task, metadata: {{name: t}}, spec: {{prompt: x}}, status: {{phase: {phase}}}}}"
        );
        assert_eq!(paths(&yaml, Weight::ToDo).len(), expected, "{phase}");
    }
}

#[test]
fn an_earlier_axon_keeps_what_there_still_is() {
    let yaml = "{apiVersion: axon.io/v1alpha1, kind: Task, metadata: {name: t},
        spec: {prompt: x, podFailurePolicy: {rules: []}, podOverrides: {env: [{name: A, value: b}], sidecar: 1}}}";
    assert_eq!(
        only_object(yaml)["spec"],
        json!({"prompt": "x", "podOverrides": {"env": [{"name": "A", "value": "b"}]}})
    );
    assert_eq!(
        paths(yaml, Weight::Lost),
        ["spec.podFailurePolicy", "spec.podOverrides.sidecar"]
    );
}

#[test]
fn what_is_no_object_is_named_and_left_out() {
    for yaml in [
        "just: values",
        "[1, 2]",
        "text",
        "{kind: Thing}",
        "{apiVersion: axon.io/v1alpha1}",
    ] {
        let converted = convert_text(yaml);
        assert!(
            converted.iter().all(|converted| converted.objects.is_empty()),
            "{yaml}"
        );
        assert_eq!(paths(yaml, Weight::Lost), ["kind"], "{yaml}");
    }
}

#[test]
fn two_documents_that_become_one_object_are_told() {
    let task =
        "{apiVersion: kelos.dev/v1alpha1, kind: Task, metadata: {name: t}, spec: {prompt: x, type: codex}}";
    let run =
        "{apiVersion: agent.xonovex.com/v1alpha1, kind: AgentRun, metadata: {name: t}, spec: {prompt: y}}";
    let yaml = format!("{task}\n---\n{run}\n");
    assert_eq!(only_object(&yaml)["spec"]["prompt"], "x");
    assert_eq!(paths(&yaml, Weight::Lost), ["metadata.name"]);
}

#[test]
fn what_the_server_would_refuse_is_told() {
    let yaml = "{apiVersion: kelos.dev/v1alpha1, kind: Task, metadata: {name: t}, spec: {type: codex, dependsOn: [A]}}";
    assert_eq!(paths(yaml, Weight::ToDo), ["spec.prompt", "spec.dependsOn[0]"]);
}

#[test]
fn a_note_is_one_line_that_names_the_field() {
    let converted = convert_text("{apiVersion: kelos.dev/v1alpha1, kind: Session, metadata: {name: s}}");
    let converted = converted.first().expect("one");
    assert_eq!(converted.origin, "f:1 Session/s");
    let line = converted.notes.first().expect("a note").line();
    assert!(
        line.starts_with("field .kind: lost: axon.io has no kind"),
        "{line}"
    );
}
