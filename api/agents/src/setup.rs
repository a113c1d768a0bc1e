//! What an agent is set up with beside its prompt: instructions, plugins, skills and MCP servers.
//! The same for all types; each type brings it into its own native form in [`crate::Agent::launch`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an agent is set up with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// Markdown, beside the instructions that the repository has.
    pub instructions: Option<String>,
    /// Bundles of skills and sub-agents; those that were fetched are among them.
    pub plugins: Vec<Plugin>,
    /// Each name once; secrets are filled in.
    pub mcp_servers: Vec<McpServer>,
}

/// A bundle of skills and sub-agents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plugin {
    /// A name that can be a file's.
    pub name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<Document>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Document>,
}

/// A named Markdown text with front matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// A name that can be a file's.
    pub name: String,
    pub content: String,
}

/// A server of the Model Context Protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct McpServer {
    /// Name under which the agent knows the server.
    pub name: String,
    pub transport: McpTransport,
}

/// How an MCP server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum McpTransport {
    /// A program that the agent starts.
    Stdio {
        command: String,
        #[serde(default)]
        args: Vec<String>,
        #[serde(default)]
        env: BTreeMap<String, String>,
    },
    /// Streamable HTTP.
    Http {
        url: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Server-sent events.
    Sse {
        url: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
}

impl Default for McpTransport {
    fn default() -> Self {
        Self::Stdio {
            command: String::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
        }
    }
}
