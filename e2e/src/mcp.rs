//! A server of the Model Context Protocol on loopback, and one over stdio as a program for Node.
//! Each has one tool.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// The server over stdio. It writes what it was started with and what it is asked to the file that
/// its first argument names.
pub const STDIO_SERVER: &str = include_str!("../agents/mcp.js");

/// The tool of both.
pub const TOOL: &str = "probe_echo";

/// A server of the transport `http`. It ends when this is dropped.
#[derive(Debug)]
pub struct McpServer {
    url: String,
    headers: Requests,
    server: JoinHandle<()>,
}

type Requests = Arc<Mutex<Vec<HeaderMap>>>;

impl McpServer {
    /// Listens on a free port of `address`; agents reach it by `host`.
    pub async fn start(address: IpAddr, host: &str) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind((address, 0))
            .await
            .with_context(|| format!("failed to listen on `{address}`"))?;
        let port = listener.local_addr()?.port();
        let headers = Requests::default();
        let router = Router::new()
            .route("/mcp", post(answer))
            .with_state(Arc::clone(&headers));
        let server = tokio::spawn(async move {
            // The listener does not fail, and the task is aborted when the test is over.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            url: format!("http://{host}:{port}/mcp"),
            headers,
            server,
        })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The values of a header, one for each request so far.
    pub fn header(&self, name: &str) -> Vec<Option<String>> {
        self.headers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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

async fn answer(State(requests): State<Requests>, headers: HeaderMap, body: Bytes) -> Response {
    requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(headers);
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Some(id) = message.get("id") else {
        return StatusCode::ACCEPTED.into_response();
    };
    let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
    let reply = match result(method, &message) {
        Some(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        None => json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no such method"}}),
    };
    axum::Json(reply).into_response()
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
