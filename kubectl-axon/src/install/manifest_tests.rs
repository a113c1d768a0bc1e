use super::*;
use std::collections::BTreeMap;

fn objects(wanted: &Wanted) -> Vec<Value> {
    wanted.objects().expect("objects")
}

fn deployment(wanted: &Wanted) -> Value {
    objects(wanted)
        .into_iter()
        .find(is_operator)
        .expect("the operator")
}

fn arguments(deployment: &Value) -> Vec<String> {
    let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    serde_json::from_value(arguments.clone()).expect("arguments")
}

#[test]
fn everything_that_others_need_comes_first() {
    let kinds: Vec<String> = objects(&Wanted::standard(NAMESPACE))
        .iter()
        .map(|object| object["kind"].as_str().expect("a kind").to_owned())
        .collect();
    let place = |kind: &str| kinds.iter().position(|known| known == kind).expect(kind);
    assert_eq!(place("Namespace"), 0);
    assert_eq!(place("CustomResourceDefinition"), 1);
    assert!(place("ClusterRole") < place("ClusterRoleBinding"));
    assert!(place("ValidatingAdmissionPolicy") < place("ValidatingAdmissionPolicyBinding"));
    assert_eq!(kinds.last().map(String::as_str), Some("Deployment"));
}

#[test]
fn definitions_and_operator_are_the_two_parts_of_the_whole() {
    let part = |parts: Parts| {
        objects(&Wanted {
            parts,
            ..Wanted::standard(NAMESPACE)
        })
    };
    let definitions = part(Parts::Definitions);
    assert!(
        definitions
            .iter()
            .all(|object| object["kind"] == "CustomResourceDefinition")
    );
    assert_eq!(definitions.len(), crd::all().len());
    assert_eq!(
        definitions.len() + part(Parts::Operator).len(),
        part(Parts::All).len()
    );
}

#[test]
fn every_object_says_whose_it_is_and_none_says_helm() {
    for object in objects(&Wanted::standard("elsewhere")) {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels[labels::MANAGED_BY], MANAGER, "{object}");
        assert_eq!(labels[VERSION_LABEL], VERSION, "{object}");
        let is_definition = object["kind"] == "CustomResourceDefinition";
        let installation = labels.get(labels::INSTALLATION);
        assert_eq!(installation, (!is_definition).then_some(&json!("elsewhere")));
        assert!(!object["metadata"].to_string().contains("helm.sh/"), "{object}");
        assert!(!object.to_string().contains("Helm"), "{object}");
    }
}

#[test]
fn another_namespace_is_named_wherever_the_chart_names_its_own() {
    for object in objects(&Wanted::standard("elsewhere")) {
        assert!(
            object["kind"] == "CustomResourceDefinition" || !object.to_string().contains(NAMESPACE),
            "{object}"
        );
    }
    assert_eq!(
        renamed("http://x.axon-system.svc/my-axon-system/axon-system-2", "ns"),
        "http://x.ns.svc/my-axon-system/axon-system-2"
    );
}

#[test]
fn a_selector_has_no_label_that_changes_with_the_version() {
    let deployment = deployment(&Wanted::standard(NAMESPACE));
    let selector = deployment["spec"]["selector"]["matchLabels"]
        .as_object()
        .expect("labels");
    let template = &deployment["spec"]["template"]["metadata"]["labels"];
    for (key, value) in selector {
        assert_eq!(&template[key], value);
        assert!(![VERSION_LABEL, labels::MANAGED_BY, labels::INSTALLATION].contains(&key.as_str()));
    }
}

#[test]
fn flags_reach_the_operator() {
    let wanted = Wanted {
        images: Images {
            operator: Some("my/operator:1".to_owned()),
            git: Some("my/git:1".to_owned()),
            agents: BTreeMap::from([("codex".to_owned(), "my/codex:1".to_owned())]),
            pull_policy: Some("Never".to_owned()),
            ..Images::default()
        },
        replicas: Some(2),
        watch_namespace: Some("team".to_owned()),
        ..Wanted::standard(NAMESPACE)
    };
    let deployment = deployment(&wanted);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "my/operator:1");
    assert_eq!(container["imagePullPolicy"], "Never");
    assert_eq!(deployment["spec"]["replicas"], 2);
    let arguments = arguments(&deployment);
    for flag in [
        "--runner-image=my/operator:1",
        "--git-image=my/git:1",
        "--agent-image=codex=my/codex:1",
        "--agent-image=shell=my/git:1",
        "--image-pull-policy=Never",
        "--watch-namespace=team",
    ] {
        let (name, _) = flag.rsplit_once('=').expect("a flag");
        let same: Vec<&String> = arguments.iter().filter(|known| known.starts_with(name)).collect();
        assert_eq!(same, [flag], "{arguments:?}");
    }
}

#[test]
fn the_chart_has_the_images_of_this_version() {
    let deployment = deployment(&Wanted::standard(NAMESPACE));
    let known = axon_plan::Settings::default();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], json!(known.runner_image));
    assert_eq!(container["name"].as_str().map(str::is_empty), Some(false));
}
