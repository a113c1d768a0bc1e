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

mod config;

use serde_json::Value;

use crate::environment::{api_root, folder_below_home, given, not_blank, set, set_defaults};
use crate::event::{Ending, Event, Reader, Summary, Usage};
use crate::launch::{Credential, CredentialKind, Launch, PromptDelivery, Request};
use crate::price::{Price, cost, price};
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

    fn base_url_variable(&self) -> Option<&'static str> {
        Some(BASE_URL)
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
        config::add(&mut launch, request, &folder, model);
        launch
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(GeminiReader::default())
    }

    fn price(&self, model: &str, usage: &Usage) -> Option<f64> {
        cost(PRICES, model, usage)
    }
}

#[derive(Default)]
struct GeminiReader {
    summary: Summary,
    /// Whether the assistant has said or called something since the last tool result.
    is_in_turn: bool,
    /// Whether the assistant has said something since the last tool result: what it says next
    /// goes on, or takes the place of what it said before.
    has_spoken: bool,
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
                self.has_spoken = false;
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
        if std::mem::replace(&mut self.has_spoken, true) {
            text::append(&mut self.summary.text, content);
        } else {
            text::replace(&mut self.summary.text, content);
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;
    use crate::testing::{self, file, launch};

    fn settings_of(launch: &Launch) -> Value {
        serde_json::from_str(file(launch, ".gemini/settings.json")).expect("settings are JSON")
    }

    #[test]
    fn the_command_takes_the_prompt_from_standard_input_and_names_a_model() {
        let launch = launch(&Gemini, None, None, &[]);
        assert_eq!(
            launch.argv.join(" "),
            "gemini --yolo --output-format stream-json --model=gemini-2.5-pro"
        );
        assert_eq!(launch.prompt, PromptDelivery::Stdin);
        for (name, value) in DEFAULTS {
            assert_eq!(testing::set(&launch, name), Some(*value), "{name}");
        }
        insta::assert_snapshot!(settings_of(&launch), @r#"{"general":{"enableAutoUpdate":false,"enableAutoUpdateNotification":false,"maxAttempts":4},"privacy":{"usageStatisticsEnabled":false},"security":{"auth":{"selectedType":"gemini-api-key"}}}"#);
    }

    #[test]
    fn a_model_cannot_become_another_flag() {
        let launch = launch(&Gemini, Some("-p"), None, &[]);
        assert_eq!(launch.argv[4..], ["--model=-p"]);
    }

    #[test]
    fn the_base_url_loses_its_version() {
        for url in ["http://h/p", "http://h/p/v1beta/", "http://h/p/v1"] {
            let launch = launch(&Gemini, None, None, &[(BASE_URL, url)]);
            assert_eq!(testing::set(&launch, BASE_URL), Some("http://h/p"), "{url}");
        }
    }

    #[test]
    fn the_settings_follow_the_users_folder_below_the_home_only() {
        let inside = launch(&Gemini, None, None, &[(HOME, "/home/agent/g")]);
        assert!(!file(&inside, "g/.gemini/settings.json").is_empty());
        assert_eq!(inside.unset, Vec::<String>::new());
        for elsewhere in ["/home/agent", "/srv"] {
            let launch = launch(&Gemini, None, None, &[(HOME, elsewhere)]);
            assert!(!file(&launch, ".gemini/settings.json").is_empty());
            assert_eq!(launch.unset, [HOME]);
        }
    }

    #[test]
    fn vertex_is_signed_in_to_in_its_own_way() {
        let launch = launch(&Gemini, None, None, &[(VERTEX, "true")]);
        assert_eq!(
            settings_of(&launch)["security"]["auth"]["selectedType"],
            "vertex-ai"
        );
    }

    #[test]
    fn effort_becomes_the_models_own_kind_of_thinking() {
        let cases = [
            ("gemini-3-pro-preview", "low", value!({"thinkingLevel": "LOW"})),
            (
                "gemini-3-pro-preview",
                "medium",
                value!({"thinkingLevel": "HIGH"}),
            ),
            ("gemini-2.5-pro", "Minimal", value!({"thinkingBudget": 512})),
            ("gemini-2.5-pro", "max", value!({"thinkingBudget": 24576})),
            ("gemini-2.5-flash", "2048", value!({"thinkingBudget": 2048})),
        ];
        for (model, effort, expected) in cases {
            let settings = settings_of(&launch(&Gemini, Some(model), Some(effort), &[]));
            let configured = &settings["modelConfigs"]["customOverrides"][0];
            assert_eq!(configured["match"]["model"], model);
            let thinking = &configured["modelConfig"]["generateContentConfig"]["thinkingConfig"];
            assert_eq!(*thinking, expected, "{model} {effort}");
        }
        let unknown = launch(&Gemini, None, Some("extreme"), &[]);
        assert_eq!(settings_of(&unknown).get("modelConfigs"), None);
    }

    #[test]
    fn recordings_read_as_pinned() {
        testing::assert_recordings_read_as_pinned(&Gemini);
    }

    #[test]
    fn the_final_text_is_all_pieces_since_the_last_tool() {
        let summary = testing::summary(&Gemini, "success");
        assert_eq!(summary.text, "Done: pushed feature/x with hello.txt.");
        assert_eq!(summary.turns, 2);
    }

    #[test]
    fn a_run_that_was_killed_has_no_ending() {
        assert_eq!(testing::summary(&Gemini, "sigterm-no-relaunch").ending, None);
    }

    #[test]
    fn a_refused_key_is_told_in_the_providers_words() {
        let expected = Ending::Failed {
            message: "API key not valid".to_owned(),
            http_status: Some(401),
        };
        assert_eq!(testing::summary(&Gemini, "auth-error").ending, Some(expected));
    }

    #[test]
    fn thoughts_count_as_output() {
        let stats = value!({"total_tokens": 180, "input_tokens": 100, "output_tokens": 30});
        assert_eq!(usage(&stats).output_tokens, 80);
    }

    #[test]
    fn known_models_have_a_price() {
        let usage = Usage {
            input_tokens: 1_000_000,
            ..Usage::default()
        };
        assert_eq!(Gemini.price("gemini-2.5-flash-lite", &usage), Some(0.1));
        assert_eq!(Gemini.price("gemini-3-pro-preview", &usage), Some(2.0));
        assert_eq!(Gemini.price("auto", &usage), None);
    }
}
