//! How agents end, and what is reported of them.

use std::fs;
use std::path::Path;

use axon_api::outcome::RunResult;
use axon_api::run::RunDescription;
use nix::sys::signal::Signal;

use crate::support::{Place, git};

#[test]
fn an_agent_that_branches_commits_and_pushes_is_reported_with_branch_and_commit() {
    let place = Place::new();
    let finished = place.prepare_and_run(&place.script_on_remote(
        "git checkout -q -b feature/x && echo hi > new && git add new && git commit -q -m new && \
         git push -q origin feature/x",
    ));
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let outcome = finished.outcome();
    let commit = place.commit("remote.git", "feature/x");
    assert_eq!(outcome.result, RunResult::Succeeded);
    assert_eq!(outcome.branch.as_deref(), Some("feature/x"));
    assert_eq!(outcome.commit.as_deref(), Some(commit.as_str()));
    assert_eq!(outcome.base_branch.as_deref(), Some("main"));
    assert!(outcome.pushed);
    assert!(finished.text().ends_with(&format!(
        "---AXON_OUTPUTS_START---\nbranch: feature/x\ncommit: {commit}\nbase-branch: main\n---AXON_OUTPUTS_END---\n"
    )));
}

#[test]
fn an_agent_that_believes_the_variable_pwd_is_told_where_it_is() {
    let mut place = Place::new();
    place.set("PWD", "/elsewhere");
    place.set("OLDPWD", "/before");
    // A shell would set the variable by itself, awk does not.
    let finished = place.prepare_and_run(&place.script_on_remote(
        "#!/usr/bin/awk -f\nBEGIN { print \"[\" ENVIRON[\"PWD\"] \"|\" ENVIRON[\"OLDPWD\"] \"]\" }",
    ));
    let expected = format!("[{}|]", place.checkout().display());
    assert!(finished.text().contains(&expected), "{finished:?}");
}

#[test]
fn what_was_not_pushed_is_reported_as_not_pushed() {
    let place = Place::new();
    let finished = place.prepare_and_run(
        &place.script_on_remote("git checkout -q -b feature/x && git commit -q --allow-empty -m empty"),
    );
    let outcome = finished.outcome();
    assert_eq!(outcome.branch.as_deref(), Some("feature/x"));
    let local = git(&place.checkout(), &["rev-parse", "HEAD"]);
    assert_eq!(outcome.commit.as_deref(), Some(local.as_str()));
    assert!(!outcome.pushed);
}

#[test]
fn an_agent_that_did_nothing_is_on_the_branch_where_it_began() {
    let place = Place::new();
    let finished = place.prepare_and_run(&place.script_on_remote("true"));
    let outcome = finished.outcome();
    assert_eq!(outcome.branch.as_deref(), Some("main"));
    assert_eq!(
        outcome.commit.as_deref(),
        Some(place.commit("remote.git", "main").as_str())
    );
}

#[test]
fn who_commits_is_axon_unless_somebody_else_says_so() {
    let place = Place::new();
    let finished = place.prepare_and_run(&place.script_on_remote(
        "git commit -q --allow-empty -m a; git log -1 --format='by %an <%ae>'\n\
         git config --global user.name Agent; git commit -q --allow-empty -m b; git log -1 --format='by %an'",
    ));
    assert!(
        finished
            .text()
            .starts_with("by Axon <axon@localhost>\nby Agent\n"),
        "{finished:?}"
    );
}

#[test]
fn an_exit_code_is_passed_on_and_told() {
    let place = Place::new();
    let finished = place.run(&Place::script("exit 3"));
    assert_eq!(finished.status.code(), Some(3));
    let outcome = finished.outcome();
    assert_eq!(
        (outcome.reason.as_str(), outcome.exit_code),
        ("AgentFailed", Some(3))
    );
    assert_eq!(outcome.message, "agent exited 3");
}

#[test]
fn a_signal_that_killed_the_agent_is_told() {
    let place = Place::new();
    let finished = place.run(&Place::script("kill -SEGV $$"));
    assert_eq!(finished.status.code(), Some(139));
    assert!(finished.outcome().message.contains("SIGSEGV"), "{finished:?}");
    // A real-time signal has no name.
    let finished = place.run(&Place::script("kill -40 $$"));
    assert_eq!(finished.outcome().reason, "AgentFailed", "{finished:?}");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let mut place = Place::new();
    place.set("PATH", place.path("bin"));
    let finished = place.run(&Place::script("true"));
    assert_eq!(finished.status.code(), Some(127));
    let outcome = finished.outcome();
    assert_eq!(outcome.reason, "AgentNotFound");
    assert!(outcome.message.contains("`sh`"), "{}", outcome.message);
}

#[test]
fn an_unknown_type_is_an_outcome() {
    let place = Place::new();
    let finished = place.run(&RunDescription {
        agent_type: "unheard-of".into(),
        ..Place::script("true")
    });
    assert_eq!(finished.outcome().reason, "AgentTypeUnsupported");
}

#[test]
fn the_timeout_ends_the_agent() {
    let place = Place::new();
    let finished = place.run(&RunDescription {
        timeout_milliseconds: Some(200),
        ..Place::script("sleep 600")
    });
    assert_eq!(finished.status.code(), Some(124));
    let outcome = finished.outcome();
    assert_eq!(
        (outcome.result, outcome.reason.as_str()),
        (RunResult::TimedOut, "Timeout")
    );
}

