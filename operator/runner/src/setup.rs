//! What the agent is set up with: instructions, plugins, skills that were fetched, MCP servers.
//!
//! Types with a form of their own get it as files and arguments of their CLI. Custom images with an
//! entrypoint, and types without such a form, get it by variables: as directories and files in the
//! runner's private directory, and where the interface of earlier systems has them, as values.

use std::path::Path;

use axon_api::agents::setup::{Setup, SkillContent};
use axon_api::run::RunDescription;
use axon_api::variables;

use crate::environment::Environment;
use crate::failure::{Failure, INVALID_RUN};
use crate::private_directory::PrivateDirectory;
use crate::{mcp, skills};

/// The agent type has no form for a part of the setup.
pub(crate) const AGENT_CONFIG_UNSUPPORTED: &str = "AgentConfigUnsupported";

/// The instructions, when they are short enough for a variable.
const AGENTS_MD: &str = "AXON_AGENTS_MD";
/// A file with the instructions, at every size.
const AGENTS_MD_FILE: &str = "AXON_AGENTS_MD_FILE";
/// Holds `PLUGIN/skills/NAME/SKILL.md` and `PLUGIN/agents/NAME.md`.
const PLUGIN_DIR: &str = "AXON_PLUGIN_DIR";
/// The MCP servers as JSON, secrets included, when that is short enough for a variable.
const MCP_SERVERS: &str = "AXON_MCP_SERVERS";
/// A file with the same.
const MCP_SERVERS_FILE: &str = "AXON_MCP_SERVERS_FILE";

/// How the variables with the directories of mounted Secrets begin.
const SECRET_DIR: &str = "AXON_SECRET_DIR_";

/// Linux refuses to start a program with a longer variable.
const MAX_VARIABLE: usize = 120 * 1024;

/// Such a Secret has settings beside keys, and a branch may be called like the value of one
/// (`production`). Shorter values are taken for settings.
const SHORTEST_SECRET: usize = 12;

/// Longer names are no names of files.
const MAX_NAME: usize = 128;

/// Makes the setup of a run: reads the mounted Secrets and finds the skills that were fetched.
pub(crate) fn assemble(
    description: &RunDescription,
    environment: &Environment,
    workspace: &Path,
) -> Result<Setup, Failure> {
    for plugin in &description.plugins {
        let names = [&plugin.name].into_iter();
        let documents = plugin.skills.iter().chain(&plugin.agents);
        for name in names.chain(documents.map(|document| &document.name)) {
            check_name(name)?;
        }
    }
    let mut servers = Vec::with_capacity(description.mcp_servers.len());
    for run in &description.mcp_servers {
        servers.push(mcp::resolve(run, environment)?);
    }
    Ok(Setup {
        instructions: description
            .instructions
            .clone()
            .filter(|text| !text.trim().is_empty()),
        plugins: description.plugins.clone(),
        fetched: skills::fetched(description, workspace)?,
        mcp_servers: servers,
    })
}

/// A name becomes the name of a file or directory. The API server checks it as well; it is checked
/// where it matters.
fn check_name(name: &str) -> Result<(), Failure> {
    if is_name(name) {
        return Ok(());
    }
    Err(Failure::new(
        INVALID_RUN,
        format!("`{name}` cannot be the name of a plugin, a skill or a sub-agent"),
    ))
}

/// Whether a text can be the name of a plugin, a skill or a sub-agent: letters, digits, `-`, `_`
/// and single dots, and neither hidden nor `..`.
pub(crate) fn is_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty()
        && name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !name.contains("..")
        && name.chars().all(is_allowed)
}

/// Sets the variables by which an entrypoint or a script finds the setup.
pub(crate) fn set_variables(
    setup: &Setup,
    environment: &mut Environment,
    private: &PrivateDirectory,
) -> Result<(), Failure> {
    if let Some(instructions) = &setup.instructions {
        environment.set(AGENTS_MD_FILE, private.write("agents.md", instructions, 0o600)?);
        set_short(environment, AGENTS_MD, instructions);
    }
    if !setup.plugins.is_empty() || !setup.fetched.is_empty() {
        environment.set(PLUGIN_DIR, private.path().join("plugins"));
        write_plugins(setup, private)?;
    }
    if !setup.mcp_servers.is_empty() {
        let document = mcp::document(&setup.mcp_servers).to_string();
        environment.set(MCP_SERVERS_FILE, private.write("mcp.json", &document, 0o600)?);
        set_short(environment, MCP_SERVERS, &document);
    }
    Ok(())
}

fn set_short(environment: &mut Environment, name: &str, value: &str) {
    if value.len() <= MAX_VARIABLE && !value.contains('\0') {
        environment.set(name, value);
    }
}

