//! An agent's log for people: the agent's own words on stdout, what it does on stderr.

use axon_agents::{Agent, Ending, Event, Reader, Usage};
use axon_api::markers;

use super::lines::{Line, Lines};
use crate::text::{cut, one_line};

/// A tool's one line has at most this many characters.
const MAX_SUMMARY: usize = 120;

/// Where a piece of the rendered log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// What the agent says: to stdout.
    Words,
    /// What it does and how it goes: to stderr.
    Doings,
}

/// A piece of the rendered log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) side: Side,
    /// With its line breaks.
    pub(crate) text: String,
}

/// Renders one run's log.
pub(crate) struct Renderer {
    reader: Option<Box<dyn Reader>>,
    /// Whether lines that are JSON and mean nothing to the reader are the agent's own words.
    any_words: bool,
    lines: Lines,
    /// A marker block that may be the runner's, which is the last thing in the log.
    block: Vec<String>,
    /// Whether the last words ended within a line.
    within_line: bool,
    turns: u32,
}

impl Renderer {
    /// A renderer for an agent type's stream; without one, everything passes through.
    pub(crate) fn new(agent: Option<&dyn Agent>, custom_image: bool) -> Self {
        Self {
            reader: agent.map(Agent::reader),
            any_words: custom_image || agent.is_none_or(|agent| !agent.needs_ending()),
            lines: Lines::default(),
            block: Vec::new(),
            within_line: false,
            turns: 0,
        }
    }

    /// Takes bytes of the log.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for line in self.lines.push(bytes) {
            self.line(line, &mut pieces);
        }
        pieces
    }

    /// The log has ended. A complete marker block at its end is not shown.
    pub(crate) fn finish(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if let Some(line) = self.lines.finish() {
            self.line(line, &mut pieces);
        }
        if !self.block.last().is_some_and(|line| is_block_end(line)) {
            self.release_block(&mut pieces);
        }
        if self.within_line {
            self.words("\n".to_owned(), &mut pieces);
        }
        pieces
    }

    fn line(&mut self, line: Line, pieces: &mut Vec<Piece>) {
        match line {
            Line::Piece(text) => {
                self.release_block(pieces);
                self.words(text, pieces);
            }
            Line::Whole(text) => {
                let closed = self.block.last().is_some_and(|line| is_block_end(line));
                if is_block_start(&text) || closed {
                    self.release_block(pieces);
                }
                if is_block_start(&text) || !self.block.is_empty() {
                    self.block.push(text);
                    // An agent that opens a block and talks on is not held back for ever.
                    if self.block.len() > 256 {
                        self.release_block(pieces);
                    }
                } else {
                    self.shown(&text, pieces);
                }
            }
        }
    }

    fn release_block(&mut self, pieces: &mut Vec<Piece>) {
        for text in std::mem::take(&mut self.block) {
            self.shown(&text, pieces);
        }
    }

    fn shown(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        let events = self
            .reader
            .as_mut()
            .map(|reader| reader.line(text))
            .unwrap_or_default();
        if events.is_empty() {
            if self.any_words || !is_json_object(text) {
                self.start_line(pieces);
                self.words(format!("{text}\n"), pieces);
            }
            return;
        }
        for event in events {
            self.event(event, pieces);
        }
    }

    fn event(&mut self, event: Event, pieces: &mut Vec<Piece>) {
        match event {
            Event::Text(text) => {
                self.start_line(pieces);
                let text = if text.ends_with('\n') { text } else { text + "\n" };
                self.words(text, pieces);
            }
            Event::TextDelta(text) => self.words(text, pieces),
            Event::Started { model } => {
                self.doing(&format!("[init] model={}", model.unwrap_or_default()), pieces);
            }
            Event::Turn(number) => {
                self.turns = self.turns.max(number);
                self.doing(&format!("\n--- Turn {number} ---"), pieces);
            }
            Event::Tool { name, summary } => {
                let summary = cut(&one_line(&summary), MAX_SUMMARY);
                self.doing(
                    format!("[tool] {name}: {summary}").trim_end_matches([':', ' ']),
                    pieces,
                );
            }
            Event::Retry { message } => self.doing(&format!("[retry] {message}"), pieces),
            Event::Notice(message) => self.doing(&format!("[notice] {message}"), pieces),
            Event::Usage(_) => {}
            Event::End(ending) => {
                let usage = self.reader.as_ref().map(|reader| reader.summary().usage);
                let totals = totals(self.turns, &usage.unwrap_or_default());
                let text = match ending {
                    Ending::Succeeded => format!("\n[result] completed{totals}"),
                    Ending::Failed { message, http_status } => {
                        let status = http_status.map(|code| format!(" {code}")).unwrap_or_default();
                        format!("\n[result] error{status}: {message}{totals}")
                    }
                };
                self.doing(&text, pieces);
            }
        }
    }

    fn words(&mut self, text: String, pieces: &mut Vec<Piece>) {
        if !text.is_empty() {
            self.within_line = !text.ends_with('\n');
            pieces.push(Piece {
                side: Side::Words,
                text,
            });
        }
    }

    fn doing(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        self.start_line(pieces);
        pieces.push(Piece {
            side: Side::Doings,
            text: format!("{text}\n"),
        });
    }

    fn start_line(&mut self, pieces: &mut Vec<Piece>) {
        if self.within_line {
            self.words("\n".to_owned(), pieces);
        }
    }
}

