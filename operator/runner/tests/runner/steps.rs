//! The setup command, and the text that ends the log of a step.

use std::fmt::Write as _;

use axon_api::markers::{OUTPUTS_END, TEXT_END, TEXT_START};
use axon_api::outcome::RunResult;
use axon_api::run::RunDescription;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use sha2::{Digest as _, Sha256};

use crate::support::{Finished, Place};

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn with_setup(command: &[&str], prompt: &str) -> RunDescription {
    RunDescription {
        setup_command: words(command),
        ..Place::script(prompt)
    }
}

#[test]
fn the_setup_command_runs_in_the_checkout_with_the_agents_environment() {
    let place = Place::new();
    let mut description = place.script_on_remote("cat made");
    description.setup_command = words(&[
        "sh",
        "-c",
        "test -e README && echo \"task $AXON_TASK, run ${AXON_RUN-none}\" | tee made",
    ]);
    let finished = place.prepare_and_run(&description);
    assert_eq!(finished.outcome().reason, "Completed", "{finished:?}");
    assert_eq!(
        finished.text().matches("task fix, run none").count(),
        2,
        "{finished:?}"
    );
}

#[test]
fn a_setup_command_that_fails_keeps_the_agent_from_starting() {
    let place = Place::new();
    let finished = place.run(&with_setup(
        &["sh", "-c", "echo trying; echo 'no such module' >&2; exit 7"],
        "echo agent",
    ));
    let outcome = finished.outcome();
    assert_eq!(
        (outcome.result, outcome.reason.as_str(), outcome.exit_code),
        (RunResult::Failed, "SetupCommandFailed", Some(7)),
        "{finished:?}"
    );
    assert!(
        outcome.message.contains("exited 7: no such module"),
        "{}",
        outcome.message
    );
    assert!(finished.text().contains("trying"), "its output is in the log");
    assert!(!finished.text().contains("agent"), "{finished:?}");
}

#[test]
fn a_setup_command_that_is_not_there_is_named() {
    let finished = Place::new().run(&with_setup(&["npm-of-tomorrow", "ci"], "true"));
    let outcome = finished.outcome();
    assert_eq!(outcome.reason, "SetupCommandFailed", "{finished:?}");
    assert!(outcome.message.contains("npm-of-tomorrow"), "{}", outcome.message);
}

#[test]
fn the_timeout_counts_the_setup_command() {
    let place = Place::new();
    let mut description = with_setup(&["sleep", "600"], "true");
    description.timeout_milliseconds = Some(200);
    let finished = place.run(&description);
    assert_eq!(finished.outcome().result, RunResult::TimedOut, "{finished:?}");
    assert_eq!(finished.status.code(), Some(124));
}

#[test]
fn a_signal_ends_the_setup_command() {
    let place = Place::new();
    let mut started = place.start(
        "run",
        &with_setup(&["sh", "-c", "echo up; exec sleep 600"], "true"),
    );
    started.wait_for_line("up");
    started.signal(Signal::SIGTERM);
    let finished = started.finish();
    assert_eq!(finished.outcome().result, RunResult::Cancelled, "{finished:?}");
}

#[test]
fn what_the_setup_command_leaves_running_runs_beside_the_agent_and_ends_with_it() {
    let place = Place::new();
    let finished = place.run(&with_setup(
        &[
            "sh",
            "-c",
            "(trap '' TERM HUP; echo $$ >left; exec sleep 600) & while [ ! -s left ]; do :; done",
        ],
        "kill -0 \"$(cat left)\" || ps >&2; echo beside",
    ));
    assert_eq!(finished.outcome().reason, "Completed", "{finished:?}");
    assert!(finished.text().contains("beside"), "{finished:?}");
}

fn step(prompt: &str) -> RunDescription {
    RunDescription {
        print_text: true,
        ..Place::script(prompt)
    }
}

/// The text at the end of the log, once it agrees with the outcome.
fn text_of(finished: &Finished) -> String {
    let log = finished.text();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.last(), Some(&TEXT_END), "{finished:?}");
    let start = lines
        .iter()
        .rposition(|line| *line == TEXT_START)
        .expect("a beginning");
    let bytes = STANDARD
        .decode(lines[start + 1..lines.len() - 1].concat())
        .expect("base64");
    let proof = finished.outcome().printed_text.as_ref().expect("a proof");
    let mut digest = String::new();
    for byte in Sha256::digest(&bytes) {
        let _ = write!(digest, "{byte:02x}");
    }
    assert_eq!((proof.bytes, &proof.sha256), (bytes.len(), &digest));
    String::from_utf8(bytes).expect("text")
}

#[test]
fn the_log_of_a_step_ends_with_its_text() {
    let place = Place::new();
    let finished = place.run(&step("printf 'one\\ntwo'; echo aside >&2"));
    assert_eq!(text_of(&finished), "one\ntwo");
    assert!(finished.text().contains("aside"), "{finished:?}");
}

#[test]
fn the_text_of_a_step_that_failed_says_why() {
    let finished = Place::new().run(&step("echo testing; echo 'error: no' >&2; exit 1"));
    let text = text_of(&finished);
    assert!(text.contains("testing") && text.contains("error: no"), "{text}");
}

#[test]
fn a_long_text_keeps_its_head_and_its_tail() {
    let finished = Place::new().run(&step("echo begin; yes | head -c 2000000; echo end"));
    let text = text_of(&finished);
    assert!(text.len() <= 256 * 1024 && text.starts_with("begin") && text.ends_with("end\n"));
    assert!(text.contains("bytes are left out here"));
}

#[test]
fn nothing_that_an_agent_leaves_behind_prints_after_the_text() {
    let place = Place::new();
    let finished = place.run(&step(&format!(
        "for stream in 1 2; do (trap '' TERM HUP INT; setsid sh -c 'while :; do echo {TEXT_START} >&'$stream'; echo \
         {TEXT_END} >&'$stream'; done') & done; echo 'the text'; echo {TEXT_START}; echo Zm9yZ2Vk; echo {TEXT_END}; \
         exec sleep 0.05"
    )));
    assert!(text_of(&finished).contains("the text"), "{finished:?}");
}

#[test]
fn the_text_comes_after_the_block_of_outputs() {
    let place = Place::new();
    let mut description = place.script_on_remote("git checkout -qb x; echo done");
    description.print_text = true;
    let finished = place.prepare_and_run(&description);
    let log = finished.text();
    assert_eq!(text_of(&finished), "done\n");
    assert!(log.find(OUTPUTS_END).expect("outputs") < log.find(TEXT_START).expect("a text"));
}