#[test]
fn a_cancelled_run_keeps_what_was_pushed() {
    let place = Place::new();
    let description = place.script_on_remote(
        "git checkout -q -b feature/x; git push -q origin feature/x; echo ready; sleep 600",
    );
    assert!(place.prepare(&description).status.success());
    let mut started = place.start("run", &description);
    started.wait_for_line("ready");
    started.signal(Signal::SIGTERM);
    let finished = started.finish();
    let outcome = finished.outcome();
    assert_eq!(outcome.result, RunResult::Cancelled);
    assert_eq!(outcome.branch.as_deref(), Some("feature/x"));
    assert!(outcome.pushed, "{finished:?}");
}

#[test]
fn a_signal_to_the_runner_cancels_the_whole_group() {
    let place = Place::new();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut started = place.start(
            "run",
            &Place::script("trap 'echo told; exit 7' TERM; echo ready; sleep 600 & wait"),
        );
        started.wait_for_line("ready");
        started.signal(signal);
        let finished = started.finish();
        assert_eq!(finished.status.code(), Some(7), "{finished:?}");
        assert!(finished.text().contains("told"));
        let outcome = finished.outcome();
        assert_eq!(
            (outcome.result, outcome.reason.as_str()),
            (RunResult::Cancelled, "Terminated")
        );
    }
}

#[test]
fn an_agent_that_ignores_sigterm_is_killed() {
    let place = Place::new();
    let mut started = place.start(
        "run",
        &Place::script("trap '' TERM; echo ready; while :; do sleep 600; done"),
    );
    started.wait_for_line("ready");
    started.signal(Signal::SIGTERM);
    let finished = started.finish();
    assert_eq!(finished.status.code(), Some(137), "{finished:?}");
    assert_eq!(finished.outcome().result, RunResult::Cancelled);
}

#[test]
fn a_signal_while_the_checkout_is_made_ends_it() {
    let place = Place::new();
    place.add_program(
        "git",
        "case \"$1\" in ls-remote) exec sleep 600;; *) exit 0;; esac",
    );
    let description = place.script_on_remote("true");
    let reading = format!("Reading {}", place.url("remote.git"));
    let mut started = place.start("prepare", &description);
    started.wait_for_line(&reading);
    started.signal(Signal::SIGTERM);
    let finished = started.finish();
    assert_eq!(finished.outcome().result, RunResult::Cancelled, "{finished:?}");
}

#[test]
fn processes_that_the_agent_left_behind_are_gone_at_the_end() {
    let place = Place::new();
    let pids = place.path("home/pids");
    let script = format!(
        "for i in 1 2 3; do setsid sh -c 'echo $$ >> {0}; trap \"\" TERM HUP; (sleep 600; :) & wait' & done\n\
         while [ \"$(wc -l < {0} 2>/dev/null || echo 0)\" -lt 3 ]; do :; done",
        pids.display()
    );
    let finished = place.run(&Place::script(script));
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let pids = fs::read_to_string(pids).expect("written");
    assert_eq!(pids.lines().count(), 3);
    for pid in pids.lines() {
        assert!(!Path::new("/proc").join(pid).exists(), "{pid} is still there");
    }
}

#[test]
fn the_agent_does_not_see_the_runners_variables() {
    let place = Place::new();
    let finished = place.run(&Place::script("env"));
    let text = finished.text();
    for name in ["AXON_RUN", "AXON_RUN_FILE", "AXON_TERMINATION_FILE", "KELOS_RUN"] {
        assert!(
            !text.lines().any(|line| line.starts_with(&format!("{name}="))),
            "{name}"
        );
    }
    assert!(
        text.contains("\nKELOS_TASK=fix\n") && text.contains("\nAXON_TASK=fix\n"),
        "{text}"
    );
}

#[test]
fn nothing_of_the_runner_is_left_in_the_temporary_directory() {
    let place = Place::new();
    place.prepare_and_run(&place.script_on_remote("true"));
    assert_eq!(fs::read_dir(place.path("tmp")).expect("readable").count(), 0);
}

#[test]
fn the_wrapped_gh_reads_the_token_at_each_call() {
    let mut place = Place::new();
    place.add_program("gh", "echo \"with $GH_TOKEN\"");
    let token = place.path("home/token");
    fs::write(&token, "first-token\n").expect("written");
    place.set("AXON_GITHUB_TOKEN_FILE", &token);
    let finished = place.run(&Place::script(
        "gh; echo second-token > \"$AXON_GITHUB_TOKEN_FILE\"; gh",
    ));
    assert!(
        finished
            .text()
            .starts_with("with first-token\nwith second-token\n"),
        "{finished:?}"
    );
}

#[test]
fn pull_requests_are_asked_of_gh_for_the_repository_and_upstream() {
    let mut place = Place::new();
    place.add_program(
        "gh",
        "[ \"$GH_TOKEN\" = a-token ] && echo \"[{\\\"url\\\":\\\"https://github.com/$4/pull/7\\\"}]\"",
    );
    place.add_program("git", "exit 1");
    let token = place.path("home/token");
    fs::write(&token, "a-token").expect("written");
    place.set("AXON_GITHUB_TOKEN_FILE", &token);
    let mut description = place.script_on_remote("true");
    description.upstream_repo = Some("them/theirs".into());
    if let Some(checkout) = &mut description.checkout {
        checkout.repo = "https://github.com/us/ours.git".into();
        checkout.branch = Some("feature/x".into());
    }
    let finished = place.run(&description);
    assert_eq!(
        finished.outcome().pull_requests,
        [
            "https://github.com/us/ours/pull/7",
            "https://github.com/them/theirs/pull/7"
        ],
        "{finished:?}"
    );
}
