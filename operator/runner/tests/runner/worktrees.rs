//! Volumes that outlive a pod: what an earlier run left, worktrees of a shared clone, and runs that
//! were killed.

use std::fs;
use std::path::PathBuf;

use axon_api::run::{Checkout, RunDescription};
use nix::sys::signal::Signal;

use crate::support::{Place, git, which};

fn in_worktree(place: &Place, uid: &str, branch: &str) -> RunDescription {
    RunDescription {
        uid: uid.into(),
        checkout: Some(Checkout {
            repo: place.url("remote.git"),
            branch: (!branch.is_empty()).then(|| branch.to_owned()),
            directory: format!("worktrees/{uid}"),
            shared_clone: Some("clone".into()),
            persistent: true,
            ..Checkout::default()
        }),
        ..Place::script("true")
    }
}

fn worktree(place: &Place, uid: &str) -> PathBuf {
    place.path("workspace/worktrees").join(uid)
}

fn with_prompt(mut description: RunDescription, prompt: &str) -> RunDescription {
    description.prompt = prompt.into();
    description
}

#[test]
fn runs_that_share_a_clone_have_worktrees_of_their_own() {
    let place = Place::new();
    for (uid, branch) in [("one", "feature/one"), ("two", "topic"), ("three", "")] {
        let finished = place.prepare(&in_worktree(&place, uid, branch));
        assert!(finished.status.success(), "{finished:?}");
        let expected = if branch.is_empty() { "main" } else { branch };
        assert_eq!(
            git(&worktree(&place, uid), &["branch", "--show-current"]),
            expected
        );
        assert_eq!(git(&worktree(&place, uid), &["status", "--short"]), "");
    }
    let finished = place.run(&with_prompt(
        in_worktree(&place, "one", "feature/one"),
        "echo more >>README && git commit -qam more && git push -q origin HEAD",
    ));
    let outcome = finished.outcome();
    assert!(outcome.pushed, "{finished:?}");
    assert_eq!(outcome.branch.as_deref(), Some("feature/one"));
    assert_eq!(
        outcome.commit.as_deref(),
        Some(place.commit("remote.git", "feature/one").as_str())
    );
}

#[test]
fn only_the_worktree_of_a_run_that_is_over_is_removed() {
    let place = Place::new();
    let running = with_prompt(
        in_worktree(&place, "running", "feature/a"),
        "echo started; exec sleep 600",
    );
    let over = in_worktree(&place, "over", "feature/b");
    let failed = with_prompt(in_worktree(&place, "failed", "feature/c"), "exit 3");
    for description in [&running, &over, &failed] {
        assert!(place.prepare(description).status.success());
    }
    place.run(&over);
    place.run(&failed);
    let mut started = place.start("run", &running);
    started.wait_for_line("started");
    let finished = place.prepare(&in_worktree(&place, "next", "feature/b"));
    assert!(finished.status.success(), "{finished:?}");
    assert!(!worktree(&place, "over").exists(), "{finished:?}");
    assert!(worktree(&place, "failed").exists(), "it may be tried again");
    assert!(worktree(&place, "running/README").exists());
    // Nor can anybody take the branch of a run.
    let taken = place.prepare(&in_worktree(&place, "thief", "feature/a"));
    assert_eq!(taken.outcome().reason, "BranchInUse", "{taken:?}");
    started.signal(Signal::SIGTERM);
    started.finish();
}

#[test]
fn a_branch_that_a_dead_run_has_checked_out_is_freed_and_its_commits_stay() {
    let place = Place::new();
    let first = with_prompt(
        in_worktree(&place, "first", "feature/x"),
        "git commit -q --allow-empty -m local; exit 3",
    );
    assert!(place.prepare(&first).status.success());
    place.run(&first);
    let local = git(&worktree(&place, "first"), &["rev-parse", "HEAD"]);
    let finished = place.prepare(&in_worktree(&place, "second", "feature/x"));
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(
        git(&worktree(&place, "second"), &["rev-parse", "HEAD"]),
        local,
        "what was not pushed is gone on with"
    );
    // Once the remote has something else, that counts, and the commits have another name.
    let work = place.path("remote.git.work");
    git(&work, &["checkout", "-q", "-b", "feature/x"]);
    git(
        &work,
        &["commit", "-q", "--allow-empty", "-m", "of somebody else"],
    );
    git(
        &work,
        &[
            "push",
            "-q",
            &place.path("remote.git").to_string_lossy(),
            "feature/x",
        ],
    );
    let finished = place.prepare(&in_worktree(&place, "third", "feature/x"));
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(
        git(&worktree(&place, "third"), &["rev-parse", "HEAD"]),
        place.commit("remote.git", "feature/x")
    );
    let kept = format!("refs/axon/left/feature/x-{}", &local[..12]);
    assert_eq!(place.commit("workspace/clone", &kept), local);
}

