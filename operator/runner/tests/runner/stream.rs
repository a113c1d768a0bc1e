//! The streams of the real CLIs, and output and prompts of every size and kind.

use std::fs::File;
use std::path::PathBuf;

use axon_api::outcome::RunResult;
use axon_api::run::{RunDescription, RunLimits};

use crate::support::{Finished, Place};

/// A recording of a real CLI.
fn recording(agent: &str, case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../api/agents/testdata")
        .join(agent)
        .join(format!("{case}.jsonl"))
}

/// The agent types and their programs.
const CLIS: &[(&str, &str)] = &[
    ("claude-code", "claude"),
    ("codex", "codex"),
    ("gemini", "gemini"),
    ("opencode", "opencode"),
];

fn of_type(agent: &str) -> RunDescription {
    RunDescription {
        agent_type: agent.into(),
        model: (agent == "opencode").then(|| "anthropic/claude-sonnet-4-5".into()),
        ..Place::script("-do \"this\"")
    }
}

/// Runs `agent` with a program in its place.
fn run_with(place: &Place, agent: &str, program: &str, script: &str) -> Finished {
    place.add_program(program, script);
    place.run(&of_type(agent))
}

#[test]
fn a_complete_stream_of_each_cli_is_a_success_with_text_and_tokens() {
    for (agent, program) in CLIS {
        let place = Place::new();
        let file = recording(agent, "success");
        let finished = run_with(
            &place,
            agent,
            program,
            &format!("cat > /dev/null; cat {}", file.display()),
        );
        assert_eq!(finished.status.code(), Some(0), "{agent}: {finished:?}");
        let outcome = finished.outcome();
        let usage = outcome.usage.unwrap_or_default();
        assert!(
            usage.input_tokens > 0 && usage.output_tokens > 0,
            "{agent}: {outcome:?}"
        );
        assert!(!outcome.text.is_empty(), "{agent}");
        let recorded = std::fs::read(&file).expect("readable");
        assert_eq!(
            finished.stdout.get(..recorded.len()),
            Some(recorded.as_slice()),
            "{agent}"
        );
        assert!(finished.text().contains("\ninput-tokens: "), "{agent}");
    }
}

#[test]
fn a_stream_without_its_end_is_a_failure_whatever_the_exit_code() {
    for (agent, program) in CLIS {
        let place = Place::new();
        let file = recording(agent, "success");
        let script = format!("cat > /dev/null; head -n 2 {}", file.display());
        let finished = run_with(&place, agent, program, &script);
        assert_eq!(finished.status.code(), Some(1), "{agent}: {finished:?}");
        let outcome = finished.outcome();
        assert_eq!(
            outcome.message, "the agent ended without its final event (exit code 0)",
            "{agent}"
        );
    }
}

#[test]
fn a_refused_credential_is_told_with_the_providers_message() {
    for (agent, program) in CLIS {
        let place = Place::new();
        let file = recording(agent, "auth-error");
        let script = format!("cat > /dev/null; cat {}; exit 1", file.display());
        let finished = run_with(&place, agent, program, &script);
        let outcome = finished.outcome();
        assert_eq!(outcome.result, RunResult::Failed);
        assert_eq!(outcome.reason, "CredentialsRejected", "{agent}: {outcome:?}");
        assert!(!outcome.message.is_empty(), "{agent}");
    }
}

#[test]
fn a_limit_of_turns_ends_the_run() {
    let place = Place::new();
    let file = recording("claude-code", "success");
    place.add_program(
        "claude",
        &format!("cat > /dev/null; cat {}; exec sleep 600", file.display()),
    );
    let finished = place.run(&RunDescription {
        limits: RunLimits {
            turns: Some(1),
            ..RunLimits::default()
        },
        ..of_type("claude-code")
    });
    let outcome = finished.outcome();
    assert_eq!(
        (outcome.result, outcome.reason.as_str()),
        (RunResult::Failed, "LimitExceeded"),
        "{outcome:?}"
    );
    assert!(outcome.message.contains("its limit is 1"), "{}", outcome.message);
}

