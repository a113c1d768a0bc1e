//! Google's Gemini API: `POST {base}/v1beta/models/MODEL:streamGenerateContent` and
//! `:generateContent`.

use serde_json::{Value, json};

use super::script::Refusal;
use super::shell_tool::{self, ShellTool};
use super::{Asked, Encoded, Reply, Sse, Tokens, pieces};

pub(super) fn asked(body: &Value, path: &str) -> Asked {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let tools = list(body.get("tools"))
        .iter()
        .flat_map(|tool| list(tool.get("functionDeclarations")))
        .filter_map(|function| {
            let schema = function
                .get("parametersJsonSchema")
                .or_else(|| function.get("parameters"))?;
            Some(ShellTool::new(function.get("name")?.as_str()?, schema))
        })
        .collect();
    let name = path.rsplit('/').next().unwrap_or_default();
    let (model, method) = name.split_once(':').unwrap_or((name, ""));
    Asked {
        model: model.to_owned(),
        stream: method == "streamGenerateContent",
        shell: shell_tool::find(tools),
    }
}

pub(super) fn encode(asked: &Asked, reply: &Reply, tokens: Tokens, number: usize) -> Encoded {
    let input = tokens.uncached + tokens.cached;
    let response = |parts: Value, finish: Option<&str>| {
        let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
        if let Some(finish) = finish {
            candidate["finishReason"] = json!(finish);
        }
        json!({
            "candidates": [candidate],
            "usageMetadata": {
                "promptTokenCount": input, "cachedContentTokenCount": tokens.cached,
                "candidatesTokenCount": tokens.output, "totalTokenCount": input + tokens.output,
            },
            "modelVersion": asked.model,
            "responseId": format!("response-{number}"),
        })
    };
    let data = |data| Sse { name: None, data };
    match reply {
        Reply::Text(text) => {
            let mut stream: Vec<Sse> = pieces(text)
                .into_iter()
                .map(|piece| data(response(json!([{"text": piece}]), None)))
                .collect();
            stream.push(data(response(json!([{"text": ""}]), Some("STOP"))));
            Encoded {
                whole: response(json!([{"text": text}]), Some("STOP")),
                stream,
            }
        }
        Reply::Call { tool, command } => {
            let call = json!([{"functionCall": {"name": tool.name, "args": tool.arguments(command)}}]);
            let whole = response(call, Some("STOP"));
            Encoded {
                stream: vec![data(whole.clone())],
                whole,
            }
        }
    }
}

pub(super) fn error(refusal: &Refusal) -> Value {
    let status = match refusal.status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    };
    json!({"error": {"code": refusal.status, "message": refusal.message, "status": status}})
}
