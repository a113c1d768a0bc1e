//! The settings file of Gemini CLI and what else it is set up with.
//!
//! | | |
//! |---|---|
//! | instructions | `GEMINI.md` of the user's folder, which is read beside that of the repository |
//! | plugins | an extension each, with its skills and sub-agents |
//! | MCP servers | `mcpServers` of the settings, beside those of the repository; all three transports |
//!
//! Names of extensions are letters, digits and `-`; those of sub-agents are lower-case letters,
//! digits, `-` and `_`. Other characters of a name become `-`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json as value};

use super::{MAX_ATTEMPTS, VERTEX};
use crate::environment::{given, not_blank};
use crate::launch::{ConfigFile, Launch, Request};
use crate::setup::{McpServer, McpTransport, Setup};
use crate::{effort, markdown};

/// The fields of a sub-agent that mean the same to this CLI as to the one that most such documents
/// are written for. Of `tools` and `model` it expects its own names.
const AGENT_FIELDS: &[&str] = &["kind", "temperature", "max_turns", "timeout_mins"];

/// Adds the settings and what the setup asks for.
pub(super) fn add(launch: &mut Launch, request: &Request<'_>, folder: &str, model: &str) {
    let mut file = |path: String, contents: String, mode: u32| {
        launch.files.push(ConfigFile {
            path: format!("{folder}/{path}"),
            contents,
            mode,
        });
    };
    // The headers and variables of MCP servers are secrets.
    file(
        "settings.json".to_owned(),
        settings(request, model).to_string(),
        0o600,
    );
    if let Some(instructions) = &request.setup.instructions {
        file("GEMINI.md".to_owned(), instructions.clone(), 0o644);
    }
    add_extensions(launch, folder, request.setup);
}

fn add_extensions(launch: &mut Launch, folder: &str, setup: &Setup) {
    let mut names = Vec::new();
    for bundle in setup.bundles() {
        let name = bundle.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let name = markdown::free_name(&name, &mut names);
        let root = format!("{folder}/extensions/{name}");
        let mut file = |path: String, contents: String| {
            launch.files.push(ConfigFile {
                path: format!("{root}/{path}"),
                contents,
                mode: 0o644,
            });
        };
        file(
            "gemini-extension.json".to_owned(),
            value!({"name": name, "version": "1.0.0"}).to_string(),
        );
        let mut agents = Vec::new();
        for agent in &bundle.agents {
            let name = agent.name.to_ascii_lowercase().replace('.', "-");
            let name = markdown::free_name(&name, &mut agents);
            file(
                format!("agents/{name}.md"),
                markdown::agent_named(&name, &agent.content, |field| AGENT_FIELDS.contains(&field)),
            );
        }
        for skill in &bundle.skills {
            markdown::add_skill(launch, &format!("{root}/skills/{}", skill.name), *skill);
        }
    }
}

/// The settings file.
fn settings(request: &Request<'_>, model: &str) -> Value {
    let uses_vertex = given(request, VERTEX).is_some_and(|value| value == "true");
    let selected = if uses_vertex {
        "vertex-ai"
    } else {
        "gemini-api-key"
    };
    let mut settings = value!({
        "security": {"auth": {"selectedType": selected}},
        "privacy": {"usageStatisticsEnabled": false},
        "general": {
            "enableAutoUpdate": false,
            "enableAutoUpdateNotification": false,
            "maxAttempts": MAX_ATTEMPTS,
        },
    });
    let Some(fields) = settings.as_object_mut() else {
        return settings;
    };
    if let Some(thinking) = not_blank(request.effort).and_then(|effort| thinking(model, effort)) {
        fields.insert(
            "modelConfigs".to_owned(),
            value!({"customOverrides": [{
                "match": {"model": model},
                "modelConfig": {"generateContentConfig": {"thinkingConfig": thinking}},
            }]}),
        );
    }
    if !request.setup.mcp_servers.is_empty() {
        let servers: Map<String, Value> = request.setup.mcp_servers.iter().map(mcp_server).collect();
        fields.insert("mcpServers".to_owned(), servers.into());
    }
    settings
}

