//! Google's Gemini CLI, measured with version 0.61.0.
//!
//! - Without `--prompt` it reads the prompt from standard input.
//! - With `GOOGLE_GEMINI_BASE_URL` it starts only if its settings file names the way of signing
//!   in, and outside of a trusted folder only with `GEMINI_CLI_TRUST_WORKSPACE`.
//! - It starts a second process of itself, and the outer one ignores SIGTERM, unless
//!   `GEMINI_CLI_NO_RELAUNCH` is set. Killed by SIGTERM it exits 0: only a `result` line with
//!   status `success` is a success.
//! - Without `--model` each turn costs an extra request that chooses the model.
//! - The final text comes in pieces, all `message` lines of the assistant since the last tool
//!   result.
//! - `stats.input_tokens` include the cached ones; `stats.output_tokens` leave the thoughts out,
//!   which `stats.total_tokens` count.

use serde_json::{Value, json as value};

use crate::environment::{api_root, folder_below_home, given, not_blank, set, set_defaults};
use crate::event::{Ending, Event, Reader, Summary, Usage};
use crate::launch::{ConfigFile, Credential, CredentialKind, Launch, PromptDelivery, Request};
use crate::price::{Price, cost};
use crate::{Agent, failure, json, text};

pub(crate) struct Gemini;

const BASE_URL: &str = "GOOGLE_GEMINI_BASE_URL";
/// The directory that holds the CLI's `.gemini`.
const HOME: &str = "GEMINI_CLI_HOME";
const VERTEX: &str = "GOOGLE_GENAI_USE_VERTEXAI";
const DEFAULT_MODEL: &str = "gemini-2.5-pro";

const DEFAULTS: &[(&str, &str)] = &[
    ("GEMINI_CLI_TRUST_WORKSPACE", "true"),
    ("GEMINI_CLI_NO_RELAUNCH", "true"),
];

/// Requests per turn before the CLI gives up; its own default is 10, over three minutes.
const MAX_ATTEMPTS: u32 = 4;

/// List prices of 2026-01 from <https://ai.google.dev/gemini-api/docs/pricing>, prompts up to
/// 200,000 tokens. The price of storing a cache by the hour is left out.
const PRICES: &[Price] = &[
    price("gemini-2.5-pro", 1.25, 0.125, 10.0),
    price("gemini-2.5-flash", 0.3, 0.03, 2.5),
    price("gemini-2.5-flash-lite", 0.1, 0.01, 0.4),
    price("gemini-3-pro", 2.0, 0.2, 12.0),
    price("gemini-3-flash", 0.5, 0.05, 3.0),
];

const fn price(model: &'static str, input: f64, cache_read: f64, output: f64) -> Price {
    Price {
        model,
        input,
        cache_read,
        cache_write: input,
        output,
    }
}

impl Agent for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn summary(&self) -> &'static str {
        "Google's Gemini CLI"
    }

    fn program(&self) -> &'static str {
        "gemini"
    }

    fn credential(&self, kind: CredentialKind) -> Option<Credential> {
        let (CredentialKind::ApiKey | CredentialKind::OAuth) = kind;
        Some(Credential {
            variable: "GEMINI_API_KEY",
        })
    }

    fn launch(&self, request: &Request<'_>) -> Launch {
        let model = not_blank(request.model).unwrap_or(DEFAULT_MODEL);
        let mut argv = ["gemini", "--yolo", "--output-format", "stream-json"]
            .map(ToOwned::to_owned)
            .to_vec();
        argv.push(format!("--model={model}"));
        let mut launch = Launch {
            argv,
            prompt: PromptDelivery::Stdin,
            ..Launch::default()
        };
        set_defaults(&mut launch, request, DEFAULTS);
        if let Some(url) = given(request, BASE_URL) {
            // The CLI adds the version itself.
            set(&mut launch, BASE_URL, api_root(&url));
        }
        let folder = match folder_below_home(request, HOME, "") {
            folder if folder.is_empty() => {
                if given(request, HOME).is_some() {
                    launch.unset.push(HOME.to_owned());
                }
                ".gemini".to_owned()
            }
            folder => format!("{folder}/.gemini"),
        };
        launch.files.push(ConfigFile {
            path: format!("{folder}/settings.json"),
            contents: settings(request, model).to_string(),
            mode: 0o644,
        });
        launch
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(GeminiReader::default())
    }

    fn price(&self, model: &str, usage: &Usage) -> Option<f64> {
        cost(PRICES, model, usage)
    }
}

