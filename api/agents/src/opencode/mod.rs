//! `OpenCode`, measured with version 1.18.33.
//!
//! - `opencode run` without a positional reads the prompt from standard input.
//! - A model is `PROVIDER/MODEL`. A model that it does not know ends the run with an error that
//!   names nothing, unless the configuration declares it.
//! - Every provider has a base URL of its own, version included, in the configuration.
//! - Google's provider reads `GOOGLE_GENERATIVE_AI_API_KEY`, not `GEMINI_API_KEY`.
//! - There is no terminal event: a run has succeeded when its last step finished with the reason
//!   `stop` and no `error` came after. A step that is tried again starts a second time with the
//!   same message.
//! - `tokens.input` leaves the cache out and `tokens.output` the reasoning; the counts are of one
//!   step each. The title of a session is asked for by the way and is not counted.

mod config;

use serde_json::Value;

use crate::environment::{given, not_blank, set, set_defaults};
use crate::event::{Ending, Event, Reader, Summary, Usage};
use crate::launch::{Credential, CredentialKind, Launch, PromptDelivery, Request};
use crate::{Agent, failure, json, text};
use config::{config, merge};

pub(crate) struct OpenCode;

/// The key of the credential. To the CLI itself it is the key of the provider `opencode`.
const API_KEY: &str = "OPENCODE_API_KEY";
/// The configuration as JSON. It beats the files, also the one of the repository.
const CONFIG: &str = "OPENCODE_CONFIG_CONTENT";
/// The base URL of the model's provider, whichever that is: a convention of Axon's own, which the
/// CLI does not know.
const BASE_URL: &str = "OPENCODE_BASE_URL";
const GEMINI_API_KEY: &str = "GEMINI_API_KEY";
const GOOGLE_API_KEY: &str = "GOOGLE_GENERATIVE_AI_API_KEY";

const DEFAULTS: &[(&str, &str)] = &[
    ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
    ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
    ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1"),
    ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
];

/// Which variable holds the key of a provider. The provider of a model that names none, or one
/// that is not listed, is taken to be Anthropic's.
const KEYS: &[(&str, &str)] = &[
    ("anthropic", "ANTHROPIC_API_KEY"),
    ("openai", "OPENAI_API_KEY"),
    ("google", GOOGLE_API_KEY),
    ("groq", "GROQ_API_KEY"),
    ("xai", "XAI_API_KEY"),
    ("openrouter", "OPENROUTER_API_KEY"),
    ("deepseek", "DEEPSEEK_API_KEY"),
    ("mistral", "MISTRAL_API_KEY"),
    ("zai", "ZHIPU_API_KEY"),
    ("zai-coding-plan", "ZHIPU_API_KEY"),
    ("opencode", API_KEY),
    ("zen", API_KEY),
];

/// How the models of providers are called, for models without a provider.
const MODEL_NAMES: &[(&str, &str)] = &[
    ("claude", "anthropic"),
    ("gpt", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("codex", "openai"),
    ("gemini", "google"),
    ("grok", "xai"),
];

impl Agent for OpenCode {
    fn name(&self) -> &'static str {
        "opencode"
    }

    fn summary(&self) -> &'static str {
        "OpenCode, for models of many providers"
    }

    fn program(&self) -> &'static str {
        "opencode"
    }

    fn credential(&self, kind: CredentialKind) -> Option<Credential> {
        let (CredentialKind::ApiKey | CredentialKind::OAuth) = kind;
        Some(Credential { variable: API_KEY })
    }

    fn base_url_variable(&self) -> Option<&'static str> {
        Some(BASE_URL)
    }

    fn launch(&self, request: &Request<'_>) -> Launch {
        let model = not_blank(request.model).map(Model::parse);
        let mut argv = ["opencode", "run", "--format", "json", "--auto"]
            .map(ToOwned::to_owned)
            .to_vec();
        if let Some(model) = model {
            argv.push(format!("--model={}/{}", model.provider, model.name));
        }
        let mut launch = Launch {
            argv,
            prompt: PromptDelivery::Stdin,
            ..Launch::default()
        };
        set_defaults(&mut launch, request, DEFAULTS);
        keys(&mut launch, request, model);
        match given(request, CONFIG).map(|theirs| serde_json::from_str(&theirs)) {
            None => set(&mut launch, CONFIG, config(request, model).to_string()),
            Some(Ok(theirs @ Value::Object(_))) => {
                let mut merged = config(request, model);
                merge(&mut merged, theirs);
                set(&mut launch, CONFIG, merged.to_string());
            }
            // It may hold comments, which the CLI accepts: theirs to say, and whole.
            Some(_) => {}
        }
        config::add(&mut launch, request);
        launch
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(OpenCodeReader::default())
    }
}

