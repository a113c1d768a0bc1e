//! What an agent's output stream says.

use serde::{Deserialize, Serialize};

/// One thing that a line of the stream tells a person or the runner.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The agent is up; the model when the stream names it.
    Started { model: Option<String> },
    /// A new turn of the conversation begins, counted from 1.
    Turn(u32),
    /// A whole message of the assistant.
    Text(String),
    /// A piece of a message, to be shown without a line break.
    TextDelta(String),
    /// A tool is called: its name and one line of what it is asked (a command, a path).
    Tool { name: String, summary: String },
    /// The CLI tries a request again by itself.
    Retry { message: String },
    /// A warning that does not end the run.
    Notice(String),
    /// The totals of this run so far, as far as the stream has told them.
    Usage(Usage),
    /// The terminal event.
    End(Ending),
}

/// How the agent says that its run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The terminal success event.
    Succeeded,
    /// The terminal failure event: the provider's or the CLI's own message, and the HTTP status
    /// of the provider's answer when the stream has it.
    Failed {
        message: String,
        http_status: Option<u16>,
    },
}

/// Tokens and cost of one run. Every agent type is brought to one convention: `input_tokens`
/// counts all input that the model read, cached or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// All input tokens, those read from and written to the cache included.
    pub input_tokens: u64,
    /// The part of `input_tokens` that was read from the provider's cache.
    pub cache_read_tokens: u64,
    /// The part of `input_tokens` that was written to the provider's cache.
    pub cache_write_tokens: u64,
    /// All output tokens, reasoning included.
    pub output_tokens: u64,
    /// US dollars as the CLI reports them; absent when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

impl Usage {
    /// Adds what another part of the run used. The sum has a cost if either has one.
    pub fn add(&mut self, other: &Usage) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.cache_read_tokens = self.cache_read_tokens.saturating_add(other.cache_read_tokens);
        self.cache_write_tokens = self.cache_write_tokens.saturating_add(other.cache_write_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cost_usd = match (self.cost_usd, other.cost_usd) {
            (Some(one), Some(two)) => Some(one + two),
            (one, two) => one.or(two),
        };
    }
}

/// What is known of a run when its stream has ended, or at any moment before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The terminal event, absent when the stream broke off.
    pub ending: Option<Ending>,
    /// The agent's final message, whole.
    pub text: String,
    pub usage: Usage,
    /// Turns of the conversation so far.
    pub turns: u32,
    /// The model, when the stream names it.
    pub model: Option<String>,
    /// The CLI's session id, by which it could be resumed.
    pub session: Option<String>,
}

/// Reads one run's stream, line by line. Total: a line that it does not know gives no event, and
/// no input makes it panic.
pub trait Reader: Send {
    /// Takes one line, without its line break.
    fn line(&mut self, line: &str) -> Vec<Event>;

    /// What the lines so far add up to.
    fn summary(&self) -> Summary;
}