fn write_plugins(setup: &Setup, private: &PrivateDirectory) -> Result<(), Failure> {
    for bundle in setup.bundles() {
        for skill in &bundle.skills {
            let directory = format!("plugins/{}/skills/{}", bundle.name, skill.name);
            match skill.content {
                SkillContent::Text(text) => {
                    private.write(&format!("{directory}/SKILL.md"), text, 0o600)?;
                }
                SkillContent::Directory(from) => {
                    skills::copy(from, &private.path().join(directory))?;
                }
            }
        }
        for agent in bundle.agents {
            let path = format!("plugins/{}/agents/{}.md", bundle.name, agent.name);
            private.write(&path, &agent.content, 0o600)?;
        }
    }
    Ok(())
}

/// Takes the variables with the directories of mounted Secrets away, under either name.
pub(crate) fn hide_secret_directories(environment: &mut Environment) {
    let twin = variables::kelos_name(SECRET_DIR).unwrap_or_default();
    environment.retain(|name| !name.starts_with(SECRET_DIR) && !name.starts_with(&twin));
}

/// The values of all mounted Secrets that can be secret, to keep them out of what the runner says.
pub(crate) fn secret_values(environment: &Environment) -> Vec<String> {
    environment
        .iter()
        .filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with(SECRET_DIR)))
        .filter_map(|(_, directory)| mcp::read_secret(Path::new(directory)).ok())
        .flat_map(std::collections::BTreeMap::into_values)
        .filter(|value| value.len() >= SHORTEST_SECRET)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use axon_api::agents::setup::{Document, Plugin};

    use super::*;

    fn environment() -> (tempfile::TempDir, Environment) {
        let root = tempfile::tempdir().expect("a directory");
        let mut environment = Environment::default();
        environment.set("TMPDIR", root.path());
        (root, environment)
    }

    fn document(name: &str, content: &str) -> Document {
        Document {
            name: name.into(),
            content: content.into(),
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["", ".", "..", "a..b", "a/b", "../x", ".hidden", "a b", "é", "-x"] {
            assert!(!is_name(name), "{name:?}");
        }
        for name in ["a", "a.b", "A_1-2"] {
            assert!(is_name(name), "{name:?}");
        }
        let (root, environment) = environment();
        let description = RunDescription {
            plugins: vec![Plugin {
                name: "p".into(),
                skills: vec![document("../x", "text")],
                agents: Vec::new(),
            }],
            ..RunDescription::default()
        };
        let failure = assemble(&description, &environment, root.path()).expect_err("refused");
        assert!(failure.message.contains("`../x`"), "{failure}");
    }

    #[test]
    fn an_entrypoint_finds_plugins_in_the_layout_of_the_interface() {
        let (_root, mut environment) = environment();
        let private = PrivateDirectory::create(&environment).expect("made");
        let setup = Setup {
            instructions: Some("Be brief.".into()),
            plugins: vec![Plugin {
                name: "team".into(),
                skills: vec![document("deploy", "ship")],
                agents: vec![document("reviewer", "read")],
            }],
            ..Setup::default()
        };
        set_variables(&setup, &mut environment, &private).expect("set");
        let directory = environment.path("AXON_PLUGIN_DIR").expect("set");
        let read = |path: &str| fs::read_to_string(directory.join(path)).expect("there");
        assert_eq!(read("team/skills/deploy/SKILL.md"), "ship");
        assert_eq!(read("team/agents/reviewer.md"), "read");
        assert_eq!(environment.text("AXON_AGENTS_MD").as_deref(), Some("Be brief."));
        assert_eq!(environment.get("AXON_MCP_SERVERS"), None);
    }

    #[test]
    fn long_instructions_are_in_their_file_only() {
        let (_root, mut environment) = environment();
        let private = PrivateDirectory::create(&environment).expect("made");
        let setup = Setup {
            instructions: Some("x".repeat(MAX_VARIABLE + 1)),
            ..Setup::default()
        };
        set_variables(&setup, &mut environment, &private).expect("set");
        assert_eq!(environment.get("AXON_AGENTS_MD"), None);
        let file = environment.path("AXON_AGENTS_MD_FILE").expect("set");
        assert_eq!(fs::metadata(file).expect("there").len(), MAX_VARIABLE as u64 + 1);
    }

    #[test]
    fn where_the_secrets_are_is_hidden() {
        let (root, mut environment) = environment();
        fs::write(root.path().join("KEY"), "a-long-secret").expect("written");
        fs::write(root.path().join("MODE"), "production").expect("written");
        environment.set("AXON_SECRET_DIR_3", root.path());
        environment.set("KELOS_SECRET_DIR_3", root.path());
        assert_eq!(secret_values(&environment), ["a-long-secret"]);
        hide_secret_directories(&mut environment);
        assert_eq!(environment.iter().count(), 1);
    }
}
