//! When a serving process starts and ends.

use std::process::{Command, Stdio};

use axon_api::kinds::task::Task;
use axon_local::connect::{self, Stopped};
use axon_local::directory;
use kube::Api;

use crate::harness::{PROGRAM, Plane, create, on_a_plane, open, reaches, script, until};

fn serve(plane: &Plane) -> Command {
    let mut serve = Command::new(PROGRAM);
    serve
        .args(["local", "serve"])
        .env(directory::VARIABLE, plane.directory.root())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    serve
}

#[test]
fn a_folder_is_served_by_one_process() {
    on_a_plane(|plane: Plane| async move {
        plane.client().await;
        let second = serve(&plane).output().expect("started");
        assert!(!second.status.success());
        let errors = String::from_utf8_lossy(&second.stderr);
        assert!(errors.contains("another process serves it"), "{errors}");
    });
}

#[test]
fn commands_that_come_together_start_one_process_and_all_reach_it() {
    on_a_plane(|plane: Plane| async move {
        let clients = (0..8).map(|_| {
            let plane = plane.clone();
            tokio::spawn(async move { plane.client().await.apiserver_version().await })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.expect("no panic").expect("answered");
        }
    });
}

#[test]
fn a_plane_that_nobody_uses_ends_but_not_before_its_tasks_have() {
    on_a_plane(|plane: Plane| async move {
        let gate = plane.gate("gate");
        let client = plane.client().await;
        let prompt = format!("read line < {}", gate.display());
        create::<Task>(&client, script("run", &prompt)).await;
        reaches(&client, "run", |task: Option<&Task>| {
            task.and_then(|task| task.status.as_ref()?.start_time.as_ref())
                .is_some()
        })
        .await;
        drop(client);
        plane.crash().await;

        let mut impatient = serve(&plane);
        let impatient = impatient
            .env("AXON_LOCAL_IDLE_SECONDS", "0")
            .stderr(Stdio::null());
        let mut impatient = impatient.spawn().expect("started");
        until(|| plane.directory.socket().exists()).await;
        assert!(impatient.try_wait().expect("watched").is_none());
        open(&gate).await;
        let ended = tokio::task::spawn_blocking(move || impatient.wait()).await;
        assert!(ended.expect("no panic").expect("watched").success());

        // What the process had to wait for is done before another looks.
        let tasks: Api<Task> = Api::default_namespaced(plane.client().await);
        let status = tasks
            .get("run")
            .await
            .expect("the Task")
            .status
            .expect("a status");
        assert!(status.completion_time.is_some(), "{status:?}");
    });
}

#[test]
fn a_plane_that_is_stopped_says_so_and_starts_again_when_it_is_needed() {
    on_a_plane(|plane: Plane| async move {
        plane.client().await;
        let serving = connect::status(&plane.directory)
            .await
            .expect("an answer")
            .expect("serving");
        assert_eq!(
            (serving.unfinished_tasks, serving.socket),
            (0, plane.directory.socket())
        );
        assert_eq!(
            connect::stop(&plane.directory).await.expect("stopped"),
            Stopped::Ended
        );
        assert_eq!(connect::status(&plane.directory).await.expect("an answer"), None);
        plane.client().await.apiserver_version().await.expect("answered");
    });
}