/// A model and the provider that offers it.
#[derive(Clone, Copy)]
struct Model<'a> {
    provider: &'a str,
    name: &'a str,
}

impl<'a> Model<'a> {
    fn parse(text: &'a str) -> Model<'a> {
        match text.split_once('/') {
            Some((provider, name)) if !provider.starts_with('-') => Model { provider, name },
            _ => Model {
                provider: MODEL_NAMES
                    .iter()
                    .find(|(start, _)| text.starts_with(start))
                    .map_or("anthropic", |(_, provider)| provider),
                name: text,
            },
        }
    }
}

/// Whether the CLI knows how to speak to a provider.
fn is_known(provider: &str) -> bool {
    KEYS.iter().any(|(known, _)| *known == provider)
}

/// Hands the key on under the name that the model's provider reads.
fn keys(launch: &mut Launch, request: &Request<'_>, model: Option<Model<'_>>) {
    if let (Some(key), None) = (given(request, GEMINI_API_KEY), given(request, GOOGLE_API_KEY)) {
        set(launch, GOOGLE_API_KEY, key);
    }
    let provider = model.map_or("anthropic", |model| model.provider);
    if !is_known(provider) && given(request, BASE_URL).is_some() {
        // The configuration names the variable.
        return;
    }
    let variable = KEYS
        .iter()
        .find(|(name, _)| *name == provider)
        .map_or("ANTHROPIC_API_KEY", |(_, variable)| variable);
    if variable == API_KEY {
        return;
    }
    if let Some(key) = given(request, API_KEY) {
        launch.unset.push(API_KEY.to_owned());
        if given(request, variable).is_none() {
            launch.set.retain(|(name, _)| name != variable);
            set(launch, variable, key);
        }
    }
}

#[derive(Default)]
struct OpenCodeReader {
    summary: Summary,
    /// The message of the step that was started last.
    message: String,
}

impl Reader for OpenCodeReader {
    fn line(&mut self, line: &str) -> Vec<Event> {
        let Some(event) = json::object(line) else {
            return Vec::new();
        };
        let is_first = self.summary.session.is_none();
        if let Some(session) = json::string(&event, "/sessionID") {
            self.summary.session = Some(text::kept(session));
        }
        let mut events = Vec::new();
        if is_first && self.summary.session.is_some() {
            events.push(Event::Started { model: None });
        }
        match json::string(&event, "/type") {
            Some("step_start") => events.extend(self.step_start(&event)),
            Some("text") => events.extend(self.text(&event)),
            Some("tool_use") => events.push(tool(&event)),
            Some("step_finish") => events.extend(self.step_finish(&event)),
            Some("error") => events.push(self.end(error(&event))),
            _ => {}
        }
        events
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }
}

impl OpenCodeReader {
    fn step_start(&mut self, event: &Value) -> Vec<Event> {
        self.summary.ending = None;
        let message = json::string(event, "/part/messageID").unwrap_or_default();
        if message == self.message && !message.is_empty() {
            return vec![Event::Retry {
                message: "the step starts again".to_owned(),
            }];
        }
        self.message = text::kept(message);
        self.summary.turns = self.summary.turns.saturating_add(1);
        vec![Event::Turn(self.summary.turns)]
    }

    fn text(&mut self, event: &Value) -> Option<Event> {
        let text = json::string(event, "/part/text")?;
        text::replace(&mut self.summary.text, text);
        Some(Event::Text(text.to_owned()))
    }

    fn step_finish(&mut self, event: &Value) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some(part) = event.get("part") {
            self.summary.usage.add(&usage(part));
            events.push(Event::Usage(self.summary.usage));
        }
        match json::string(event, "/part/reason") {
            Some("stop") => events.push(self.end(Ending::Succeeded)),
            // The step called tools: the run goes on.
            Some("tool-calls") | None => {}
            Some(reason) => events.push(self.end(failure::failed(
                &format!("the agent stopped before it was done: reason `{reason}`"),
                None,
            ))),
        }
        events
    }

    fn end(&mut self, ending: Ending) -> Event {
        self.summary.ending = Some(ending.clone());
        Event::End(ending)
    }
}

fn tool(event: &Value) -> Event {
    Event::Tool {
        name: text::one_line(json::string(event, "/part/tool").unwrap_or("tool")),
        summary: event
            .pointer("/part/state/input")
            .map(json::tool_summary)
            .unwrap_or_default(),
    }
}

