//! A scripted provider on loopback: it speaks the APIs of Anthropic (Messages), `OpenAI` (Responses)
//! and Google (Gemini) as far as the agent CLIs use them, and answers by a script.
//!
//! Every conversation has a base URL of its own, so that agents that run at the same time share
//! one server. A request belongs to the agent's main loop when it advertises a shell tool; what
//! else the CLIs ask (titles, classifications) gets a neutral answer.

mod anthropic;
mod gemini;
mod openai;
mod script;
mod shell_tool;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures::StreamExt as _;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

pub use script::{Conversation, Entry, Refusal, Turn};
use shell_tool::ShellTool;

/// Requests may be this large: a prompt of one mebibyte and what the CLIs add.
const MAX_BODY_BYTES: usize = 32 << 20;

/// The tokens that every answer of the main loop claims to have used.
pub const TOKENS: Tokens = Tokens {
    uncached: 1200,
    cached: 300,
    output: 45,
};

/// Tokens of one answer.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    /// Input that was not read from the cache.
    pub uncached: u64,
    /// Input that was.
    pub cached: u64,
    pub output: u64,
}

/// The running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Llm {
    url: String,
    conversations: Conversations,
    server: JoinHandle<()>,
}

type Conversations = Arc<Mutex<HashMap<String, Arc<Conversation>>>>;

impl Llm {
    /// Listens on a free port of `address`; agents reach it by `host`.
    pub async fn start(address: IpAddr, host: &str) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind((address, 0))
            .await
            .with_context(|| format!("failed to listen on `{address}`"))?;
        let port = listener.local_addr()?.port();
        let conversations = Conversations::default();
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&conversations));
        let server = tokio::spawn(async move {
            // The listener does not fail, and the task is aborted when the test is over.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            url: format!("http://{host}:{port}"),
            conversations,
            server,
        })
    }

    /// Begins a conversation; `name` must be unique.
    pub fn converse(&self, name: &str, turns: Vec<Turn>) -> Arc<Conversation> {
        let conversation = Conversation::new(format!("{}/s/{name}", self.url), turns);
        self.conversations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), Arc::clone(&conversation));
        conversation
    }
}

impl Drop for Llm {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One of the APIs, by the path of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    Anthropic,
    OpenAi,
    Gemini,
}

/// A request for an answer, the same for all APIs.
struct Asked {
    model: String,
    stream: bool,
    shell: Option<ShellTool>,
}

/// What is answered: text or a call of the shell tool.
enum Reply {
    Text(String),
    Call { tool: ShellTool, command: String },
}

/// One event of a stream.
struct Sse {
    name: Option<&'static str>,
    data: Value,
}

/// An answer in both forms.
struct Encoded {
    whole: Value,
    stream: Vec<Sse>,
}

async fn answer(State(conversations): State<Conversations>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let Some((name, rest)) = path.strip_prefix("/s/").and_then(|rest| rest.split_once('/')) else {
        return plain(
            StatusCode::NOT_FOUND,
            &json!({"error": {"message": "no conversation in the path"}}),
        );
    };
    let conversation = conversations
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(name)
        .cloned();
    let Some(conversation) = conversation else {
        return plain(
            StatusCode::NOT_FOUND,
            &json!({"error": {"message": "no such conversation"}}),
        );
    };
    let Ok(bytes) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            &json!({"error": {"message": "too large"}}),
        );
    };
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let upgrade = parts.headers.contains_key(header::UPGRADE);
    let api = if upgrade || parts.method != Method::POST {
        None
    } else {
        api_of(rest)
    };
    let asked = api.map(|api| match api {
        Api::Anthropic => anthropic::asked(&body),
        Api::OpenAi => openai::asked(&body),
        Api::Gemini => gemini::asked(&body, rest),
    });
    let main = asked.as_ref().is_some_and(|asked| asked.shell.is_some());
    let number = conversation.record(Entry {
        method: parts.method.to_string(),
        path: format!("/{rest}"),
        credential: credential(&parts.headers),
        main,
        body,
    });
    let (Some(api), Some(asked)) = (api, asked) else {
        return side_door(upgrade, rest);
    };
    respond(api, &asked, conversation.take(main), number)
}

