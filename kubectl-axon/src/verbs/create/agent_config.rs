//! `create agentconfig`: instructions, skills, sub-agents and MCP servers from texts and files.

use axon_api::kinds::agent_config::{Document, Plugin, SkillSource};
use axon_api::{AgentConfig, AgentConfigSpec};
use clap::Args;
use serde_json::{Map, Value};

use super::ReadValue;
use crate::failure::{Failure, Result};
use crate::parts::{check_name, pair, reference, to_value};
use crate::run_objects::Wanted;
use crate::writing::WriteArgs;

/// The plugin that the flags' skills and sub-agents go into.
const PLUGIN: &str = "axon";

/// Create instructions, skills and MCP servers for agents
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  kubectl axon create agentconfig my-config \\
    --agents-md @AGENTS.md \\
    --skill deploy=@skills/deploy.md \\
    --agent reviewer=@agents/reviewer.md \\
    --mcp 'github={\"type\":\"http\",\"url\":\"https://api.githubcopilot.com/mcp/\"}' \\
    --mcp my-tools=@mcp/my-tools.json
  kubectl axon run -p 'Fix the bug' --agent-config my-config")]
pub(super) struct AgentConfigArgs {
    /// Name of the agent config
    #[arg(value_name = "NAME")]
    pub(super) name: String,

    /// Instructions for the agent, as Markdown
    #[arg(long, value_name = "TEXT|@FILE")]
    pub(super) agents_md: Option<String>,

    /// Skill, as Markdown with front matter; may be given more than once
    #[arg(long = "skill", value_name = "NAME=TEXT|@FILE")]
    pub(super) skills: Vec<String>,

    /// Sub-agent, as Markdown with front matter; may be given more than once
    #[arg(long = "agent", value_name = "NAME=TEXT|@FILE")]
    pub(super) agents: Vec<String>,

    /// MCP server, as JSON with type, command or url, and so on; may be given more than once
    #[arg(long = "mcp", value_name = "NAME=JSON|@FILE")]
    pub(super) mcp_servers: Vec<String>,

    /// Skills of a git repository: all of them, or one; may be given more than once
    #[arg(
        long = "skill-source",
        visible_alias = "skills-sh",
        value_name = "OWNER/REPO[:SKILL]"
    )]
    pub(super) skill_sources: Vec<String>,

    /// Secret whose key `GITHUB_TOKEN` opens the repositories of --skill-source
    #[arg(long, value_name = "NAME", requires = "skill_sources", add = crate::complete::secrets())]
    pub(super) skill_secret: Option<String>,

    #[command(flatten)]
    pub(super) write: WriteArgs,
}

pub(super) fn objects(args: &AgentConfigArgs, read: ReadValue<'_>) -> Result<Vec<Wanted>> {
    check_name("agent config", &args.name)?;
    let agents_md = args
        .agents_md
        .as_deref()
        .map(|text| read("--agents-md", text))
        .transpose()?;
    let skills = documents("--skill", &args.skills, read)?;
    let agents = documents("--agent", &args.agents, read)?;
    let has_plugin = !(skills.is_empty() && agents.is_empty());
    let spec = AgentConfigSpec {
        agents_md,
        plugins: has_plugin
            .then(|| Plugin {
                name: PLUGIN.to_owned(),
                skills,
                agents,
            })
            .into_iter()
            .collect(),
        skills: args
            .skill_sources
            .iter()
            .map(|text| {
                let (source, skill) = source_and_skill(text);
                SkillSource {
                    source: source.to_owned(),
                    skill: skill.map(str::to_owned),
                    secret_ref: reference(args.skill_secret.as_ref()),
                }
            })
            .collect(),
        mcp_servers: Vec::new(),
    };
    let servers = mcp_servers(&args.mcp_servers, read)?;
    if spec == AgentConfigSpec::default() && servers.is_empty() {
        return Err(
            Failure::new(format!("agent config `{}` would be empty", args.name))
                .hint("give --agents-md, --skill, --agent, --mcp or --skill-source"),
        );
    }
    let mut object = to_value(&AgentConfig::new(&args.name, spec))?;
    if !servers.is_empty() {
        // As they were written: the object's fields are checked against the definition.
        object["spec"]["mcpServers"] = Value::from(servers);
    }
    Ok(vec![Wanted::Ensure(object)])
}

fn documents(flag: &str, values: &[String], read: ReadValue<'_>) -> Result<Vec<Document>> {
    let mut documents: Vec<Document> = Vec::new();
    for value in values {
        let (name, text) = pair(flag, value)?;
        if documents.iter().any(|document| document.name == name) {
            return Err(twice(flag, name));
        }
        let content = read(&format!("{flag} {name}"), text)?;
        if content.trim().is_empty() {
            return Err(Failure::new(format!("{flag} {name} is empty")));
        }
        documents.push(Document {
            name: name.to_owned(),
            content,
        });
    }
    Ok(documents)
}

fn twice(flag: &str, name: &str) -> Failure {
    Failure::new(format!("{flag} names `{name}` twice"))
}

