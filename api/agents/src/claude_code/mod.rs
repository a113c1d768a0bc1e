//! Anthropic's Claude Code, measured with version 2.1.329.
//!
//! - `-p` without a value reads the prompt from standard input.
//! - The stream has one `assistant` line per content block; all blocks of one message repeat the
//!   same `message.id` and the same `usage`, whose `output_tokens` is a placeholder. Only the
//!   `result` line has true counts. Its keys come in any order, so it is told by its `type`.
//! - `result.subtype` is `success` for API errors too: `is_error` decides. A run that ends with a
//!   `terminal_reason` other than `completed`, or stops in the middle (`stop_reason` `tool_use`,
//!   `max_tokens`), has not done its work.
//! - After a resume `total_cost_usd` counts the whole session;
//!   `model_usage_since_last_result` counts what this line adds, all models and subagents included.
//! - Efforts are `low`, `medium`, `high`, `xhigh` and `max`.
//! - Without `CLAUDE_CODE_MAX_RETRIES` a refused key is tried for three minutes.

mod config;

use std::collections::VecDeque;

use serde_json::Value;

use crate::environment::{api_root, given, not_blank, set, set_defaults};
use crate::event::{Ending, Event, Reader, Summary, Usage};
use crate::launch::{Credential, CredentialKind, Launch, PromptDelivery, Request};
use crate::price::{Price, cost};
use crate::{Agent, failure, json, text};

pub(crate) struct ClaudeCode;

const BASE_URL: &str = "ANTHROPIC_BASE_URL";

const DEFAULTS: &[(&str, &str)] = &[
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_ERROR_REPORTING", "1"),
    ("CLAUDE_CODE_MAX_RETRIES", "3"),
    // As root, Claude Code refuses to run without permission prompts unless it is told that it is
    // in a sandbox. Axon starts it in its own container or sandbox, or where the user asked for
    // none; in each case the decision has been made before this process starts.
    ("IS_SANDBOX", "1"),
];

/// List prices of 2026-01 from <https://platform.claude.com/docs/en/about-claude/pricing>; cache
/// writes at the five-minute rate. They serve the limits of a run that is still going: the
/// `result` line brings the CLI's own figure.
const PRICES: &[Price] = &[
    price("claude-opus-4-6", 5.0, 0.5, 6.25, 25.0),
    price("claude-opus-4-5", 5.0, 0.5, 6.25, 25.0),
    price("claude-opus-4-1", 15.0, 1.5, 18.75, 75.0),
    price("claude-opus-4", 15.0, 1.5, 18.75, 75.0),
    price("claude-sonnet-4-6", 3.0, 0.3, 3.75, 15.0),
    price("claude-sonnet-4-5", 3.0, 0.3, 3.75, 15.0),
    price("claude-sonnet-4", 3.0, 0.3, 3.75, 15.0),
    price("claude-haiku-4-5", 1.0, 0.1, 1.25, 5.0),
];

const fn price(model: &'static str, input: f64, cache_read: f64, cache_write: f64, output: f64) -> Price {
    Price {
        model,
        input,
        cache_read,
        cache_write,
        output,
    }
}

impl Agent for ClaudeCode {
    fn name(&self) -> &'static str {
        "claude-code"
    }

    fn summary(&self) -> &'static str {
        "Anthropic's Claude Code"
    }

    fn program(&self) -> &'static str {
        "claude"
    }

    fn credential(&self, kind: CredentialKind) -> Option<Credential> {
        Some(Credential {
            variable: match kind {
                CredentialKind::ApiKey => "ANTHROPIC_API_KEY",
                CredentialKind::OAuth => "CLAUDE_CODE_OAUTH_TOKEN",
            },
        })
    }

    fn base_url_variable(&self) -> Option<&'static str> {
        Some(BASE_URL)
    }

    /// A gateway takes its token as a bearer; the API key would go into a header of its own.
    fn provider_token_variable(&self) -> Option<&'static str> {
        Some("ANTHROPIC_AUTH_TOKEN")
    }

    fn launch(&self, request: &Request<'_>) -> Launch {
        let mut launch = Launch {
            argv: [
                "claude",
                "-p",
                "--output-format",
                "stream-json",
                "--verbose",
                "--dangerously-skip-permissions",
            ]
            .map(ToOwned::to_owned)
            .to_vec(),
            prompt: PromptDelivery::Stdin,
            ..Launch::default()
        };
        if let Some(model) = not_blank(request.model) {
            launch.argv.push(format!("--model={model}"));
        }
        if let Some(effort) = not_blank(request.effort) {
            // The levels begin at `low`; the other agents know one below.
            let effort = if effort == "minimal" { "low" } else { effort };
            launch.argv.push(format!("--effort={effort}"));
        }
        set_defaults(&mut launch, request, DEFAULTS);
        if let Some(url) = given(request, BASE_URL) {
            // Claude Code adds the version itself.
            set(&mut launch, BASE_URL, api_root(&url));
        }
        config::add(&mut launch, request);
        launch
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(ClaudeReader::default())
    }

    fn price(&self, model: &str, usage: &Usage) -> Option<f64> {
        cost(PRICES, model, usage)
    }
}

