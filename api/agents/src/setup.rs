//! What an agent is set up with beside its prompt: instructions, plugins, skills and MCP servers.
//! The same for all types; each type brings it into its own native form in [`crate::Agent::launch`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What an agent is set up with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// Markdown, beside the instructions that the repository has.
    pub instructions: Option<String>,
    /// Bundles of skills and sub-agents.
    pub plugins: Vec<Plugin>,
    /// Skills that were fetched.
    pub fetched: Vec<FetchedSkill>,
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

/// A skill that was fetched: a directory with `SKILL.md` and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchedSkill {
    /// The bundle that it belongs to; never the name of one of [`Setup::plugins`].
    pub plugin: String,
    /// A name that can be a file's.
    pub name: String,
    /// Absolute. Holds files and directories only, no links.
    pub directory: PathBuf,
}

/// A bundle, whether it was written down or fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle<'a> {
    pub name: &'a str,
    pub skills: Vec<Skill<'a>>,
    pub agents: Vec<&'a Document>,
}

/// A skill of a [`Bundle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skill<'a> {
    pub name: &'a str,
    pub content: SkillContent<'a>,
}

/// What a skill consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkillContent<'a> {
    /// The text of `SKILL.md`.
    Text(&'a str),
    /// A directory with `SKILL.md`.
    Directory(&'a Path),
}

/// How a type of agent takes a [`Setup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupForm {
    /// In files and arguments of its CLI, which [`crate::Agent::launch`] makes.
    Native,
    /// In none of its own: it gets the variables that the entrypoint of a custom image gets.
    Variables,
}

impl Setup {
    /// All bundles: those that were written down first, then those that were fetched.
    pub fn bundles(&self) -> Vec<Bundle<'_>> {
        let mut bundles: Vec<Bundle<'_>> = self.plugins.iter().map(written_down).collect();
        for fetched in &self.fetched {
            let skill = Skill {
                name: &fetched.name,
                content: SkillContent::Directory(&fetched.directory),
            };
            match bundles.iter_mut().find(|bundle| bundle.name == fetched.plugin) {
                Some(bundle) => bundle.skills.push(skill),
                None => bundles.push(Bundle {
                    name: &fetched.plugin,
                    skills: vec![skill],
                    agents: Vec::new(),
                }),
            }
        }
        bundles
    }
}

fn written_down(plugin: &Plugin) -> Bundle<'_> {
    Bundle {
        name: &plugin.name,
        skills: plugin
            .skills
            .iter()
            .map(|document| Skill {
                name: &document.name,
                content: SkillContent::Text(&document.content),
            })
            .collect(),
        agents: plugin.agents.iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skills_of_one_repository_are_one_bundle() {
        let fetched = |plugin: &str, name: &str| FetchedSkill {
            plugin: plugin.into(),
            name: name.into(),
            directory: format!("/skills/{name}").into(),
        };
        let setup = Setup {
            plugins: vec![Plugin {
                name: "team".into(),
                ..Plugin::default()
            }],
            fetched: vec![fetched("tools", "a"), fetched("more", "b"), fetched("tools", "c")],
            ..Setup::default()
        };
        let names: Vec<(&str, Vec<&str>)> = setup
            .bundles()
            .into_iter()
            .map(|bundle| {
                (
                    bundle.name,
                    bundle.skills.iter().map(|skill| skill.name).collect(),
                )
            })
            .collect();
        assert_eq!(
            names,
            [("team", vec![]), ("tools", vec!["a", "c"]), ("more", vec!["b"])]
        );
    }
}
