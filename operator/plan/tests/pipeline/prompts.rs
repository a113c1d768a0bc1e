//! What the Tasks of the steps are told.

use std::process::Command;

use proptest::prelude::*;
use serde_json::json;

use crate::world::{World, fails, says, scripts};

#[test]
fn the_plan_reaches_implement_and_its_answer_the_pull_request() {
    let mut world = World::of(json!({
        "prompt": "add a page",
        "source": { "type": "github-issue", "github": { "owner": "o", "repo": "r", "issueNumber": 7 } },
    }));
    world.settle();
    assert!(world.prompt().contains("add a page"));
    assert!(world.prompt().contains("https://github.com/o/r/issues/7"));
    world.ends(says("1. write page.html"));
    assert!(world.prompt().contains("1. write page.html"));
    world.ends(says("wrote page.html"));
    assert!(
        world.prompt().ends_with("AXON-RESULT: pass\nAXON-RESULT: fail\n"),
        "{}",
        world.prompt()
    );
    world.ends(says("AXON-RESULT: pass"));
    for part in [
        "wrote page.html",
        "`ai/fix`",
        "to `main`",
        "Closes o/r#7",
        "--base main",
    ] {
        assert!(world.prompt().contains(part), "{part}: {}", world.prompt());
    }
}

#[test]
fn a_retry_has_the_same_instructions_and_the_failure() {
    let mut world = World::of(json!({ "prompt": "p" }));
    world.settle();
    let first = world.prompt().to_owned();
    world.ends(fails("out of memory"));
    let second = world.prompt();
    let same = first.split("\n\nYou have").next().expect("instructions");
    assert!(second.starts_with(same), "{second}");
    assert!(second.contains("out of memory"));
}

#[test]
fn implement_gets_the_output_of_the_failed_test() {
    let mut world = World::of(json!({
        "prompt": "p",
        "steps": [{ "name": "implement" }, { "name": "test", "type": "shell", "prompt": "make test" }],
    }));
    world.settle();
    world.ends(says("done"));
    assert_eq!(world.prompt(), "make test");
    let mut end = fails("exit code 2");
    end.text = "assertion `left == right` failed".to_owned();
    world.ends(end);
    for part in [
        "the step `test` has failed",
        "exit code 2",
        "assertion `left == right` failed",
    ] {
        assert!(world.prompt().contains(part), "{part}: {}", world.prompt());
    }
}

#[test]
fn a_template_may_ask_for_everything() {
    let template = "{{.Prompt}}|{{.Branch}}|{{.BaseBranch}}|{{.Source.Type}}|{{.Steps.first.Text}}|\
                    {{.Steps.first.Results.commit}}|{{index .Steps.first.Outputs 0}}|{{.Steps.last.Text}}|{{.Failure}}|{{.Feedback}}";
    let mut world = World::of(json!({
        "prompt": "p", "branch": "b", "source": { "type": "chat" },
        "steps": [{ "name": "first", "prompt": "go" }, { "name": "last", "prompt": template }],
    }));
    world.settle();
    world.ends(says("hello").with("commit", "abc"));
    assert_eq!(world.prompt(), "p|b|main|chat|hello|abc|commit: abc|||\n");
}

#[test]
fn a_template_that_asks_for_what_is_not_there_ends_the_pipeline_and_says_where() {
    let mut world = World::of(json!({
        "prompt": "p",
        "steps": [{ "name": "first", "prompt": "go" }, { "name": "last", "prompt": "{{.Steps.frist.Text}}" }],
    }));
    world.settle();
    world.ends(says("hello"));
    let (phase, reason, message) = world.said();
    assert_eq!((&*phase, &*reason), ("Failed", "BadTemplate"));
    assert!(
        message.contains("`last`") && message.contains("frist"),
        "{message}"
    );
}

#[test]
fn long_texts_are_cut_so_that_the_prompt_fits() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let all: String = names
        .iter()
        .map(|name| ["{{.Steps.", name, ".Text}}\n"].concat())
        .collect::<Vec<_>>()
        .concat();
    let mut steps: Vec<_> = names
        .iter()
        .map(|name| json!({ "name": name, "prompt": "go" }))
        .collect();
    steps.push(json!({ "name": "last", "prompt": all }));
    let mut world = World::of(json!({ "prompt": "p", "steps": steps }));
    world.settle();
    for name in names {
        let text = format!("head of {name}{}tail of {name}", "x".repeat(250 * 1024));
        world.ends(says(&text));
    }
    let prompt = world.prompt();
    assert!(prompt.len() <= 1024 * 1024);
    for name in names {
        assert!(prompt.contains(&format!("head of {name}")) && prompt.contains(&format!("tail of {name}")));
    }
}

#[test]
fn an_empty_prompt_is_told() {
    let mut world = World::of(
        json!({ "type": "shell", "prompt": "p", "steps": [{ "name": "x", "prompt": "{{.Failure}}" }] }),
    );
    world.settle();
    assert_eq!(world.said().1, "EmptyPrompt");
}

fn script(text: &str, template: &str) -> String {
    let mut spec = scripts(&["first"]);
    let steps = spec["steps"].as_array_mut().expect("steps");
    steps.push(json!({ "name": "last", "prompt": template }));
    let mut world = World::of(spec);
    world.settle();
    world.ends(says(text));
    world.prompt().to_owned()
}

fn sh(script: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .expect("sh");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_text_is_one_word_of_a_script_and_never_a_program() {
    let evil = "a b\n$(echo pwned) `echo pwned` \"; echo pwned; ' ; echo pwned # \\ * ~ é -n";
    let printed = sh(&script(evil, "printf '%s' {{.Steps.first.Text}}"));
    assert_eq!(printed, evil);
    // Quotes around it spoil the text, but let nothing of it run.
    for template in [
        "printf '%s\\n' \"{{.Steps.first.Text}}\"",
        "printf '%s\\n' '{{.Steps.first.Text}}'",
    ] {
        let printed = sh(&script("$(printf '%s' pw''ned) `printf pw''ned`", template));
        assert!(!printed.contains("pwned"), "{printed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn any_text_comes_through_a_shell_as_it_is(text in "(?s)[^\u{0}]{0,60}[^\u{0}\\s]") {
        prop_assert_eq!(sh(&script(&text, "printf '%s' {{.Steps.first.Text}}")), text);
    }
}