/// How many message ids are remembered to tell the blocks of one message from a new message.
/// Messages interleave only as far as subagents run side by side.
const REMEMBERED_MESSAGES: usize = 64;

/// Bytes of text per token, for the estimate of output before the true count comes.
const BYTES_PER_TOKEN: usize = 4;

#[derive(Default)]
struct ClaudeReader {
    summary: Summary,
    /// The true counts of the `result` lines so far.
    counted: Usage,
    messages: VecDeque<String>,
    /// The message of the main conversation whose blocks make up `summary.text`.
    speaking: String,
}

impl Reader for ClaudeReader {
    fn line(&mut self, line: &str) -> Vec<Event> {
        let Some(event) = json::object(line) else {
            return Vec::new();
        };
        if let Some(session) = json::string(&event, "/session_id") {
            self.summary.session = Some(text::kept(session));
        }
        match json::string(&event, "/type") {
            Some("system") => self.system(&event),
            Some("assistant") => self.assistant(&event),
            Some("result") => self.result(&event),
            Some("rate_limit_event") => rate_limit(&event).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }
}

impl ClaudeReader {
    fn system(&mut self, event: &Value) -> Vec<Event> {
        match json::string(event, "/subtype") {
            Some("init") => {
                self.summary.model = json::string(event, "/model").map(text::kept);
                let started = Event::Started {
                    model: self.summary.model.clone(),
                };
                std::iter::once(started).chain(failed_servers(event)).collect()
            }
            Some("api_retry") => vec![Event::Retry {
                message: retry_message(event),
            }],
            _ => Vec::new(),
        }
    }

    fn assistant(&mut self, event: &Value) -> Vec<Event> {
        // The CLI's own words about an API error, which the `result` line says again.
        if json::string(event, "/message/model") == Some("<synthetic>") {
            return Vec::new();
        }
        let is_main = json::string(event, "/parent_tool_use_id").is_none();
        let id = json::string(event, "/message/id").unwrap_or_default();
        let mut events = Vec::new();
        if self.is_new_message(id) {
            self.summary.usage.add(&message_usage(event));
            if is_main {
                self.summary.turns = self.summary.turns.saturating_add(1);
                events.push(Event::Turn(self.summary.turns));
            }
        }
        for block in json::list(event, "/message/content") {
            self.summary.usage.add(&Usage {
                output_tokens: estimated_tokens(block),
                ..Usage::default()
            });
            events.extend(self.block(block, is_main, id));
        }
        events.push(Event::Usage(self.summary.usage));
        events
    }

    fn block(&mut self, block: &Value, is_main: bool, message: &str) -> Option<Event> {
        match json::string(block, "/type")? {
            "text" if is_main => {
                let text = json::string(block, "/text")?;
                if self.speaking == message {
                    text::append(&mut self.summary.text, text);
                } else {
                    text::kept(message).clone_into(&mut self.speaking);
                    text::replace(&mut self.summary.text, text);
                }
                Some(Event::Text(text.to_owned()))
            }
            "tool_use" => Some(Event::Tool {
                name: text::one_line(json::string(block, "/name")?),
                summary: block.get("input").map(json::tool_summary).unwrap_or_default(),
            }),
            _ => None,
        }
    }

    fn is_new_message(&mut self, id: &str) -> bool {
        if self.messages.iter().any(|known| known == id) {
            return false;
        }
        if self.messages.len() >= REMEMBERED_MESSAGES {
            self.messages.pop_front();
        }
        self.messages.push_back(text::kept(id));
        true
    }

