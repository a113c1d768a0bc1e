//! Every example is applied with strict validation and planned; `golden/` has what comes of it.

use axon_api::{Task, TaskPipeline, TaskSpawner};
use axon_plan::spawner::{self, Spawn};
use serde::Serialize;
use serde_json::Value;

use super::files;
use super::manifests::Server;
use super::planned::{self, World};
use super::samples;

/// The folders of the examples, by name.
fn folders() -> Vec<String> {
    let entries = std::fs::read_dir(files::root().join("examples")).expect("examples");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The objects of all manifests of an example.
fn objects(example: &str) -> Vec<Value> {
    files::list(&files::root().join("examples").join(example), "yaml")
        .iter()
        .flat_map(|path| files::documents(&files::read(path)))
        .collect()
}

#[tokio::test]
async fn every_example_is_taken_by_a_server_that_ignores_nothing() {
    let server = Server::start();
    let mut kinds = std::collections::BTreeSet::new();
    for example in folders() {
        let objects = objects(&example);
        assert!(!objects.is_empty(), "{example} has no manifest");
        kinds.extend(
            objects
                .iter()
                .filter_map(|object| object["kind"].as_str().map(str::to_owned)),
        );
        let created = server.create(&format!("example-{example}"), &objects).await;
        created.unwrap_or_else(|why| panic!("{example}: {why}"));
    }
    for definition in axon_api::crd::all() {
        let kind = definition.spec.names.kind;
        assert!(kinds.contains(&kind), "no example has a {kind}");
    }
}

#[test]
fn every_example_is_planned_as_its_golden_file_says() {
    let mut made = std::collections::BTreeSet::new();
    let folder = files::root().join("kubectl-axon/tests/docs/golden");
    for example in folders() {
        let objects = objects(&example);
        let world = World(&objects);
        for object in &objects {
            let kind = object["kind"].as_str().expect("a kind");
            let name = object["metadata"]["name"].as_str().expect("a name");
            let Some(text) = plan(&world, kind, name) else {
                continue;
            };
            let path = folder.join(format!("{example}.{name}.yaml"));
            let text = text.unwrap_or_else(|why| panic!("{example} {kind}/{name}: {why}"));
            files::compare(&path, &text);
            made.insert(path);
        }
    }
    let stale: Vec<_> = files::list(&folder, "yaml")
        .into_iter()
        .filter(|path| !made.contains(path))
        .collect();
    assert!(stale.is_empty(), "of no example: {stale:?}");
}

/// What the operator makes first: a Job of a Task, a Task of a spawner's item or of a pipeline's first
/// step. `None` for kinds of which it makes nothing.
fn plan(world: &World<'_>, kind: &str, name: &str) -> Option<Result<String, String>> {
    Some(match kind {
        "Task" => {
            let task: Task = world.find(kind, name).expect("the Task");
            planned::job(world, &task).map(|job| yaml(&job))
        }
        "TaskPipeline" => {
            let pipeline: TaskPipeline = world.find(kind, name).expect("the pipeline");
            planned::first_step(&pipeline).and_then(|task| runnable(world, &task))
        }
        "TaskSpawner" => {
            let spawner: TaskSpawner = world.find(kind, name).expect("the spawner");
            drafted(&spawner).and_then(|task| runnable(world, &task))
        }
        _ => return None,
    })
}

/// The Task that the sample item of a source becomes.
fn drafted(spawner: &TaskSpawner) -> Result<Task, String> {
    let item = samples::item(&spawner.spec.when)?;
    let spawn = Spawn {
        candidate: item.candidate.clone(),
        trigger: "match-1".to_owned(),
        run: 1,
        suffix: String::new(),
    };
    spawner::draft(spawner, &spawn, &item, "claude-code").map_err(|refusal| refusal.to_string())
}

/// A Task as YAML, if the operator would make a Job of it.
fn runnable(world: &World<'_>, task: &Task) -> Result<String, String> {
    let mut seen = task.clone();
    seen.metadata.uid = Some("uid-of-the-task".to_owned());
    planned::job(world, &seen)?;
    Ok(yaml(task))
}

fn yaml(object: &impl Serialize) -> String {
    serde_saphyr::to_string(object).expect("YAML")
}
