//! Instructions, plugins and MCP servers for Claude Code.
//!
//! | | |
//! |---|---|
//! | instructions | `CLAUDE.md` of the user's folder, which is read beside that of the repository |
//! | plugins | a directory each, named by `--plugin-dir`; skills and sub-agents are called `PLUGIN:NAME` |
//! | MCP servers | a file named by `--mcp-config`, beside those of the repository; all three transports |

use std::collections::BTreeMap;

use serde_json::{Map, Value, json as value};

use crate::environment::{folder_below_home, given};
use crate::launch::{ConfigFile, Launch, Request};
use crate::markdown;
use crate::setup::{Bundle, McpServer, McpTransport};

/// The user's folder of the CLI.
const HOME: &str = "CLAUDE_CONFIG_DIR";
/// Below the home; no folder of the CLI's own, which it would rewrite.
const PLUGINS: &str = ".axon/claude-code/plugins";
const MCP_SERVERS: &str = ".axon/claude-code/mcp.json";

/// Adds what the setup asks for.
pub(super) fn add(launch: &mut Launch, request: &Request<'_>) {
    let setup = request.setup;
    if let Some(instructions) = &setup.instructions {
        let folder = folder_below_home(request, HOME, ".claude");
        if given(request, HOME).is_some() && folder == ".claude" {
            // Files are written below the home only, and the CLI must look where they are.
            launch.unset.push(HOME.to_owned());
        }
        launch.files.push(ConfigFile {
            path: format!("{folder}/CLAUDE.md"),
            contents: instructions.clone(),
            mode: 0o644,
        });
    }
    for bundle in setup.bundles() {
        add_plugin(launch, request, &bundle);
    }
    if !setup.mcp_servers.is_empty() {
        launch.files.push(ConfigFile {
            path: MCP_SERVERS.to_owned(),
            contents: mcp_servers(&setup.mcp_servers).to_string(),
            mode: 0o600,
        });
        launch
            .argv
            .push(format!("--mcp-config={}/{MCP_SERVERS}", request.home));
    }
}

fn add_plugin(launch: &mut Launch, request: &Request<'_>, bundle: &Bundle<'_>) {
    let root = format!("{PLUGINS}/{}", bundle.name);
    let mut file = |path: String, contents: String| {
        launch.files.push(ConfigFile {
            path,
            contents,
            mode: 0o644,
        });
    };
    file(
        format!("{root}/.claude-plugin/plugin.json"),
        value!({"name": bundle.name, "version": "1.0.0"}).to_string(),
    );
    for agent in &bundle.agents {
        file(
            format!("{root}/agents/{}.md", agent.name),
            markdown::agent(&agent.name, &agent.content, |_| true, ""),
        );
    }
    for skill in &bundle.skills {
        markdown::add_skill(launch, &format!("{root}/skills/{}", skill.name), *skill);
    }
    launch.argv.push(format!("--plugin-dir={}/{root}", request.home));
}

fn mcp_servers(servers: &[McpServer]) -> Value {
    let servers: Map<String, Value> = servers
        .iter()
        .map(|server| (server.name.clone(), mcp_server(&server.transport)))
        .collect();
    value!({"mcpServers": servers})
}

fn mcp_server(transport: &McpTransport) -> Value {
    let values = |map: &BTreeMap<String, String>, literal: fn(&str) -> String| -> Map<String, Value> {
        map.iter()
            .map(|(name, text)| (name.clone(), literal(text).into()))
            .collect()
    };
    // Of headers the CLI replaces the variables twice: when it reads the file and at each request.
    let header = |text: &str| literal(&literal(text));
    match transport {
        McpTransport::Stdio { command, args, env } => value!({
            "type": "stdio",
            "command": literal(command),
            "args": args.iter().map(|text| literal(text)).collect::<Vec<_>>(),
            "env": values(env, literal),
        }),
        McpTransport::Http { url, headers } => {
            value!({"type": "http", "url": literal(url), "headers": values(headers, header)})
        }
        McpTransport::Sse { url, headers } => {
            value!({"type": "sse", "url": literal(url), "headers": values(headers, header)})
        }
    }
}