    fn result(&mut self, event: &Value) -> Vec<Event> {
        self.counted.add(&result_usage(event));
        self.summary.usage = self.counted;
        let ending = ending(event);
        if ending == Ending::Succeeded
            && let Some(text) = json::string(event, "/result")
        {
            text::replace(&mut self.summary.text, text);
        }
        self.summary.ending = Some(ending.clone());
        vec![Event::Usage(self.summary.usage), Event::End(ending)]
    }
}

/// What the `result` line says of the run as a whole.
fn ending(event: &Value) -> Ending {
    let subtype = json::string(event, "/subtype").unwrap_or_default();
    let is_error = event
        .get("is_error")
        .and_then(Value::as_bool)
        .unwrap_or(subtype != "success");
    if is_error || subtype.starts_with("error") {
        return failure::failed(
            &error_message(event),
            failure::http_status(event.get("api_error_status")),
        );
    }
    let reason = json::string(event, "/terminal_reason");
    if let Some(reason) = reason.filter(|reason| *reason != "completed") {
        return stopped_early("terminal reason", reason);
    }
    match json::string(event, "/stop_reason") {
        None | Some("end_turn" | "stop_sequence") => Ending::Succeeded,
        Some(reason) => stopped_early("stop reason", reason),
    }
}

fn stopped_early(field: &str, reason: &str) -> Ending {
    failure::failed(
        &format!("the agent stopped before it was done: {field} `{reason}`"),
        None,
    )
}

fn error_message(event: &Value) -> String {
    if let Some(message) = json::string(event, "/result").filter(|text| !text.is_empty()) {
        return message.to_owned();
    }
    let errors: Vec<&str> = json::list(event, "/errors")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if errors.is_empty() {
        let subtype = json::string(event, "/subtype").unwrap_or("unknown");
        return format!("the agent reported an error of the kind `{subtype}`");
    }
    errors.join("; ")
}

fn retry_message(event: &Value) -> String {
    let what = json::string(event, "/error").unwrap_or("unknown error");
    let status = failure::http_status(event.get("error_status"))
        .map(|status| format!(" (HTTP {status})"))
        .unwrap_or_default();
    let attempt = json::count(event, "/attempt");
    let of = json::count(event, "/max_retries");
    let delay = json::count(event, "/retry_delay_ms");
    text::one_line(&format!("{what}{status}, retry {attempt} of {of} in {delay} ms"))
}

fn failed_servers(event: &Value) -> impl Iterator<Item = Event> {
    json::list(event, "/mcp_servers")
        .iter()
        .filter(|server| json::string(server, "/status") == Some("failed"))
        .filter_map(|server| json::string(server, "/name"))
        .map(|name| Event::Notice(format!("MCP server `{}` failed", text::one_line(name))))
}

fn rate_limit(event: &Value) -> Option<Event> {
    let status = json::string(event, "/rate_limit_info/status")?;
    (status != "allowed").then(|| Event::Notice(format!("rate limit: {}", text::one_line(status))))
}

/// The usage that every block of a message repeats, without its output, which is a placeholder.
fn message_usage(event: &Value) -> Usage {
    Usage {
        output_tokens: 0,
        ..anthropic_usage(event.pointer("/message/usage").unwrap_or(&Value::Null))
    }
}

/// What a `result` line adds to the counts of the run.
fn result_usage(event: &Value) -> Usage {
    let models = event
        .get("model_usage_since_last_result")
        .or_else(|| event.get("modelUsage"))
        .and_then(Value::as_object)
        .filter(|models| !models.is_empty());
    let Some(models) = models else {
        return Usage {
            cost_usd: json::amount(event, "/total_cost_usd"),
            ..anthropic_usage(event.get("usage").unwrap_or(&Value::Null))
        };
    };
    let mut total = Usage::default();
    for model in models.values() {
        let read = json::count(model, "/cacheReadInputTokens");
        let written = json::count(model, "/cacheCreationInputTokens");
        let usage = Usage {
            input_tokens: all_input(json::count(model, "/inputTokens"), read, written),
            cache_read_tokens: read,
            cache_write_tokens: written,
            output_tokens: json::count(model, "/outputTokens"),
            cost_usd: json::amount(model, "/costUSD"),
        };
        total.add(&usage);
    }
    total
}

/// The API's own shape, whose `input_tokens` leaves the cache out.
fn anthropic_usage(usage: &Value) -> Usage {
    let read = json::count(usage, "/cache_read_input_tokens");
    let written = json::count(usage, "/cache_creation_input_tokens");
    Usage {
        input_tokens: all_input(json::count(usage, "/input_tokens"), read, written),
        cache_read_tokens: read,
        cache_write_tokens: written,
        output_tokens: json::count(usage, "/output_tokens"),
        cost_usd: None,
    }
}

fn all_input(uncached: u64, read: u64, written: u64) -> u64 {
    uncached.saturating_add(read).saturating_add(written)
}

/// A rough count of a block's output, so that limits hold before the true count comes.
fn estimated_tokens(block: &Value) -> u64 {
    let bytes = ["/text", "/thinking"]
        .iter()
        .find_map(|pointer| json::string(block, pointer))
        .map(str::len)
        .or_else(|| block.get("input").map(|input| input.to_string().len()))
        .unwrap_or(0);
    u64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, launch};

