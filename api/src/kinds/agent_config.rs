//! `AgentConfig`: instructions, skills, plugins and MCP servers for agents.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reference::LocalReference;

/// Instructions, skills, plugins and MCP servers, which Tasks name. Each agent type gets them in
/// its own native form.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "axon.io",
    version = "v1alpha1",
    kind = "AgentConfig",
    plural = "agentconfigs",
    category = "axon",
    namespaced,
    doc = "Instructions, skills, plugins and MCP servers for agents.",
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct AgentConfigSpec {
    /// Instructions for the agent, as Markdown, beside those that the repository has. Up to
    /// 256 KiB.
    #[serde(rename = "agentsMD", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 262_144))]
    pub agents_md: Option<String>,

    /// Bundles of skills and sub-agents, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub plugins: Vec<Plugin>,

    /// Skills to fetch from git repositories, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub skills: Vec<SkillSource>,

    /// MCP servers that the agent may use, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub mcp_servers: Vec<McpServer>,
}

/// A bundle of skills and sub-agents.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plugin {
    /// Name of the bundle: the name of its directory, and the prefix of its skills.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9_-]|[.][A-Za-z0-9_-])*$")
    )]
    pub name: String,

    /// Skills, each of which becomes skills/NAME/SKILL.md. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub skills: Vec<Document>,

    /// Sub-agents, each of which becomes agents/NAME.md. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub agents: Vec<Document>,
}

/// A named Markdown text with front matter.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Name, which becomes the name of a file or directory.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9_-]|[.][A-Za-z0-9_-])*$")
    )]
    pub name: String,

    /// Markdown with front matter. Up to 256 KiB.
    #[schemars(length(min = 1, max = 262_144))]
    pub content: String,
}

/// Skills in a git repository.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SkillSource {
    /// Repository: owner/name on GitHub, or a URL.
    #[schemars(
        length(min = 1, max = 2048),
        regex(pattern = r"^([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+|(https?://|ssh://|git@|file:///)[^\s]+)$")
    )]
    pub source: String,

    /// Name of the one skill to take. Absent means all that the repository has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9_-]|[.][A-Za-z0-9_-])*$")
    )]
    pub skill: Option<String>,

    /// Secret of the same namespace whose key GITHUB_TOKEN holds a token for the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
}

/// A server of the Model Context Protocol.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.type != 'stdio' || has(self.command)").message("command is required for an MCP server of type stdio"))]
#[x_kube(validation = Rule::new("self.type == 'stdio' || has(self.url)").message("url is required for an MCP server of type http or sse"))]
#[x_kube(validation = Rule::new("self.type == 'stdio' || !(has(self.command) || has(self.args) || has(self.env) || has(self.envFrom))").message("command, args, env and envFrom are for MCP servers of type stdio"))]
#[x_kube(validation = Rule::new("self.type != 'stdio' || !(has(self.url) || has(self.headers) || has(self.headersFrom))").message("url, headers and headersFrom are for MCP servers of type http and sse"))]
pub struct McpServer {
    /// Name under which the agent knows the server.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9_-]|[.][A-Za-z0-9_-])*$")
    )]
    pub name: String,

    /// Transport: stdio, http or sse.
    #[serde(rename = "type")]
    pub type_: McpTransport,

    /// Program to start, for stdio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub command: Option<String>,

    /// Arguments of the program, for stdio. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    pub args: Vec<String>,

    /// Variables of the program, for stdio.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub env: BTreeMap<String, String>,

    /// Secret whose keys become variables of the program, for stdio. They win over env.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_from: Option<SecretSource>,

    /// Address of the server, for http and sse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^https?://[^\s]+$"))]
    pub url: Option<String>,

    /// Headers of each request, for http and sse.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub headers: BTreeMap<String, String>,

    /// Secret whose keys become headers, for http and sse. They win over headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_from: Option<SecretSource>,
}

/// All keys of a Secret.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretSource {
    /// Secret of the same namespace.
    pub secret_ref: LocalReference,
}

/// How an MCP server is spoken to.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[schemars(rename_all = "lowercase")]
pub enum McpTransport {
    /// A program that is started, over its standard input and output.
    #[default]
    Stdio,
    /// Streamable HTTP.
    Http,
    /// Server-sent events.
    Sse,
}
