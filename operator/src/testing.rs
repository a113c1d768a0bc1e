//! An API server for tests, which gives the answers that it was told to give.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

/// What a server was asked, in order.
pub(crate) type Asked = Arc<Mutex<Vec<Sent>>>;

/// A request as the server got it.
#[derive(Debug, PartialEq)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// A server that gives these answers in turn and remembers what it was asked.
pub(crate) fn server(answers: Vec<(u16, Value)>) -> (Client, Asked) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let log = Arc::clone(&sent);
    let service = service_fn(move |request: Request<Body>| {
        let answers = Arc::clone(&answers);
        let log = Arc::clone(&log);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await.expect("a body");
            log.lock().expect("no panic").push(Sent {
                method: head.method,
                path: head.uri.path().to_owned(),
                body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            });
            let (code, answer) = answers.lock().expect("no panic").next().expect("one more answer");
            let body = Body::from(answer.to_string().into_bytes());
            Ok::<_, Infallible>(Response::builder().status(code).body(body).expect("a response"))
        }
    });
    (Client::new(service, "default"), sent)
}

pub(crate) fn failure(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    (code, status)
}
