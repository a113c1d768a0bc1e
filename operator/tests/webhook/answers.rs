//! What senders are told.

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::harness::{Delivery, World, issues, opened};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_in_a_sentence_and_nothing_is_kept() {
    let world = World::new().await;
    world.spawner("triage", issues()).await;
    let replica = world.replica().await;
    let good = || Delivery::github("issues", "1", &opened(1));
    let odd = |body: &[u8]| good().tampered(body).signed("a key of GitHub");
    for (delivery, status, sentence) in [
        (good().without("X-Hub-Signature-256"), 401, "no signature"),
        (
            good().header("X-Hub-Signature-256", "sha256=00"),
            401,
            "not sha256=",
        ),
        (
            good().header("X-Hub-Signature-256", "sha1=00"),
            401,
            "not sha256=",
        ),
        (good().signed("another key"), 401, "was not made of this body"),
        (good().tampered(b"{}"), 401, "was not made of this body"),
        (good().path("/webhook/sentry"), 401, "no key of `sentry`"),
        (
            odd(b"{\"a\": \n 1,}"),
            400,
            "not JSON: trailing comma at line 2 column 4",
        ),
        (odd(b""), 400, "not JSON"),
        (odd(b"{\"a\": \"\xff\"}"), 400, "not UTF-8 at byte 7"),
        (odd("[".repeat(100_000).as_bytes()), 400, "recursion limit"),
        (
            good().without("X-GitHub-Event"),
            400,
            "X-GitHub-Event is required",
        ),
        (
            good().without("X-GitHub-Delivery"),
            400,
            "X-GitHub-Delivery is required",
        ),
        (
            good().header("X-GitHub-Delivery", "a b"),
            400,
            "X-GitHub-Delivery is required",
        ),
        (good().path("/elsewhere"), 404, "nothing at this path"),
        (good().path("/webhook/../keys"), 404, "nothing at this path"),
        (good().method("GET"), 405, "POST"),
        (good().method("PUT"), 405, "POST"),
    ] {
        let answer = delivery.send(replica).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.sentence.contains(sentence), "{answer:?}");
        assert!(answer.head.contains("content-type: text/plain"), "{answer:?}");
    }
    assert!(world.kept().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_is_refused_and_its_sender_gets_to_read_why() {
    let world = World::new().await;
    let replica = world.replica().await;
    let long = Delivery::github("issues", "1", &json!("a".repeat(20_000_000)));
    let answer = long.send(replica).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    assert!(
        answer.sentence.contains("longer than 10485760 bytes"),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_wants_is_delivered_all_the_same() {
    let world = World::new().await;
    world.spawner("triage", issues()).await;
    let replica = world.replica().await;
    let mut elsewhere = opened(1);
    elsewhere["repository"]["full_name"] = json!("org/other");
    for delivery in [
        Delivery::github("sponsorship", "1", &opened(1)),
        Delivery::github("issues", "2", &elsewhere),
    ] {
        let answer = delivery.send(replica).await;
        assert_eq!((answer.status, &*answer.sentence), (200, "no spawner wants it\n"));
    }
    let ping = Delivery::github("ping", "3", &json!({ "zen": "Design for failure." }));
    assert_eq!(ping.send(replica).await.status, 200);
    assert!(world.kept().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn any_of_githubs_paths_will_do() {
    let world = World::new().await;
    world.spawner("triage", issues()).await;
    let replica = world.replica().await;
    for (number, path) in ["/", "/webhook", "/webhook/github"].iter().enumerate() {
        let delivery = Delivery::github("issues", &number.to_string(), &opened(1)).path(path);
        assert_eq!(delivery.send(replica).await.status, 202, "{path}");
    }
    assert_eq!(world.kept().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_that_stop_in_the_middle_hold_up_nobody() {
    let world = World::new().await;
    world.spawner("triage", issues()).await;
    let replica = world.replica().await;
    let mut slow = Vec::new();
    for head in [
        "POST /webhook/github HTTP/1.1\r\nHost: ",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\nX-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17\r\n\r\n{",
    ] {
        for _ in 0..40 {
            let mut stream = TcpStream::connect(replica).await.expect("a connection");
            stream.write_all(head.as_bytes()).await.expect("a part is sent");
            slow.push(stream);
        }
    }
    let answer = Delivery::github("issues", "1", &opened(1)).send(replica).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    drop(slow);
}
