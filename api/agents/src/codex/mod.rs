//! `OpenAI`'s Codex CLI, measured with version 0.169.0.
//!
//! - `codex exec -` reads the prompt from standard input.
//! - It does not obey `OPENAI_BASE_URL`. A provider of its own in `config.toml` takes the URL and
//!   the retry bounds, and spares the WebSocket attempt of the built-in provider. A `ChatGPT`
//!   sign-in works only with the built-in provider, whose URL is `openai_base_url`.
//! - `CODEX_HOME` must name a directory that exists.
//! - `error` events are retry notices, and items of the type `error` are warnings: only
//!   `turn.completed` and `turn.failed` end the run.
//! - `turn.completed.usage` counts the whole thread, so the last one is the total. Its
//!   `input_tokens` include the cached ones and its `output_tokens` the reasoning.
//! - The model is not in the stream.

mod config;

use serde_json::Value;

use crate::environment::{folder_below_home, given, not_blank, set};
use crate::event::{Ending, Event, Reader, Summary, Usage};
use crate::launch::{ConfigFile, Credential, CredentialKind, Launch, PromptDelivery, Request};
use crate::price::{Price, cost, price};
use crate::setup::Setup;
use crate::{Agent, failure, json, text};
use config::toml_string;

pub(crate) struct Codex;

const API_KEY: &str = "CODEX_API_KEY";
const OPENAI_API_KEY: &str = "OPENAI_API_KEY";
/// The contents of `auth.json`, which the CLI reads only from its file.
const AUTH_JSON: &str = "CODEX_AUTH_JSON";
const BASE_URL: &str = "OPENAI_BASE_URL";
const HOME: &str = "CODEX_HOME";

/// List prices of 2026-01 from <https://platform.openai.com/docs/pricing>, standard tier. `OpenAI`
/// does not charge for cache writes beyond the input itself.
const PRICES: &[Price] = &[
    price("gpt-5", 1.25, 0.125, 10.0),
    price("gpt-5-codex", 1.25, 0.125, 10.0),
    price("gpt-5-mini", 0.25, 0.025, 2.0),
    price("gpt-5-nano", 0.05, 0.005, 0.4),
    price("gpt-5.1", 1.25, 0.125, 10.0),
    price("gpt-5.1-codex", 1.25, 0.125, 10.0),
    price("gpt-5.1-codex-max", 1.25, 0.125, 10.0),
    price("gpt-5.1-codex-mini", 0.25, 0.025, 2.0),
    price("gpt-5.2", 1.75, 0.175, 14.0),
    price("gpt-5.2-codex", 1.75, 0.175, 14.0),
    price("codex-mini", 1.5, 0.375, 6.0),
    price("gpt-4.1", 2.0, 0.5, 8.0),
    price("gpt-4.1-mini", 0.4, 0.1, 1.6),
    price("o3", 2.0, 0.5, 8.0),
    price("o4-mini", 1.1, 0.275, 4.4),
];

