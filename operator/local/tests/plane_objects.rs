//! Objects on the embedded plane, through a client as the operator has it.

mod plane_support;

use axon_api::{Task, TaskSpec, Workspace};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use plane_support::{TestPlane, refusal, task};
use serde_json::json;

#[tokio::test]
async fn a_created_task_has_an_identity_and_can_be_read() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    let created = tasks
        .create(&PostParams::default(), &task("one"))
        .await
        .expect("create");
    assert!(created.metadata.uid.is_some());
    assert!(created.metadata.creation_timestamp.is_some());
    assert_eq!(created.metadata.generation, Some(1));
    assert_eq!(created.metadata.namespace.as_deref(), Some("default"));
    assert_eq!(tasks.get("one").await.expect("get").metadata, created.metadata);
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    tasks
        .create(&PostParams::default(), &task("one"))
        .await
        .expect("create");
    let error = tasks
        .create(&PostParams::default(), &task("one"))
        .await
        .expect_err("taken");
    assert_eq!(
        refusal(&error),
        (409, "AlreadyExists", r#"tasks.axon.io "one" already exists"#)
    );
}

#[tokio::test]
async fn a_generated_name_starts_with_its_prefix() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    let mut nameless = task("x");
    nameless.metadata.name = None;
    nameless.metadata.generate_name = Some("task-".to_owned());
    let created = tasks
        .create(&PostParams::default(), &nameless)
        .await
        .expect("create");
    let name = created.metadata.name.expect("name");
    assert!(name.starts_with("task-"), "{name}");
    assert_eq!(name.len(), "task-".len() + 5);
}

#[tokio::test]
async fn an_update_of_an_older_version_is_refused() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    let first = tasks
        .create(&PostParams::default(), &task("one"))
        .await
        .expect("create");
    let mut second = first.clone();
    second.metadata.labels = Some([("a".to_owned(), "b".to_owned())].into());
    tasks
        .replace("one", &PostParams::default(), &second)
        .await
        .expect("replace");
    let error = tasks
        .replace("one", &PostParams::default(), &second)
        .await
        .expect_err("stale");
    let (code, reason, _) = refusal(&error);
    assert_eq!((code, reason), (409, "Conflict"));
}

#[tokio::test]
async fn the_status_is_written_apart_from_the_rest() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    tasks
        .create(&PostParams::default(), &task("one"))
        .await
        .expect("create");
    let patch = Patch::Merge(json!({
        "metadata": { "labels": { "ignored": "true" } },
        "spec": { "cancel": true },
        "status": { "phase": "Running" },
    }));
    let patched = tasks
        .patch_status("one", &PatchParams::default(), &patch)
        .await
        .expect("patch");
    assert_eq!(patched.phase(), Some(axon_api::Phase::Running));
    assert_eq!(patched.metadata.labels, None);
    assert_eq!(patched.spec.cancel, None);
    assert_eq!(patched.metadata.generation, Some(1));

    let patch = Patch::Merge(json!({ "spec": { "cancel": true }, "status": { "phase": "Failed" } }));
    let patched = tasks
        .patch("one", &PatchParams::default(), &patch)
        .await
        .expect("patch");
    assert_eq!(patched.phase(), Some(axon_api::Phase::Running));
    assert_eq!(patched.spec.cancel, Some(true));
    assert_eq!(patched.metadata.generation, Some(2));
}

#[tokio::test]
async fn a_watch_from_a_list_misses_nothing() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    tasks
        .create(&PostParams::default(), &task("before"))
        .await
        .expect("create");
    let list = tasks.list(&ListParams::default()).await.expect("list");
    let version = list.metadata.resource_version.expect("version");
    tasks
        .create(&PostParams::default(), &task("after"))
        .await
        .expect("create");
    tasks
        .delete("before", &DeleteParams::default())
        .await
        .expect("delete");
    let events = tasks
        .watch(&WatchParams::default(), &version)
        .await
        .expect("watch");
    let seen: Vec<String> = events
        .take(2)
        .map_ok(|event| match event {
            WatchEvent::Added(task) => format!("added {}", task.metadata.name.unwrap_or_default()),
            WatchEvent::Deleted(task) => format!("deleted {}", task.metadata.name.unwrap_or_default()),
            other => format!("{other:?}"),
        })
        .try_collect()
        .await
        .expect("events");
    assert_eq!(seen, ["added after", "deleted before"]);
}