/// The settings file.
fn settings(request: &Request<'_>, model: &str) -> Value {
    let uses_vertex = given(request, VERTEX).is_some_and(|value| value == "true");
    let selected = if uses_vertex {
        "vertex-ai"
    } else {
        "gemini-api-key"
    };
    let mut settings = value!({
        "security": {"auth": {"selectedType": selected}},
        "privacy": {"usageStatisticsEnabled": false},
        "general": {
            "enableAutoUpdate": false,
            "enableAutoUpdateNotification": false,
            "maxAttempts": MAX_ATTEMPTS,
        },
    });
    let thinking = not_blank(request.effort).and_then(|effort| thinking(model, effort));
    if let (Some(thinking), Some(settings)) = (thinking, settings.as_object_mut()) {
        settings.insert(
            "modelConfigs".to_owned(),
            value!({"customOverrides": [{
                "match": {"model": model},
                "modelConfig": {"generateContentConfig": {"thinkingConfig": thinking}},
            }]}),
        );
    }
    settings
}

/// The thinking that an effort means to a model: a level for the third generation, a number of
/// tokens for the second. A number as effort is taken as it is.
fn thinking(model: &str, effort: &str) -> Option<Value> {
    let effort = effort.to_ascii_lowercase();
    if model.starts_with("gemini-3") {
        let level = match effort.as_str() {
            "minimal" | "low" => "LOW",
            _ => "HIGH",
        };
        return Some(value!({"thinkingLevel": level}));
    }
    let budget: u32 = match effort.as_str() {
        "minimal" => 512,
        "low" => 1024,
        "medium" => 4096,
        "high" => 8192,
        "xhigh" => 16384,
        "max" => 24576,
        number => number.parse().ok()?,
    };
    Some(value!({"thinkingBudget": budget}))
}

#[derive(Default)]
struct GeminiReader {
    summary: Summary,
    /// Whether the assistant has said or called something since the last tool result.
    is_in_turn: bool,
}

impl Reader for GeminiReader {
    fn line(&mut self, line: &str) -> Vec<Event> {
        let Some(event) = json::object(line) else {
            return Vec::new();
        };
        match json::string(&event, "/type") {
            Some("init") => {
                self.summary.session = json::string(&event, "/session_id").map(text::kept);
                self.summary.model = json::string(&event, "/model").map(text::kept);
                vec![Event::Started {
                    model: self.summary.model.clone(),
                }]
            }
            Some("message") if json::string(&event, "/role") == Some("assistant") => self.message(&event),
            Some("tool_use") => self.tool(&event),
            Some("tool_result") => {
                self.is_in_turn = false;
                self.summary.text.clear();
                Vec::new()
            }
            Some("error") => json::string(&event, "/message")
                .map(|message| Event::Notice(text::kept(message)))
                .into_iter()
                .collect(),
            Some("result") => self.result(&event),
            _ => Vec::new(),
        }
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }
}

impl GeminiReader {
    fn begin_turn(&mut self) -> Vec<Event> {
        if std::mem::replace(&mut self.is_in_turn, true) {
            return Vec::new();
        }
        self.summary.turns = self.summary.turns.saturating_add(1);
        vec![Event::Turn(self.summary.turns)]
    }

    fn message(&mut self, event: &Value) -> Vec<Event> {
        let Some(content) = json::string(event, "/content") else {
            return Vec::new();
        };
        let mut events = self.begin_turn();
        text::append(&mut self.summary.text, content);
        let is_piece = event.get("delta").and_then(Value::as_bool).unwrap_or(false);
        events.push(if is_piece {
            Event::TextDelta(content.to_owned())
        } else {
            Event::Text(content.to_owned())
        });
        events
    }

    fn tool(&mut self, event: &Value) -> Vec<Event> {
        let mut events = self.begin_turn();
        events.push(Event::Tool {
            name: text::one_line(json::string(event, "/tool_name").unwrap_or("tool")),
            summary: event
                .get("parameters")
                .map(json::tool_summary)
                .unwrap_or_default(),
        });
        events
    }

    fn result(&mut self, event: &Value) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some(stats) = event.get("stats") {
            self.summary.usage = usage(stats);
            events.push(Event::Usage(self.summary.usage));
        }
        let ending = ending(event);
        self.summary.ending = Some(ending.clone());
        events.push(Event::End(ending));
        events
    }
}

fn ending(event: &Value) -> Ending {
    let status = json::string(event, "/status").unwrap_or("unknown");
    if status == "success" {
        return Ending::Succeeded;
    }
    match json::string(event, "/error/message") {
        Some(message) => failure::failed(unwrapped(message), None),
        None => failure::failed(&format!("the agent ended with status `{status}`"), None),
    }
}

/// The message without the words that the CLI puts around it.
fn unwrapped(message: &str) -> &str {
    message
        .strip_prefix("[API Error: ")
        .and_then(|message| message.strip_suffix(']'))
        .unwrap_or(message)
}

fn usage(stats: &Value) -> Usage {
    let input = json::count(stats, "/input_tokens");
    let with_thoughts = json::count(stats, "/total_tokens").saturating_sub(input);
    Usage {
        input_tokens: input,
        cache_read_tokens: json::count(stats, "/cached"),
        cache_write_tokens: 0,
        output_tokens: json::count(stats, "/output_tokens").max(with_thoughts),
        cost_usd: None,
    }
}
