//! `OpenAI`'s Responses API: `POST {base}/v1/responses`.

use serde_json::{Value, json};

use super::script::Refusal;
use super::shell_tool::{self, ShellTool};
use super::{Asked, Encoded, Reply, Sse, Tokens, pieces};

pub(super) fn asked(body: &Value) -> Asked {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let mut advertised = list(body.get("tools"));
    // The newest models are told their tools by an item of the input instead.
    for item in list(body.get("input")) {
        if item.get("type").is_some_and(|kind| kind == "additional_tools") {
            advertised.extend(list(item.get("tools")));
        }
    }
    let mut tools = Vec::new();
    for tool in &advertised {
        if tool.get("type").is_some_and(|kind| kind == "namespace") {
            let namespace = tool.get("name").and_then(Value::as_str);
            tools.extend(
                list(tool.get("tools"))
                    .iter()
                    .filter_map(|tool| shell(tool, namespace)),
            );
        } else {
            tools.extend(shell(tool, None));
        }
    }
    Asked {
        model: body
            .get("model")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
        shell: shell_tool::find(tools),
    }
}

fn shell(tool: &Value, namespace: Option<&str>) -> Option<ShellTool> {
    let name = tool.get("name")?.as_str()?;
    if tool.get("type").is_some_and(|kind| kind == "custom") {
        return Some(ShellTool::code(name, namespace));
    }
    Some(ShellTool::new(name, tool.get("parameters")?))
}

pub(super) fn encode(asked: &Asked, reply: &Reply, tokens: Tokens, number: usize) -> Encoded {
    let item = match reply {
        Reply::Text(text) => json!({
            "id": format!("msg_{number}"), "type": "message", "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }),
        Reply::Call { tool, command } => call(tool, command, number),
    };
    let response = |status: &str, output: Value, usage: Value| {
        json!({
            "id": format!("resp_{number}"), "object": "response", "created_at": 0,
            "model": asked.model, "status": status, "output": output,
            "parallel_tool_calls": false, "tool_choice": "auto", "tools": [],
            "error": null, "incomplete_details": null, "usage": usage,
        })
    };
    let input = tokens.uncached + tokens.cached;
    let usage = json!({
        "input_tokens": input, "input_tokens_details": {"cached_tokens": tokens.cached},
        "output_tokens": tokens.output, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input + tokens.output,
    });
    let whole = response("completed", json!([item]), usage);
    let mut stream = vec![
        event(
            "response.created",
            json!({"response": response("in_progress", json!([]), Value::Null)}),
        ),
        event(
            "response.output_item.added",
            json!({"output_index": 0, "item": begun(&item)}),
        ),
    ];
    if let Reply::Text(text) = reply {
        for piece in pieces(text) {
            stream.push(event(
                "response.output_text.delta",
                json!({"item_id": item["id"], "output_index": 0, "content_index": 0, "delta": piece}),
            ));
        }
    }
    stream.push(event(
        "response.output_item.done",
        json!({"output_index": 0, "item": item}),
    ));
    stream.push(event("response.completed", json!({"response": whole})));
    for (sequence, event) in stream.iter_mut().enumerate() {
        event.data["sequence_number"] = json!(sequence);
    }
    Encoded { whole, stream }
}

fn call(tool: &ShellTool, command: &str, number: usize) -> Value {
    let id = format!("call_{number}");
    let Some(code) = &tool.code else {
        return json!({
            "id": format!("fc_{number}"), "type": "function_call", "status": "completed",
            "call_id": id, "name": tool.name, "arguments": tool.arguments(command).to_string(),
        });
    };
    let mut item = json!({
        "id": format!("ctc_{number}"), "type": "custom_tool_call", "status": "completed",
        "call_id": id, "name": tool.name, "input": ShellTool::program(command),
    });
    if let Some(namespace) = &code.namespace {
        item["namespace"] = json!(namespace);
    }
    item
}

/// The item as it is when it has only begun.
fn begun(item: &Value) -> Value {
    let mut item = item.clone();
    item["status"] = json!("in_progress");
    if item.get("content").is_some() {
        item["content"] = json!([]);
    }
    item
}

pub(super) fn error(refusal: &Refusal) -> Value {
    let (kind, code) = match refusal.status {
        401 => ("invalid_request_error", "invalid_api_key"),
        429 => ("requests", "rate_limit_exceeded"),
        _ => ("server_error", "server_error"),
    };
    json!({"error": {"message": refusal.message, "type": kind, "param": null, "code": code}})
}

fn event(name: &'static str, mut data: Value) -> Sse {
    data["type"] = json!(name);
    Sse {
        name: Some(name),
        data,
    }
}
