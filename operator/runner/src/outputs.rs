//! The block of outputs: read from the output of custom images, printed for everybody.

use std::fmt::Write as _;

use axon_api::markers::{KELOS_OUTPUTS_END, KELOS_OUTPUTS_START, OUTPUTS_END, OUTPUTS_START};
use axon_api::outcome::Outcome;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A block keeps at most this many lines; a status holds no more anyway.
const MAX_LINES: usize = 64;
/// And of each line, but for the response, at most this many bytes; a longer one is left out.
const MAX_LINE: usize = 2048;

/// What a block says, by key; of a key that stands there more often, all values in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block(Vec<(String, String)>);

/// Finds the last block of a stream of lines.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    open: Option<Block>,
    last: Option<Block>,
}

impl Collector {
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim();
        if line == OUTPUTS_START || line == KELOS_OUTPUTS_START {
            self.open = Some(Block::default());
        } else if line == OUTPUTS_END || line == KELOS_OUTPUTS_END {
            self.last = self.open.take().or_else(|| self.last.take());
        } else if let Some(block) = &mut self.open {
            block.add(line);
        }
    }

    /// The last block that was closed.
    pub(crate) fn finish(self) -> Option<Block> {
        self.last
    }
}

impl Block {
    fn add(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(": ") else {
            return;
        };
        let (key, value) = (key.trim(), value.trim());
        let fits = value.len() <= MAX_LINE || key == "response";
        if !key.is_empty() && !value.is_empty() && key.len() <= MAX_LINE && fits && self.0.len() < MAX_LINES {
            self.0.push((key.to_owned(), value.to_owned()));
        }
    }

    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    fn last<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        self.all(key).last()
    }

    /// Fills in what `outcome` does not know for itself: what git and the event stream said stays.
    pub(crate) fn complete(&self, outcome: &mut Outcome) {
        let text = |key: &str| self.last(key).map(str::to_owned);
        outcome.branch = outcome.branch.take().or_else(|| text("branch"));
        outcome.commit = outcome.commit.take().or_else(|| text("commit"));
        outcome.base_branch = outcome.base_branch.take().or_else(|| text("base-branch"));
        if outcome.pull_requests.is_empty() {
            outcome.pull_requests = self.all("pr").map(str::to_owned).collect();
        }
        self.complete_usage(outcome);
        if outcome.text.is_empty()
            && let Some(bytes) = self.last("response").and_then(|text| STANDARD.decode(text).ok())
        {
            outcome.text = String::from_utf8_lossy(&bytes).into_owned();
        }
        for (key, value) in &self.0 {
            if !KNOWN.contains(&key.as_str()) {
                outcome.extra.push((key.clone(), value.clone()));
            }
        }
    }

    fn complete_usage(&self, outcome: &mut Outcome) {
        let count = |key| self.last(key).and_then(|text| text.parse::<u64>().ok());
        let cost = self
            .last("cost-usd")
            .and_then(|text| text.parse::<f64>().ok())
            .filter(|cost| cost.is_finite() && *cost >= 0.0);
        let (input, output) = (count("input-tokens"), count("output-tokens"));
        if cost.is_none() && input.is_none() && output.is_none() {
            return;
        }
        let usage = outcome.usage.get_or_insert_default();
        if usage.input_tokens == 0 && usage.output_tokens == 0 {
            usage.input_tokens = input.unwrap_or_default();
            usage.output_tokens = output.unwrap_or_default();
        }
        usage.cost_usd = usage.cost_usd.or(cost);
    }
}

/// The keys that have a place of their own in the outcome.
const KNOWN: &[&str] = &[
    "branch",
    "commit",
    "base-branch",
    "pr",
    "cost-usd",
    "input-tokens",
    "output-tokens",
    "response",
];