#[tokio::test]
async fn a_watch_by_label_sees_objects_come_and_go() {
    let plane = TestPlane::open();
    let maps: Api<ConfigMap> = Api::default_namespaced(plane.client());
    let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "map" } })).expect("map");
    let created = maps.create(&PostParams::default(), &map).await.expect("create");
    let version = created.metadata.resource_version.expect("version");
    for value in ["blue", "red", "blue"] {
        let patch = Patch::Merge(json!({ "metadata": { "labels": { "colour": value } } }));
        maps.patch("map", &PatchParams::default(), &patch)
            .await
            .expect("patch");
    }
    let params = WatchParams::default().labels("colour=red");
    let events = maps.watch(&params, &version).await.expect("watch");
    let seen: Vec<&str> = events
        .take(2)
        .map_ok(|event| match event {
            WatchEvent::Added(_) => "added",
            WatchEvent::Modified(_) => "modified",
            WatchEvent::Deleted(_) => "deleted",
            _ => "other",
        })
        .try_collect()
        .await
        .expect("events");
    assert_eq!(seen, ["added", "deleted"]);
}

#[tokio::test]
async fn pages_show_the_list_as_it_was_at_the_first_page() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    for name in ["a", "b", "c"] {
        tasks
            .create(&PostParams::default(), &task(name))
            .await
            .expect("create");
    }
    let first = tasks
        .list(&ListParams::default().limit(2))
        .await
        .expect("first page");
    assert_eq!(first.metadata.remaining_item_count, Some(1));
    tasks.delete("c", &DeleteParams::default()).await.expect("delete");
    tasks
        .create(&PostParams::default(), &task("d"))
        .await
        .expect("create");
    let token = first.metadata.continue_.expect("token");
    let params = ListParams::default().limit(2).continue_token(&token);
    let second = tasks.list(&params).await.expect("second page");
    let names: Vec<_> = second
        .items
        .iter()
        .filter_map(|task| task.metadata.name.as_deref())
        .collect();
    assert_eq!(names, ["c"]);
    assert_eq!(second.metadata.resource_version, first.metadata.resource_version);
}

#[tokio::test]
async fn what_an_object_owns_goes_with_it() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    let secrets: Api<Secret> = Api::default_namespaced(plane.client());
    let owner = tasks
        .create(&PostParams::default(), &task("owner"))
        .await
        .expect("create");
    let secret: Secret = serde_json::from_value(json!({
        "metadata": { "name": "owned", "ownerReferences": [{
            "apiVersion": "axon.io/v1alpha1", "kind": "Task", "name": "owner", "uid": owner.metadata.uid,
        }] },
        "stringData": { "key": "value" },
    }))
    .expect("secret");
    let created = secrets
        .create(&PostParams::default(), &secret)
        .await
        .expect("create");
    assert_eq!(created.data.expect("data")["key"].0, b"value");
    let version = created.metadata.resource_version.expect("version");
    tasks
        .delete("owner", &DeleteParams::background())
        .await
        .expect("delete");
    let events = secrets
        .watch(&WatchParams::default(), &version)
        .await
        .expect("watch");
    let first = events.take(1).try_collect::<Vec<_>>().await.expect("events");
    assert!(matches!(first.as_slice(), [WatchEvent::Deleted(_)]));
}