    fn result(fields: &str) -> Ending {
        let line = format!(r#"{{"duration_ms":1,"subtype":"success","type":"result",{fields}}}"#);
        let (_, summary) = testing::read(&ClaudeCode, &line);
        summary.ending.expect("a result line ends the run")
    }

    #[test]
    fn the_command_takes_the_prompt_from_standard_input() {
        let launch = launch(&ClaudeCode, None, None, &[]);
        assert_eq!(
            launch.argv.join(" "),
            "claude -p --output-format stream-json --verbose --dangerously-skip-permissions"
        );
        assert_eq!(launch.prompt, PromptDelivery::Stdin);
        assert_eq!(launch.files, []);
        for (name, value) in DEFAULTS {
            assert_eq!(testing::set(&launch, name), Some(*value), "{name}");
        }
        assert_eq!(testing::set(&launch, BASE_URL), None);
    }

    #[test]
    fn model_and_effort_cannot_become_other_flags() {
        let launch = launch(&ClaudeCode, Some("--help"), Some("high"), &[]);
        assert_eq!(launch.argv[6..], ["--model=--help", "--effort=high"]);
        let launch = testing::launch(&ClaudeCode, Some(" "), Some(""), &[]);
        assert_eq!(launch.argv.len(), 6);
        let launch = testing::launch(&ClaudeCode, None, Some("minimal"), &[]);
        assert_eq!(launch.argv[6..], ["--effort=low"]);
    }

    #[test]
    fn a_variable_of_the_user_beats_a_default() {
        let launch = launch(&ClaudeCode, None, None, &[("CLAUDE_CODE_MAX_RETRIES", "9")]);
        assert_eq!(testing::set(&launch, "CLAUDE_CODE_MAX_RETRIES"), None);
        assert_eq!(testing::set(&launch, "DISABLE_TELEMETRY"), Some("1"));
    }

    #[test]
    fn the_base_url_loses_its_version() {
        for url in ["http://h/p", "http://h/p/", "http://h/p/v1"] {
            let launch = launch(&ClaudeCode, None, None, &[(BASE_URL, url)]);
            assert_eq!(testing::set(&launch, BASE_URL), Some("http://h/p"), "{url}");
        }
    }

    #[test]
    fn recordings_read_as_pinned() {
        testing::assert_recordings_read_as_pinned(&ClaudeCode);
    }

    #[test]
    fn input_counts_the_cache_and_output_is_the_true_one() {
        let usage = testing::summary(&ClaudeCode, "success").usage;
        assert_eq!(usage.input_tokens, 2700 + 1200 + 60);
        assert_eq!(usage.cache_read_tokens, 1200);
        assert_eq!(usage.cache_write_tokens, 60);
        assert_eq!(usage.output_tokens, 75);
        assert_eq!(usage.cost_usd, Some(0.009_81));
    }

    #[test]
    fn a_resumed_run_costs_only_what_it_adds() {
        let usage = testing::summary(&ClaudeCode, "resume-2").usage;
        assert_eq!(usage.cost_usd, Some(0.0008));
        assert_eq!(usage.input_tokens, 100);
    }

    #[test]
    fn a_run_that_is_cut_off_has_an_estimate_and_no_ending() {
        let summary = testing::summary(&ClaudeCode, "sigterm-tool");
        assert_eq!(summary.ending, None);
        assert!(summary.usage.input_tokens > 0, "{:?}", summary.usage);
        assert!(summary.usage.output_tokens > 0, "{:?}", summary.usage);
    }

    #[test]
    fn only_a_run_that_ends_by_itself_succeeds() {
        for fields in [
            r#""is_error":false,"result":"done""#,
            r#""is_error":false,"stop_reason":null,"terminal_reason":null"#,
            r#""is_error":false,"stop_reason":"end_turn","terminal_reason":"completed""#,
            r#""result":"done""#,
        ] {
            assert_eq!(result(fields), Ending::Succeeded, "{fields}");
        }
        for (fields, expected) in [
            (
                r#""is_error":true"#,
                "the agent reported an error of the kind `success`",
            ),
            (r#""is_error":true,"errors":["a","b"]"#, "a; b"),
            (
                r#""is_error":false,"stop_reason":"max_tokens""#,
                "the agent stopped before it was done: stop reason `max_tokens`",
            ),
            (
                r#""is_error":false,"terminal_reason":"aborted""#,
                "the agent stopped before it was done: terminal reason `aborted`",
            ),
        ] {
            let Ending::Failed { message, .. } = result(fields) else {
                panic!("a failure is expected of {fields}");
            };
            assert_eq!(message, expected, "{fields}");
        }
    }

    #[test]
    fn two_result_lines_add_up() {
        let line = |cost: &str| {
            format!(
                r#"{{"type":"result","subtype":"success","is_error":false,"model_usage_since_last_result":{{"m":{{"inputTokens":10,"outputTokens":1,"costUSD":{cost}}}}}}}"#
            )
        };
        let (_, summary) = testing::read(&ClaudeCode, &[line("0.25"), line("0.5")].join("\n"));
        assert_eq!(summary.usage.input_tokens, 20);
        assert_eq!(summary.usage.cost_usd, Some(0.75));
    }
}