impl Agent for Codex {
    fn name(&self) -> &'static str {
        "codex"
    }

    fn summary(&self) -> &'static str {
        "OpenAI's Codex CLI"
    }

    fn program(&self) -> &'static str {
        "codex"
    }

    fn credential(&self, kind: CredentialKind) -> Option<Credential> {
        Some(Credential {
            variable: match kind {
                CredentialKind::ApiKey => API_KEY,
                CredentialKind::OAuth => AUTH_JSON,
            },
        })
    }

    fn base_url_variable(&self) -> Option<&'static str> {
        Some(BASE_URL)
    }

    fn refuses(&self, setup: &Setup) -> Option<String> {
        config::refuses(&setup.mcp_servers)
    }

    fn launch(&self, request: &Request<'_>) -> Launch {
        let mut argv = [
            "codex",
            "exec",
            "--json",
            "--dangerously-bypass-approvals-and-sandbox",
        ]
        .map(ToOwned::to_owned)
        .to_vec();
        if let Some(model) = not_blank(request.model) {
            argv.push(format!("--model={model}"));
        }
        if let Some(effort) = not_blank(request.effort) {
            let effort = toml_string(effort);
            argv.push(format!("--config=model_reasoning_effort={effort}"));
        }
        argv.push("-".to_owned());

        let folder = folder_below_home(request, HOME, ".codex");
        let auth = given(request, AUTH_JSON);
        let mut launch = Launch {
            argv,
            unset: vec![AUTH_JSON.to_owned()],
            files: vec![ConfigFile {
                path: format!("{folder}/config.toml"),
                contents: config::config(request, auth.is_some()),
                // The headers and variables of MCP servers are secrets.
                mode: 0o600,
            }],
            prompt: PromptDelivery::Stdin,
            ..Launch::default()
        };
        set(&mut launch, HOME, format!("{}/{folder}", request.home));
        if let Some(auth) = auth {
            launch.files.push(ConfigFile {
                path: format!("{folder}/auth.json"),
                // A line break inside of a token, as a terminal may wrap it, is no valid JSON.
                contents: auth.replace(['\r', '\n'], ""),
                mode: 0o600,
            });
        }
        config::add(&mut launch, &folder, request.setup);
        launch
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(CodexReader::default())
    }

    fn price(&self, model: &str, usage: &Usage) -> Option<f64> {
        cost(PRICES, model, usage)
    }
}

#[derive(Default)]
struct CodexReader {
    summary: Summary,
}

impl Reader for CodexReader {
    fn line(&mut self, line: &str) -> Vec<Event> {
        let Some(event) = json::object(line) else {
            return Vec::new();
        };
        match json::string(&event, "/type") {
            Some("thread.started") => {
                self.summary.session = json::string(&event, "/thread_id").map(text::kept);
                vec![Event::Started { model: None }]
            }
            Some("turn.started") => {
                self.summary.ending = None;
                self.summary.turns = self.summary.turns.saturating_add(1);
                vec![Event::Turn(self.summary.turns)]
            }
            Some("item.started") => tool(&event).into_iter().collect(),
            Some("item.completed") => self.item(&event).into_iter().collect(),
            Some("error") => error(&event).into_iter().collect(),
            Some("turn.completed") => {
                self.summary.usage = usage(&event);
                let mut events = vec![Event::Usage(self.summary.usage)];
                events.extend(self.end(Ending::Succeeded));
                events
            }
            Some("turn.failed") => {
                let message = json::string(&event, "/error/message").unwrap_or("the turn failed");
                self.end(failure::failed(message, None))
            }
            _ => Vec::new(),
        }
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }
}

impl CodexReader {
    fn item(&mut self, event: &Value) -> Option<Event> {
        match json::string(event, "/item/type")? {
            "agent_message" => {
                let text = json::string(event, "/item/text")?;
                text::replace(&mut self.summary.text, text);
                Some(Event::Text(text.to_owned()))
            }
            "error" => json::string(event, "/item/message").map(|message| Event::Notice(text::kept(message))),
            "mcp_tool_call" => {
                json::string(event, "/item/error/message").map(|message| Event::Notice(text::kept(message)))
            }
            _ => None,
        }
    }

    fn end(&mut self, ending: Ending) -> Vec<Event> {
        self.summary.ending = Some(ending.clone());
        vec![Event::End(ending)]
    }
}

