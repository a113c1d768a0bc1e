//! The agent's output: copied byte for byte, and read line by line on the way.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write as _};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axon_api::agents::{Agent, Event, Reader, Summary};
use axon_api::run::RunLimits;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::limits::{self, Used};
use crate::outputs::{Block, Collector};
use crate::text::Ring;

/// A longer line is passed on and not read.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// Finds lines in a stream of bytes with bounded memory.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    begun: Vec<u8>,
    skipping: bool,
}

impl Lines {
    /// Calls `line` for each line that `bytes` complete, without its line break.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (piece, after) = rest.split_at(end);
            self.add(piece);
            self.end_line(&mut line);
            rest = after.get(1..).unwrap_or_default();
        }
        self.add(rest);
    }

    /// The last line may lack its line break.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&str)) {
        if !self.begun.is_empty() {
            self.end_line(&mut line);
        }
    }

    fn add(&mut self, piece: &[u8]) {
        if self.skipping {
            return;
        }
        if self.begun.len() + piece.len() > MAX_LINE {
            self.skipping = true;
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(piece);
        }
    }

    fn end_line(&mut self, line: &mut impl FnMut(&str)) {
        if !self.skipping {
            line(&String::from_utf8_lossy(&self.begun));
        }
        self.skipping = false;
        self.begun.clear();
        // One long line must not hold its memory for the rest of the run.
        self.begun.shrink_to(64 * 1024);
    }
}

/// Reads the lines of an agent's output for what they say.
pub(crate) struct Watcher {
    agent: Option<&'static dyn Agent>,
    reader: Option<Box<dyn Reader>>,
    blocks: Option<Collector>,
    limits: RunLimits,
    model: Option<String>,
    kept: Option<Kept>,
}

/// What is kept of an output that is itself the text of the run.
#[derive(Debug, Default)]
struct Kept {
    output: Ring,
    /// The same with the messages in between.
    all: Ring,
}

impl Watcher {
    /// `agent` reads the events, if the type is known; `model` is the one that was asked for.
    pub(crate) fn new(agent: Option<&'static dyn Agent>, limits: RunLimits, model: Option<String>) -> Self {
        Self {
            agent,
            reader: agent.map(Agent::reader),
            blocks: None,
            limits,
            model,
            kept: None,
        }
    }

    /// Keeps head and tail of the output as well.
    pub(crate) fn keeping_output(mut self) -> Self {
        self.kept = Some(Kept::default());
        self
    }

    /// Whether the agent's standard error must pass through the runner.
    pub(crate) fn keeps_errors(&self) -> bool {
        self.kept.is_some()
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some(kept) = &mut self.kept {
            kept.output.feed(bytes);
            kept.all.feed(bytes);
        }
    }

    fn keep_error(&mut self, bytes: &[u8]) {
        if let Some(kept) = &mut self.kept {
            kept.all.feed(bytes);
        }
    }

    /// The text that the output is: of a failed run with its messages, which say why.
    pub(crate) fn output_text(&self, succeeded: bool) -> Option<String> {
        let kept = self.kept.as_ref()?;
        Some(if succeeded { &kept.output } else { &kept.all }.text())
    }

    /// Looks for blocks of outputs as well.
    pub(crate) fn with_blocks(mut self) -> Self {
        self.blocks = Some(Collector::default());
        self
    }

    /// Takes a line; answers with a sentence when the run has now used more than it may.
    fn line(&mut self, line: &str) -> Option<String> {
        if let Some(blocks) = &mut self.blocks {
            blocks.line(line);
        }
        let events = self.reader.as_mut()?.line(line);
        let counts = events
            .iter()
            .any(|event| matches!(event, Event::Usage(_) | Event::Turn(_)));
        if !counts || !limits::any(&self.limits) {
            return None;
        }
        let summary = self.summary();
        limits::exceeded(
            &self.limits,
            &Used {
                usage: summary.usage,
                turns: summary.turns,
            },
        )
    }

