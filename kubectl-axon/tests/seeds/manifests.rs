//! Manifests and fragments: converted, taken by the plane with strict validation, and planned.

use axon_local::directory::Directory;
use axon_local::plane::Plane;
use serde_json::{Value, json};

use super::table::{self, Class, Manifest, Promise};
use super::worlds::{World, block, overlay, with_fragment};
use super::{blocks, plans, tools};

/// The path to which an object of a kind is posted.
fn path_of(object: &Value, namespace: &str) -> String {
    let kind = object["kind"].as_str().expect("a kind");
    let plural = axon_api::crd::all()
        .into_iter()
        .find(|definition| definition.spec.names.kind == kind)
        .map(|definition| definition.spec.names.plural);
    match (object["apiVersion"].as_str(), plural) {
        (Some("axon.io/v1alpha1"), Some(plural)) => {
            format!("/apis/axon.io/v1alpha1/namespaces/{namespace}/{plural}?fieldValidation=Strict")
        }
        _ => panic!("{kind} is not of axon.io"),
    }
}

/// Creates the objects in a namespace of their own in a plane, which checks them as a server does.
async fn create(client: &kube::Client, namespace: &str, objects: &[Value]) -> Result<(), String> {
    let home = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    post(client, "/api/v1/namespaces", &home).await?;
    for object in objects {
        let mut object = object.clone();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("namespace");
        }
        post(client, &path_of(&object, namespace), &object).await?;
    }
    Ok(())
}

async fn post(client: &kube::Client, path: &str, object: &Value) -> Result<(), String> {
    let request = http::Request::post(path)
        .header("Content-Type", "application/json")
        .body(object.to_string().into_bytes())
        .expect("a request");
    let created: Result<Value, _> = client.request(request).await;
    created.map(drop).map_err(|error| format!("{error}\n{object:#}"))
}

async fn prove(
    client: &kube::Client,
    namespace: &str,
    others: &World,
    (yaml, class, promises): (&str, &Manifest, &[Promise]),
) -> Result<(), String> {
    let (code, mut objects, said) = tools::convert(yaml);
    if code != class.exit || objects.is_empty() {
        return Err(format!("convert ends with {code}: {said}"));
    }
    if let Some(by_hand) = &class.by_hand {
        // What nobody was told of must not be put in.
        assert!(
            said.contains("to do: "),
            "convert has nothing to do by hand: {said}"
        );
        for object in &mut objects {
            overlay(object, by_hand);
        }
    }
    create(client, namespace, &objects).await?;
    if promises.is_empty() {
        return Err("nothing is promised".to_owned());
    }
    let world = others.with(&objects);
    promises
        .iter()
        .try_for_each(|promise| plans::check(&world, promise))
}

#[tokio::test]
async fn every_manifest_applies_and_is_planned_as_its_readme_says() {
    let mut proven = 0;
    let mut failures = Vec::new();
    let folder = tempfile::tempdir().expect("a folder");
    let plane = Plane::open(&Directory::new(folder.path())).expect("a plane");
    let client = plane.client();
    for seed in blocks::SEEDS {
        let table = table::of(seed);
        let others = World::of(seed);
        for (line, class) in &table {
            let (yaml, manifest, promises) = match class {
                Class::Manifest(manifest) => (block(seed, *line), manifest, &manifest.plans),
                Class::Fragment(fragment) => {
                    let Some(Class::Manifest(whole)) = table.get(&fragment.of) else {
                        panic!("{seed}:{line} is in no manifest");
                    };
                    let yaml = with_fragment(&block(seed, fragment.of), &block(seed, *line));
                    (yaml, whole, &fragment.plans)
                }
                _ => continue,
            };
            match prove(
                &client,
                &format!("l{line}-{seed}"),
                &others,
                (&yaml, manifest, promises),
            )
            .await
            {
                Ok(()) => proven += 1,
                Err(why) => failures.push(format!("{seed}:{line}: {why}")),
            }
        }
    }
    println!("{proven} manifests and fragments");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_is_not_in_this_build_is_truly_not_there() {
    for seed in blocks::SEEDS {
        for (line, class) in table::of(seed) {
            let Class::Deviation(deviation) = class else {
                continue;
            };
            assert!(!deviation.why.is_empty(), "{seed}:{line} has no reason");
            if let Some(kind) = deviation.no_kind {
                let is_there = axon_api::crd::all()
                    .iter()
                    .any(|definition| definition.spec.names.kind == kind);
                assert!(!is_there, "{seed}:{line}: {kind} is there: it is a manifest");
                let (code, objects, said) = tools::convert(&block(seed, line));
                assert_eq!(code, 13, "{seed}:{line}: {said}");
                assert!(said.contains(&format!("no kind {kind}")), "{said}");
                assert_eq!(objects.len(), 1);
            }
            if let Some(verb) = deviation.no_verb {
                let home = tempfile::tempdir().expect("a folder");
                let (code, ..) = tools::parts(&tools::shell(home.path(), &format!("axon {verb} --help")));
                assert_eq!(code, 2, "{seed}:{line}: {verb} is there: it is a command");
            }
        }
    }
}