/// The block for `outcome`, with a line break at its end; empty when there is nothing to say.
pub(crate) fn print(outcome: &Outcome) -> String {
    let mut lines = String::new();
    let mut line = |key: &str, value: &str| {
        // A value with a line break could end the block or begin another line.
        if !value.contains(['\n', '\r']) {
            let _ = writeln!(lines, "{key}: {value}");
        }
    };
    if let Some(branch) = &outcome.branch {
        line("branch", branch);
    }
    for url in &outcome.pull_requests {
        line("pr", url);
    }
    if let Some(commit) = &outcome.commit {
        line("commit", commit);
    }
    if let Some(base) = &outcome.base_branch {
        line("base-branch", base);
    }
    if let Some(usage) = &outcome.usage {
        if let Some(cost) = usage.cost_usd {
            line("cost-usd", &cost.to_string());
        }
        line("input-tokens", &usage.input_tokens.to_string());
        line("output-tokens", &usage.output_tokens.to_string());
    }
    for (key, value) in &outcome.extra {
        line(key, value);
    }
    if lines.is_empty() {
        return lines;
    }
    format!("{OUTPUTS_START}\n{lines}{OUTPUTS_END}\n")
}

#[cfg(test)]
mod tests {
    use axon_api::agents::Usage;
    use axon_api::outcome::RunResult;

    use super::*;

    fn outcome() -> Outcome {
        Outcome::new(RunResult::Succeeded, "Completed", "")
    }

    fn collect(text: &str) -> Option<Block> {
        let mut collector = Collector::default();
        text.lines().for_each(|line| collector.line(line));
        collector.finish()
    }

    #[test]
    fn the_last_closed_block_counts_under_either_name() {
        let block = collect(
            "---AXON_OUTPUTS_START---\nbranch: old\n---AXON_OUTPUTS_END---\n\
             ---KELOS_OUTPUTS_START---\nbranch: feature/x\npr: https://h/1\npr: https://h/2\nscore: 7: high\n\
             ---KELOS_OUTPUTS_END---\n---AXON_OUTPUTS_START---\nbranch: never closed\n",
        )
        .expect("a block");
        let mut outcome = outcome();
        block.complete(&mut outcome);
        assert_eq!(outcome.branch.as_deref(), Some("feature/x"));
        assert_eq!(outcome.pull_requests, ["https://h/1", "https://h/2"]);
        assert_eq!(outcome.extra, [("score".to_owned(), "7: high".to_owned())]);
    }

    #[test]
    fn what_git_and_the_stream_said_wins() {
        let block = collect(
            "---AXON_OUTPUTS_START---\nbranch: forged\ncost-usd: 0.5\ninput-tokens: 9\nresponse: aGk=\n---AXON_OUTPUTS_END---",
        )
        .expect("a block");
        let mut outcome = outcome();
        outcome.branch = Some("real".into());
        outcome.usage = Some(Usage {
            input_tokens: 4,
            ..Usage::default()
        });
        block.complete(&mut outcome);
        assert_eq!(outcome.branch.as_deref(), Some("real"));
        assert_eq!(outcome.usage.map(|usage| usage.input_tokens), Some(4));
        assert_eq!(outcome.usage.and_then(|usage| usage.cost_usd), Some(0.5));
        assert_eq!(outcome.text, "hi");
    }

    #[test]
    fn numbers_that_are_none_are_no_usage() {
        let block =
            collect("---AXON_OUTPUTS_START---\ncost-usd: NaN\ninput-tokens: -1\n---AXON_OUTPUTS_END---")
                .expect("a block");
        let mut outcome = outcome();
        block.complete(&mut outcome);
        assert_eq!(outcome.usage, None);
    }

    #[test]
    fn a_printed_block_is_read_back() {
        let mut written = outcome();
        written.branch = Some("feature/x".into());
        written.commit = Some("abc".into());
        written.usage = Some(Usage {
            input_tokens: 3900,
            output_tokens: 75,
            cost_usd: Some(0.12),
            ..Usage::default()
        });
        let mut read = outcome();
        collect(&print(&written)).expect("a block").complete(&mut read);
        assert_eq!(read, written);
        assert_eq!(print(&outcome()), "");
    }
}
