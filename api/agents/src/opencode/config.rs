//! The configuration of `OpenCode` and what else it is set up with.
//!
//! | | |
//! |---|---|
//! | instructions | `AGENTS.md` of the user's folder, which is read beside that of the repository |
//! | skills | `skills/PLUGIN:NAME/SKILL.md` of the user's folder |
//! | sub-agents | `agents/NAME.md` of the user's folder, with the mode `subagent` |
//! | MCP servers | `mcp` of the user's configuration, beside those of the repository; a remote server is tried over HTTP first and over server-sent events then |

use serde_json::{Map, Value, json as value};

use super::{API_KEY, BASE_URL, Model};
use crate::environment::{api_root, folder_below_home, given, not_blank, versioned};
use crate::launch::{ConfigFile, Launch, Request};
use crate::setup::{McpServer, McpTransport};
use crate::{effort, markdown};

/// The folder that holds the CLI's own.
const FOLDER: &str = "XDG_CONFIG_HOME";

/// The fields of a sub-agent that mean the same to this CLI as to the one that most such documents
/// are written for. On `tools` of another form it refuses to start, and of `model` it expects a
/// provider.
const AGENT_FIELDS: &[&str] = &["temperature", "top_p"];

/// Adds what the setup asks for.
pub(super) fn add(launch: &mut Launch, request: &Request<'_>) {
    let setup = request.setup;
    let folder = folder_below_home(request, FOLDER, ".config");
    let before = launch.files.len();
    let mut file = |path: String, contents: String, mode: u32| {
        launch.files.push(ConfigFile {
            path: format!("{folder}/opencode/{path}"),
            contents,
            mode,
        });
    };
    if let Some(instructions) = &setup.instructions {
        file("AGENTS.md".to_owned(), instructions.clone(), 0o644);
    }
    if !setup.mcp_servers.is_empty() {
        // One of three files that are all read; the image's own is more likely another.
        file("config.json".to_owned(), mcp_servers(&setup.mcp_servers), 0o600);
    }
    let mut agents = Vec::new();
    for bundle in setup.bundles() {
        for agent in &bundle.agents {
            let name = markdown::free_name(&agent.name, &mut agents);
            let text = markdown::agent(
                &name,
                &agent.content,
                |field| AGENT_FIELDS.contains(&field),
                "mode: subagent\n",
            );
            launch.files.push(ConfigFile {
                path: format!("{folder}/opencode/agents/{name}.md"),
                contents: text,
                mode: 0o644,
            });
        }
        for skill in &bundle.skills {
            let directory = format!("{folder}/opencode/skills/{}:{}", bundle.name, skill.name);
            markdown::add_skill(launch, &directory, *skill);
        }
    }
    let is_used = launch.files.len() > before || !launch.directories.is_empty();
    if is_used && given(request, FOLDER).is_some() && folder == ".config" {
        // Files are written below the home only, and the CLI must look where they are.
        launch.unset.push(FOLDER.to_owned());
    }
}

/// The configuration with the MCP servers.
fn mcp_servers(servers: &[McpServer]) -> String {
    let servers: Map<String, Value> = servers
        .iter()
        .map(|server| (server.name.clone(), mcp_server(&server.transport)))
        .collect();
    literal(&value!({"mcp": servers}).to_string())
}

/// `json` as the CLI must find it to take its strings as they are: it replaces `{env:NAME}` and
/// `{file:PATH}` in the text of the file before it reads that as JSON. A brace inside of a string
/// is therefore written as its number.
fn literal(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut is_string = false;
    let mut is_escaped = false;
    for c in json.chars() {
        match c {
            '{' if is_string => text.push_str("\\u007b"),
            c => text.push(c),
        }
        is_string ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
    }
    text
}

fn mcp_server(transport: &McpTransport) -> Value {
    match transport {
        McpTransport::Stdio { command, args, env } => {
            let words: Vec<&String> = std::iter::once(command).chain(args).collect();
            value!({"type": "local", "command": words, "environment": env, "enabled": true})
        }
        McpTransport::Http { url, headers } | McpTransport::Sse { url, headers } => {
            value!({"type": "remote", "url": url, "headers": headers, "enabled": true})
        }
    }
}

/// The configuration without the setup.
pub(super) fn config(request: &Request<'_>, model: Option<Model<'_>>) -> Value {
    let mut providers = Map::new();
    let mut base_url = |provider: &str, url: Option<String>| {
        if let Some(url) = url {
            merge(
                providers.entry(provider).or_insert(Value::Null),
                value!({"options": {"baseURL": url}}),
            );
        }
    };
    for (provider, variable) in [
        ("anthropic", "ANTHROPIC_BASE_URL"),
        ("openai", "OPENAI_BASE_URL"),
        ("google", "GOOGLE_GEMINI_BASE_URL"),
    ] {
        base_url(
            provider,
            given(request, variable).map(|url| provider_url(provider, &url)),
        );
    }
    let provider = model.map_or("anthropic", |model| model.provider);
    base_url(
        provider,
        given(request, BASE_URL).map(|url| provider_url(provider, &url)),
    );
    if !super::is_known(provider) && given(request, BASE_URL).is_some() {
        merge(
            providers.entry(provider).or_insert(Value::Null),
            value!({
                "npm": "@ai-sdk/openai-compatible",
                "options": {"apiKey": format!("{{env:{API_KEY}}}")},
            }),
        );
    }
    let mut config = value!({
        "$schema": "https://opencode.ai/config.json",
        "autoupdate": false,
        "share": "disabled",
    });
    if let Some(model) = model {
        let effort = not_blank(request.effort).map(|effort| reasoning(model, effort));
        let entry = effort.map_or_else(|| value!({}), |effort| value!({"options": effort}));
        // A declared model keeps what the CLI knows of it, and becomes known if it was not.
        merge(
            providers.entry(model.provider).or_insert(Value::Null),
            value!({"models": {model.name: entry}}),
        );
    }
    if !providers.is_empty() {
        merge(&mut config, value!({"provider": providers}));
    }
    config
}