/// The tool call that begins, if the item is one.
fn tool(event: &Value) -> Option<Event> {
    let item = event.get("item")?;
    let kind = json::string(item, "/type")?;
    let (name, summary) = match kind {
        "agent_message" | "reasoning" | "error" | "todo_list" => return None,
        "command_execution" => {
            let command = json::string(item, "/command").unwrap_or_default();
            ("shell".to_owned(), text::one_line(inner_command(command)))
        }
        "mcp_tool_call" => {
            let server = json::string(item, "/server").unwrap_or_default();
            let tool = json::string(item, "/tool").unwrap_or_default();
            let arguments = item.get("arguments").unwrap_or(&Value::Null);
            (format!("{server}.{tool}"), json::tool_summary(arguments))
        }
        "file_change" => (kind.to_owned(), changed_paths(item)),
        _ => (
            kind.to_owned(),
            json::string(item, "/query")
                .map(text::one_line)
                .unwrap_or_default(),
        ),
    };
    Some(Event::Tool {
        name: text::one_line(&name),
        summary,
    })
}

/// The command without the shell that Codex puts around it.
fn inner_command(command: &str) -> &str {
    let Some((shell, inner)) = command.split_once(" -lc ") else {
        return command;
    };
    if shell.contains(' ') || !shell.ends_with("sh") {
        return command;
    }
    inner
        .strip_prefix('\'')
        .and_then(|inner| inner.strip_suffix('\''))
        .filter(|inner| !inner.contains('\''))
        .unwrap_or(inner)
}

fn changed_paths(item: &Value) -> String {
    let paths: Vec<&str> = json::list(item, "/changes")
        .iter()
        .filter_map(|change| json::string(change, "/path"))
        .collect();
    text::one_line(&paths.join(", "))
}

/// An `error` event: the notice of a retry, or the message that `turn.failed` says again.
fn error(event: &Value) -> Option<Event> {
    let message = json::string(event, "/message")?;
    message.starts_with("Reconnecting").then(|| Event::Retry {
        message: text::kept(message),
    })
}

