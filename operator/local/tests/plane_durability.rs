//! What was acknowledged stays, however the process ends.

mod plane_support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use axon_api::Task;
use axon_local::directory::Directory;
use axon_local::plane::Plane;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use plane_support::{TestPlane, task};
use serde_json::json;

/// Names the folder of the plane in which the child process writes.
const FOLDER: &str = "AXON_TEST_PLANE_FOLDER";
/// How many acknowledged writes the parent waits for before it kills the child.
const WRITES: usize = 300;

/// Writes until it is killed, and prints the name of each Task that was acknowledged.
#[tokio::test]
#[ignore = "the child process of the test below"]
async fn child_that_writes() {
    let folder = std::env::var(FOLDER).expect("the folder of the parent");
    let plane = Plane::open(&Directory::new(folder)).expect("the plane opens");
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    for number in 0.. {
        let name = format!("task-{number}");
        tasks
            .create(&PostParams::default(), &task(&name))
            .await
            .expect("create");
        // Not by `println!`: the harness may hold that back, and a killed child never shows it.
        writeln!(std::io::stdout(), "acknowledged {name}").expect("the parent reads");
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "child_that_writes", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let names = lines
        .map_while(Result::ok)
        .filter_map(|line| Some(line.split_once("acknowledged ")?.1.to_owned()));
    let mut acknowledged = Vec::new();
    for name in names {
        acknowledged.push(name);
        if acknowledged.len() == WRITES {
            // The rest of its output, up to its end, is read as well.
            child.kill().expect("the child is killed");
        }
    }
    child.wait().expect("the child ends");
    assert!(acknowledged.len() >= WRITES);

    let plane = Plane::open(&Directory::new(folder.path())).expect("the plane opens");
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    let kept = tasks.list(&ListParams::default()).await.expect("list");
    let kept: Vec<String> = kept
        .items
        .into_iter()
        .filter_map(|task| task.metadata.name)
        .collect();
    let lost: Vec<&String> = acknowledged.iter().filter(|name| !kept.contains(name)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[tokio::test]
async fn versions_go_on_after_a_restart() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    let created = tasks
        .create(&PostParams::default(), &task("one"))
        .await
        .expect("create");
    let version = created.metadata.resource_version.expect("a version");
    drop(tasks);
    let plane = plane.reopen();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    let mut events = tasks
        .watch(&WatchParams::default(), &version)
        .await
        .expect("watch")
        .boxed();
    tasks
        .create(&PostParams::default(), &task("two"))
        .await
        .expect("create");
    let first = events.next().await.expect("an event").expect("an event");
    assert!(matches!(first, WatchEvent::Added(task) if task.metadata.name.as_deref() == Some("two")));
}

#[tokio::test]
async fn a_watch_that_is_too_far_behind_ends_with_410() {
    let plane = TestPlane::open();
    let maps: Api<ConfigMap> = Api::default_namespaced(plane.client());
    let mut version = String::new();
    for number in 0..16 {
        let name = format!("map-{number}");
        let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": name } })).expect("a map");
        let created = maps.create(&PostParams::default(), &map).await.expect("create");
        version = created.metadata.resource_version.expect("a version");
    }
    // It is opened and not read, as by a client that has stopped.
    let slow = maps
        .watch(&WatchParams::default(), &version)
        .await
        .expect("watch");
    let changes = (0..10_100).map(|number| {
        let maps = maps.clone();
        async move {
            let patch = Patch::Merge(json!({ "data": { "key": number.to_string() } }));
            maps.patch(&format!("map-{}", number % 16), &PatchParams::default(), &patch)
                .await
        }
    });
    let mut changes = futures::stream::iter(changes).buffer_unordered(16);
    while let Some(change) = changes.next().await {
        change.expect("patch");
    }
    let events: Vec<_> = slow.collect().await;
    let last = events.last().expect("an event").as_ref().expect("an event");
    assert!(
        matches!(last, WatchEvent::Error(status) if status.code == 410),
        "{last:?}"
    );
}
