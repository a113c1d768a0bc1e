//! The agent types that Axon runs, one file each.
//!
//! Everything here is pure: an agent type says which command to run, which files to write and
//! what a line of output means. Starting processes, writing files and reading streams is the
//! runner's work. To add an agent type, add its file and one line to [`AGENTS`] and [`NAMES`].

#![cfg_attr(
    not(all(
        feature = "claude-code",
        feature = "codex",
        feature = "gemini",
        feature = "opencode"
    )),
    allow(
        dead_code,
        reason = "a build with only some of the types leaves parts of what they share unused"
    )
)]

pub mod event;
pub mod launch;
pub mod setup;

mod effort;
mod environment;
mod failure;
mod json;
mod markdown;
mod price;
mod text;

#[cfg(feature = "claude-code")]
mod claude_code;
#[cfg(feature = "codex")]
mod codex;
#[cfg(feature = "gemini")]
mod gemini;
#[cfg(feature = "opencode")]
mod opencode;
#[cfg(feature = "shell")]
mod shell;

#[cfg(test)]
mod testing;

pub use event::{Ending, Event, Reader, Summary, Usage};
pub use launch::{ConfigDirectory, ConfigFile, Credential, CredentialKind, Launch, PromptDelivery, Request};
use setup::{Setup, SetupForm};

/// The agent types of this build, in the order in which help and errors list them.
pub const AGENTS: &[&dyn Agent] = &[
    #[cfg(feature = "claude-code")]
    &claude_code::ClaudeCode,
    #[cfg(feature = "codex")]
    &codex::Codex,
    #[cfg(feature = "gemini")]
    &gemini::Gemini,
    #[cfg(feature = "opencode")]
    &opencode::OpenCode,
    #[cfg(feature = "shell")]
    &shell::Shell,
];

/// Every agent type that this version knows, also those that this build leaves out: the schema
/// of `Task.spec.type` lists them all, so that a slim build's CRDs equal the full build's.
/// Each name is also the cargo feature that brings the type in.
pub const NAMES: &[&str] = &["claude-code", "codex", "gemini", "opencode", "shell"];

/// The agent type named `name`, or `None` when this build does not have it.
pub fn find(name: &str) -> Option<&'static dyn Agent> {
    AGENTS.iter().copied().find(|agent| agent.name() == name)
}

/// One type of coding agent.
pub trait Agent: Sync {
    /// The value of `Task.spec.type`, for example `claude-code`.
    fn name(&self) -> &'static str;

    /// A few words for help texts and tables, for example `Anthropic's Claude Code`.
    fn summary(&self) -> &'static str;

    /// The program that [`Agent::launch`] starts, looked up on `PATH`, for example `claude`.
    fn program(&self) -> &'static str;

    /// Where a credential of `kind` is found and how it reaches the agent; `None` when the type
    /// has no credential of that kind. Types that need no key at all answer `None` to both kinds.
    fn credential(&self, kind: CredentialKind) -> Option<Credential>;

    /// The variable in which the agent's CLI expects the address of its endpoint, such as
    /// `ANTHROPIC_BASE_URL`; `None` when it has none.
    fn base_url_variable(&self) -> Option<&'static str> {
        None
    }

    /// The variable in which the agent's CLI expects the credential of a provider with an address
    /// of its own; `None` when that is the same as without.
    fn provider_token_variable(&self) -> Option<&'static str> {
        None
    }

    /// How the type takes instructions, plugins and MCP servers.
    fn setup_form(&self) -> SetupForm {
        SetupForm::Native
    }

    /// Why an agent of this type cannot be set up so, as a sentence; `None` when it can.
    fn refuses(&self, setup: &Setup) -> Option<String> {
        let _ = setup;
        None
    }

    /// The command, variables and files that start the agent headless on one prompt.
    fn launch(&self, request: &Request<'_>) -> Launch;

    /// A reader for the agent's standard output, one per run.
    fn reader(&self) -> Box<dyn Reader>;

    /// Whether a run counts as succeeded only when the stream held a terminal success event.
    /// Exit code 0 alone proves nothing for the CLIs: some exit 0 when killed.
    fn needs_ending(&self) -> bool {
        true
    }

    /// The cost in US dollars of `usage` with `model`, for CLIs that do not report it; `None`
    /// when the model's price is not known.
    fn price(&self, model: &str, usage: &Usage) -> Option<f64> {
        let _ = (model, usage);
        None
    }
}