fn error(event: &Value) -> Ending {
    let message = json::string(event, "/error/data/message")
        .or_else(|| json::string(event, "/error/message"))
        .or_else(|| json::string(event, "/error/name"))
        .unwrap_or("the agent reported an error without a message");
    failure::failed(
        message,
        failure::http_status(event.pointer("/error/data/statusCode")),
    )
}

/// The usage of one step, whose `input` leaves the cache out. What `total` counts beyond the other
/// numbers is reasoning that `output` leaves out.
fn usage(part: &Value) -> Usage {
    let read = json::count(part, "/tokens/cache/read");
    let written = json::count(part, "/tokens/cache/write");
    let input = json::count(part, "/tokens/input")
        .saturating_add(read)
        .saturating_add(written);
    let output = json::count(part, "/tokens/output");
    let output = match json::count(part, "/tokens/total").checked_sub(input) {
        Some(rest) if rest > 0 => rest.max(output),
        _ => output.saturating_add(json::count(part, "/tokens/reasoning")),
    };
    Usage {
        input_tokens: input,
        cache_read_tokens: read,
        cache_write_tokens: written,
        output_tokens: output,
        cost_usd: json::amount(part, "/cost"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;
    use crate::testing::{self, launch};

    fn config_of(launch: &Launch) -> Value {
        let config = testing::set(launch, CONFIG).expect("a configuration is set");
        serde_json::from_str(config).expect("the configuration is JSON")
    }

    #[test]
    fn the_command_takes_the_prompt_from_standard_input() {
        let launch = launch(&OpenCode, None, None, &[]);
        assert_eq!(launch.argv.join(" "), "opencode run --format json --auto");
        assert_eq!(launch.prompt, PromptDelivery::Stdin);
        assert_eq!(launch.files, []);
        for (name, value) in DEFAULTS {
            assert_eq!(testing::set(&launch, name), Some(*value), "{name}");
        }
        insta::assert_snapshot!(config_of(&launch), @r#"{"$schema":"https://opencode.ai/config.json","autoupdate":false,"share":"disabled"}"#);
    }

    #[test]
    fn a_model_names_its_provider() {
        let cases = [
            ("anthropic/claude-x", "anthropic/claude-x"),
            ("openrouter/meta/llama", "openrouter/meta/llama"),
            ("claude-x", "anthropic/claude-x"),
            ("gpt-5", "openai/gpt-5"),
            ("gemini-2.5-pro", "google/gemini-2.5-pro"),
            ("mystery", "anthropic/mystery"),
            ("--flag/x", "anthropic/--flag/x"),
        ];
        for (model, expected) in cases {
            let launch = launch(&OpenCode, Some(model), None, &[]);
            assert_eq!(launch.argv[5..], [format!("--model={expected}")], "{model}");
        }
    }

    #[test]
    fn the_key_goes_to_the_provider_of_the_model() {
        let cases = [
            (None, "ANTHROPIC_API_KEY"),
            (Some("anthropic/m"), "ANTHROPIC_API_KEY"),
            (Some("openai/m"), "OPENAI_API_KEY"),
            (Some("google/m"), "GOOGLE_GENERATIVE_AI_API_KEY"),
            (Some("groq/m"), "GROQ_API_KEY"),
            (Some("xai/m"), "XAI_API_KEY"),
            (Some("zai/m"), "ZHIPU_API_KEY"),
            (Some("zai-coding-plan/m"), "ZHIPU_API_KEY"),
            (Some("unlisted/m"), "ANTHROPIC_API_KEY"),
        ];
        for (model, variable) in cases {
            let launch = launch(&OpenCode, model, None, &[(API_KEY, "k")]);
            assert_eq!(testing::set(&launch, variable), Some("k"), "{model:?}");
            assert_eq!(launch.unset, [API_KEY], "{model:?}");
        }
        for model in ["opencode/m", "zen/m"] {
            let launch = launch(&OpenCode, Some(model), None, &[(API_KEY, "k")]);
            assert_eq!(launch.unset, Vec::<String>::new(), "{model}");
        }
    }

    #[test]
    fn a_key_of_the_provider_itself_wins() {
        let variables = [(API_KEY, "k"), ("OPENAI_API_KEY", "own")];
        let launch = launch(&OpenCode, Some("openai/m"), None, &variables);
        assert_eq!(testing::set(&launch, "OPENAI_API_KEY"), None);
    }

    #[test]
    fn googles_key_has_two_names() {
        let launch = launch(&OpenCode, None, None, &[(GEMINI_API_KEY, "g")]);
        assert_eq!(testing::set(&launch, GOOGLE_API_KEY), Some("g"));
        let both = [(GEMINI_API_KEY, "g"), (API_KEY, "k")];
        let launch = testing::launch(&OpenCode, Some("google/m"), None, &both);
        assert_eq!(testing::set(&launch, GOOGLE_API_KEY), Some("k"));
    }

    #[test]
    fn each_base_url_reaches_its_provider_with_its_version() {
        let variables = [
            ("ANTHROPIC_BASE_URL", "http://a/"),
            ("OPENAI_BASE_URL", "http://o/v1"),
            ("GOOGLE_GEMINI_BASE_URL", "http://g"),
        ];
        let config = config_of(&launch(&OpenCode, None, None, &variables));
        for (provider, url) in [
            ("anthropic", "http://a/v1"),
            ("openai", "http://o/v1"),
            ("google", "http://g/v1beta"),
        ] {
            assert_eq!(config["provider"][provider]["options"]["baseURL"], url);
        }
    }

    #[test]
    fn a_model_is_declared_with_the_effort_of_its_provider() {
        let cases = [
            ("anthropic/m", None, value!({})),
            (
                "anthropic/m",
                Some("xhigh"),
                value!({"options": {"effort": "max"}}),
            ),
            (
                "google/m",
                Some("minimal"),
                value!({"options": {"thinkingConfig": {"thinkingLevel": "low"}}}),
            ),
            (
                "openai/m",
                Some("low"),
                value!({"options": {"reasoningEffort": "low"}}),
            ),
        ];
        for (model, effort, expected) in cases {
            let config = config_of(&launch(&OpenCode, Some(model), effort, &[]));
            let (provider, name) = model.split_once('/').expect("a provider and a name");
            assert_eq!(config["provider"][provider]["models"][name], expected, "{model}");
        }
    }

    #[test]
    fn the_users_configuration_lies_on_top() {
        let theirs = r#"{"share":"auto","provider":{"anthropic":{"options":{"timeout":5}}}}"#;
        let variables = [(CONFIG, theirs), ("ANTHROPIC_BASE_URL", "http://a")];
        let config = config_of(&launch(&OpenCode, None, None, &variables));
        assert_eq!(config["share"], "auto");
        assert_eq!(config["autoupdate"], false);
        let options = &config["provider"]["anthropic"]["options"];
        assert_eq!(*options, value!({"baseURL": "http://a/v1", "timeout": 5}));
        let with_comments = launch(&OpenCode, None, None, &[(CONFIG, "// mine\n{}")]);
        assert_eq!(testing::set(&with_comments, CONFIG), None);
    }

    #[test]
    fn recordings_read_as_pinned() {
        testing::assert_recordings_read_as_pinned(&OpenCode);
    }

    #[test]
    fn the_steps_add_up() {
        let usage = testing::summary(&OpenCode, "success").usage;
        assert_eq!(usage.input_tokens, 2700 + 1200 + 60);
        assert_eq!(usage.cache_read_tokens, 1200);
        assert_eq!(usage.cache_write_tokens, 60);
        assert_eq!(usage.output_tokens, 75);
        assert_eq!(usage.cost_usd, Some(0.009_81));
    }

    #[test]
    fn reasoning_counts_as_output_once() {
        let part =
            |total: u64| value!({"tokens": {"total": total, "input": 100, "output": 20, "reasoning": 30}});
        assert_eq!(usage(&part(150)).output_tokens, 50);
        assert_eq!(usage(&part(120)).output_tokens, 20);
        assert_eq!(usage(&part(0)).output_tokens, 50);
    }

    #[test]
    fn a_run_that_was_killed_between_steps_has_no_ending_and_keeps_its_usage() {
        let summary = testing::summary(&OpenCode, "sigterm-llm");
        assert_eq!(summary.ending, None);
        assert_eq!(summary.usage.input_tokens, 100);
    }

    #[test]
    fn a_step_that_stops_for_another_reason_is_a_failure() {
        let line = r#"{"type":"step_finish","part":{"reason":"length"}}"#;
        let expected = Ending::Failed {
            message: "the agent stopped before it was done: reason `length`".to_owned(),
            http_status: None,
        };
        assert_eq!(testing::read(&OpenCode, line).1.ending, Some(expected));
    }

    #[test]
    fn a_refused_key_is_told_by_its_status() {
        let expected = Ending::Failed {
            message: "invalid x-api-key".to_owned(),
            http_status: Some(401),
        };
        assert_eq!(testing::summary(&OpenCode, "auth-error").ending, Some(expected));
    }
}
