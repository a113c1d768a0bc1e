//! A delivery concerns the spawners whose key it was signed with, and no others.

use axon_operator::webhook::delivery::Delivery as Kept;
use serde_json::{Value, json};

use crate::harness::{Delivery, KEY, World, issues, opened};

fn with_secret(name: &str) -> Value {
    json!({ "githubWebhook": { "events": ["issues"], "secretRef": { "name": name } } })
}

async fn wanting(world: &World) -> Vec<String> {
    let secrets = world.kept().await;
    let mut names: Vec<_> = secrets
        .iter()
        .flat_map(|secret| Kept::read(&secret.metadata).expect("a delivery").spawners)
        .map(|wanting| wanting.name)
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawner_with_its_own_key_hears_of_that_alone() {
    let world = World::new().await;
    world.secret("own", "a key of its own").await;
    world.spawner("common", issues()).await;
    world.spawner("own", with_secret("own")).await;
    let replica = world.replica().await;
    let delivery = Delivery::github("issues", "1", &opened(1));
    assert_eq!(delivery.send(replica).await.status, 202);
    assert_eq!(wanting(&world).await, ["common"]);
    let delivery = Delivery::github("issues", "2", &opened(2)).signed("a key of its own");
    assert_eq!(delivery.send(replica).await.status, 202);
    assert_eq!(wanting(&world).await, ["common", "own"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_one_key_cannot_take_the_place_of_anothers_delivery() {
    let world = World::new().await;
    world.secret("own", "a key of its own").await;
    world.spawner("common", issues()).await;
    world.spawner("own", with_secret("own")).await;
    let replica = world.replica().await;
    let forged = Delivery::github("issues", "1", &opened(666)).signed("a key of its own");
    assert_eq!(forged.send(replica).await.status, 202);
    assert_eq!(
        Delivery::github("issues", "1", &opened(1))
            .send(replica)
            .await
            .status,
        202
    );
    assert_eq!(world.kept().await.len(), 2);
    assert_eq!(wanting(&world).await, ["common", "own"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_in_vain_is_told_from_a_wrong_signature_with_a_spawners_key_too() {
    let world = World::new().await;
    world.secret("own", "a key of its own").await;
    world.spawner("own", with_secret("own")).await;
    let replica = world.replica().await;
    for event in ["push", "ping"] {
        let signed = |key| Delivery::github(event, "1", &opened(1)).signed(key);
        assert_eq!(
            signed("a key of its own").send(replica).await.status,
            200,
            "{event}"
        );
        assert_eq!(signed("another").send(replica).await.status, 401, "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawner_whose_secret_is_missing_hears_nothing_until_it_is_there() {
    let world = World::new().await;
    world.spawner("own", with_secret("own")).await;
    let replica = world.replica().await;
    let delivery = Delivery::github("issues", "1", &opened(1)).signed("a key of its own");
    assert_eq!(delivery.send(replica).await.status, 401);
    world.secret("own", "a key of its own").await;
    assert_eq!(delivery.send(replica).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_changed_without_a_gap_and_without_a_restart() {
    let world = World::new().await;
    world.spawner("triage", issues()).await;
    let replica = world.replica().await;
    let file = world.keys.path().join("github");
    let status = async |key| {
        let delivery = Delivery::github("issues", "1", &opened(1)).signed(key);
        delivery.send(replica).await.status
    };
    assert_eq!((status(KEY).await, status("new").await), (202, 401));
    std::fs::write(&file, format!("new\n{KEY}\n")).expect("a file");
    assert_eq!((status(KEY).await, status("new").await), (202, 202));
    std::fs::write(&file, "new\n").expect("a file");
    assert_eq!((status(KEY).await, status("new").await), (401, 202));
    std::fs::write(&file, "\n").expect("a file");
    let empty = Delivery::github("issues", "1", &opened(1)).signed("");
    assert_eq!(empty.send(replica).await.status, 401, "an empty key is none");
}