/// `text` as the CLI must find it to take it as it is: it replaces `${NAME}` by a variable and
/// `${NAME:-DEFAULT}` by the default where there is no such variable.
fn literal(text: &str) -> String {
    text.replace("${", "${AXON_DOLLAR_SIGN:-$}{")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::claude_code::ClaudeCode;
    use crate::setup::Setup;
    use crate::testing::{self, file};

    #[test]
    fn a_setup_becomes_files_and_arguments() {
        let launch = testing::set_up(&ClaudeCode, &[], &testing::full_setup());
        assert_eq!(
            testing::paths(&launch),
            [
                "644 .claude/CLAUDE.md",
                "644 .axon/claude-code/plugins/team.one/.claude-plugin/plugin.json",
                "644 .axon/claude-code/plugins/team.one/agents/reviewer.md",
                "644 .axon/claude-code/plugins/team.one/skills/deploy/SKILL.md",
                "644 .axon/claude-code/plugins/tools/.claude-plugin/plugin.json",
                "600 .axon/claude-code/mcp.json",
                ".axon/claude-code/plugins/tools/skills/search/",
            ]
        );
        assert_eq!(
            launch.argv[6..],
            [
                "--plugin-dir=/home/agent/.axon/claude-code/plugins/team.one",
                "--plugin-dir=/home/agent/.axon/claude-code/plugins/tools",
                "--mcp-config=/home/agent/.axon/claude-code/mcp.json",
            ]
        );
        let config: Value = serde_json::from_str(file(&launch, MCP_SERVERS)).expect("JSON");
        assert_eq!(
            config["mcpServers"],
            value!({
                "far": {
                    "type": "http",
                    "url": "https://mcp.example.com/mcp",
                    "headers": {"Authorization": "Bearer s$HOME"},
                },
                "local": {
                    "type": "stdio",
                    "command": "node",
                    "args": ["server.js", "--port=0"],
                    "env": {"TOKEN": "t0k\"en"},
                },
            })
        );
    }

    #[test]
    fn an_empty_setup_changes_nothing() {
        let launch = testing::set_up(&ClaudeCode, &[], &Setup::default());
        assert_eq!((launch.files.len(), launch.argv.len()), (0, 6));
    }

    #[test]
    fn the_users_folder_is_followed_below_the_home_only() {
        let setup = testing::full_setup();
        let inside = testing::set_up(&ClaudeCode, &[(HOME, "/home/agent/c")], &setup);
        assert_eq!(file(&inside, "c/CLAUDE.md"), "Be brief.");
        let outside = testing::set_up(&ClaudeCode, &[(HOME, "/etc/c")], &setup);
        assert_eq!(file(&outside, ".claude/CLAUDE.md"), "Be brief.");
        assert_eq!(outside.unset, [HOME]);
    }

    /// What the CLI makes of a text: it is told by its own code, read in version 2.1.329.
    fn expanded(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, found) = rest.split_at(start);
            out.push_str(before);
            let Some(end) = found
                .get(2..)
                .and_then(|inner| inner.find('}'))
                .filter(|end| *end > 0)
            else {
                out.push_str("${");
                rest = &found[2..];
                continue;
            };
            let inner = &found[2..2 + end];
            match inner.split_once(":-") {
                Some((_, default)) => out.push_str(default),
                None => out.push_str("EXPANDED"),
            }
            rest = &found[2 + end + 1..];
        }
        out + rest
    }

    proptest! {
        #[test]
        fn any_value_is_read_back_as_it_was(value in "(\\PC|[${}\"\\\\\n\u{0}\u{7f}:-]){0,24}", name in "[ -~]{1,9}") {
            let launch = testing::set_up(&ClaudeCode, &[], &testing::with_server("s", &value, &name, &value));
            let config: Value = serde_json::from_str(file(&launch, MCP_SERVERS)).expect("JSON");
            let server = &config["mcpServers"]["s"];
            for found in [&server["args"][0], &server["env"][&name]] {
                prop_assert_eq!(expanded(found.as_str().expect("text")), value.clone());
            }
        }
    }
}
