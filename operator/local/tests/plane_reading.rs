//! What clients and kubectl read of the embedded plane: tables, discovery, schemas, logs, streams.

mod plane_support;

use axon_api::Task;
use futures::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _};
use http::Request;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, LogParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::watcher;
use plane_support::{TestPlane, refusal, task};
use serde_json::{Value, json};

/// GET with an `Accept` header.
async fn read(plane: &TestPlane, path: &str, accept: &str) -> Value {
    let request = Request::get(path)
        .header("accept", accept)
        .body(Vec::new())
        .expect("a request");
    plane.client().request(request).await.expect("an answer")
}

fn pod(name: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": name },
        "spec": { "initContainers": [{ "name": "prepare", "image": "i" }], "containers": [{ "name": "agent", "image": "i" }] },
    }))
    .expect("a pod")
}

#[tokio::test]
async fn a_table_has_the_columns_of_the_definition() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    tasks
        .create(&PostParams::default(), &task("one"))
        .await
        .expect("create");
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let table = read(&plane, "/apis/axon.io/v1alpha1/namespaces/default/tasks", accept).await;
    let names: Vec<&Value> = table["columnDefinitions"]
        .as_array()
        .expect("columns")
        .iter()
        .map(|column| &column["name"])
        .collect();
    assert_eq!(
        names,
        ["Name", "Type", "Phase", "Reason", "Branch", "Commit", "Age"]
    );
    assert_eq!(table["rows"][0]["cells"][0], "one");
    assert_eq!(table["rows"][0]["cells"][1], "shell");
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

#[tokio::test]
async fn metadata_is_given_alone_when_asked_for() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    tasks
        .create(&PostParams::default(), &task("one"))
        .await
        .expect("create");
    let partial = tasks.get_metadata("one").await.expect("metadata");
    assert_eq!(partial.metadata.name.as_deref(), Some("one"));
    let accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let list = read(&plane, "/apis/axon.io/v1alpha1/tasks", accept).await;
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["items"][0].get("spec"), None);
}

#[tokio::test]
async fn discovery_names_every_kind() {
    let plane = TestPlane::open();
    let discovery = kube::discovery::Discovery::new(plane.client())
        .run()
        .await
        .expect("discovery");
    let mut kinds: Vec<String> = discovery
        .groups()
        .flat_map(kube::discovery::ApiGroup::recommended_resources)
        .map(|(resource, _)| resource.kind)
        .collect();
    kinds.sort();
    let expected = [
        "AgentConfig",
        "AgentProvider",
        "ConfigMap",
        "CustomResourceDefinition",
        "Event",
        "Event",
        "Job",
        "Lease",
        "Namespace",
        "PersistentVolumeClaim",
        "Pod",
        "Secret",
        "Task",
        "TaskDefaults",
        "TaskPipeline",
        "TaskSpawner",
        "Workspace",
    ];
    assert_eq!(kinds, expected);
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let aggregated = read(&plane, "/apis", accept).await;
    assert_eq!(aggregated["kind"], "APIGroupDiscoveryList");
}

#[tokio::test]
async fn the_schema_of_a_task_carries_its_documentation() {
    let plane = TestPlane::open();
    let index = read(&plane, "/openapi/v3", "application/json").await;
    assert!(index["paths"]["apis/axon.io/v1alpha1"]["serverRelativeURL"].is_string());
    let document = read(&plane, "/openapi/v3/apis/axon.io/v1alpha1", "application/json").await;
    let task = &document["components"]["schemas"]["io.axon.v1alpha1.Task"];
    let prompt = &task["properties"]["spec"]["properties"]["prompt"]["description"];
    assert!(
        prompt
            .as_str()
            .is_some_and(|text| text.starts_with("What the agent is to do.")),
        "{prompt}"
    );
}

#[tokio::test]
async fn a_streamed_list_ends_with_its_bookmark() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    tasks
        .create(&PostParams::default(), &task("one"))
        .await
        .expect("create");
    let params = WatchParams::default().initial_events();
    let events: Vec<_> = tasks
        .watch(&params, "0")
        .await
        .expect("watch")
        .take(2)
        .try_collect()
        .await
        .expect("events");
    assert!(matches!(&events[0], WatchEvent::Added(task) if task.metadata.name.as_deref() == Some("one")));
    let WatchEvent::Bookmark(bookmark) = &events[1] else {
        panic!("no bookmark: {events:?}");
    };
    assert_eq!(
        bookmark
            .metadata
            .annotations
            .get("k8s.io/initial-events-end")
            .map(String::as_str),
        Some("true")
    );
}

