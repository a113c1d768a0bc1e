//! The description of an `AgentConfig`. Values of variables and headers are not shown: people put
//! keys into them.

use axon_api::AgentConfig;
use axon_api::kinds::agent_config::{McpServer, McpTransport};

use super::page::Page;
use crate::text::cut;

pub(super) fn text(config: &AgentConfig) -> String {
    let spec = &config.spec;
    let mut page = Page::default();
    page.head(&config.metadata);
    page.line_if(
        "Instructions",
        spec.agents_md.as_ref().map(|text| cut(text, 2000)),
    );
    let plugins: Vec<Vec<String>> = spec
        .plugins
        .iter()
        .map(|plugin| {
            let names = |documents: &[axon_api::kinds::agent_config::Document]| {
                let names: Vec<&str> = documents.iter().map(|document| document.name.as_str()).collect();
                names.join(",")
            };
            vec![plugin.name.clone(), names(&plugin.skills), names(&plugin.agents)]
        })
        .collect();
    page.table("Plugins", &["NAME", "SKILLS", "AGENTS"], &plugins);
    let skills: Vec<Vec<String>> = spec
        .skills
        .iter()
        .map(|skill| {
            vec![
                skill.source.clone(),
                skill.skill.clone().unwrap_or_else(|| "all".to_owned()),
                skill
                    .secret_ref
                    .as_ref()
                    .map(|secret| secret.name.clone())
                    .unwrap_or_default(),
            ]
        })
        .collect();
    page.table("Skills", &["SOURCE", "SKILL", "SECRET"], &skills);
    let servers: Vec<Vec<String>> = spec.mcp_servers.iter().map(server_row).collect();
    page.table(
        "MCP Servers",
        &["NAME", "TYPE", "COMMAND OR URL", "VARIABLES OR HEADERS", "SECRET"],
        &servers,
    );
    page.0
}

fn server_row(server: &McpServer) -> Vec<String> {
    let transport = match server.type_ {
        McpTransport::Stdio => "stdio",
        McpTransport::Http => "http",
        McpTransport::Sse => "sse",
    };
    let mut command = server.command.clone().into_iter().collect::<Vec<_>>();
    command.extend(server.args.clone());
    let names: Vec<&str> = server
        .env
        .keys()
        .chain(server.headers.keys())
        .map(String::as_str)
        .collect();
    let secret = server.env_from.as_ref().or(server.headers_from.as_ref());
    vec![
        server.name.clone(),
        transport.to_owned(),
        server.url.clone().unwrap_or_else(|| command.join(" ")),
        names.join(","),
        secret
            .map(|secret| secret.secret_ref.name.clone())
            .unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_agent_config_is_described_without_its_keys() {
        let config: AgentConfig = serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "AgentConfig",
            "metadata": {"name": "c", "namespace": "n"},
            "spec": {
                "agentsMD": "Be brief.",
                "plugins": [{"name": "axon", "skills": [{"name": "deploy", "content": "x"}]}],
                "skills": [{"source": "o/r", "skill": "lint"}],
                "mcpServers": [
                    {"name": "m", "type": "http", "url": "https://h", "headers": {"Authorization": "sk-1"}},
                    {"name": "l", "type": "stdio", "command": "npx", "args": ["tool"],
                     "envFrom": {"secretRef": {"name": "s"}}},
                ],
            },
        }))
        .expect("a config");
        assert_eq!(
            text(&config),
            "\
Name:               c
Namespace:          n
Labels:             <none>
Annotations:        <none>
Instructions:       Be brief.
Plugins:
  NAME   SKILLS   AGENTS
  axon   deploy   -
Skills:
  SOURCE   SKILL   SECRET
  o/r      lint    -
MCP Servers:
  NAME   TYPE    COMMAND OR URL   VARIABLES OR HEADERS   SECRET
  m      http    https://h        Authorization          -
  l      stdio   npx tool         -                      s
"
        );
    }
}
