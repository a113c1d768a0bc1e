//! What the leader makes of the deliveries that are kept.

use std::sync::{Arc, Mutex};

use axon_api::TaskSpawner;
use axon_api::sources::Fetched;
use axon_operator::config::{Config, WebhookConfig};
use axon_operator::key::Key;
use axon_operator::metrics::Metrics;
use axon_operator::watch::Watches;
use axon_operator::webhook::{self, Deliveries};
use kube::ResourceExt;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Delivery, NAMESPACE, TEAM, World, eventually, issues, opened};

/// A leader: it ends when this goes.
struct Leader {
    deliveries: Deliveries,
    woken: Arc<Mutex<Vec<Key>>>,
    _tasks: JoinSet<anyhow::Error>,
}

async fn lead(world: &World) -> Leader {
    let mut config = Config {
        webhook: WebhookConfig {
            is_served: true,
            secrets: Some(world.keys.path().to_owned()),
            url: None,
        },
        ..Config::default()
    };
    NAMESPACE.clone_into(&mut config.settings.lease_namespace);
    let mut tasks = JoinSet::new();
    let mut watches = Watches::new(&mut tasks, world.client.clone());
    let woken = Arc::new(Mutex::new(Vec::new()));
    let wakes = Arc::clone(&woken);
    let metrics = Metrics::default();
    let deliveries = webhook::start(
        &mut watches,
        world.client.clone(),
        &config,
        metrics,
        None,
        move |key| {
            wakes.lock().expect("no panic").push(key.clone());
        },
    );
    watches.listed().wait().await.expect("a listing");
    Leader {
        deliveries,
        woken,
        _tasks: tasks,
    }
}

impl Leader {
    fn count(&self, spawner: &TaskSpawner) -> usize {
        self.deliveries.pending(&spawner.uid().expect("a UID")).len()
    }

    async fn settle(&self, spawner: &TaskSpawner) {
        let uid = spawner.uid().expect("a UID");
        for candidate in &*self.deliveries.pending(&uid) {
            let settled = self.deliveries.settle(&uid, &candidate.key).await;
            settled.expect("it is settled");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_waits_for_each_spawner_and_goes_when_all_are_done_with_it() {
    let world = World::new().await;
    let one = world.spawner("one", issues()).await;
    let two = world.spawner("two", issues()).await;
    let leader = lead(&world).await;
    let replica = world.replica().await;
    assert_eq!(
        Delivery::github("issues", "1", &opened(7))
            .send(replica)
            .await
            .status,
        202
    );
    eventually("the leader sees it", async || leader.count(&one) == 1).await;
    let woken = std::mem::take(&mut *leader.woken.lock().expect("no panic"));
    assert_eq!(woken, [Key::new(TEAM, "one"), Key::new(TEAM, "two")]);
    leader.settle(&one).await;
    assert_eq!((leader.count(&one), leader.count(&two)), (0, 1));
    assert_eq!(world.kept().await.len(), 1);
    leader.settle(&two).await;
    assert_eq!(leader.count(&two), 0);
    assert!(world.kept().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_leader_asks_all_again_and_removes_what_all_are_done_with() {
    let world = World::new().await;
    let one = world.spawner("one", issues()).await;
    let two = world.spawner("two", issues()).await;
    let replica = world.replica().await;
    assert_eq!(
        Delivery::github("issues", "1", &opened(7))
            .send(replica)
            .await
            .status,
        202
    );
    let leader = lead(&world).await;
    leader.settle(&one).await;
    drop(leader);
    let next = lead(&world).await;
    assert_eq!((next.count(&one), next.count(&two)), (1, 1));
    next.settle(&two).await;
    assert_eq!(world.kept().await.len(), 1);
    next.settle(&one).await;
    assert!(world.kept().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_has_the_payload_until_it_is_settled() {
    let world = World::new().await;
    let spawner = world.spawner("one", issues()).await;
    let leader = lead(&world).await;
    let replica = world.replica().await;
    assert_eq!(
        Delivery::github("issues", "1", &opened(7))
            .send(replica)
            .await
            .status,
        202
    );
    eventually("the leader sees it", async || leader.count(&spawner) == 1).await;
    let candidate = leader.deliveries.pending(&spawner.uid().expect("a UID"))[0].clone();
    assert_eq!(candidate.labels, ["bug"]);
    let fetched = leader
        .deliveries
        .item(&spawner, &candidate)
        .await
        .expect("an item");
    let Fetched::Item(item) = fetched else {
        panic!("no item: {fetched:?}");
    };
    assert_eq!(item.candidate, candidate);
    assert_eq!(item.variables["Event"], json!("issues"));
    assert_eq!(item.variables["Payload"]["issue"]["number"], json!(7));
    leader.settle(&spawner).await;
    let fetched = leader
        .deliveries
        .item(&spawner, &candidate)
        .await
        .expect("an answer");
    assert!(matches!(fetched, Fetched::NoLonger(_)), "{fetched:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawner_is_told_that_its_key_is_missing() {
    let world = World::new().await;
    let own = json!({ "githubWebhook": { "events": ["issues"], "secretRef": { "name": "own" } } });
    let own = world.spawner("own", own).await;
    let sentry = json!({ "webhook": { "source": "sentry", "fieldMapping": { "id": "$.id" } } });
    let sentry = world.spawner("sentry", sentry).await;
    let common = world.spawner("common", issues()).await;
    let leader = lead(&world).await;
    for spawner in [&own, &sentry] {
        let trouble = leader.deliveries.trouble(spawner).await.expect("trouble");
        assert_eq!(trouble.reason, "WebhookSecretMissing");
        assert!(trouble.message.contains("\nhint: "), "{}", trouble.message);
    }
    assert_eq!(leader.deliveries.trouble(&common).await, None);
    world.secret("own", "a key of its own").await;
    assert_eq!(leader.deliveries.trouble(&own).await, None);
}
