//! A delivery is kept before it is acknowledged, once.

use axon_api::{labels, names};
use axon_operator::webhook::delivery::{Delivery as Kept, unpack};
use http::Method;
use kube::ResourceExt;
use serde_json::json;

use crate::harness::{Delivery, World, faulty, issues, opened};

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_kept_with_who_wants_it() {
    let world = World::new().await;
    let triage = world.spawner("triage", issues()).await;
    world
        .spawner("pushes", json!({ "githubWebhook": { "events": ["push"] } }))
        .await;
    let replica = world.replica().await;
    let answer = Delivery::github("issues", "72d3162e-cc78", &opened(7))
        .send(replica)
        .await;
    assert_eq!((answer.status, &*answer.sentence), (202, "kept for 1 spawner\n"));
    let secrets = world.kept().await;
    let [secret] = &secrets[..] else {
        panic!("not one Secret: {secrets:?}");
    };
    assert_eq!(
        secret.name_any(),
        names::delivery_secret("github", "72d3162e-cc78")
    );
    assert_eq!(secret.immutable, Some(true));
    assert_eq!(secret.labels()[labels::MANAGED_BY], labels::MANAGER);
    assert_eq!(unpack(secret), Ok(opened(7)));
    let kept = Kept::read(&secret.metadata).expect("a delivery");
    assert_eq!((&*kept.source, &*kept.event), ("github", "issues"));
    assert_eq!(kept.labels, ["bug"]);
    let wanting: Vec<_> = kept.spawners.iter().map(|wanting| &*wanting.uid).collect();
    assert_eq!(wanting, [triage.uid().expect("a UID")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_that_get_the_same_delivery_at_once_keep_it_once() {
    let world = World::new().await;
    world.spawner("triage", issues()).await;
    let replicas = [world.replica().await, world.replica().await];
    for number in 0..10 {
        let delivery = Delivery::github("issues", &format!("{number}"), &opened(number));
        let (one, other) = tokio::join!(delivery.send(replicas[0]), delivery.send(replicas[1]));
        assert_eq!((one.status, other.status), (202, 202), "{one:?} {other:?}");
    }
    assert_eq!(world.kept().await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_cannot_be_kept_is_not_acknowledged_and_its_sender_tries_again() {
    let world = World::new().await;
    world.spawner("triage", issues()).await;
    let (client, fault) = faulty(world.client.clone());
    let replica = world.replica_with(client).await;
    *fault.lock().expect("no panic") = Some((Method::POST, "/secrets"));
    let delivery = Delivery::github("issues", "1", &opened(1));
    let answer = delivery.send(replica).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("retry-after:"), "{answer:?}");
    assert!(
        !answer.sentence.contains("etcd"),
        "the sender learns of the cluster: {answer:?}"
    );
    assert!(world.kept().await.is_empty());
    *fault.lock().expect("no panic") = None;
    assert_eq!(delivery.send(replica).await.status, 202);
    assert_eq!(world.kept().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawner_that_came_later_is_added_when_the_delivery_comes_again() {
    let world = World::new().await;
    world.spawner("triage", issues()).await;
    let delivery = Delivery::github("issues", "1", &opened(1));
    assert_eq!(delivery.send(world.replica().await).await.status, 202);
    world.spawner("second", issues()).await;
    assert_eq!(delivery.send(world.replica().await).await.status, 202);
    let secrets = world.kept().await;
    assert_eq!(secrets.len(), 1);
    let kept = Kept::read(&secrets[0].metadata).expect("a delivery");
    let wanting: Vec<_> = kept.spawners.iter().map(|wanting| &*wanting.name).collect();
    assert_eq!(wanting, ["triage", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn spawners_that_find_their_id_elsewhere_take_one_request_for_events_of_their_own() {
    let world = World::new().await;
    std::fs::write(world.keys.path().join("sentry"), "a key of Sentry").expect("a file");
    for (name, path) in [
        ("by-event", "$.event.id"),
        ("by-issue", "$.issue"),
        ("by-user", "$.user"),
    ] {
        let when = json!({ "webhook": { "source": "sentry", "fieldMapping": { "id": path } } });
        world.spawner(name, when).await;
    }
    let replica = world.replica().await;
    let send = async |event: &str| {
        let body = json!({ "event": { "id": event }, "issue": 7 }).to_string();
        let delivery = Delivery::post("/webhook/sentry", body.into_bytes());
        let delivery = delivery.signed_as("X-Axon-Signature-256", "a key of Sentry");
        delivery.send(replica).await.status
    };
    assert_eq!(send("a").await, 202);
    assert_eq!(world.kept().await.len(), 2);
    assert_eq!(send("a").await, 202);
    assert_eq!(world.kept().await.len(), 2, "the sender has only repeated itself");
    assert_eq!(send("b").await, 202);
    assert_eq!(world.kept().await.len(), 3, "the issue is the same");
    let unknown = Delivery::post("/webhook/sentry", b"{}".to_vec()).signed("a key of Sentry");
    let answer = unknown.send(replica).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert!(
        answer.sentence.contains("tells one event from another"),
        "{answer:?}"
    );
}
