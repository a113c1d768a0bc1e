//! The text that ends the log of a step of a pipeline.
//!
//! It is printed when every other process of the container has ended, after everything else, and
//! what the outcome says of it proves that it is what the runner printed.

use std::collections::VecDeque;
use std::fmt::Write as _;

use axon_api::markers::{MAX_TEXT_BYTES, TEXT_END, TEXT_LINE, TEXT_START};
use axon_api::outcome::PrintedText;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Room for the line that says how much was left out.
const NOTE: usize = 80;
/// Of a text that is too long, this much of its head and as much of its tail is kept.
const HALF: usize = (MAX_TEXT_BYTES - NOTE) / 2;

/// Keeps head and tail of a stream in bounded memory.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Ring {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let room = (MAX_TEXT_BYTES / 2)
            .saturating_sub(self.head.len())
            .min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        // Of a large piece only its end can stay.
        let skipped = rest.len().saturating_sub(MAX_TEXT_BYTES / 2);
        let kept = rest.get(skipped..).unwrap_or_default();
        let over = (self.tail.len() + kept.len()).saturating_sub(MAX_TEXT_BYTES / 2);
        self.tail.drain(..over.min(self.tail.len()));
        self.tail.extend(kept);
        self.left_out += u64::try_from(skipped + over).unwrap_or_default();
    }

    /// The text, of at most `MAX_TEXT_BYTES`. Bytes that are no text are replaced.
    pub(crate) fn text(&self) -> String {
        let (one, two) = self.tail.as_slices();
        if self.left_out == 0 {
            return shorten(&String::from_utf8_lossy(&[&self.head, one, two].concat()));
        }
        let tail = [one, two].concat();
        join(
            &String::from_utf8_lossy(&self.head),
            &String::from_utf8_lossy(&tail),
            self.left_out,
        )
    }
}

/// `text`, or head and tail of one that is longer than `MAX_TEXT_BYTES`.
pub(crate) fn shorten(text: &str) -> String {
    if text.len() <= MAX_TEXT_BYTES {
        return text.to_owned();
    }
    let (head, tail) = text.split_at(text.floor_char_boundary(text.len() / 2));
    join(head, tail, 0)
}

fn join(head: &str, tail: &str, left_out: u64) -> String {
    let (first, cut) = head.split_at(head.floor_char_boundary(HALF.min(head.len())));
    let start = tail.ceil_char_boundary(tail.len().saturating_sub(HALF));
    let (skipped, last) = tail.split_at(start);
    let left_out = left_out + u64::try_from(cut.len() + skipped.len()).unwrap_or_default();
    format!("{first}\n[{left_out} bytes are left out here]\n{last}")
}

/// What the outcome says of `text`.
pub(crate) fn proof(text: &str) -> PrintedText {
    let mut sha256 = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(sha256, "{byte:02x}");
    }
    PrintedText {
        bytes: text.len(),
        sha256,
    }
}

/// The block with `text` for the end of the log. It begins with a line break, since whatever was
/// printed before may have ended within a line.
pub(crate) fn block(text: &str) -> String {
    let encoded = STANDARD.encode(text);
    let mut block = format!("\n{TEXT_START}\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(TEXT_LINE.min(rest.len()));
        block.push_str(line);
        block.push('\n');
        rest = more;
    }
    block.push_str(TEXT_END);
    block.push('\n');
    block
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ring(pieces: &[&[u8]]) -> String {
        let mut ring = Ring::default();
        for piece in pieces {
            ring.feed(piece);
        }
        ring.text()
    }

    #[test]
    fn a_text_that_fits_is_kept_whole() {
        assert_eq!(ring(&[]), "");
        assert_eq!(ring(&[b"a\xffb", b"\n"]), "a\u{fffd}b\n");
        let whole = "x".repeat(MAX_TEXT_BYTES);
        assert_eq!(ring(&[whole.as_bytes()]), whole);
        assert_eq!(shorten(&whole), whole);
    }

    #[test]
    fn of_a_long_text_head_and_tail_are_kept_and_the_rest_is_counted() {
        let long = format!("begin{}end", "\u{e4}".repeat(MAX_TEXT_BYTES));
        for text in [ring(&[long.as_bytes()]), shorten(&long)] {
            assert!(text.len() <= MAX_TEXT_BYTES && text.len() > MAX_TEXT_BYTES - 200);
            assert!(text.starts_with("begin") && text.ends_with("end"));
            assert!(text.contains("bytes are left out here]"));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_text_is_never_too_long_and_says_how_much_is_missing(
            length in 0..3 * MAX_TEXT_BYTES,
            piece in 1..MAX_TEXT_BYTES,
        ) {
            let bytes: Vec<u8> = (0..length).map(|index| b'a' + u8::try_from(index % 26).expect("small")).collect();
            let pieces: Vec<&[u8]> = bytes.chunks(piece).collect();
            let text = ring(&pieces);
            prop_assert!(text.len() <= MAX_TEXT_BYTES);
            if let Some((head, rest)) = text.split_once("\n[") {
                let (count, tail) = rest.split_once(" bytes are left out here]\n").expect("a note");
                let count: usize = count.parse().expect("a number");
                prop_assert_eq!(head.len() + count + tail.len(), length);
                prop_assert!(bytes.starts_with(head.as_bytes()) && bytes.ends_with(tail.as_bytes()));
            } else {
                prop_assert_eq!(text.as_bytes(), &bytes[..]);
            }
        }
    }

    #[test]
    fn a_block_is_read_back_and_agrees_with_its_proof() {
        for text in ["", "hello\n", &"long ".repeat(1000)] {
            let block = block(text);
            let lines: Vec<&str> = block.trim_start().lines().collect();
            assert_eq!((lines[0], lines[lines.len() - 1]), (TEXT_START, TEXT_END));
            let inner = &lines[1..lines.len() - 1];
            assert!(inner.iter().rev().skip(1).all(|line| line.len() == TEXT_LINE));
            let read = STANDARD.decode(inner.concat()).expect("base64");
            assert_eq!(read, text.as_bytes());
            assert_eq!(proof(text).bytes, text.len());
        }
        assert!(proof("").sha256.starts_with("e3b0c44298fc1c14"));
    }
}