/// The base URL of a provider, with the version that its client expects in it.
fn provider_url(provider: &str, url: &str) -> String {
    match provider {
        "anthropic" => format!("{}/v1", api_root(url)),
        "google" => format!("{}/v1beta", api_root(url)),
        _ => versioned(url, "v1"),
    }
}

/// The options of a model that an effort means to its provider.
fn reasoning(model: Model<'_>, effort: &str) -> Value {
    let effort = effort.to_ascii_lowercase();
    match model.provider {
        "anthropic" => value!({"effort": match effort.as_str() {
            "max" | "xhigh" => "max",
            "minimal" | "low" => "low",
            "medium" => "medium",
            _ => "high",
        }}),
        "google" if model.name.starts_with("gemini-2") => effort::thinking_budget(&effort).map_or_else(
            || value!({}),
            |budget| value!({"thinkingConfig": {"thinkingBudget": budget}}),
        ),
        "google" => value!({"thinkingConfig": {"thinkingLevel": match effort.as_str() {
            "minimal" | "low" => "low",
            _ => "high",
        }}}),
        _ => value!({"reasoningEffort": effort}),
    }
}

/// Puts `over` on top of `under`: objects are merged key by key, anything else is replaced.
pub(super) fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::opencode::OpenCode;
    use crate::testing::{self, file};

    const SERVERS: &str = ".config/opencode/config.json";

    #[test]
    fn a_setup_becomes_files() {
        let launch = testing::set_up(&OpenCode, &[], &testing::full_setup());
        assert_eq!(
            testing::paths(&launch),
            [
                "644 .config/opencode/AGENTS.md",
                "600 .config/opencode/config.json",
                "644 .config/opencode/agents/reviewer.md",
                "644 .config/opencode/skills/team.one:deploy/SKILL.md",
                ".config/opencode/skills/tools:search/",
            ]
        );
        let config: Value = serde_json::from_str(file(&launch, SERVERS)).expect("JSON");
        assert_eq!(
            config["mcp"],
            value!({
                "far": {
                    "enabled": true,
                    "headers": {"Authorization": "Bearer s$HOME"},
                    "type": "remote",
                    "url": "https://mcp.example.com/mcp",
                },
                "local": {
                    "command": ["node", "server.js", "--port=0"],
                    "enabled": true,
                    "environment": {"TOKEN": "t0k\"en"},
                    "type": "local",
                },
            })
        );
        assert_eq!(
            file(&launch, ".config/opencode/agents/reviewer.md"),
            "---\nname: \"reviewer\"\ndescription: reads code\nmode: subagent\n---\n\nRead all.\n"
        );
    }

    #[test]
    fn the_base_url_is_that_of_the_models_provider() {
        let configured = |model: &str| {
            let variables = [(BASE_URL, "http://h/p/"), (API_KEY, "k")];
            let launch = testing::launch(&OpenCode, Some(model), None, &variables);
            let text = testing::set(&launch, "OPENCODE_CONFIG_CONTENT").expect("set");
            let config: Value = serde_json::from_str(text).expect("JSON");
            (config["provider"].clone(), launch.unset)
        };
        for (model, provider, url) in [
            ("claude-sonnet-4-5", "anthropic", "http://h/p/v1"),
            ("openai/gpt-5.5", "openai", "http://h/p/v1"),
            ("google/gemini-2.5-pro", "google", "http://h/p/v1beta"),
        ] {
            let (providers, unset) = configured(model);
            assert_eq!(providers[provider]["options"]["baseURL"], url, "{model}");
            assert_eq!(unset, [API_KEY], "{model}");
        }
        let (providers, unset) = configured("ours/coder");
        assert_eq!(
            providers["ours"],
            value!({
                "npm": "@ai-sdk/openai-compatible",
                "options": {"baseURL": "http://h/p/v1", "apiKey": "{env:OPENCODE_API_KEY}"},
                "models": {"coder": {}},
            })
        );
        assert_eq!(unset, Vec::<String>::new());
    }

    #[test]
    fn the_users_folder_is_followed_below_the_home_only() {
        let setup = testing::full_setup();
        let inside = testing::set_up(&OpenCode, &[(FOLDER, "/home/agent/c")], &setup);
        assert_eq!(file(&inside, "c/opencode/AGENTS.md"), "Be brief.");
        let outside = testing::set_up(&OpenCode, &[(FOLDER, "/etc/c")], &setup);
        assert_eq!(file(&outside, ".config/opencode/AGENTS.md"), "Be brief.");
        assert!(outside.unset.contains(&FOLDER.to_owned()), "{:?}", outside.unset);
    }

    proptest! {
        #[test]
        fn any_value_is_read_back_as_it_was(value in "([ -~]|[é\u{1F980}{}\"\\\\\n\u{0}\u{7f}]){0,24}", name in "[ -~]{1,9}") {
            let launch = testing::set_up(&OpenCode, &[], &testing::with_server("s", &value, &name, &value));
            let text = file(&launch, SERVERS);
            prop_assert!(!text.contains("{env:") && !text.contains("{file:"), "{text}");
            let config: Value = serde_json::from_str(text).expect("JSON");
            let server = &config["mcp"]["s"];
            prop_assert_eq!(server["command"][1].as_str(), Some(value.as_str()));
            prop_assert_eq!(server["environment"][&name].as_str(), Some(value.as_str()));
        }
    }
}
