//! The text that ends the log of a step of a pipeline: how it is printed, and how it is read back.
//!
//! The log is written by whatever runs in the container, so that what is read is believed only
//! when it has the length and the SHA-256 that the outcome tells.

use k8s_openapi::ByteString;
use serde_json::Value;

use crate::markers::{MAX_TEXT_BYTES, TEXT_END, TEXT_LINE, TEXT_START};
use crate::names::sha256;
use crate::outcome::PrintedText;

/// Why a text could not be read from a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The log does not end with a text.
    NotThere,
    /// It ends with another text than the one that was proven.
    NotTheSame,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::NotThere => "the log does not end with it",
            Self::NotTheSame => "the log ends with another one",
        })
    }
}

impl std::error::Error for Unreadable {}

/// The lines that end the log, and the proof of the text for the outcome. Of a text that is too
/// long, head and tail are kept.
pub fn block(text: &str) -> (String, PrintedText) {
    let text = head_and_tail(text, MAX_TEXT_BYTES);
    let encoded = encode(&text);
    let mut lines = String::with_capacity(encoded.len() + encoded.len() / TEXT_LINE + 64);
    lines.push_str(TEXT_START);
    lines.push('\n');
    // Base64 is ASCII, so that every piece is text.
    for piece in encoded.as_bytes().chunks(TEXT_LINE) {
        lines.push_str(&String::from_utf8_lossy(piece));
        lines.push('\n');
    }
    lines.push_str(TEXT_END);
    lines.push('\n');
    let proof = PrintedText {
        bytes: text.len(),
        sha256: sha256(&text),
    };
    (lines, proof)
}

/// How many lines at the end of the log hold a text of so many bytes.
pub fn lines(bytes: usize) -> usize {
    encoded_length(bytes).div_ceil(TEXT_LINE) + 2
}

/// How many bytes at the end of the log hold a text of so many bytes.
pub fn log_bytes(bytes: usize) -> usize {
    encoded_length(bytes) + lines(bytes) + TEXT_START.len() + TEXT_END.len()
}

/// Reads the text that `log` ends with, and believes it only when it is the one that was proven.
///
/// # Errors
///
/// When the log does not end with this text.
pub fn read(log: &str, proof: &PrintedText) -> Result<String, Unreadable> {
    let inner = log
        .trim_end()
        .strip_suffix(TEXT_END)
        .and_then(|rest| rest.rfind(TEXT_START).map(|start| rest.split_at(start).1))
        .and_then(|rest| rest.strip_prefix(TEXT_START))
        .ok_or(Unreadable::NotThere)?;
    let encoded: String = inner
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect();
    let text = decode(encoded).ok_or(Unreadable::NotThere)?;
    if text.len() != proof.bytes || sha256(&text) != proof.sha256 {
        return Err(Unreadable::NotTheSame);
    }
    Ok(text)
}

/// The text when it has at most `limit` bytes, else its beginning and its end with a line between
/// them that says how much was left out.
pub fn head_and_tail(text: &str, limit: usize) -> String {
    /// Bytes that the line in the middle may have.
    const MIDDLE: usize = 64;
    if text.len() <= limit {
        return text.to_owned();
    }
    let half = limit.saturating_sub(MIDDLE) / 2;
    let head = text.floor_char_boundary(half);
    let tail = text.ceil_char_boundary(text.len() - half);
    let (beginning, _) = text.split_at(head);
    let (_, end) = text.split_at(tail);
    let cut = format!("{beginning}\n[{} bytes left out]\n{end}", tail - head);
    if cut.len() <= limit { cut } else { String::new() }
}

fn encoded_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

fn encode(text: &str) -> String {
    match serde_json::to_value(ByteString(text.as_bytes().to_vec())) {
        Ok(Value::String(encoded)) => encoded,
        _ => String::new(),
    }
}

fn decode(encoded: String) -> Option<String> {
    let bytes: ByteString = serde_json::from_value(Value::String(encoded)).ok()?;
    String::from_utf8(bytes.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_that_was_changed_is_not_believed() {
        let (log, proof) = block("all tests pass");
        let (other, _) = block("all tests fail");
        assert_eq!(read(&other, &proof), Err(Unreadable::NotTheSame));
        assert_eq!(read("no text at all", &proof), Err(Unreadable::NotThere));
        assert_eq!(read(&format!("{log}and more"), &proof), Err(Unreadable::NotThere));
    }

    #[test]
    fn the_last_text_of_a_log_is_read() {
        let (earlier, _) = block("earlier");
        let (last, proof) = block("last");
        assert_eq!(
            read(&format!("{earlier}noise\n{last}"), &proof),
            Ok("last".to_owned())
        );
    }

    #[test]
    fn the_log_has_as_many_lines_and_bytes_as_are_asked_for() {
        for bytes in [0, 1, 767, 768, 769, 100_000, MAX_TEXT_BYTES, MAX_TEXT_BYTES + 9] {
            let (log, proof) = block(&"x".repeat(bytes));
            assert_eq!(log.lines().count(), lines(proof.bytes), "{bytes}");
            assert!(log.len() <= log_bytes(proof.bytes), "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "(?s).{0,3000}", noise in "(?s).{0,200}") {
            let (log, proof) = block(&text);
            prop_assert_eq!(read(&format!("{noise}\n{log}"), &proof), Ok(text));
        }

        #[test]
        fn head_and_tail_stay_within_the_limit(text in "(?s).{0,400}", limit in 0usize..400) {
            let cut = head_and_tail(&text, limit);
            prop_assert!(cut.len() <= limit);
            prop_assert!(text.len() > limit || cut == text);
        }
    }
}
