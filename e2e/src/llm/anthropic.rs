//! Anthropic's Messages API: `POST {base}/v1/messages`.

use serde_json::{Value, json};

use super::script::Refusal;
use super::shell_tool::{self, ShellTool};
use super::{Asked, Encoded, Reply, Sse, Tokens, pieces};

pub(super) fn asked(body: &Value) -> Asked {
    let tools = body.get("tools").and_then(Value::as_array);
    let shell = tools
        .into_iter()
        .flatten()
        .filter_map(|tool| {
            let name = tool.get("name")?.as_str()?;
            Some(ShellTool::new(name, tool.get("input_schema")?))
        })
        .collect();
    Asked {
        model: body
            .get("model")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
        shell: shell_tool::find(shell),
    }
}

pub(super) fn encode(asked: &Asked, reply: &Reply, tokens: Tokens, number: usize) -> Encoded {
    let (block, start, deltas, stop) = match reply {
        Reply::Text(text) => (
            json!({"type": "text", "text": text}),
            json!({"type": "text", "text": ""}),
            pieces(text)
                .into_iter()
                .map(|piece| json!({"type": "text_delta", "text": piece}))
                .collect::<Vec<_>>(),
            "end_turn",
        ),
        Reply::Call { tool, command } => {
            let id = format!("toolu_{number}");
            let input = tool.arguments(command);
            (
                json!({"type": "tool_use", "id": id, "name": tool.name, "input": input}),
                json!({"type": "tool_use", "id": id, "name": tool.name, "input": {}}),
                vec![json!({"type": "input_json_delta", "partial_json": input.to_string()})],
                "tool_use",
            )
        }
    };
    let message = |content: Value, stop: Option<&str>, output: u64| {
        json!({
            "id": format!("msg_{number}"), "type": "message", "role": "assistant",
            "model": asked.model, "content": content, "stop_reason": stop, "stop_sequence": null,
            "usage": {
                "input_tokens": tokens.uncached, "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": tokens.cached, "output_tokens": output,
            },
        })
    };
    let mut stream = vec![
        event("message_start", json!({"message": message(json!([]), None, 1)})),
        event("content_block_start", json!({"index": 0, "content_block": start})),
    ];
    for delta in deltas {
        stream.push(event("content_block_delta", json!({"index": 0, "delta": delta})));
    }
    stream.push(event("content_block_stop", json!({"index": 0})));
    stream.push(event(
        "message_delta",
        json!({
            "delta": {"stop_reason": stop, "stop_sequence": null},
            "usage": {"output_tokens": tokens.output},
        }),
    ));
    stream.push(event("message_stop", json!({})));
    Encoded {
        whole: message(json!([block]), Some(stop), tokens.output),
        stream,
    }
}

pub(super) fn error(refusal: &Refusal) -> Value {
    let kind = match refusal.status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": refusal.message}})
}

fn event(name: &'static str, mut data: Value) -> Sse {
    data["type"] = json!(name);
    Sse {
        name: Some(name),
        data,
    }
}