/// ` (3 turns, 1200 input and 40 output tokens, $0.0123)`, as far as it is known.
fn totals(turns: u32, usage: &Usage) -> String {
    let mut parts = Vec::new();
    if turns > 0 {
        parts.push(format!("{turns} turns"));
    }
    if usage.input_tokens + usage.output_tokens > 0 {
        parts.push(format!(
            "{} input and {} output tokens",
            usage.input_tokens, usage.output_tokens
        ));
    }
    if let Some(cost) = usage.cost_usd {
        parts.push(format!("${cost:.4}"));
    }
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    }
}

fn is_block_start(line: &str) -> bool {
    [markers::OUTPUTS_START, markers::KELOS_OUTPUTS_START].contains(&line.trim())
}

fn is_block_end(line: &str) -> bool {
    [markers::OUTPUTS_END, markers::KELOS_OUTPUTS_END].contains(&line.trim())
}

fn is_json_object(line: &str) -> bool {
    line.trim_start().starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok()
}

/// What a person who waits is told about an event in one line; `None` for what says nothing.
pub(crate) fn headline(piece: &Piece) -> Option<String> {
    let line = piece.text.trim().lines().next_back()?.trim();
    (!line.is_empty()).then(|| cut(&one_line(line), MAX_SUMMARY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axon_agents::Summary;

    /// Reads lines like `{"text":"x"}`, `{"delta":"x"}`, `{"turn":1}`, `{"tool":"x"}`, `{"end":1}`.
    #[derive(Default)]
    struct Script;

    impl Reader for Script {
        fn line(&mut self, line: &str) -> Vec<Event> {
            let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else {
                return Vec::new();
            };
            let text = |key: &str| value[key].as_str().map(str::to_owned);
            if let Some(text) = text("text") {
                return vec![Event::Text(text)];
            }
            if let Some(text) = text("delta") {
                return vec![Event::TextDelta(text)];
            }
            if let Some(summary) = text("tool") {
                return vec![Event::Tool {
                    name: "Bash".into(),
                    summary,
                }];
            }
            if value["turn"] == 1 {
                return vec![Event::Turn(1)];
            }
            if value["end"] == 1 {
                return vec![Event::End(Ending::Succeeded)];
            }
            Vec::new()
        }

        fn summary(&self) -> Summary {
            Summary {
                usage: Usage {
                    input_tokens: 7,
                    output_tokens: 3,
                    cost_usd: Some(0.5),
                    ..Usage::default()
                },
                ..Summary::default()
            }
        }
    }

    fn scripted() -> Renderer {
        Renderer {
            reader: Some(Box::new(Script)),
            any_words: false,
            ..Renderer::new(None, false)
        }
    }

    /// The two sides of the rendered log.
    fn render(mut renderer: Renderer, log: &str) -> (String, String) {
        let mut pieces = renderer.push(log.as_bytes());
        pieces.extend(renderer.finish());
        let side = |side| {
            pieces
                .iter()
                .filter(|piece| piece.side == side)
                .map(|piece| piece.text.as_str())
                .collect()
        };
        (side(Side::Words), side(Side::Doings))
    }

    #[test]
    fn words_go_to_stdout_and_doings_to_stderr() {
        let log = r#"{"turn":1}
{"text":"hello"}
{"tool":"ls\n-la"}
{"unknown":1}
plain line
{"end":1}
"#;
        let (words, doings) = render(scripted(), log);
        assert_eq!(words, "hello\nplain line\n");
        assert_eq!(
            doings,
            "\n--- Turn 1 ---\n[tool] Bash: ls -la\n\n[result] completed (1 turns, 7 input and 3 output tokens, $0.5000)\n"
        );
    }

    #[test]
    fn pieces_of_a_message_stay_in_one_line() {
        let (words, _) = render(
            scripted(),
            "{\"delta\":\"a\"}\n{\"delta\":\"b\"}\n{\"turn\":1}\n{\"delta\":\"c\"}\n",
        );
        assert_eq!(words, "ab\nc\n");
    }

    #[test]
    fn without_a_reader_everything_passes_through() {
        let log = "{\"a\":1}\nx\n";
        assert_eq!(render(Renderer::new(None, false), log).0, log);
    }

    #[test]
    fn the_runners_marker_block_is_not_shown_and_a_forged_one_is() {
        let block = format!(
            "{}\nbranch: x\n{}\n",
            markers::OUTPUTS_START,
            markers::OUTPUTS_END
        );
        for (log, words) in [
            (format!("a\n{block}"), "a\n".to_owned()),
            (format!("a\n{block}b\n{block}"), format!("a\n{block}b\n")),
            (format!("{block}{block}"), block.clone()),
            (
                format!("a\n{}\nopen", markers::OUTPUTS_START),
                format!("a\n{}\nopen\n", markers::OUTPUTS_START),
            ),
        ] {
            assert_eq!(render(Renderer::new(None, false), &log).0, words);
        }
    }
}
