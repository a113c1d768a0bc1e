//! The AgentConfigs of a Task, merged in their order.

use axon_api::agents::setup::{self, McpTransport};
use axon_api::kinds::agent_config::{self, McpServer, Plugin};
use axon_api::run::{RunMcpServer, SkillSource};
use axon_api::{AgentConfigSpec, paths};

use crate::observed::{Found, Observed};
use crate::requirements::{Blocked, namespace, secret_has, secret_keys, waiting};

/// What the agent is set up with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Configuration {
    pub(crate) instructions: Option<String>,
    pub(crate) plugins: Vec<setup::Plugin>,
    pub(crate) skills: Vec<SkillSource>,
    pub(crate) mcp_servers: Vec<RunMcpServer>,
    /// The Secrets that skills and servers name by their place in this list.
    pub(crate) secrets: Vec<NumberedSecret>,
}

/// A Secret of which each key is a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NumberedSecret {
    pub(crate) name: String,
    /// Skills are fetched with it while the checkout is prepared: the agent does not need it.
    pub(crate) is_for_skills: bool,
    /// An MCP server that the agent starts or calls needs it.
    pub(crate) is_for_servers: bool,
}

impl Configuration {
    /// Whether the description has values that may be secrets: variables and headers of servers,
    /// and as well their arguments and addresses, in which tokens are often written.
    pub(crate) fn is_confidential(&self) -> bool {
        !self.mcp_servers.is_empty()
    }

    fn add(&mut self, observed: &Observed<'_>, spec: &AgentConfigSpec) -> Result<(), Blocked> {
        let text = spec.agents_md.as_deref().unwrap_or_default().trim();
        if !text.is_empty() {
            let before = self.instructions.take().map(|before| before + "\n\n");
            self.instructions = Some(before.unwrap_or_default() + text);
        }
        for plugin in &spec.plugins {
            self.add_plugin(plugin);
        }
        for skill in &spec.skills {
            self.add_skill(observed, skill)?;
        }
        for server in &spec.mcp_servers {
            self.add_server(observed, server)?;
        }
        Ok(())
    }

    fn add_plugin(&mut self, plugin: &Plugin) {
        let known = self.plugins.iter_mut().find(|known| known.name == plugin.name);
        if let Some(known) = known {
            add_documents(&mut known.skills, &plugin.skills);
            add_documents(&mut known.agents, &plugin.agents);
            return;
        }
        let mut made = setup::Plugin {
            name: plugin.name.clone(),
            ..setup::Plugin::default()
        };
        add_documents(&mut made.skills, &plugin.skills);
        add_documents(&mut made.agents, &plugin.agents);
        self.plugins.push(made);
    }

    fn add_skill(
        &mut self,
        observed: &Observed<'_>,
        skill: &agent_config::SkillSource,
    ) -> Result<(), Blocked> {
        let secret = match &skill.secret_ref {
            None => None,
            Some(reference) => {
                secret_has(observed, &reference.name, paths::GIT_TOKEN_KEY)?;
                let number = self.number(&reference.name);
                if let Some(secret) = self.secrets.get_mut(number) {
                    secret.is_for_skills = true;
                }
                Some(number)
            }
        };
        let skill = SkillSource {
            source: skill.source.clone(),
            skill: skill.skill.clone(),
            secret,
        };
        if !self.skills.contains(&skill) {
            self.skills.push(skill);
        }
        Ok(())
    }

    fn add_server(&mut self, observed: &Observed<'_>, server: &McpServer) -> Result<(), Blocked> {
        let source = match server.type_ {
            agent_config::McpTransport::Stdio => &server.env_from,
            agent_config::McpTransport::Http | agent_config::McpTransport::Sse => &server.headers_from,
        };
        let secret = match source {
            None => None,
            Some(source) => {
                let name = &source.secret_ref.name;
                secret_keys(observed, name)?;
                let number = self.number(name);
                if let Some(secret) = self.secrets.get_mut(number) {
                    secret.is_for_servers = true;
                }
                Some(number)
            }
        };
        let server = RunMcpServer {
            server: setup::McpServer {
                name: server.name.clone(),
                transport: transport(server),
            },
            secret,
        };
        let mut known = self.mcp_servers.iter_mut();
        match known.find(|known| known.server.name == server.server.name) {
            Some(known) => *known = server,
            None => self.mcp_servers.push(server),
        }
        Ok(())
    }

    /// The number of a Secret: one that is named twice has one number.
    fn number(&mut self, name: &str) -> usize {
        let known = self.secrets.iter().position(|secret| secret.name == name);
        known.unwrap_or_else(|| {
            self.secrets.push(NumberedSecret {
                name: name.to_owned(),
                ..NumberedSecret::default()
            });
            self.secrets.len() - 1
        })
    }
}

/// Merges the AgentConfigs that the Task names. Their Secrets are looked for, and never read.
pub(crate) fn merge(observed: &Observed<'_>) -> Result<Configuration, Blocked> {
    let mut merged = Configuration::default();
    for (name, config) in observed.agent_configs {
        match config {
            Found::Present(config) => merged.add(observed, &config.spec)?,
            Found::Invalid(why) => {
                return Err(waiting(
                    "AgentConfigInvalid",
                    format!("waits for AgentConfig `{name}` to be corrected: {why}"),
                ));
            }
            Found::Missing | Found::NotNamed => {
                return Err(waiting(
                    "AgentConfigNotFound",
                    format!(
                        "waits for AgentConfig `{name}`, which does not exist in namespace `{}`",
                        namespace(observed)
                    ),
                ));
            }
        }
    }
    Ok(merged)
}

/// Adds documents; of two with one name the later is taken, in the place of the first.
fn add_documents(known: &mut Vec<setup::Document>, more: &[agent_config::Document]) {
    for document in more {
        let made = setup::Document {
            name: document.name.clone(),
            content: document.content.clone(),
        };
        match known.iter_mut().find(|known| known.name == made.name) {
            Some(known) => *known = made,
            None => known.push(made),
        }
    }
}

fn transport(server: &McpServer) -> McpTransport {
    let url = || server.url.clone().unwrap_or_default();
    match server.type_ {
        agent_config::McpTransport::Stdio => McpTransport::Stdio {
            command: server.command.clone().unwrap_or_default(),
            args: server.args.clone(),
            env: server.env.clone(),
        },
        agent_config::McpTransport::Http => McpTransport::Http {
            url: url(),
            headers: server.headers.clone(),
        },
        agent_config::McpTransport::Sse => McpTransport::Sse {
            url: url(),
            headers: server.headers.clone(),
        },
    }
}