fn api_of(path: &str) -> Option<Api> {
    if path.ends_with("v1/messages") {
        return Some(Api::Anthropic);
    }
    if path.ends_with("/responses") {
        return Some(Api::OpenAi);
    }
    let generates = path.ends_with(":generateContent") || path.ends_with(":streamGenerateContent");
    generates.then_some(Api::Gemini)
}

/// Answers what is no request for an answer.
fn side_door(upgrade: bool, path: &str) -> Response {
    if upgrade {
        // Codex tries a WebSocket first and takes this for "use HTTP".
        return plain(
            StatusCode::UPGRADE_REQUIRED,
            &json!({"error": {"message": "no WebSocket here"}}),
        );
    }
    if path.ends_with("count_tokens") {
        return plain(StatusCode::OK, &json!({"input_tokens": 1}));
    }
    if path.ends_with(":countTokens") {
        return plain(StatusCode::OK, &json!({"totalTokens": 1}));
    }
    if path.ends_with("/models") {
        return plain(
            StatusCode::OK,
            &json!({"object": "list", "data": [], "models": [], "has_more": false}),
        );
    }
    if path.ends_with("api/hello") {
        return plain(StatusCode::OK, &json!({}));
    }
    plain(
        StatusCode::NOT_FOUND,
        &json!({"error": {"message": "no such endpoint", "type": "not_found_error"}}),
    )
}

fn respond(api: Api, asked: &Asked, turn: Turn, number: usize) -> Response {
    let main = asked.shell.is_some();
    let (reply, cut) = match (turn, asked.shell.clone()) {
        (Turn::Refuse(refusal), _) => return refuse(api, &refusal),
        (Turn::Run(command), Some(tool)) => (Reply::Call { tool, command }, false),
        (Turn::Run(_), None) => (Reply::Text("ok".to_owned()), false),
        (Turn::Say(text), _) => (Reply::Text(text), false),
        (Turn::Cut, _) => (Reply::Text("an answer that never ends".to_owned()), true),
    };
    let tokens = if main {
        TOKENS
    } else {
        Tokens {
            uncached: 7,
            cached: 0,
            output: 3,
        }
    };
    let encoded = match api {
        Api::Anthropic => anthropic::encode(asked, &reply, tokens, number),
        Api::OpenAi => openai::encode(asked, &reply, tokens, number),
        Api::Gemini => gemini::encode(asked, &reply, tokens, number),
    };
    if asked.stream {
        return stream(encoded.stream, cut);
    }
    plain(StatusCode::OK, &encoded.whole)
}

fn refuse(api: Api, refusal: &Refusal) -> Response {
    let body = match api {
        Api::Anthropic => anthropic::error(refusal),
        Api::OpenAi => openai::error(refusal),
        Api::Gemini => gemini::error(refusal),
    };
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = plain(status, &body);
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn stream(events: Vec<Sse>, cut: bool) -> Response {
    let keep = if cut {
        events.len().div_ceil(2)
    } else {
        events.len()
    };
    let chunks = events.into_iter().take(keep).map(|event| {
        let name = event
            .name
            .map(|name| format!("event: {name}\n"))
            .unwrap_or_default();
        Ok(Bytes::from(format!("{name}data: {}\n\n", event.data)))
    });
    // An error in the middle of the body makes the server drop the connection. It comes in a poll
    // of its own, so that what precedes it has left.
    let end = futures::stream::iter(cut.then_some(())).then(async |()| {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        Err(std::io::Error::other("cut by the script"))
    });
    let mut response = Response::new(Body::from_stream(futures::stream::iter(chunks).chain(end)));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/event-stream"),
    );
    response
}

fn plain(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}

fn credential(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    text("x-api-key")
        .or_else(|| text("x-goog-api-key"))
        .or_else(|| text("authorization").map(|value| value.trim_start_matches("Bearer ")))
        .map(str::to_owned)
}

/// Text in a few pieces, as providers stream it.
fn pieces(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters
        .chunks(characters.len().div_ceil(3).max(1))
        .map(|piece| piece.iter().collect())
        .collect()
}
