//! `config.toml` and what else Codex is set up with.
//!
//! | | |
//! |---|---|
//! | instructions | `AGENTS.md` of the user's folder, which is read beside that of the repository |
//! | skills | `skills/PLUGIN:NAME/SKILL.md` of the user's folder |
//! | sub-agents | skills too: version 0.169 offers its own kind to the model only after a search |
//! | MCP servers | tables of `config.toml`; there is no server-sent events transport, so such a server is refused |

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{API_KEY, BASE_URL, OPENAI_API_KEY};
use crate::environment::{given, versioned};
use crate::launch::{ConfigFile, Launch, Request};
use crate::markdown;
use crate::setup::{Document, McpServer, McpTransport, Setup};

/// Adds what the setup asks for, but for the MCP servers, which are in [`config`].
pub(super) fn add(launch: &mut Launch, folder: &str, setup: &Setup) {
    if let Some(instructions) = &setup.instructions {
        launch.files.push(ConfigFile {
            path: format!("{folder}/AGENTS.md"),
            contents: instructions.clone(),
            mode: 0o644,
        });
    }
    for bundle in setup.bundles() {
        for skill in &bundle.skills {
            let directory = format!("{folder}/skills/{}:{}", bundle.name, skill.name);
            markdown::add_skill(launch, &directory, *skill);
        }
        for agent in bundle.agents {
            launch.files.push(ConfigFile {
                path: format!("{folder}/skills/{}:agent:{}/SKILL.md", bundle.name, agent.name),
                contents: agent_as_skill(agent),
                mode: 0o644,
            });
        }
    }
}

/// The skill that a sub-agent becomes.
fn agent_as_skill(agent: &Document) -> String {
    let text = markdown::agent(&agent.name, &agent.content, |_| false, "");
    let body = markdown::body(&agent.content);
    let front_matter = text
        .strip_suffix(body.trim_start_matches(['\r', '\n']))
        .unwrap_or(&text);
    format!(
        "{front_matter}While you use this skill, you are the agent `{}`, whose instructions are:\n\n{}",
        agent.name,
        body.trim_start_matches(['\r', '\n'])
    )
}

/// Why these MCP servers cannot be had.
pub(super) fn refuses(servers: &[McpServer]) -> Option<String> {
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for server in servers {
        if let McpTransport::Sse { .. } = server.transport {
            return Some(format!(
                "Codex speaks to MCP servers over stdio and HTTP, not over server-sent events: \
                 the MCP server `{}` has the type `sse`\n\
                 hint: most such servers have an address for `type: http` too",
                server.name
            ));
        }
        if let Some(other) = names.insert(server_name(&server.name), &server.name) {
            return Some(format!(
                "the MCP servers `{other}` and `{}` have the same name to Codex, which knows letters, digits, \
                 `-` and `_`",
                server.name
            ));
        }
    }
    None
}

/// The contents of `config.toml`. Keys of the top level stand before the tables.
pub(super) fn config(request: &Request<'_>, is_signed_in: bool) -> String {
    let url = given(request, BASE_URL).map(|url| toml_string(&versioned(&url, "v1")));
    let mut top = vec!["check_for_update_on_startup = false".to_owned()];
    let mut features = String::new();
    let mut provider = String::new();
    if is_signed_in {
        top.push("cli_auth_credentials_store = \"file\"".to_owned());
    }
    match url {
        Some(url) if is_signed_in => {
            top.push(format!("openai_base_url = {url}"));
            // Compressed bodies are an agreement between this CLI and its vendor; another server
            // need not read them.
            features.push_str("enable_request_compression = false\n");
        }
        Some(url) => {
            top.push("model_provider = \"axon\"".to_owned());
            provider = format!(
                "\n[model_providers.axon]\nname = \"axon\"\nbase_url = {url}\nenv_key = {}\n\
                 wire_api = \"responses\"\nrequest_max_retries = 3\nstream_max_retries = 3\n",
                toml_string(key_variable(request)),
            );
        }
        None => {}
    }
    format!(
        "{}\n\n[analytics]\nenabled = false\n\n[features]\nplugins = false\napps = false\n\
         remote_plugin = false\n{features}{provider}{}",
        top.join("\n"),
        mcp_servers(&request.setup.mcp_servers),
    )
}