#[tokio::test]
async fn both_ways_of_a_controller_to_watch_see_a_later_task() {
    let plane = TestPlane::open();
    for config in [
        watcher::Config::default(),
        watcher::Config::default().streaming_lists(),
    ] {
        let tasks: Api<Task> = Api::default_namespaced(plane.client());
        tasks
            .create(&PostParams::default(), &task("before"))
            .await
            .expect("create");
        let mut events = watcher::watcher(tasks.clone(), config).boxed();
        let mut seen = Vec::new();
        while seen.last().map(String::as_str) != Some("applied after") {
            match events.next().await.expect("an event").expect("an event") {
                watcher::Event::InitApply(task) => {
                    seen.push(format!("listed {}", task.metadata.name.unwrap_or_default()));
                }
                watcher::Event::InitDone => {
                    tasks
                        .create(&PostParams::default(), &task("after"))
                        .await
                        .expect("create");
                }
                watcher::Event::Apply(task) => {
                    seen.push(format!("applied {}", task.metadata.name.unwrap_or_default()));
                }
                watcher::Event::Init | watcher::Event::Delete(_) => {}
            }
        }
        assert_eq!(seen, ["listed before", "applied after"]);
        for name in ["before", "after"] {
            tasks
                .delete(name, &DeleteParams::default())
                .await
                .expect("delete");
        }
    }
}

#[tokio::test]
async fn a_log_is_read_from_the_folder_of_the_pod() {
    let plane = TestPlane::open();
    let pods: Api<Pod> = Api::default_namespaced(plane.client());
    let created = pods
        .create(&PostParams::default(), &pod("pod"))
        .await
        .expect("create");
    let error = pods
        .logs("pod", &LogParams::default())
        .await
        .expect_err("it has not started");
    let (code, _, message) = refusal(&error);
    assert_eq!(code, 400);
    assert_eq!(
        message,
        r#"container "agent" in pod "pod" is waiting to start: ContainerCreating"#
    );

    let path = plane
        .directory()
        .container_log(&created.metadata.uid.expect("a uid"), "agent");
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of the pod");
    std::fs::write(&path, "one\ntwo\nthree\n").expect("the log");
    let whole = pods.logs("pod", &LogParams::default()).await.expect("log");
    assert_eq!(whole, "one\ntwo\nthree\n");
    let tail = LogParams {
        tail_lines: Some(2),
        ..LogParams::default()
    };
    assert_eq!(pods.logs("pod", &tail).await.expect("log"), "two\nthree\n");
    let cut = LogParams {
        limit_bytes: Some(5),
        ..LogParams::default()
    };
    assert_eq!(pods.logs("pod", &cut).await.expect("log"), "one\nt");
}

#[tokio::test]
async fn a_followed_log_ends_when_its_container_does() {
    let plane = TestPlane::open();
    let pods: Api<Pod> = Api::default_namespaced(plane.client());
    let created = pods
        .create(&PostParams::default(), &pod("pod"))
        .await
        .expect("create");
    let path = plane
        .directory()
        .container_log(&created.metadata.uid.expect("a uid"), "agent");
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of the pod");
    std::fs::write(&path, "one\n").expect("the log");
    let params = LogParams {
        follow: true,
        ..LogParams::default()
    };
    let mut lines = pods.log_stream("pod", &params).await.expect("log").lines();
    assert_eq!(lines.try_next().await.expect("a line").as_deref(), Some("one"));
    std::fs::write(&path, "one\ntwo\n").expect("the log");
    let status = json!({ "status": { "phase": "Running", "containerStatuses": [{
        "name": "agent", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
        "state": { "terminated": { "exitCode": 0 } },
    }] } });
    pods.patch_status("pod", &PatchParams::default(), &Patch::Merge(status))
        .await
        .expect("patch");
    assert_eq!(lines.try_next().await.expect("a line").as_deref(), Some("two"));
    assert_eq!(lines.try_next().await.expect("the end"), None);
}

#[tokio::test]
async fn a_running_pod_is_marked_before_it_goes() {
    let plane = TestPlane::open();
    let pods: Api<Pod> = Api::default_namespaced(plane.client());
    pods.create(&PostParams::default(), &pod("pod"))
        .await
        .expect("create");
    pods.delete("pod", &DeleteParams::default())
        .await
        .expect("delete");
    let marked = pods.get("pod").await.expect("it is still there");
    assert!(marked.metadata.deletion_timestamp.is_some());
    assert_eq!(marked.metadata.deletion_grace_period_seconds, Some(30));
    pods.delete("pod", &DeleteParams::default().grace_period(0))
        .await
        .expect("delete");
    assert!(pods.get_opt("pod").await.expect("get").is_none());
}
