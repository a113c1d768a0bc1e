//! Who is let in.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use axon_api::kinds::task::Task;
use axon_local::connect;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use crate::harness::{Plane, create, on_a_plane, script};

async fn client_of(kubeconfig: Kubeconfig) -> Client {
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("a configuration")).expect("a client")
}

#[test]
fn the_loopback_port_answers_to_the_token_alone() {
    on_a_plane(|plane: Plane| async move {
        let path = connect::kubeconfig(&plane.options()).await.expect("a kubeconfig");
        let right = Kubeconfig::read_from(&path).expect("read");
        let client = client_of(right.clone()).await;
        let namespaces = Api::<Namespace>::all(client).list(&ListParams::default()).await;
        assert!(!namespaces.expect("let in").items.is_empty());

        let mut wrong = right;
        for user in wrong
            .auth_infos
            .iter_mut()
            .filter_map(|user| user.auth_info.as_mut())
        {
            user.token = Some("0".repeat(64).into());
        }
        let client = client_of(wrong).await;
        let refused = Api::<Namespace>::all(client).list(&ListParams::default()).await;
        let Err(kube::Error::Api(status)) = refused else {
            panic!("not refused: {refused:?}");
        };
        assert_eq!((status.code, status.reason.as_str()), (401, "Unauthorized"));
    });
}

#[test]
fn nothing_of_the_plane_is_readable_for_others() {
    on_a_plane(|plane: Plane| async move {
        plane.client().await;
        let mode = |path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(plane.directory.root().to_owned()), 0o700);
        assert_eq!(mode(plane.directory.socket()), 0o600);
        assert_eq!(mode(plane.directory.kubeconfig()), 0o600);
        assert_eq!(mode(plane.directory.root().join("tls.key")), 0o600);
        assert_eq!(mode(plane.directory.root().join("token")), 0o600);
    });
}

#[test]
fn the_kubeconfig_is_the_same_after_a_restart() {
    on_a_plane(|plane: Plane| async move {
        let read = || fs::read_to_string(plane.directory.kubeconfig()).expect("there");
        plane.client().await;
        let before = read();
        plane.crash().await;
        plane.client().await;
        assert_eq!(read(), before);
    });
}

#[test]
fn plain_kubectl_lists_tasks_where_it_is_installed() {
    on_a_plane(|plane: Plane| async move {
        let client = plane.client().await;
        create::<Task>(&client, script("hello", "true")).await;
        let listed = Command::new("kubectl")
            .args(["get", "tasks", "-o", "name"])
            .env("KUBECONFIG", plane.directory.kubeconfig())
            .env("HOME", plane.directory.root())
            .output();
        match listed {
            Ok(listed) => assert_eq!(
                String::from_utf8_lossy(&listed.stdout),
                "task.axon.io/hello\n",
                "{}",
                String::from_utf8_lossy(&listed.stderr)
            ),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
        }
    });
}
