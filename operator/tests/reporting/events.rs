//! What only GitHub can tell of events and of hooks.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axon_api::TaskSpawner;
use axon_api::sources::comment_policy::{Permission, Standing};
use axon_api::sources::github::examined::Need;
use axon_e2e::github::{Access, PullRequest, Role};
use axon_operator::webhook::{Forge, Hooks, HubForge, Question, Told};
use axum::Router;
use axum::extract::State;
use http::StatusCode;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::harness::{REPOSITORY, TEAM, World};

fn forge(world: &World) -> HubForge {
    HubForge::new(world.hub(), world.client.clone(), Arc::default(), Arc::default())
}

fn spawner(world: &World) -> TaskSpawner {
    serde_json::from_value(json!({
        "apiVersion": "axon.io/v1alpha1", "kind": "TaskSpawner",
        "metadata": { "name": "triage", "namespace": TEAM, "uid": "u" },
        "spec": {
            "when": { "githubWebhook": {
                "events": ["issue_comment"],
                "commentPolicy": { "minimumPermission": "write", "allowedTeams": ["acme/reviewers"] },
            } },
            "taskTemplate": {
                "workspace": {
                    "repo": world.github.repository_url(REPOSITORY), "secretRef": { "name": "github" },
                },
            },
        },
    }))
    .expect("a TaskSpawner")
}

#[tokio::test]
async fn files_branch_and_people_of_an_event_are_asked_for() {
    let world = World::new(Access::installation()).await;
    let pull = PullRequest::new("Oil it").head("oil").file("src/door.rs");
    let number = world.repository().open_pull_request(pull);
    world.repository().set_permission("alice", Role::Maintain);
    world.github.add_team_member("acme", "reviewers", "alice");
    let forge = forge(&world);
    let spawner = spawner(&world);
    let ask = async |need: Need| {
        let question = Question {
            spawner: &spawner,
            repository: REPOSITORY,
            number: Some(number),
            need: &need,
        };
        forge.tell(&question).await.expect("an answer")
    };
    let Told::Files(files) = ask(Need::Files).await else {
        panic!("no files")
    };
    assert_eq!(files, ["src/door.rs"]);
    let Told::Pull(pull) = ask(Need::Pull).await else {
        panic!("no pull request")
    };
    assert_eq!(pull.head_branch, "oil");
    let people = BTreeSet::from(["alice".to_owned()]);
    let Told::People(people) = ask(Need::People(people)).await else {
        panic!("no people")
    };
    let standing = Standing::Known {
        permission: Some(Permission::Maintain),
        teams: ["acme/reviewers".to_owned()].into(),
    };
    assert_eq!(people, [("alice".to_owned(), standing)]);
    assert_eq!(world.github.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn our_own_login_is_that_of_the_credential() {
    let world = World::new(Access::user("robot")).await;
    let login = forge(&world).own_login(&spawner(&world)).await;
    assert_eq!(login.expect("an answer").as_deref(), Some("robot"));
}

#[tokio::test]
async fn a_delivery_that_failed_is_sent_again_once_for_all_who_share_the_hook() {
    let world = World::new(Access::user("robot")).await;
    world.repository().set_permission("robot", Role::Admin);
    let (url, received) = receiver().await;
    let number = world
        .repository()
        .open_issue(axon_e2e::github::Issue::new("It squeaks"));
    let payload = world.repository().issue_payload("opened", number, "alice");
    let failed = world.github.deliver(&url, "secret", "issues", &payload).await;
    assert!(!failed.succeeded());
    let forge = forge(&world);
    let spawner = spawner(&world);
    let since = Timestamp::now() - SignedDuration::from_hours(1);
    let hooks = forge.hooks(&spawner).await.expect("hooks");
    let [hook] = hooks.as_slice() else {
        panic!("not one hook: {hooks:?}")
    };
    assert_eq!(hook.url, url);
    let attempts = forge.attempts(&spawner, hook, since).await.expect("attempts");
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].id, attempts[0].status), (failed.id, 500));
    forge
        .repeat(&spawner, hook, failed.id)
        .await
        .expect("it is sent again");
    let others = forge.attempts(&spawner, hook, since).await.expect("attempts");
    assert!(others.is_empty(), "another spawner just did it");
    crate::harness::eventually("the second try", async || {
        *received.lock().expect("no panic") == 2
    })
    .await;
}

#[tokio::test]
async fn the_hook_of_an_app_is_found_and_its_deliveries_are_sent_again() {
    let world = World::new(Access::installation()).await;
    let (url, received) = receiver().await;
    world.github.create_app_hook(&url, "secret");
    let payload = json!({ "zen": "Keep it logically awesome." });
    let failed = world.github.deliver(&url, "secret", "ping", &payload).await;
    let forge = forge(&world);
    let mut spawner = spawner(&world);
    let workspace = spawner.spec.task_template.workspace.as_mut();
    workspace
        .and_then(|workspace| workspace.secret_ref.as_mut())
        .expect("a Secret")
        .name = "app".to_owned();
    let login = forge.own_login(&spawner).await.expect("an answer");
    assert_eq!(login.as_deref(), Some("axon[bot]"));
    let hooks = forge.hooks(&spawner).await.expect("hooks");
    assert_eq!(hooks.len(), 1);
    assert_eq!((hooks[0].id, &hooks[0].url), (None, &url));
    let since = Timestamp::now() - SignedDuration::from_hours(1);
    let attempts = forge
        .attempts(&spawner, &hooks[0], since)
        .await
        .expect("attempts");
    assert_eq!(attempts[0].id, failed.id);
    let repeated = forge.repeat(&spawner, &hooks[0], failed.id).await;
    repeated.expect("it is sent again");
    crate::harness::eventually("the second try", async || {
        *received.lock().expect("no panic") == 2
    })
    .await;
    assert_eq!(world.github.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_credential_that_may_not_look_at_hooks_is_told_so() {
    let world = World::new(Access::user("robot")).await;
    let hooks = forge(&world).hooks(&spawner(&world)).await;
    assert!(hooks.is_err_and(|trouble| !trouble.passes));
}

/// A receiver that answers 500, and counts.
async fn receiver() -> (String, Arc<Mutex<usize>>) {
    let received = Arc::new(Mutex::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!(
        "http://{}/webhook/github",
        listener.local_addr().expect("an address")
    );
    let refuse = async |State(received): State<Arc<Mutex<usize>>>| {
        *received.lock().expect("no panic") += 1;
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let router = Router::new().fallback(refuse).with_state(Arc::clone(&received));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}
