//! A plane, replicas that take deliveries, and senders.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axon_api::{TaskSpawner, labels};
use axon_local::directory::Directory;
use axon_local::plane::Plane;
use axon_operator::metrics::Metrics;
use axon_operator::webhook::{Server, ServerOptions};
use http::{Method, Request, Response};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{ListParams, PostParams};
use kube::client::Body;
use kube::{Api, Client};
use ring::hmac;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::service_fn;

use crate::testing::failure;

/// Where deliveries are kept.
pub(crate) const NAMESPACE: &str = "axon-system";
/// The namespace of the spawners.
pub(crate) const TEAM: &str = "team";
/// The operator's key of GitHub.
pub(crate) const KEY: &str = "a key of GitHub";
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A plane and the operator's files.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) keys: TempDir,
    _plane: TempDir,
}

/// A request to a replica.
pub(crate) struct Delivery {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// What a replica answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) sentence: String,
}

/// Requests that the API server refuses: method and part of the path.
pub(crate) type Fault = Arc<Mutex<Option<(Method, &'static str)>>>;

impl World {
    /// A plane without spawners, and a key of GitHub.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let plane = Plane::open(&Directory::new(folder.path())).expect("the plane opens");
        let keys = tempfile::tempdir().expect("a folder");
        std::fs::write(keys.path().join("github"), format!("{KEY}\n")).expect("a file");
        let client = plane.client();
        let namespaces: Api<Namespace> = Api::all(client.clone());
        // The operator's own is there from the start.
        let team = serde_json::from_value(json!({ "metadata": { "name": TEAM } }));
        let team = team.expect("a Namespace");
        let made = namespaces.create(&PostParams::default(), &team).await;
        made.expect("the Namespace is made");
        Self {
            client,
            keys,
            _plane: folder,
        }
    }

    /// Makes a spawner, and answers with its UID.
    pub(crate) async fn spawner(&self, name: &str, when: Value) -> TaskSpawner {
        let spawner = serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "TaskSpawner",
            "metadata": { "name": name, "namespace": TEAM },
            "spec": {
                "when": when,
                "taskTemplate": {
                    "type": "shell", "promptTemplate": "true",
                    "workspace": { "repo": "https://github.com/org/repo.git" },
                },
            },
        }))
        .expect("a TaskSpawner");
        let spawners: Api<TaskSpawner> = Api::namespaced(self.client.clone(), TEAM);
        let made = spawners.create(&PostParams::default(), &spawner).await;
        made.expect("the TaskSpawner is made")
    }

    /// Makes a Secret with keys of a spawner.
    pub(crate) async fn secret(&self, name: &str, keys: &str) {
        let secret = serde_json::from_value(json!({
            "metadata": { "name": name, "namespace": TEAM },
            "stringData": { "WEBHOOK_SECRET": keys },
        }))
        .expect("a Secret");
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), TEAM);
        let made = secrets.create(&PostParams::default(), &secret).await;
        made.expect("the Secret is made");
    }

    /// Starts a replica that knows all spawners there are.
    pub(crate) async fn replica(&self) -> SocketAddr {
        self.replica_with(self.client.clone()).await
    }

    /// Starts a replica whose requests to the API server go through `client`.
    pub(crate) async fn replica_with(&self, client: Client) -> SocketAddr {
        let server = Server::bind(ServerOptions {
            address: "127.0.0.1:0".parse().expect("an address"),
            secrets: Some(self.keys.path().to_owned()),
            namespace: NAMESPACE.to_owned(),
            watch_namespaces: Vec::new(),
        });
        let server = server.await.expect("a port");
        let address = server.address().expect("an address");
        tokio::spawn(server.run(client, Metrics::default()));
        // Until the spawners are listed, all are sent away.
        eventually("the replica answers", async || {
            Delivery::github("ping", "0", &json!({}))
                .send(address)
                .await
                .status
                == 200
        })
        .await;
        address
    }

    /// The deliveries that are kept.
    pub(crate) async fn kept(&self) -> Vec<Secret> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        let of_deliveries = ListParams::default().labels(&format!("{}=true", labels::DELIVERY));
        secrets.list(&of_deliveries).await.expect("a list").items
    }
}

/// A client of which some requests fail, as long as the fault says so.
pub(crate) fn faulty(client: Client) -> (Client, Fault) {
    let fault = Fault::default();
    let now = Arc::clone(&fault);
    let service = service_fn(move |request: Request<Body>| {
        let client = client.clone();
        let fails = {
            let fault = now.lock().expect("no panic");
            fault.as_ref().is_some_and(|(method, part)| {
                request.method() == method && request.uri().path().contains(part)
            })
        };
        async move {
            if fails {
                let (code, status) = failure(500, "InternalError", "etcd is on fire");
                let body = Body::from(status.to_string().into_bytes());
                return Ok::<_, Infallible>(Response::builder().status(code).body(body).expect("a response"));
            }
            Ok(client.send(request).await.expect("an answer"))
        }
    });
    (Client::new(service, "default"), fault)
}

impl Delivery {
    /// An event of GitHub's, signed with the operator's key.
    pub(crate) fn github(event: &str, id: &str, payload: &Value) -> Self {
        Self::post("/webhook/github", payload.to_string().into_bytes())
            .header("X-GitHub-Event", event)
            .header("X-GitHub-Delivery", id)
            .signed(KEY)
    }

    /// A body without a signature.
    pub(crate) fn post(path: &str, body: Vec<u8>) -> Self {
        Self {
            method: "POST",
            path: path.to_owned(),
            headers: Vec::new(),
            body,
        }
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Sets a header, instead of one that was set before.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self
    }

    /// Signs the body as it is now.
    pub(crate) fn signed(self, key: &str) -> Self {
        self.signed_as("X-Hub-Signature-256", key)
    }

    pub(crate) fn signed_as(self, header: &'static str, key: &str) -> Self {
        use std::fmt::Write as _;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), &self.body);
        let mut text = "sha256=".to_owned();
        for byte in tag.as_ref() {
            write!(text, "{byte:02x}").expect("a text");
        }
        self.header(header, &text)
    }

    /// Another body under the signature of the former one.
    pub(crate) fn tampered(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    pub(crate) async fn send(&self, address: SocketAddr) -> Answer {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: axon\r\nContent-Length: {}\r\n",
            self.method,
            self.path,
            self.body.len()
        );
        for (name, value) in &self.headers {
            head = format!("{head}{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await.expect("the head is sent");
        stream.write_all(&self.body).await.expect("the body is sent");
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        let read = tokio::time::timeout(PATIENCE, read)
            .await
            .expect("an answer in time");
        read.expect("an answer");
        let (head, sentence) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Answer {
            status: status.expect("a status"),
            head: head.to_ascii_lowercase(),
            sentence: sentence.to_owned(),
        }
    }
}

/// Waits until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

/// `when` of a spawner that wants the issues of `org/repo`.
pub(crate) fn issues() -> Value {
    json!({ "githubWebhook": { "events": ["issues"] } })
}

/// The payload of an issue that was opened.
pub(crate) fn opened(number: u64) -> Value {
    json!({
        "action": "opened",
        "issue": {
            "number": number, "title": "It breaks", "state": "open",
            "labels": [{ "name": "bug" }], "user": { "login": "alice" },
        },
        "repository": { "full_name": "org/repo" },
        "sender": { "login": "alice" },
    })
}
