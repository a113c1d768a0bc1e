//! What holds for every agent type, whatever it is asked and whatever its stream says.

use std::fs;
use std::path::Path;

use axon_agents::setup::{Document, FetchedSkill, McpServer, McpTransport, Plugin, Setup, SetupForm};
use axon_agents::{AGENTS, CredentialKind, Ending, NAMES, Reader, Request, Usage, find};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Every line of every recording.
fn recorded_lines() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut lines = Vec::new();
    for folder in fs::read_dir(root).expect("there are recordings") {
        let folder = folder.expect("a folder can be read").path();
        for file in fs::read_dir(folder).expect("a folder can be listed") {
            let path = file.expect("a file can be read").path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                let text = fs::read_to_string(path).expect("a recording is UTF-8");
                lines.extend(text.lines().map(ToOwned::to_owned));
            }
        }
    }
    assert!(lines.len() > 100, "{} lines", lines.len());
    lines.sort();
    lines
}

fn any_json() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        Just(json!(u64::MAX)),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({"a": [{"b": "c"}]})),
    ]
}

/// The JSON pointers of everything inside of `value`.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers(field, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// A recorded line in which one value is another.
fn changed(line: &str, place: prop::sample::Index, with: Value) -> String {
    let mut event: Value = serde_json::from_str(line).expect("a recorded line is JSON");
    let mut places = Vec::new();
    pointers(&event, "", &mut places);
    if let Some(found) = event.pointer_mut(&places[place.index(places.len())]) {
        *found = with;
    }
    event.to_string()
}

/// A recorded line that breaks off.
fn broken(line: &str, place: prop::sample::Index) -> String {
    let end = line.floor_char_boundary(place.index(line.len() + 1));
    line[..end].to_owned()
}

fn any_line() -> impl Strategy<Value = String> {
    let lines = recorded_lines();
    let recorded = || prop::sample::select(lines.clone());
    let place = || any::<prop::sample::Index>();
    prop_oneof![
        1 => any::<String>(),
        2 => recorded(),
        1 => (recorded(), place()).prop_map(|(line, place)| broken(&line, place)),
        4 => (recorded(), place(), any_json())
            .prop_map(|(line, place, with)| changed(&line, place, with)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_stream_is_too_strange_to_read(lines in prop::collection::vec(any_line(), 0..30)) {
        for agent in AGENTS {
            let mut reader = agent.reader();
            for line in &lines {
                let _ = reader.line(line);
            }
            let summary = reader.summary();
            prop_assert!(summary.usage.cost_usd.is_none_or(|cost| cost >= 0.0));
            prop_assert!(agent.price(summary.model.as_deref().unwrap_or(""), &summary.usage).is_none_or(f64::is_finite));
        }
    }

    #[test]
    fn no_command_line_holds_the_prompt_or_an_unasked_flag(
        model in "-{0,2}[ -~]{0,20}",
        effort in "-{0,2}\\PC{0,10}",
        url in "\\PC{0,20}",
    ) {
        let prompt = "the words of the prompt";
        let variable = |name: &str| name.ends_with("_BASE_URL").then(|| url.clone());
        let setup = Setup::default();
        for agent in AGENTS {
            let request = |model, effort| Request {
                prompt,
                model,
                effort,
                home: "/home/agent",
                setup: &setup,
                variable: &variable,
            };
            let plain = agent.launch(&request(None, None)).argv;
            let launch = agent.launch(&request(Some(&model), Some(&effort)));
            prop_assert_eq!(launch.argv.first().map(String::as_str), Some(agent.program()));
            for argument in &launch.argv {
                prop_assert!(!argument.contains(prompt));
                let is_known = plain.contains(argument)
                    || ["--model=", "--effort=", "--config=model_reasoning_effort="]
                        .iter()
                        .any(|flag| argument.starts_with(flag));
                prop_assert!(is_known, "{} {argument}", agent.name());
            }
            for file in &launch.files {
                prop_assert!(!file.path.starts_with('/') && !file.path.contains(".."));
            }
        }
    }
}

/// A name as the API server lets it through.
fn any_name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9]([A-Za-z0-9_-]|[.][A-Za-z0-9_-]){0,12}"
}

fn any_documents() -> impl Strategy<Value = Vec<Document>> {
    let document = (any_name(), "\\PC{0,40}").prop_map(|(name, content)| Document { name, content });
    prop::collection::vec(document, 0..4)
}

