//! Instructions, plugins, skills and MCP servers, from the run description to the agent.

use std::fs;

use axon_api::agents::setup::{Document, McpServer, McpTransport, Plugin};
use axon_api::run::{RunDescription, RunMcpServer, SkillSource};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::credential::strict_server;
use crate::support::{Place, git};

/// Makes a repository with the skills `search`, which has a script, and `deploy`.
fn make_skills(place: &Place, name: &str) -> String {
    place.make_remote(name, "skills");
    let work = place.path(&format!("{name}.work"));
    for (path, text) in [
        (
            "skills/search/SKILL.md",
            "---\nname: search\ndescription: finds\n---\nFind.\n",
        ),
        ("skills/search/lib/find.sh", "echo found\n"),
        (
            ".claude/skills/deploy/SKILL.md",
            "---\nname: deploy\ndescription: ships\n---\nShip.\n",
        ),
    ] {
        let path = work.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    git(&work, &["add", "."]);
    git(&work, &["commit", "-q", "-m", "skills"]);
    let url = place.path(name).to_string_lossy().into_owned();
    git(&work, &["push", "-q", &url, "main"]);
    place.url(name)
}

fn source(source: &str, skill: Option<&str>) -> SkillSource {
    SkillSource {
        source: source.into(),
        skill: skill.map(ToOwned::to_owned),
        secret: None,
    }
}

#[test]
fn a_script_finds_plugins_and_fetched_skills_and_their_waiting_place_is_gone() {
    let place = Place::new();
    let url = make_skills(&place, "tools.git");
    let description = RunDescription {
        instructions: Some("Be brief.".into()),
        plugins: vec![Plugin {
            name: "team".into(),
            skills: vec![Document {
                name: "plan".into(),
                content: "Plan.".into(),
            }],
            agents: vec![Document {
                name: "reviewer".into(),
                content: "Review.".into(),
            }],
        }],
        skills: vec![source(&url, None)],
        ..Place::script(
            "cd \"$AXON_PLUGIN_DIR\" && find . -type f | sort && sh tools/skills/search/lib/find.sh && \
             cat \"$AXON_AGENTS_MD_FILE\" && echo && echo \"$KELOS_AGENTS_MD\" && ls -A \"$AXON_WORKSPACE_DIR/.axon/skills\"",
        )
    };
    let finished = place.prepare_and_run(&description);
    let text = finished.text();
    let lines: Vec<&str> = text.lines().take(8).collect();
    assert_eq!(
        lines,
        [
            "./team/agents/reviewer.md",
            "./team/skills/plan/SKILL.md",
            "./tools/skills/deploy/SKILL.md",
            "./tools/skills/search/SKILL.md",
            "./tools/skills/search/lib/find.sh",
            "found",
            "Be brief.",
            "Be brief.",
        ],
        "{finished:?}"
    );
    assert_eq!(
        fs::read_dir(place.path("workspace/.axon/skills"))
            .expect("there")
            .count(),
        0
    );
}

#[test]
fn an_agent_with_a_form_of_its_own_gets_files_in_its_home() {
    let place = Place::new();
    let url = make_skills(&place, "tools.git");
    place.add_program(
        "claude",
        "cat > /dev/null\nfor word in \"$@\"; do case $word in --plugin-dir=*) (cd \"${word#*=}\" && find . -type f | sort);; \
         --mcp-config=*) cat \"${word#*=}\"; echo;; esac; done; cat \"$HOME/.claude/CLAUDE.md\"; env | grep -c SECRET_DIR",
    );
    let mut place = place;
    let secret = place.path("home/secret");
    fs::create_dir(&secret).expect("made");
    fs::write(secret.join("TOKEN"), "t0k-of-the-secret").expect("written");
    place.set("AXON_SECRET_DIR_0", &secret);
    let description = RunDescription {
        agent_type: "claude-code".into(),
        instructions: Some("Be brief.\n".into()),
        skills: vec![source(&url, Some("search"))],
        mcp_servers: vec![RunMcpServer {
            server: McpServer {
                name: "local".into(),
                transport: McpTransport::Stdio {
                    command: "node".into(),
                    args: Vec::new(),
                    env: [("TOKEN".to_owned(), "inline".to_owned())].into(),
                },
            },
            secret: Some(0),
        }],
        ..Place::script("hi")
    };
    let finished = place.prepare_and_run(&description);
    let text = finished.text();
    for expected in [
        "./skills/search/SKILL.md",
        "./skills/search/lib/find.sh",
        "./.claude-plugin/plugin.json",
        "Be brief.",
    ] {
        assert!(text.contains(expected), "{expected}: {finished:?}");
    }
    assert!(!text.contains("deploy"), "{finished:?}");
    let path = place.path("home/.axon/claude-code/mcp.json");
    let servers = fs::read_to_string(path).expect("written");
    assert!(
        servers.contains("t0k-of-the-secret") && !servers.contains("inline"),
        "{servers}"
    );
    assert!(text.lines().any(|line| line == "0"), "{finished:?}");
}

#[test]
fn a_skill_that_is_not_there_fails_and_those_that_are_are_named() {
    let place = Place::new();
    let url = make_skills(&place, "tools.git");
    let description = RunDescription {
        skills: vec![source(&url, Some("sing"))],
        ..Place::script("true")
    };
    let finished = place.prepare(&description);
    let outcome = finished.outcome();
    assert_eq!(outcome.reason, "SkillNotFound");
    assert!(
        outcome.message.contains("it has `search`, `deploy`"),
        "{}",
        outcome.message
    );
}

#[test]
fn a_source_that_is_not_there_fails_in_gits_words() {
    let place = Place::new();
    let description = RunDescription {
        skills: vec![source(&place.url("nowhere.git"), None)],
        ..Place::script("true")
    };
    let finished = place.prepare(&description);
    let outcome = finished.outcome();
    assert_eq!(outcome.reason, "SkillSourceFailed");
    assert!(outcome.message.contains("nowhere.git"), "{}", outcome.message);
}

#[test]
fn a_private_source_gets_its_own_token_and_never_the_workspaces() {
    let mut place = Place::new();
    let (origin, credentials) = strict_server();
    let token = place.path("home/token");
    fs::write(&token, "of-the-workspace").expect("written");
    place.set("AXON_GITHUB_TOKEN_FILE", &token);
    let secret = place.path("home/secret");
    fs::create_dir(&secret).expect("made");
    fs::write(secret.join("GITHUB_TOKEN"), "of-the-skills\n").expect("written");
    place.set("AXON_SECRET_DIR_0", &secret);
    let with = |secret| RunDescription {
        skills: vec![SkillSource {
            secret,
            ..source(&format!("{origin}/a/b.git"), None)
        }],
        ..Place::script("true")
    };
    let finished = place.prepare(&with(None));
    assert!(credentials.try_recv().is_err(), "{finished:?}");
    assert!(finished.outcome().message.contains("secretRef"), "{finished:?}");
    let finished = place.prepare(&with(Some(0)));
    let sent = credentials.try_recv().expect("credentials were sent");
    assert_eq!(
        STANDARD.decode(sent).expect("base64"),
        b"x-access-token:of-the-skills"
    );
    assert_eq!(finished.outcome().reason, "SkillSourceFailed");
    assert!(!format!("{finished:?}").contains("of-the-skills"));
}

#[test]
fn what_a_type_cannot_have_fails_with_a_sentence() {
    let place = Place::new();
    place.add_program("codex", "exit 0");
    let description = RunDescription {
        agent_type: "codex".into(),
        mcp_servers: vec![RunMcpServer {
            server: McpServer {
                name: "old".into(),
                transport: McpTransport::Sse {
                    url: "http://127.0.0.1:9/sse".into(),
                    headers: std::collections::BTreeMap::new(),
                },
            },
            secret: None,
        }],
        ..Place::script("hi")
    };
    let finished = place.run(&description);
    let outcome = finished.outcome();
    assert_eq!(outcome.reason, "AgentConfigUnsupported");
    assert!(outcome.message.contains("`old`"), "{}", outcome.message);
}