#[test]
fn a_run_that_is_tried_again_finds_its_uncommitted_work() {
    let place = Place::new();
    let plain = {
        let mut description = place.script_on_remote("echo mine >note; echo mine >README; exit 3");
        description.checkout.as_mut().expect("a checkout").persistent = true;
        description
    };
    let shared = with_prompt(in_worktree(&place, "uid", "feature/x"), &plain.prompt);
    for (description, directory) in [(plain, place.checkout()), (shared, worktree(&place, "uid"))] {
        assert!(place.prepare(&description).status.success());
        place.run(&description);
        let finished = place.prepare(&description);
        assert!(finished.status.success(), "{finished:?}");
        for file in ["note", "README"] {
            assert_eq!(fs::read_to_string(directory.join(file)).expect("read"), "mine\n");
        }
    }
}

#[test]
fn what_an_agent_has_configured_is_not_run_by_the_next_checkout() {
    let place = Place::new();
    let mark = place.path("mark");
    place.add_program("evil", &format!("touch {}; exit 1", mark.display()));
    let evil = place.path("bin/evil");
    let first = with_prompt(
        in_worktree(&place, "first", "feature/a"),
        &format!(
            "for key in core.fsmonitor core.sshCommand filter.x.smudge filter.x.clean credential.helper \
             remote.origin.uploadpack core.pager core.askPass diff.external; do git config $key '{0}'; done; \
             git config core.hooksPath {1}; mkdir -p ../../clone/info; echo '* filter=x' >../../clone/info/attributes",
            evil.display(),
            place.path("hooks").display()
        ),
    );
    fs::create_dir(place.path("hooks")).expect("made");
    for hook in ["post-checkout", "reference-transaction", "post-index-change"] {
        fs::copy(&evil, place.path("hooks").join(hook)).expect("copied");
    }
    assert!(place.prepare(&first).status.success());
    place.run(&first);
    let _ = fs::remove_file(&mark);
    let finished = place.prepare(&in_worktree(&place, "second", "feature/b"));
    assert!(finished.status.success(), "{finished:?}");
    assert!(!mark.exists(), "a program of the agent was run");
}

#[test]
fn a_checkout_that_was_killed_at_any_command_of_gits_is_made_whole_by_the_next() {
    for shared in [false, true] {
        // The runner is killed when its git begins command 1, 2, 3 ...
        for number in 1..40 {
            let place = Place::new();
            let real = which("git");
            let count = place.path("count");
            place.add_program(
                "git",
                &format!(
                    "n=$(($(cat {0} 2>/dev/null || echo 0) + 1)); echo $n >{0}\n\
                     [ $n -ne {number} ] || {{ kill -KILL $PPID; exit 1; }}\nexec {1} \"$@\"",
                    count.display(),
                    real.display()
                ),
            );
            let description = if shared {
                in_worktree(&place, "uid", "feature/x")
            } else {
                let mut description = place.script_on_remote("true");
                description.checkout.as_mut().expect("a checkout").persistent = true;
                description
            };
            let killed = place.prepare(&description);
            let reached = fs::read_to_string(&count).expect("counted");
            if killed.status.success() {
                assert!(number > 5, "nothing was killed");
                break;
            }
            assert_eq!(reached.trim(), number.to_string());
            let finished = place.prepare(&description);
            assert!(finished.status.success(), "killed at {number}: {finished:?}");
            let directory = if shared {
                worktree(&place, "uid")
            } else {
                place.checkout()
            };
            assert_eq!(git(&directory, &["status", "--short"]), "", "killed at {number}");
            assert!(directory.join("README").exists(), "killed at {number}");
        }
    }
}

#[test]
fn what_is_no_checkout_is_set_aside_and_not_deleted() {
    let place = Place::new();
    fs::create_dir_all(place.checkout()).expect("made");
    fs::write(place.checkout().join("precious"), "x").expect("written");
    let mut description = place.script_on_remote("true");
    description.checkout.as_mut().expect("a checkout").persistent = true;
    let finished = place.prepare(&description);
    assert!(finished.status.success(), "{finished:?}");
    assert!(place.path("workspace/repo.left-1/precious").exists());
    assert!(place.checkout().join("README").exists());
}

#[test]
fn two_checkouts_at_once_wait_for_each_other() {
    let place = Place::new();
    let descriptions: Vec<RunDescription> = (0..4)
        .map(|number| in_worktree(&place, &format!("uid-{number}"), &format!("feature/{number}")))
        .collect();
    let started: Vec<_> = descriptions
        .iter()
        .map(|description| place.start("prepare", description))
        .collect();
    for started in started {
        let finished = started.finish();
        assert!(finished.status.success(), "{finished:?}");
    }
    for number in 0..4 {
        let directory = worktree(&place, &format!("uid-{number}"));
        assert_eq!(git(&directory, &["status", "--short"]), "");
    }
}