fn usage(event: &Value) -> Usage {
    Usage {
        input_tokens: json::count(event, "/usage/input_tokens"),
        cache_read_tokens: json::count(event, "/usage/cached_input_tokens"),
        cache_write_tokens: json::count(event, "/usage/cache_write_input_tokens"),
        output_tokens: json::count(event, "/usage/output_tokens"),
        cost_usd: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, file, launch};

    const CONFIG: &str = ".codex/config.toml";

    #[test]
    fn the_command_takes_the_prompt_from_standard_input() {
        let launch = launch(&Codex, None, None, &[(API_KEY, "k")]);
        assert_eq!(
            launch.argv.join(" "),
            "codex exec --json --dangerously-bypass-approvals-and-sandbox -"
        );
        assert_eq!(launch.prompt, PromptDelivery::Stdin);
        assert_eq!(testing::set(&launch, HOME), Some("/home/agent/.codex"));
        insta::assert_snapshot!(file(&launch, CONFIG), @r#"
        check_for_update_on_startup = false

        [analytics]
        enabled = false

        [features]
        plugins = false
        apps = false
        remote_plugin = false
        "#);
    }

    #[test]
    fn model_and_effort_cannot_become_other_flags() {
        let launch = launch(&Codex, Some("-m"), Some("hi\"gh\n"), &[]);
        assert_eq!(
            launch.argv[4..],
            ["--model=-m", r#"--config=model_reasoning_effort="hi\"gh""#, "-"]
        );
    }

    #[test]
    fn a_base_url_becomes_a_provider_with_bounded_retries() {
        let variables = [(BASE_URL, "http://h:1/s/x"), (API_KEY, "k")];
        let launch = launch(&Codex, None, None, &variables);
        insta::assert_snapshot!(file(&launch, CONFIG), @r#"
        check_for_update_on_startup = false
        model_provider = "axon"

        [analytics]
        enabled = false

        [features]
        plugins = false
        apps = false
        remote_plugin = false

        [model_providers.axon]
        name = "axon"
        base_url = "http://h:1/s/x/v1"
        env_key = "CODEX_API_KEY"
        wire_api = "responses"
        request_max_retries = 3
        stream_max_retries = 3
        "#);
    }

    #[test]
    fn the_key_of_other_openai_clients_is_used_when_it_is_the_only_one() {
        let variables = [(BASE_URL, "http://h/v1/"), (OPENAI_API_KEY, "k")];
        let launch = launch(&Codex, None, None, &variables);
        let config = file(&launch, CONFIG);
        assert!(config.contains("env_key = \"OPENAI_API_KEY\""), "{config}");
        assert!(config.contains("base_url = \"http://h/v1\""), "{config}");
    }

    #[test]
    fn a_sign_in_becomes_a_private_file_and_leaves_the_environment() {
        let variables = [(AUTH_JSON, "{\"tokens\":\n{}}\n"), (BASE_URL, "http://h/v1")];
        let launch = launch(&Codex, None, None, &variables);
        assert_eq!(launch.unset, [AUTH_JSON]);
        assert_eq!(file(&launch, ".codex/auth.json"), "{\"tokens\":{}}");
        assert_eq!(launch.files[1].mode, 0o600);
        insta::assert_snapshot!(file(&launch, CONFIG), @r#"
        check_for_update_on_startup = false
        cli_auth_credentials_store = "file"
        openai_base_url = "http://h/v1"

        [analytics]
        enabled = false

        [features]
        plugins = false
        apps = false
        remote_plugin = false
        enable_request_compression = false
        "#);
    }

    #[test]
    fn a_folder_below_the_home_is_kept_and_any_other_is_replaced() {
        let inside = launch(&Codex, None, None, &[(HOME, "/home/agent/c")]);
        assert_eq!(testing::set(&inside, HOME), Some("/home/agent/c"));
        assert!(!file(&inside, "c/config.toml").is_empty());
        let outside = launch(&Codex, None, None, &[(HOME, "/etc/codex")]);
        assert_eq!(testing::set(&outside, HOME), Some("/home/agent/.codex"));
    }

    #[test]
    fn recordings_read_as_pinned() {
        testing::assert_recordings_read_as_pinned(&Codex);
    }

    #[test]
    fn the_last_count_of_a_thread_is_the_total() {
        let turn = |input: u32| format!(r#"{{"type":"turn.completed","usage":{{"input_tokens":{input}}}}}"#);
        let (_, summary) = testing::read(&Codex, &[turn(1500), turn(3900)].join("\n"));
        assert_eq!(summary.usage.input_tokens, 3900);
    }

    #[test]
    fn neither_a_retry_nor_a_warning_ends_the_run() {
        let summary = testing::summary(&Codex, "rate-limit");
        assert_eq!(summary.ending, Some(Ending::Succeeded));
        assert_eq!(testing::summary(&Codex, "sigterm-tool").ending, None);
    }

    #[test]
    fn a_refused_key_is_told_by_its_status() {
        let Some(Ending::Failed { http_status, .. }) = testing::summary(&Codex, "auth-error").ending else {
            panic!("a failure is expected");
        };
        assert_eq!(http_status, Some(401));
    }

    #[test]
    fn the_shell_around_a_command_is_not_shown() {
        let cases = [
            ("/bin/bash -lc 'ls -l'", "ls -l"),
            ("bash -lc ls", "ls"),
            (r"/bin/bash -lc 'echo '\''x'\'''", r"'echo '\''x'\'''"),
            ("ls -lc x", "ls -lc x"),
            ("cat a b -lc x", "cat a b -lc x"),
        ];
        for (command, expected) in cases {
            assert_eq!(inner_command(command), expected, "{command}");
        }
    }

    #[test]
    fn known_models_have_a_price() {
        let usage = testing::summary(&Codex, "success").usage;
        let expected = (2700.0 * 1.25 + 1200.0 * 0.125 + 75.0 * 10.0) / 1e6;
        let cost = Codex.price("gpt-5-codex", &usage).expect("the price is known");
        assert!((cost - expected).abs() < 1e-12, "{cost}");
        assert_eq!(Codex.price("gpt-9", &usage), None);
    }
}
