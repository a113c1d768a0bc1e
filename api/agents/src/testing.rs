//! What the tests of the agent types share.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Agent;
use crate::event::{Event, Summary};
use crate::launch::{Launch, Request};
use crate::setup::{Document, McpServer, McpTransport, Plugin, Setup};

/// The prompt of every test, which must never turn up in a command line.
pub(crate) const PROMPT: &str = "Fix the flaky test.";

/// The recordings of an agent type, by name. Each is the standard output of the real CLI against
/// a scripted model, with lists of Claude Code's `init` line left out for size.
pub(crate) fn recordings(agent: &dyn Agent) -> Vec<(String, String)> {
    let folder = testdata(agent);
    let mut found: Vec<(String, String)> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("failed to list `{}`: {error}", folder.display()))
        .map(|entry| entry.expect("a folder entry can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .map(|path| {
            (
                stem(&path),
                fs::read_to_string(&path).expect("a recording is UTF-8"),
            )
        })
        .collect();
    found.sort();
    found
}

fn testdata(agent: &dyn Agent) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(agent.name())
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .expect("a file has a name")
        .to_string_lossy()
        .into_owned()
}

/// The events and the summary of a stream.
pub(crate) fn read(agent: &dyn Agent, stream: &str) -> (Vec<Event>, Summary) {
    let mut reader = agent.reader();
    let events = stream.lines().flat_map(|line| reader.line(line)).collect();
    (events, reader.summary())
}

/// The summary of the recording named `case`.
pub(crate) fn summary(agent: &dyn Agent, case: &str) -> Summary {
    let recordings = recordings(agent);
    let (_, stream) = recordings
        .iter()
        .find(|(name, _)| name == case)
        .unwrap_or_else(|| panic!("there is no recording `{case}`"));
    read(agent, stream).1
}

/// Compares what every recording says with the snapshot beside it.
pub(crate) fn assert_recordings_read_as_pinned(agent: &dyn Agent) {
    let recordings = recordings(agent);
    assert!(!recordings.is_empty(), "`{}` has recordings", agent.name());
    for (case, stream) in recordings {
        let (events, summary) = read(agent, &stream);
        let mut pinned = String::new();
        for event in &events {
            writeln!(pinned, "{event:?}").expect("a string takes all text");
        }
        write!(pinned, "\n{summary:#?}").expect("a string takes all text");
        insta::with_settings!({
            snapshot_path => testdata(agent),
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(case, pinned);
        });
    }
}

/// How the agent is started in a container with `variables`.
pub(crate) fn launch(
    agent: &dyn Agent,
    model: Option<&str>,
    effort: Option<&str>,
    variables: &[(&str, &str)],
) -> Launch {
    launch_with(agent, model, effort, variables, &Setup::default())
}

/// How the agent is started with `setup` in a container with `variables`.
pub(crate) fn set_up(agent: &dyn Agent, variables: &[(&str, &str)], setup: &Setup) -> Launch {
    launch_with(agent, None, None, variables, setup)
}

fn launch_with(
    agent: &dyn Agent,
    model: Option<&str>,
    effort: Option<&str>,
    variables: &[(&str, &str)],
    setup: &Setup,
) -> Launch {
    let variable = |name: &str| {
        let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
        Some((*value).to_owned())
    };
    agent.launch(&Request {
        prompt: PROMPT,
        model,
        effort,
        home: "/home/agent",
        setup,
        variable: &variable,
    })
}

/// A setup with one of everything.
pub(crate) fn full_setup() -> Setup {
    let pairs = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    let server = |name: &str, transport| McpServer {
        name: name.into(),
        transport,
    };
    let document = |name: &str, content: &str| Document {
        name: name.into(),
        content: content.into(),
    };
    Setup {
        instructions: Some("Be brief.".into()),
        plugins: vec![Plugin {
            name: "team.one".into(),
            skills: vec![document(
                "deploy",
                "---\nname: deploy\ndescription: ships it\n---\nRun it.\n",
            )],
            agents: vec![document(
                "reviewer",
                "---\ndescription: reads code\ntools: Read, Grep\nmodel: sonnet\n---\nRead all.\n",
            )],
        }],
        fetched: vec![crate::setup::FetchedSkill {
            plugin: "tools".into(),
            name: "search".into(),
            directory: "/workspace/.axon/skills/search".into(),
        }],
        mcp_servers: vec![
            server(
                "local",
                McpTransport::Stdio {
                    command: "node".into(),
                    args: vec!["server.js".into(), "--port=0".into()],
                    env: pairs("TOKEN", "t0k\"en"),
                },
            ),
            server(
                "far",
                McpTransport::Http {
                    url: "https://mcp.example.com/mcp".into(),
                    headers: pairs("Authorization", "Bearer s$HOME"),
                },
            ),
        ],
    }
}

/// A setup whose only content is one MCP server over stdio.
pub(crate) fn with_server(name: &str, argument: &str, variable: &str, value: &str) -> Setup {
    Setup {
        mcp_servers: vec![McpServer {
            name: name.into(),
            transport: McpTransport::Stdio {
                command: "server".into(),
                args: vec![argument.into()],
                env: [(variable.to_owned(), value.to_owned())].into(),
            },
        }],
        ..Setup::default()
    }
}

/// The path and mode of each file, and the path of each directory.
pub(crate) fn paths(launch: &Launch) -> Vec<String> {
    let files = launch
        .files
        .iter()
        .map(|file| format!("{:o} {}", file.mode, file.path));
    let directories = launch
        .directories
        .iter()
        .map(|directory| format!("{}/", directory.path));
    files.chain(directories).collect()
}

/// The value that a launch sets a variable to.
pub(crate) fn set<'a>(launch: &'a Launch, name: &str) -> Option<&'a str> {
    let values: Vec<&str> = launch
        .set
        .iter()
        .filter(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
        .collect();
    assert!(values.len() < 2, "`{name}` is set once: {values:?}");
    values.first().copied()
}

/// The contents of the file at `path`.
pub(crate) fn file<'a>(launch: &'a Launch, path: &str) -> &'a str {
    let file = launch.files.iter().find(|file| file.path == path);
    file.map_or_else(|| panic!("no file `{path}`: {launch:?}"), |file| &file.contents)
}