/// The variable that holds the key: the one of the credential, or the one that users of `OpenAI`'s
/// other clients have.
fn key_variable(request: &Request<'_>) -> &'static str {
    if given(request, API_KEY).is_none() && given(request, OPENAI_API_KEY).is_some() {
        OPENAI_API_KEY
    } else {
        API_KEY
    }
}

fn mcp_servers(servers: &[McpServer]) -> String {
    let mut text = String::new();
    for server in servers {
        let name = server_name(&server.name);
        let _ = writeln!(text, "\n[mcp_servers.{}]", toml_string(&name));
        let (table, map) = match &server.transport {
            McpTransport::Stdio { command, args, env } => {
                let args: Vec<String> = args.iter().map(|argument| toml_string(argument)).collect();
                let _ = writeln!(
                    text,
                    "command = {}\nargs = [{}]",
                    toml_string(command),
                    args.join(", ")
                );
                ("env", env)
            }
            McpTransport::Http { url, headers } | McpTransport::Sse { url, headers } => {
                let _ = writeln!(text, "url = {}", toml_string(url));
                ("http_headers", headers)
            }
        };
        if map.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n[mcp_servers.{}.{table}]", toml_string(&name));
        for (key, value) in map {
            let _ = writeln!(text, "{} = {}", toml_string(key), toml_string(value));
        }
    }
    text
}

/// A name that the CLI takes: it refuses to start on other characters.
fn server_name(name: &str) -> String {
    name.replace(
        |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'),
        "_",
    )
}

/// A TOML basic string.
pub(super) fn toml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.extend(["\\u", &format!("{:04X}", u32::from(c))]),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Agent as _;
    use crate::codex::Codex;
    use crate::testing::{self, file};

    const CONFIG: &str = ".codex/config.toml";

    #[test]
    fn a_setup_becomes_files() {
        let launch = testing::set_up(&Codex, &[], &testing::full_setup());
        assert_eq!(
            testing::paths(&launch),
            [
                "600 .codex/config.toml",
                "644 .codex/AGENTS.md",
                "644 .codex/skills/team.one:deploy/SKILL.md",
                "644 .codex/skills/team.one:agent:reviewer/SKILL.md",
                ".codex/skills/tools:search/",
            ]
        );
        let config = file(&launch, CONFIG);
        let (_, servers) = config
            .split_once("remote_plugin = false\n")
            .expect("the features");
        insta::assert_snapshot!(servers, @r#"

        [mcp_servers."local"]
        command = "node"
        args = ["server.js", "--port=0"]

        [mcp_servers."local".env]
        "TOKEN" = "t0k\"en"

        [mcp_servers."far"]
        url = "https://mcp.example.com/mcp"

        [mcp_servers."far".http_headers]
        "Authorization" = "Bearer s$HOME"
        "#);
        insta::assert_snapshot!(file(&launch, ".codex/skills/team.one:agent:reviewer/SKILL.md"), @r#"
        ---
        name: "reviewer"
        description: reads code
        ---

        While you use this skill, you are the agent `reviewer`, whose instructions are:

        Read all.
        "#);
    }

    #[test]
    fn what_it_cannot_speak_to_is_refused() {
        assert_eq!(Codex.refuses(&testing::full_setup()), None);
        let mut setup = testing::full_setup();
        setup.mcp_servers[1].transport = McpTransport::Sse {
            url: "http://h/sse".into(),
            headers: BTreeMap::new(),
        };
        let why = Codex.refuses(&setup).expect("refused");
        assert!(why.contains("`far`") && why.contains("server-sent"), "{why}");
        let mut setup = testing::full_setup();
        setup.mcp_servers[0].name = "a.b".into();
        setup.mcp_servers[1].name = "a_b".into();
        let why = Codex.refuses(&setup).expect("refused");
        assert!(why.contains("`a.b` and `a_b`"), "{why}");
    }

    #[test]
    fn a_string_stays_one_toml_string() {
        assert_eq!(toml_string("a\"b\\c\n\u{7f}é"), "\"a\\\"b\\\\c\\u000A\\u007Fé\"");
    }

    proptest! {
        #[test]
        fn any_value_is_read_back_as_it_was(value in "(\\PC|[\"'\\\\\n\r\u{0}\u{7f}\u{85}]){0,24}", name in "(\\PC|[\"'.=\\]]){1,9}") {
            let launch = testing::set_up(&Codex, &[], &testing::with_server("s.1", &value, &name, &value));
            let config: toml::Table = file(&launch, CONFIG).parse().expect("TOML");
            let server = &config["mcp_servers"]["s_1"];
            prop_assert_eq!(server["args"][0].as_str(), Some(value.as_str()));
            prop_assert_eq!(server["env"][&name].as_str(), Some(value.as_str()));
        }
    }
}