#[test]
fn a_limit_that_only_the_last_event_shows_counts_all_the_same() {
    let place = Place::new();
    let file = recording("codex", "success");
    place.add_program("codex", &format!("cat > /dev/null; cat {}", file.display()));
    let finished = place.run(&RunDescription {
        limits: RunLimits {
            tokens: Some(100),
            ..RunLimits::default()
        },
        ..of_type("codex")
    });
    let outcome = finished.outcome();
    assert_eq!(outcome.reason, "LimitExceeded", "{finished:?}");
    assert!(outcome.usage.is_some_and(|usage| usage.input_tokens > 100));
}

#[test]
fn a_prompt_arrives_byte_for_byte_at_every_size() {
    let place = Place::new();
    let arrived = place.path("home/arrived");
    place.add_program("claude", &format!("cat > {}", arrived.display()));
    let nasty = "- \"quotes\" 'and' `ticks`\n$(touch /tmp/x) ${HOME} %s \\ \u{e4}\u{1f600}\r\n\0end";
    for prompt in [nasty.to_owned(), nasty.repeat(1024 * 1024 / nasty.len())] {
        let finished = place.run(&RunDescription {
            prompt: prompt.clone(),
            ..of_type("claude-code")
        });
        let read = std::fs::read_to_string(&arrived).unwrap_or_else(|error| panic!("{error}: {finished:?}"));
        assert!(read == prompt, "{} of {} bytes arrived", read.len(), prompt.len());
    }
}

#[test]
fn an_agent_that_reads_no_prompt_ends_as_it_ends() {
    let place = Place::new();
    place.add_program("claude", "exit 4");
    let finished = place.run(&RunDescription {
        prompt: "x".repeat(1024 * 1024),
        ..of_type("claude-code")
    });
    assert_eq!(finished.outcome().message, "agent exited 4");
}

#[test]
fn a_script_of_a_mebibyte_runs() {
    let place = Place::new();
    let text = "x".repeat(1024 * 1024);
    let finished = place.run(&Place::script(format!("wc -c <<'EOF'\n{text}\nEOF\n")));
    assert_eq!(finished.text().trim(), "1048577", "{:?}", finished.outcome);
}

#[test]
fn output_is_passed_on_byte_for_byte_and_in_bounded_memory() {
    let place = Place::new();
    let script = "head -c 20000000 /dev/zero | tr '\\0' x; echo\n\
                  printf '\\377\\376\\303(\\200\\n'\n\
                  yes 0123456789 | head -c 200000000\n\
                  echo; grep VmHWM /proc/$PPID/status; printf end";
    let finished = place.run(&Place::script(script));
    let expected = 20_000_001 + 6 + 200_000_000 + 1;
    let (output, rest) = finished.stdout.split_at(expected);
    assert!(output.iter().take(20_000_000).all(|byte| *byte == b'x'));
    assert_eq!(
        output.get(20_000_001..20_000_007),
        Some(b"\xff\xfe\xc3(\x80\n".as_slice())
    );
    assert!(
        rest.ends_with(b"kB\nend") || rest.ends_with(b"kB\nend\n"),
        "{}",
        String::from_utf8_lossy(rest)
    );
    let rest = String::from_utf8_lossy(rest).into_owned();
    let peak: u64 = rest
        .split_ascii_whitespace()
        .find_map(|word| word.parse().ok())
        .expect("the runner's peak in kB");
    assert!(peak < 100_000, "the runner used {peak} kB");
    assert_eq!(finished.outcome().result, RunResult::Succeeded);
}

#[test]
fn an_agent_does_not_hang_when_the_disk_of_the_log_is_full() {
    let place = Place::new();
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let finished = place.run_into(full, &Place::script("yes | head -c 1000000; exit 3"));
    assert_eq!(finished.outcome().message, "agent exited 3", "{finished:?}");
}

#[test]
fn an_agent_does_not_hang_when_nobody_reads_its_output() {
    let place = Place::new();
    let started = place.start("run", &Place::script("yes | head -c 10000000; exit 3"));
    let finished = started.finish_unread();
    assert_eq!(finished.outcome().message, "agent exited 3", "{finished:?}");
}