fn mcp_servers(values: &[String], read: ReadValue<'_>) -> Result<Vec<Value>> {
    let mut servers: Vec<Value> = Vec::new();
    for value in values {
        let (name, text) = pair("--mcp", value)?;
        if servers.iter().any(|server| server["name"] == name) {
            return Err(twice("--mcp", name));
        }
        let text = read(&format!("--mcp {name}"), text)?;
        servers.push(mcp_server(name, &text)?);
    }
    Ok(servers)
}

/// One server from its JSON. The type may be left out where it is plain, and variables may be
/// written as Kubernetes writes them, as a list of names and values.
fn mcp_server(name: &str, text: &str) -> Result<Value> {
    let wrong = |problem: &str| Failure::new(format!("--mcp {name}: {problem}"));
    // The parser's words would quote the text, in which there may be a key.
    let parsed: Value = serde_json::from_str(text).map_err(|error| {
        wrong(&format!(
            "no JSON at line {} column {}",
            error.line(),
            error.column()
        ))
        .hint(r#"write it like '{"type":"http","url":"https://example.com/mcp"}', or @FILE"#)
    })?;
    let Value::Object(mut server) = parsed else {
        return Err(wrong("must be a JSON object"));
    };
    if server.contains_key("mcpServers") {
        return Err(wrong("has the servers of a whole file").hint("give each server with a flag of its own"));
    }
    if server.get("name").is_some_and(|own| own != name) {
        return Err(wrong("its JSON has another name"));
    }
    server.insert("name".to_owned(), Value::from(name));
    if !server.contains_key("type") {
        let transport = match (server.contains_key("command"), server.contains_key("url")) {
            (true, false) => "stdio",
            (false, true) => "http",
            _ => return Err(wrong("`type` is missing").hint("it is stdio, http or sse")),
        };
        server.insert("type".to_owned(), Value::from(transport));
    }
    for field in ["env", "headers"] {
        if let Some(Value::Array(list)) = server.get(field) {
            let map = map_of(list).ok_or_else(|| {
                wrong(&format!(
                    "`{field}` must be a map, or a list of objects with name and value"
                ))
            })?;
            server.insert(field.to_owned(), Value::Object(map));
        }
    }
    Ok(Value::Object(server))
}

fn map_of(list: &[Value]) -> Option<Map<String, Value>> {
    list.iter()
        .map(|item| {
            let (name, value) = (item["name"].as_str()?, item["value"].as_str()?);
            Some((name.to_owned(), Value::from(value)))
        })
        .collect()
}

/// `owner/repo:skill` in its parts. A colon of a URL's scheme or port, or of `git@host:path`,
/// separates nothing.
fn source_and_skill(text: &str) -> (&str, Option<&str>) {
    let Some((source, skill)) = text.rsplit_once(':') else {
        return (text, None);
    };
    let is_url_alone = source.starts_with("git@") && !source.contains(':');
    if skill.is_empty() || skill.contains('/') || !source.contains('/') || is_url_alone {
        return (text, None);
    }
    (source, Some(skill))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_skill_stands_behind_the_last_colon() {
        for (text, parts) in [
            ("a/b", ("a/b", None)),
            ("a/b:c", ("a/b", Some("c"))),
            ("https://h:80/a/b", ("https://h:80/a/b", None)),
            ("https://h:80/a/b:c", ("https://h:80/a/b", Some("c"))),
            ("git@h:a/b", ("git@h:a/b", None)),
            ("git@h:a/b:c", ("git@h:a/b", Some("c"))),
        ] {
            assert_eq!(source_and_skill(text), parts, "{text}");
        }
    }

    #[test]
    fn a_server_is_completed_where_it_is_plain() {
        for (text, server) in [
            (
                r#"{"url":"https://h","headers":[{"name":"A","value":"b"}]}"#,
                json!({"name": "n", "type": "http", "url": "https://h", "headers": {"A": "b"}}),
            ),
            (
                r#"{"command":"c","args":["x"],"env":{"A":"b"}}"#,
                json!({"name": "n", "type": "stdio", "command": "c", "args": ["x"], "env": {"A": "b"}}),
            ),
            (
                r#"{"type":"sse","url":"https://h"}"#,
                json!({"name": "n", "type": "sse", "url": "https://h"}),
            ),
        ] {
            assert_eq!(mcp_server("n", text), Ok(server), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_server_is_said_without_quoting_it() {
        for (text, problem) in [
            ("{\"token\": sk-secret", "no JSON at line 1"),
            ("[]", "must be a JSON object"),
            ("{}", "`type` is missing"),
            (r#"{"name":"m","url":"u"}"#, "another name"),
            (r#"{"mcpServers":{}}"#, "a whole file"),
            (r#"{"command":"c","env":["A"]}"#, "`env` must be a map"),
        ] {
            let failure = mcp_server("n", text).expect_err("a mistake").render();
            assert!(failure.contains(problem), "{failure}");
            assert!(!failure.contains("sk-secret"), "{failure}");
        }
    }
}