    /// What the stream has said, with the cost computed where the agent does not report it.
    pub(crate) fn summary(&self) -> Summary {
        let mut summary = self
            .reader
            .as_ref()
            .map(|reader| reader.summary())
            .unwrap_or_default();
        if summary.usage.cost_usd.is_none() {
            let model = summary.model.as_deref().or(self.model.as_deref());
            summary.usage.cost_usd = self
                .agent
                .zip(model)
                .and_then(|(agent, model)| agent.price(model, &summary.usage));
        }
        summary
    }

    /// The last block of outputs.
    pub(crate) fn block(&mut self) -> Option<Block> {
        self.blocks.take().and_then(Collector::finish)
    }
}

/// A watcher that the copying thread and the supervisor share.
pub(crate) type SharedWatcher = Arc<Mutex<Watcher>>;

/// Locks a watcher, also when a reader has panicked meanwhile: what it knew still counts.
pub(crate) fn lock(watcher: &SharedWatcher) -> MutexGuard<'_, Watcher> {
    watcher.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copies `from` to `to` to the end, and feeds the watcher; `exceeded` is called with a sentence when
/// the run has used more than it may. The agent never waits for a broken `to`: then the rest is read
/// and thrown away.
pub(crate) fn copy(
    mut from: impl Read,
    to: &mut Output,
    watcher: &SharedWatcher,
    mut exceeded: impl FnMut(String),
) {
    let mut buffer = vec![0_u8; 64 * 1024];
    let mut lines = Lines::default();
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        to.write(bytes);
        let mut watcher = lock(watcher);
        watcher.keep(bytes);
        lines.feed(bytes, |line| {
            watcher.line(line).into_iter().for_each(&mut exceeded);
        });
    }
    let mut watcher = lock(watcher);
    lines.finish(|line| watcher.line(line).into_iter().for_each(&mut exceeded));
}

/// Copies the agent's messages to this process's own, and keeps what the watcher keeps of them.
pub(crate) fn copy_errors(mut from: impl Read, watcher: &SharedWatcher) {
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                let _ = io::stderr().write_all(bytes);
                lock(watcher).keep_error(bytes);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
}

/// This process's standard output, without a buffer.
#[derive(Debug)]
pub(crate) struct Output {
    file: Option<File>,
    in_a_line: bool,
}

impl Output {
    pub(crate) fn standard() -> io::Result<Self> {
        Ok(Self {
            file: Some(File::from(io::stdout().as_fd().try_clone_to_owned()?)),
            in_a_line: false,
        })
    }

    /// Writes all of `bytes`. When nobody reads any more nothing is written from then on; what a
    /// full disk refuses is lost, and what comes after it is tried again.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            self.in_a_line = *last != b'\n';
        }
        let Some(file) = &mut self.file else {
            return;
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(0) => return,
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Somebody shares this output and made it non-blocking.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let _ = poll(
                        &mut [PollFd::new(file.as_fd(), PollFlags::POLLOUT)],
                        PollTimeout::NONE,
                    );
                }
                Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                    return;
                }
                Err(_) => {
                    self.file = None;
                    return;
                }
            }
        }
    }

    /// Ends a line that was begun.
    pub(crate) fn end_line(&mut self) {
        if self.in_a_line {
            self.write(b"\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines_of(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in pieces {
            lines.feed(piece, |line| found.push(line.to_owned()));
        }
        lines.finish(|line| found.push(line.to_owned()));
        found
    }

    #[test]
    fn lines_are_found_wherever_the_pieces_break() {
        assert_eq!(
            lines_of(&[b"a", b"b\nc", b"", b"\n\n", b"d"]),
            ["ab", "c", "", "d"]
        );
        assert!(lines_of(&[b""]).is_empty());
    }

    proptest! {
        #[test]
        fn the_same_lines_are_found_however_the_stream_is_cut(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
            cut in 1usize..9,
        ) {
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(lines_of(&pieces), lines_of(&[&bytes]));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(lines_of(&[b"a\xff\xc3", b"\xa4b\n"]), ["a\u{fffd}\u{e4}b"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out_and_the_next_is_read() {
        let piece = vec![b'x'; MAX_LINE / 2];
        assert_eq!(lines_of(&[&piece, &piece, b"y", &piece, b"\nshort\n"]), ["short"]);
        assert_eq!(lines_of(&[&piece, &piece, b"\n"]).len(), 1);
    }
}
