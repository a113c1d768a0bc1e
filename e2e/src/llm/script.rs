//! What the scripted provider is to answer, turn by turn, and what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// One answer of the provider.
#[derive(Clone, Debug)]
pub enum Turn {
    /// Final text: the agent's turn ends.
    Say(String),
    /// A call of the shell tool that the request advertises.
    Run(String),
    /// An HTTP error.
    Refuse(Refusal),
    /// Begins an answer and drops the connection in its middle, once.
    Cut,
}

/// An HTTP error that the provider answers.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub status: u16,
    pub message: String,
    /// How many requests are answered so before the script moves on.
    pub times: usize,
    /// Seconds, sent as `retry-after`.
    pub retry_after: Option<u32>,
}

impl Turn {
    pub fn say(text: &str) -> Self {
        Self::Say(text.to_owned())
    }

    pub fn run(command: &str) -> Self {
        Self::Run(command.to_owned())
    }

    /// Refuses every request from here on as if the credential were wrong.
    pub fn unauthorized(message: &str) -> Self {
        Self::Refuse(Refusal {
            status: 401,
            message: message.to_owned(),
            times: usize::MAX,
            retry_after: None,
        })
    }

    /// Refuses one request because of too many, then goes on.
    pub fn rate_limited_once() -> Self {
        Self::Refuse(Refusal {
            status: 429,
            message: "scripted rate limit".to_owned(),
            times: 1,
            retry_after: Some(1),
        })
    }

    fn times(&self) -> usize {
        match self {
            Self::Refuse(refusal) => refusal.times,
            _ => 1,
        }
    }
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Entry {
    pub method: String,
    /// The path after the conversation's own prefix.
    pub path: String,
    /// The credential, whichever header it came in; all that is used in tests is made up.
    pub credential: Option<String>,
    /// Whether the request belonged to the agent's main loop.
    pub main: bool,
    pub body: Value,
}

/// One agent's conversation with the provider: a script, the place in it, and a log.
#[derive(Debug)]
pub struct Conversation {
    base: String,
    turns: Vec<Turn>,
    place: Mutex<Place>,
    requests: AtomicUsize,
}

#[derive(Debug, Default)]
struct Place {
    turn: usize,
    used: usize,
    log: Vec<Entry>,
}

impl Conversation {
    pub(super) fn new(base: String, turns: Vec<Turn>) -> Arc<Self> {
        Arc::new(Self {
            base,
            turns,
            place: Mutex::default(),
            requests: AtomicUsize::new(0),
        })
    }

    /// The base URL that leads to this conversation, without a version and without a final slash.
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// The requests so far.
    pub fn log(&self) -> Vec<Entry> {
        self.place().log.clone()
    }

    /// Whether a request of the main loop had this text in one of its strings.
    pub fn heard(&self, text: &str) -> bool {
        self.place()
            .log
            .iter()
            .any(|entry| entry.main && contains(&entry.body, text))
    }

    /// The credentials that arrived, without repetition.
    pub fn credentials(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .log()
            .into_iter()
            .filter_map(|entry| entry.credential)
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// Takes the answer to one request. Only the main loop moves the script on; after its end the
    /// answer is a final text, so that no agent runs for ever.
    pub(super) fn take(&self, main: bool) -> Turn {
        let mut place = self.place();
        let Some(turn) = self.turns.get(place.turn) else {
            return Turn::say("(the script is over)");
        };
        if !main {
            return match turn {
                Turn::Refuse(refusal) if refusal.times == usize::MAX => turn.clone(),
                _ => Turn::say("ok"),
            };
        }
        place.used += 1;
        if place.used >= turn.times() {
            place.turn += 1;
            place.used = 0;
        }
        turn.clone()
    }

    /// Logs a request and returns a number that no other request of the conversation has.
    pub(super) fn record(&self, entry: Entry) -> usize {
        self.place().log.push(entry);
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn contains(value: &Value, text: &str) -> bool {
    match value {
        Value::String(string) => string.contains(text),
        Value::Array(items) => items.iter().any(|item| contains(item, text)),
        Value::Object(fields) => fields.values().any(|field| contains(field, text)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_main_loop_moves_the_script_on() {
        let talk = Conversation::new(String::new(), vec![Turn::run("ls"), Turn::say("done")]);
        assert!(matches!(talk.take(false), Turn::Say(_)));
        assert!(matches!(talk.take(true), Turn::Run(_)));
        assert!(matches!(talk.take(true), Turn::Say(text) if text == "done"));
        assert!(matches!(talk.take(true), Turn::Say(text) if text.contains("over")));
    }

    #[test]
    fn a_wrong_credential_stays_wrong_and_a_rate_limit_ends() {
        let talk = Conversation::new(
            String::new(),
            vec![Turn::rate_limited_once(), Turn::unauthorized("no")],
        );
        assert!(matches!(talk.take(true), Turn::Refuse(refusal) if refusal.status == 429));
        for _ in 0..20 {
            assert!(matches!(talk.take(true), Turn::Refuse(refusal) if refusal.status == 401));
            assert!(matches!(talk.take(false), Turn::Refuse(_)));
        }
    }
}