#[tokio::test]
async fn an_invalid_task_is_refused_with_its_cause() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    let error = tasks
        .create(&PostParams::default(), &Task::new("bad", TaskSpec::default()))
        .await
        .expect_err("no prompt");
    let (code, reason, message) = refusal(&error);
    assert_eq!((code, reason), (422, "Invalid"));
    assert!(
        message.starts_with(r#"Task.axon.io "bad" is invalid: "#)
            && message.contains("spec.prompt in body should be at least 1 chars long"),
        "{message}"
    );
}

#[tokio::test]
async fn the_prompt_of_a_task_cannot_be_changed() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    tasks
        .create(&PostParams::default(), &task("one"))
        .await
        .expect("create");
    let patch = Patch::Merge(json!({ "spec": { "prompt": "another" } }));
    let error = tasks
        .patch("one", &PatchParams::default(), &patch)
        .await
        .expect_err("immutable");
    let (code, _, message) = refusal(&error);
    assert_eq!(code, 422);
    assert!(
        message.contains("prompt cannot be changed once the Task is created"),
        "{message}"
    );
}

#[tokio::test]
async fn a_pod_in_a_missing_namespace_is_refused() {
    let plane = TestPlane::open();
    let pods: Api<Pod> = Api::namespaced(plane.client(), "nowhere");
    let pod = serde_json::from_value(json!({
        "metadata": { "name": "pod" },
        "spec": { "containers": [{ "name": "c", "image": "i" }] },
    }))
    .expect("pod");
    let error = pods
        .create(&PostParams::default(), &pod)
        .await
        .expect_err("no namespace");
    assert_eq!(
        refusal(&error),
        (404, "NotFound", r#"namespaces "nowhere" not found"#)
    );
}

#[tokio::test]
async fn a_namespace_goes_with_its_content() {
    let plane = TestPlane::open();
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(plane.client());
    let namespace = serde_json::from_value(json!({ "metadata": { "name": "team" } })).expect("namespace");
    let created = namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .expect("create");
    let workspaces: Api<Workspace> = Api::namespaced(plane.client(), "team");
    let workspace = serde_json::from_value(json!({
        "apiVersion": "axon.io/v1alpha1", "kind": "Workspace",
        "metadata": { "name": "ws" }, "spec": { "repo": "https://example.com/a" },
    }))
    .expect("workspace");
    workspaces
        .create(&PostParams::default(), &workspace)
        .await
        .expect("create");
    let version = created.metadata.resource_version.expect("version");
    namespaces
        .delete("team", &DeleteParams::default())
        .await
        .expect("delete");
    let events = namespaces
        .watch(&WatchParams::default(), &version)
        .await
        .expect("watch");
    let seen: Vec<_> = events.take(2).try_collect().await.expect("events");
    assert!(
        matches!(seen.as_slice(), [WatchEvent::Modified(_), WatchEvent::Deleted(_)]),
        "{seen:?}"
    );
    assert!(
        workspaces
            .list(&ListParams::default())
            .await
            .expect("list")
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let plane = TestPlane::open();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    let created = tasks
        .create(&PostParams::default(), &task("one"))
        .await
        .expect("create");
    drop(tasks);
    let plane = plane.reopen();
    let tasks: Api<Task> = Api::default_namespaced(plane.client());
    assert_eq!(tasks.get("one").await.expect("get").metadata, created.metadata);
}

#[tokio::test]
async fn whoever_reaches_the_plane_is_its_owner_and_may_do_all() {
    let plane = TestPlane::open();
    let reviews: Api<SelfSubjectReview> = Api::all(plane.client());
    let review = reviews
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .expect("a review");
    let user = review.status.and_then(|status| status.user_info);
    assert!(
        user.and_then(|user| user.username)
            .is_some_and(|name| !name.is_empty())
    );
    let reviews: Api<SelfSubjectAccessReview> = Api::all(plane.client());
    let review = reviews
        .create(&PostParams::default(), &SelfSubjectAccessReview::default())
        .await
        .expect("a review");
    assert!(review.status.is_some_and(|status| status.allowed));
}
