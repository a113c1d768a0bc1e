//! What makes an item due, as it is spelled in memory and annotations, and when it does.

use std::fmt;

use axon_api::names;
use axon_api::sources::Cause;

use super::memory::Entry;

/// Characters that the word of a request may have to be spelled as it is.
const MAX_WORD: usize = 40;

/// What makes an item due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// It came to match, for the so-manieth time.
    Match(u32),
    /// A comment with this ID.
    Comment(u64),
    /// A review with this ID.
    Review(u64),
    /// It happened.
    Event,
    /// A person asked for it, with this word.
    Manual(String),
}

impl Trigger {
    /// Reads an annotation.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = |prefix: &str| text.strip_prefix(prefix);
        if text == "event" {
            return Some(Self::Event);
        }
        if let Some(times) = number("match-") {
            return times.parse().ok().map(Self::Match);
        }
        if let Some(id) = number("comment-") {
            return id.parse().ok().map(Self::Comment);
        }
        if let Some(id) = number("review-") {
            return id.parse().ok().map(Self::Review);
        }
        number("manual-").map(|word| Self::Manual(word.to_owned()))
    }

    /// What makes an item due of which this is remembered, if anything does.
    pub(crate) fn of(cause: &Cause, entry: Option<&Entry>) -> Option<Self> {
        let Some(entry) = entry else {
            return Some(match cause {
                Cause::Match => Self::Match(1),
                Cause::Command { comment } => Self::Comment(*comment),
                Cause::Review { review } => Self::Review(*review),
                Cause::Event => Self::Event,
                Cause::Manual { request } => Self::Manual(spelled(request)),
            });
        };
        let again = || (!entry.matches).then(|| Self::Match(entry.times.saturating_add(1)));
        let is_newer = |id: u64, known: Option<u64>| known.is_none_or(|known| id > known);
        match cause {
            Cause::Command { comment } if is_newer(*comment, entry.command) => Some(Self::Comment(*comment)),
            Cause::Review { review } if is_newer(*review, entry.review) => Some(Self::Review(*review)),
            Cause::Match | Cause::Command { .. } | Cause::Review { .. } => again(),
            Cause::Event => None,
            Cause::Manual { request } => {
                let word = spelled(request);
                (!entry.requests.contains(&word)).then_some(Self::Manual(word))
            }
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match(times) => write!(formatter, "match-{times}"),
            Self::Comment(id) => write!(formatter, "comment-{id}"),
            Self::Review(id) => write!(formatter, "review-{id}"),
            Self::Event => formatter.write_str("event"),
            Self::Manual(word) => write!(formatter, "manual-{word}"),
        }
    }
}

/// A word as it is when it is short and plain, else digits of its hash.
fn spelled(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if word.len() <= MAX_WORD && !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    names::sha256(word).chars().take(24).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        for trigger in [
            Trigger::Match(3),
            Trigger::Comment(12),
            Trigger::Review(7),
            Trigger::Event,
            Trigger::Manual("ann-1".to_owned()),
        ] {
            assert_eq!(Trigger::parse(&trigger.to_string()), Some(trigger));
        }
        for text in ["", "match-", "match-x", "tick"] {
            assert_eq!(Trigger::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_word_that_is_long_or_strange_is_hashed() {
        assert_eq!(spelled("ann-1"), "ann-1");
        for word in ["", "two words", &"x".repeat(41), "ä"] {
            assert_eq!(spelled(word).len(), 24, "{word}");
        }
    }
}
