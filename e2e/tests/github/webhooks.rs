//! Deliveries of webhooks, as a receiver sees them.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axon_e2e::github::{GitHub, Issue};
use axon_e2e::wait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::client::{self, Client};
use super::{assert_no_violations, github, repository};

const SECRET: &str = "It's a Secret to Everybody";

#[derive(Clone, Default)]
struct Receiver {
    answers: Arc<Mutex<StatusCode>>,
    received: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Receiver {
    /// Starts one, and tells its URL.
    async fn start() -> anyhow::Result<(Self, String)> {
        let receiver = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/webhook", listener.local_addr()?);
        let router = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((receiver, url))
    }

    fn answer(&self, status: StatusCode) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    fn received(&self) -> Vec<(HeaderMap, Bytes)> {
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut requests = receiver.received.lock().unwrap_or_else(PoisonError::into_inner);
    requests.push((headers, body));
    *receiver.answers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What openssl makes of a body and a secret.
async fn hmac_by_openssl(secret: &str, body: &[u8]) -> anyhow::Result<String> {
    let mut child = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", secret, "-r"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("openssl reads nothing")?;
    stdin.write_all(body).await?;
    drop(stdin);
    let out = String::from_utf8(child.wait_with_output().await?.stdout)?;
    let (hex, _) = out.split_once(' ').context("openssl said nothing")?;
    Ok(hex.to_owned())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

fn payload(github: &GitHub) -> Value {
    let number = repository(github).open_issue(Issue::new("It squeaks").body("ünïcödé"));
    repository(github).issue_labeled_payload(number, "axon", "alice")
}

#[tokio::test]
async fn a_delivery_is_signed_and_says_what_it_is() -> anyhow::Result<()> {
    let (github, _) = github().await?;
    let (receiver, url) = Receiver::start().await?;
    let payload = payload(&github);
    let delivery = github.deliver(&url, SECRET, "issues", &payload).await;
    assert!(delivery.succeeded(), "{delivery:?}");
    let requests = receiver.received();
    let (headers, body) = requests.first().context("nothing was received")?;
    let expected = hmac_by_openssl(SECRET, body).await?;
    assert_eq!(
        header(headers, "x-hub-signature-256"),
        format!("sha256={expected}")
    );
    assert_eq!(header(headers, "x-github-event"), "issues");
    assert_eq!(header(headers, "x-github-delivery"), delivery.guid);
    assert_eq!(header(headers, "x-github-hook-id"), delivery.hook.to_string());
    assert_eq!(
        header(headers, "x-github-hook-installation-target-type"),
        "repository"
    );
    assert!(header(headers, "user-agent").starts_with("GitHub-Hookshot/"));
    assert_eq!(serde_json::from_slice::<Value>(body)?, payload);
    assert_no_violations(&github);
    Ok(())
}

#[tokio::test]
async fn a_failed_delivery_is_listed_and_made_again_when_asked() -> anyhow::Result<()> {
    let (github, client) = github().await?;
    let (receiver, url) = Receiver::start().await?;
    let hook = repository(&github).create_hook(&url, SECRET, &["issues"]);
    let payload = payload(&github);
    receiver.answer(StatusCode::SERVICE_UNAVAILABLE);
    let failed = github.deliver(&url, SECRET, "issues", &payload).await;
    assert_eq!((failed.status_code, failed.hook), (503, hook));
    receiver.answer(StatusCode::OK);
    github.deliver(&url, SECRET, "issues", &payload).await;
    let path = format!("/repos/acme/widgets/hooks/{hook}/deliveries");
    let listed = client.get(&format!("{path}?status=failure")).await?.body;
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(listed[0]["guid"], failed.guid);
    assert_eq!(listed[0]["status_code"], 503);
    let attempt = format!("{path}/{}/attempts", failed.id);
    assert_eq!(client.send(Method::POST, &attempt, None).await?.status, 202);
    wait::until(std::time::Duration::from_secs(10), "the redelivery", async || {
        Ok(github.deliveries().len() == 3)
    })
    .await?;
    let made = github.deliveries();
    assert_eq!(made[2].guid, failed.guid);
    assert!(made[2].redelivery && made[2].succeeded(), "{:?}", made[2]);
    assert_ne!(made[2].id, failed.id);
    let requests = receiver.received();
    assert_eq!(
        header(&requests[2].0, "x-github-delivery"),
        header(&requests[0].0, "x-github-delivery")
    );
    assert_eq!(requests[2].1, requests[0].1);
    let shown = client.get(&format!("{path}/{}", made[2].id)).await?.body;
    assert_eq!(shown["request"]["payload"], payload);
    assert_no_violations(&github);
    Ok(())
}

#[tokio::test]
async fn deliveries_are_listed_in_pages_by_cursor_the_newest_first() -> anyhow::Result<()> {
    let (github, client) = github().await?;
    let (_, url) = Receiver::start().await?;
    let payload = payload(&github);
    let mut made = Vec::new();
    for _ in 0..5 {
        made.insert(0, github.deliver(&url, SECRET, "issues", &payload).await);
    }
    let hook = made[0].hook;
    let mut next = Some(format!("/repos/acme/widgets/hooks/{hook}/deliveries?per_page=2"));
    let mut sizes = Vec::new();
    let mut seen = Vec::new();
    while let Some(path) = next {
        let reply = client.get(&path).await?;
        let page = reply.body.as_array().cloned().unwrap_or_default();
        sizes.push(page.len());
        seen.extend(page.iter().filter_map(|one| one["id"].as_u64()));
        next = reply.links().get("next").cloned();
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(seen, made.iter().map(|delivery| delivery.id).collect::<Vec<_>>());
    assert_no_violations(&github);
    Ok(())
}

#[tokio::test]
async fn what_nobody_receives_and_a_repeated_guid_are_remembered_by_the_app() -> anyhow::Result<()> {
    let (github, _) = github().await?;
    let (receiver, url) = Receiver::start().await?;
    let payload = json!({"zen": "Keep it logically awesome."});
    let nobody = github
        .deliver("http://127.0.0.1:1/", SECRET, "ping", &payload)
        .await;
    assert_eq!(
        (nobody.status.as_str(), nobody.status_code),
        ("failed to connect to host", 0)
    );
    let again = github
        .deliver_again(&nobody.guid, &url, SECRET, "ping", &payload)
        .await;
    assert!(again.redelivery && again.succeeded());
    assert_eq!(
        header(&receiver.received()[0].0, "x-github-delivery"),
        nobody.guid
    );
    let app = Client::new(github.api_url(), &client::proof("7", 0)?);
    let listed = app.get("/app/hook/deliveries").await?.body;
    assert_eq!(listed[0]["id"], again.id);
    assert_eq!(listed[1]["id"], nobody.id);
    let path = format!("/app/hook/deliveries/{}", nobody.id);
    assert_eq!(app.get(&path).await?.body["status_code"], 0);
    let attempts = format!("{path}/attempts");
    assert_eq!(app.send(Method::POST, &attempts, None).await?.status, 202);
    assert_no_violations(&github);
    Ok(())
}