/// The thinking that an effort means to a model: a level for the third generation, a number of
/// tokens for the second. A number as effort is taken as it is.
fn thinking(model: &str, effort: &str) -> Option<Value> {
    let effort = effort.to_ascii_lowercase();
    if model.starts_with("gemini-3") {
        let level = match effort.as_str() {
            "minimal" | "low" => "LOW",
            _ => "HIGH",
        };
        return Some(value!({"thinkingLevel": level}));
    }
    let budget = effort::thinking_budget(&effort)?;
    Some(value!({"thinkingBudget": budget}))
}

fn mcp_server(server: &McpServer) -> (String, Value) {
    let transport = match &server.transport {
        McpTransport::Stdio { command, args, env } => value!({
            "command": literal(command),
            "args": args.iter().map(|text| literal(text)).collect::<Vec<_>>(),
            "env": literals(env),
            "trust": true,
        }),
        McpTransport::Http { url, headers } => {
            value!({"httpUrl": literal(url), "headers": literals(headers), "trust": true})
        }
        McpTransport::Sse { url, headers } => {
            value!({"url": literal(url), "type": "sse", "headers": literals(headers), "trust": true})
        }
    };
    (server.name.clone(), transport)
}

/// Variables and headers. Of them the CLI replaces the variables a second time when it starts the
/// server, and takes `\$` for a dollar sign then.
fn literals(map: &BTreeMap<String, String>) -> Map<String, Value> {
    map.iter()
        .map(|(name, text)| (name.clone(), literal(&text.replace('$', "\\$")).into()))
        .collect()
}

/// `text` as the CLI must find it to take it as it is: it replaces `$NAME` and `${NAME}` by a
/// variable and `${NAME:-DEFAULT}` by the default where there is no such variable.
fn literal(text: &str) -> String {
    text.replace('$', "${AXON_DOLLAR_SIGN:-$}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gemini::Gemini;
    use crate::testing::{self, file};

    const SETTINGS: &str = ".gemini/settings.json";

    #[test]
    fn a_setup_becomes_files() {
        let launch = testing::set_up(&Gemini, &[], &testing::full_setup());
        assert_eq!(
            testing::paths(&launch),
            [
                "600 .gemini/settings.json",
                "644 .gemini/GEMINI.md",
                "644 .gemini/extensions/team-one/gemini-extension.json",
                "644 .gemini/extensions/team-one/agents/reviewer.md",
                "644 .gemini/extensions/team-one/skills/deploy/SKILL.md",
                "644 .gemini/extensions/tools/gemini-extension.json",
                ".gemini/extensions/tools/skills/search/",
            ]
        );
        let settings: Value = serde_json::from_str(file(&launch, SETTINGS)).expect("JSON");
        assert_eq!(
            settings["mcpServers"],
            value!({
                "far": {
                    "headers": {"Authorization": "Bearer s\\${AXON_DOLLAR_SIGN:-$}HOME"},
                    "httpUrl": "https://mcp.example.com/mcp",
                    "trust": true,
                },
                "local": {
                    "args": ["server.js", "--port=0"],
                    "command": "node",
                    "env": {"TOKEN": "t0k\"en"},
                    "trust": true,
                },
            })
        );
        assert_eq!(
            file(&launch, ".gemini/extensions/team-one/agents/reviewer.md"),
            "---\nname: \"reviewer\"\ndescription: reads code\n---\n\nRead all.\n"
        );
    }

    /// What the CLI makes of a text (`resolveEnvVarsInString` of version 0.61.0).
    fn expanded(text: &str) -> String {
        text.replace("${AXON_DOLLAR_SIGN:-$}", "$")
    }

    proptest! {
        #[test]
        fn any_value_is_read_back_as_it_was(value in "(\\PC|[${}\"\\\\\n\u{0}\u{7f}]){0,24}", name in "[ -~]{1,9}") {
            let launch = testing::set_up(&Gemini, &[], &testing::with_server("s", &value, &name, &value));
            let settings: Value = serde_json::from_str(file(&launch, SETTINGS)).expect("JSON");
            let server = &settings["mcpServers"]["s"];
            let argument = server["args"][0].as_str().expect("text");
            let variable = server["env"][&name].as_str().expect("text");
            prop_assert_eq!(expanded(argument), value.clone());
            prop_assert_eq!(expanded(variable).replace("\\$", "$"), value);
        }
    }
}
