//! A server of the Model Context Protocol on loopback, and one over stdio as a program for Node.
//! Each has one tool.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures::StreamExt as _;
use futures::channel::mpsc;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// The server over stdio. It writes what it was started with and what it is asked to the file that
/// its first argument names.
pub const STDIO_SERVER: &str = include_str!("../agents/mcp.js");

/// The tool of both.
pub const TOOL: &str = "probe_echo";

/// A server of the transports `http` and `sse`. It ends when this is dropped.
#[derive(Debug)]
pub struct McpServer {
    origin: String,
    seen: Arc<Seen>,
    server: JoinHandle<()>,
}

/// What came in, and where what goes out by server-sent events is awaited.
#[derive(Debug, Default)]
struct Seen {
    headers: Mutex<Vec<HeaderMap>>,
    streams: Mutex<Vec<mpsc::UnboundedSender<String>>>,
}

impl McpServer {
    /// Listens on a free port of `address`; agents reach it by `host`.
    pub async fn start(address: IpAddr, host: &str) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind((address, 0))
            .await
            .with_context(|| format!("failed to listen on `{address}`"))?;
        let port = listener.local_addr()?.port();
        let seen = Arc::<Seen>::default();
        let router = Router::new()
            .route("/mcp", post(answer))
            .route("/sse", get(listen))
            .route("/messages/{stream}", post(answer_by_event))
            .with_state(Arc::clone(&seen));
        let server = tokio::spawn(async move {
            // The listener does not fail, and the task is aborted when the test is over.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            origin: format!("http://{host}:{port}"),
            seen,
            server,
        })
    }

    /// The address for the transport `http`.
    pub fn url(&self) -> String {
        format!("{}/mcp", self.origin)
    }

    /// The address for the transport `sse`.
    pub fn sse_url(&self) -> String {
        format!("{}/sse", self.origin)
    }

    /// The values of a header, one for each request so far.
    pub fn header(&self, name: &str) -> Vec<Option<String>> {
        locked(&self.seen.headers)
            .iter()
            .map(|headers| Some(headers.get(name)?.to_str().ok()?.to_owned()))
            .collect()
    }
}

impl Drop for McpServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(seen): State<Arc<Seen>>, headers: HeaderMap, body: Bytes) -> Response {
    locked(&seen.headers).push(headers);
    match reply(&body) {
        Reply::Bad => StatusCode::BAD_REQUEST.into_response(),
        Reply::Nothing => StatusCode::ACCEPTED.into_response(),
        Reply::Message(message) => axum::Json(message).into_response(),
    }
}

/// Opens a stream of events, of which the first says where messages are to be sent.
async fn listen(State(seen): State<Arc<Seen>>, headers: HeaderMap) -> Response {
    locked(&seen.headers).push(headers);
    let (sender, receiver) = mpsc::unbounded();
    let number = {
        let mut streams = locked(&seen.streams);
        streams.push(sender.clone());
        streams.len() - 1
    };
    let _ = sender.unbounded_send(format!("event: endpoint\ndata: /messages/{number}\n\n"));
    let events = receiver.map(|event| Ok::<_, std::convert::Infallible>(Bytes::from(event)));
    let kind = [(header::CONTENT_TYPE, "text/event-stream")];
    (kind, Body::from_stream(events)).into_response()
}

async fn answer_by_event(
    State(seen): State<Arc<Seen>>,
    Path(stream): Path<usize>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    locked(&seen.headers).push(headers);
    let Some(stream) = locked(&seen.streams).get(stream).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match reply(&body) {
        Reply::Bad => return StatusCode::BAD_REQUEST.into_response(),
        Reply::Nothing => {}
        Reply::Message(message) => {
            let _ = stream.unbounded_send(format!("event: message\ndata: {message}\n\n"));
        }
    }
    StatusCode::ACCEPTED.into_response()
}

enum Reply {
    /// The request is no message.
    Bad,
    /// It wants no reply.
    Nothing,
    Message(Value),
}

fn reply(body: &Bytes) -> Reply {
    let Ok(message) = serde_json::from_slice::<Value>(body) else {
        return Reply::Bad;
    };
    let Some(id) = message.get("id") else {
        return Reply::Nothing;
    };
    let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
    Reply::Message(match result(method, &message) {
        Some(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        None => json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no such method"}}),
    })
}

fn result(method: &str, message: &Value) -> Option<Value> {
    match method {
        "initialize" => Some(json!({
            "protocolVersion": message.pointer("/params/protocolVersion").cloned().unwrap_or(json!("2025-06-18")),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "probe", "version": "1.0"},
        })),
        "tools/list" => Some(json!({"tools": [{
            "name": TOOL,
            "description": "Echoes its text",
            "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
        }]})),
        "ping" => Some(json!({})),
        _ => None,
    }
}