fn any_setup() -> impl Strategy<Value = Setup> {
    let plugin = (any_name(), any_documents(), any_documents()).prop_map(|(name, skills, agents)| Plugin {
        name,
        skills,
        agents,
    });
    let fetched = (any_name(), any_name()).prop_map(|(plugin, name)| FetchedSkill {
        directory: format!("/workspace/.axon/skills/{plugin}/{name}").into(),
        plugin,
        name,
    });
    let secret = |name: String| [(name, SECRET.to_owned())].into();
    let server =
        (any_name(), "[A-Za-z-]{1,9}", any::<bool>()).prop_map(move |(name, key, is_local)| McpServer {
            name,
            transport: if is_local {
                McpTransport::Stdio {
                    command: "server".into(),
                    args: Vec::new(),
                    env: secret(key),
                }
            } else {
                McpTransport::Http {
                    url: "https://mcp.example.com".into(),
                    headers: secret(key),
                }
            },
        });
    (
        prop::option::of(Just(INSTRUCTIONS.to_owned())),
        prop::collection::vec(plugin, 0..3),
        prop::collection::vec(fetched, 0..3),
        prop::collection::vec(server, 0..3),
    )
        .prop_map(|(instructions, plugins, fetched, mcp_servers)| Setup {
            instructions,
            plugins,
            fetched,
            mcp_servers,
        })
}

const SECRET: &str = "a-secret-of-an-mcp-server";
const INSTRUCTIONS: &str = "the instructions of all AgentConfigs";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_setup_stays_below_the_home_and_its_secrets_in_private_files(setup in any_setup()) {
        for agent in AGENTS.iter().filter(|agent| agent.setup_form() == SetupForm::Native) {
            let launch = agent.launch(&Request {
                prompt: "fix it",
                model: None,
                effort: None,
                home: "/home/agent",
                setup: &setup,
                variable: &|_| None,
            });
            let spoken = launch.argv.iter().chain(launch.set.iter().map(|(_, value)| value));
            for text in spoken {
                prop_assert!(!text.contains(SECRET), "{} {text}", agent.name());
            }
            for file in &launch.files {
                prop_assert!(file.mode == 0o600 || !file.contents.contains(SECRET), "{}", file.path);
            }
            let paths = launch.files.iter().map(|file| &file.path);
            for path in paths.chain(launch.directories.iter().map(|directory| &directory.path)) {
                let is_below = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
                prop_assert!(is_below, "{} {path}", agent.name());
            }
            let told = launch.files.iter().filter(|file| file.contents == INSTRUCTIONS).count();
            prop_assert_eq!(told, usize::from(setup.instructions.is_some()), "{}", agent.name());
            prop_assert_eq!(launch.directories.len(), setup.fetched.len(), "{}", agent.name());
        }
    }
}

#[test]
fn types_are_found_by_their_names() {
    let names: Vec<&str> = AGENTS.iter().map(|agent| agent.name()).collect();
    assert_eq!(names, NAMES);
    for name in NAMES {
        assert_eq!(find(name).map(axon_agents::Agent::name), Some(*name));
    }
    assert!(find("emacs").is_none());
}

#[test]
fn credentials_have_the_names_that_people_know() {
    let cases = [
        (
            "claude-code",
            Some("ANTHROPIC_API_KEY"),
            Some("CLAUDE_CODE_OAUTH_TOKEN"),
        ),
        ("codex", Some("CODEX_API_KEY"), Some("CODEX_AUTH_JSON")),
        ("gemini", Some("GEMINI_API_KEY"), Some("GEMINI_API_KEY")),
        ("opencode", Some("OPENCODE_API_KEY"), Some("OPENCODE_API_KEY")),
        ("shell", None, None),
    ];
    for (name, api_key, oauth) in cases {
        let agent = find(name).expect("the type is built in");
        let variable = |kind| agent.credential(kind).map(|credential| credential.variable);
        assert_eq!(variable(CredentialKind::ApiKey), api_key, "{name}");
        assert_eq!(variable(CredentialKind::OAuth), oauth, "{name}");
    }
}

#[test]
fn the_types_with_a_model_agree_on_the_same_work() {
    let read = |name: &str| {
        let path = format!("{}/testdata/{name}/success.jsonl", env!("CARGO_MANIFEST_DIR"));
        let stream = fs::read_to_string(path).expect("there is a recording of success");
        let mut reader: Box<dyn Reader> = find(name).expect("the type is built in").reader();
        for line in stream.lines() {
            reader.line(line);
        }
        reader.summary()
    };
    for (name, written) in [("claude-code", 60), ("codex", 0), ("gemini", 0), ("opencode", 60)] {
        let summary = read(name);
        assert_eq!(summary.ending, Some(Ending::Succeeded), "{name}");
        assert_eq!(summary.text, "Done: pushed feature/x with hello.txt.", "{name}");
        let tokens = Usage {
            cost_usd: None,
            ..summary.usage
        };
        let expected = Usage {
            input_tokens: 3900 + written,
            cache_read_tokens: 1200,
            cache_write_tokens: written,
            output_tokens: 75,
            cost_usd: None,
        };
        assert_eq!(tokens, expected, "{name}");
    }
}

#[test]
fn a_long_stream_does_not_grow_the_kept_text() {
    let piece =
        json!({"type": "message", "role": "assistant", "content": "x".repeat(1 << 18), "delta": true});
    let piece = piece.to_string();
    let mut reader = find("gemini").expect("the type is built in").reader();
    for _ in 0..8 {
        reader.line(&piece);
    }
    assert_eq!(reader.summary().text.len(), 1 << 20);
}
