//! The tool by which an agent runs commands, as its request advertises it.

use serde_json::{Map, Value, json};

/// The names that the CLIs give it, the most specific first.
const NAMES: [&str; 7] = [
    "Bash",
    "bash",
    "run_shell_command",
    "exec_command",
    "shell_command",
    "shell",
    "exec",
];

/// A tool that runs commands.
#[derive(Clone, Debug)]
pub(super) struct ShellTool {
    pub(super) name: String,
    /// The JSON schema of its arguments.
    schema: Value,
    /// Set for Codex' code mode: the tool takes a program in JavaScript, in this namespace.
    pub(super) code: Option<Code>,
}

/// Where Codex' code mode has its tool.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) namespace: Option<String>,
}

impl ShellTool {
    pub(super) fn new(name: &str, schema: &Value) -> Self {
        Self {
            name: name.to_owned(),
            schema: schema.clone(),
            code: None,
        }
    }

    pub(super) fn code(name: &str, namespace: Option<&str>) -> Self {
        Self {
            name: name.to_owned(),
            schema: Value::Null,
            code: Some(Code {
                namespace: namespace.map(str::to_owned),
            }),
        }
    }

    /// The arguments that make it run `command`: the command, and something for whatever else the
    /// schema requires.
    pub(super) fn arguments(&self, command: &str) -> Value {
        let properties = self.schema.get("properties");
        let property = |name: &str| properties.and_then(|properties| properties.get(name));
        let mut arguments = Map::new();
        for name in self
            .schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            arguments.insert(name.to_owned(), placeholder(property(name)));
        }
        let key = ["command", "cmd", "script"]
            .into_iter()
            .find(|key| property(key).is_some())
            .unwrap_or("command");
        let takes_words = property(key)
            .and_then(|schema| schema.get("type"))
            .is_some_and(|kind| kind == "array");
        let value = if takes_words {
            json!(["sh", "-c", command])
        } else {
            json!(command)
        };
        arguments.insert(key.to_owned(), value);
        Value::Object(arguments)
    }

    /// The program that makes code mode run `command`.
    pub(super) fn program(command: &str) -> String {
        format!(
            "const r = await tools.exec_command({}); text(JSON.stringify(r));",
            json!({ "cmd": command })
        )
    }
}

/// The shell tool among `tools`, if there is one.
pub(super) fn find(tools: Vec<ShellTool>) -> Option<ShellTool> {
    tools
        .into_iter()
        .filter_map(|tool| {
            let rank = NAMES.iter().position(|name| *name == tool.name)?;
            Some((rank, tool))
        })
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, tool)| tool)
}

fn placeholder(schema: Option<&Value>) -> Value {
    let kind = schema
        .and_then(|schema| schema.get("type"))
        .and_then(Value::as_str);
    match kind.unwrap_or("string").to_ascii_lowercase().as_str() {
        "boolean" => json!(false),
        "integer" | "number" => json!(0),
        "array" => json!([]),
        "object" => json!({}),
        _ => json!("scripted command"),
    }
}
