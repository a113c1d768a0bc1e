//! What `prepare` checks out, and what it refuses.

use std::fs;
use std::os::unix::fs::symlink;

use axon_api::kinds::workspace::WorkspaceFile;
use axon_api::outcome::RunResult;
use axon_api::run::{Checkout, RunDescription};

use crate::support::{Place, git, which};

fn on(place: &Place, ref_: Option<&str>, branch: Option<&str>) -> RunDescription {
    let mut description = place.script_on_remote("true");
    if let Some(checkout) = &mut description.checkout {
        checkout.ref_ = ref_.map(str::to_owned);
        checkout.branch = branch.map(str::to_owned);
    }
    description
}

fn with_file(place: &Place, path: &str) -> RunDescription {
    let mut description = on(place, None, None);
    if let Some(checkout) = &mut description.checkout {
        checkout.files = vec![WorkspaceFile {
            path: path.into(),
            content: "text".into(),
        }];
    }
    description
}

/// The branch and the commit of the checkout.
fn head(place: &Place) -> (String, String) {
    let checkout = place.checkout();
    (
        git(&checkout, &["branch", "--show-current"]),
        git(&checkout, &["rev-parse", "HEAD"]),
    )
}

#[test]
fn a_branch_a_tag_a_commit_or_the_default_branch_is_checked_out() {
    let place = Place::new();
    let tag = place.commit("remote.git", "v1");
    let main = place.commit("remote.git", "main");
    for (ref_, branch, name) in [
        (None, "main", "main"),
        (Some("topic"), "topic", "topic"),
        (Some("v1"), "", "v1"),
        (Some("refs/tags/v1"), "", "v1"),
        (Some(tag.as_str()), "", "v1"),
        (Some(main.as_str()), "", "main"),
    ] {
        let finished = place.prepare(&on(&place, ref_, None));
        assert!(finished.status.success(), "{ref_:?}: {finished:?}");
        let expected = (branch.to_owned(), place.commit("remote.git", name));
        assert_eq!(head(&place), expected, "{ref_:?}");
    }
}

#[test]
fn a_commit_is_found_on_a_server_that_gives_no_single_commits() {
    let place = Place::new();
    // The first version of git's protocol asks only for what the server has announced.
    place.add_program(
        "git",
        &format!("exec {} -c protocol.version=0 \"$@\"", which("git").display()),
    );
    let work = place.path("remote.git.work");
    let older = git(&work, &["rev-parse", "main"]);
    git(&work, &["commit", "-q", "--allow-empty", "-m", "newer"]);
    git(
        &work,
        &["push", "-q", &place.path("remote.git").to_string_lossy(), "main"],
    );
    let finished = place.prepare(&on(&place, Some(&older), None));
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(head(&place), (String::new(), older));
    assert!(finished.text().contains("whole history"), "{finished:?}");
}

#[test]
fn the_other_branches_are_there_to_look_at() {
    let place = Place::new();
    place.prepare(&on(&place, None, None));
    assert_eq!(
        git(&place.checkout(), &["rev-parse", "origin/topic"]),
        place.commit("remote.git", "topic")
    );
    assert_eq!(
        git(&place.checkout(), &["rev-list", "--count", "HEAD"]),
        "2",
        "all of the history is there"
    );
}

#[test]
fn a_branch_that_the_remote_has_is_followed() {
    let place = Place::new();
    assert!(
        place
            .prepare(&on(&place, Some("main"), Some("topic")))
            .status
            .success()
    );
    assert_eq!(
        head(&place),
        ("topic".into(), place.commit("remote.git", "topic"))
    );
    assert_eq!(
        git(&place.checkout(), &["rev-parse", "--abbrev-ref", "@{upstream}"]),
        "origin/topic"
    );
}

#[test]
fn a_branch_that_the_remote_lacks_is_made_from_the_ref() {
    let place = Place::new();
    assert!(
        place
            .prepare(&on(&place, Some("v1"), Some("feature/x")))
            .status
            .success()
    );
    assert_eq!(
        head(&place),
        ("feature/x".into(), place.commit("remote.git", "v1"))
    );
}

#[test]
fn an_empty_repository_gets_a_branch_without_a_commit() {
    let place = Place::new();
    git(&place.path(""), &["init", "-q", "--bare", "empty.git"]);
    let mut description = on(&place, None, Some("feature/x"));
    description.checkout.as_mut().expect("a checkout").repo = place.url("empty.git");
    let finished = place.prepare(&description);
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(git(&place.checkout(), &["branch", "--show-current"]), "feature/x");
}

#[test]
fn a_branch_is_found_where_the_default_branch_does_not_exist() {
    let place = Place::new();
    git(
        &place.path("remote.git"),
        &["symbolic-ref", "HEAD", "refs/heads/gone"],
    );
    assert!(place.prepare(&on(&place, None, Some("topic"))).status.success());
    assert_eq!(
        head(&place),
        ("topic".into(), place.commit("remote.git", "topic"))
    );
}

#[test]
fn a_ref_that_is_not_there_is_named() {
    let place = Place::new();
    let nowhere = "0123456789abcdef0123456789abcdef01234567";
    for ref_ in ["gone", nowhere, "refs/heads/gone", "0123456"] {
        let finished = place.prepare(&on(&place, Some(ref_), None));
        assert_eq!(finished.status.code(), Some(1));
        let outcome = finished.outcome();
        assert_eq!(
            (outcome.result, outcome.reason.as_str()),
            (RunResult::Failed, "RefNotFound")
        );
        assert!(
            outcome.message.contains(&format!("`{ref_}`")),
            "{}",
            outcome.message
        );
    }
}

#[test]
fn a_branch_that_cannot_be_one_is_refused() {
    let place = Place::new();
    let finished = place.prepare(&on(&place, None, Some("a..b")));
    assert_eq!(finished.outcome().reason, "InvalidBranch", "{finished:?}");
}

#[test]
fn a_full_disk_is_told_as_such_and_not_as_a_fault_of_the_repository() {
    let mut place = Place::new();
    place.shrink_disk();
    let finished = place.prepare(&on(&place, None, None));
    let outcome = finished.outcome();
    assert_eq!(outcome.reason, "DiskFull", "{finished:?}");
    assert!(
        outcome.message.contains("No space left on device"),
        "{}",
        outcome.message
    );
}

#[test]
fn a_repository_that_is_not_there_is_told_in_gits_own_words() {
    let place = Place::new();
    let mut description = on(&place, None, None);
    description.checkout.as_mut().expect("a checkout").repo = place.url("gone.git");
    let finished = place.prepare(&description);
    let outcome = finished.outcome();
    assert_eq!(outcome.reason, "RepositoryNotFound");
    assert!(outcome.message.contains("fatal: "), "{}", outcome.message);
    assert!(finished.text().contains("fatal: "), "the log says it too");
}

#[test]
fn what_an_earlier_attempt_left_is_removed() {
    let place = Place::new();
    fs::create_dir_all(place.checkout().join(".git")).expect("made");
    fs::write(place.checkout().join("left"), "x").expect("written");
    assert!(place.prepare(&on(&place, None, None)).status.success());
    assert!(!place.checkout().join("left").exists());
    fs::remove_dir_all(place.checkout()).expect("removed");
    symlink(place.path("home"), place.checkout()).expect("linked");
    assert!(place.prepare(&on(&place, None, None)).status.success());
    assert!(!place.checkout().is_symlink());
}

#[test]
fn files_of_the_workspace_are_written() {
    let place = Place::new();
    assert!(
        place
            .prepare(&with_file(&place, "docs/a/note.md"))
            .status
            .success()
    );
    let written = fs::read_to_string(place.checkout().join("docs/a/note.md")).expect("written");
    assert_eq!(written, "text");
}

#[test]
fn a_file_is_not_written_through_a_link_of_the_repository() {
    let place = Place::new();
    let work = place.path("remote.git.work");
    symlink(place.path("home"), work.join("way-out")).expect("linked");
    git(&work, &["add", "way-out"]);
    git(&work, &["commit", "-q", "-m", "a way out"]);
    git(
        &work,
        &["push", "-q", &place.path("remote.git").to_string_lossy(), "main"],
    );
    let finished = place.prepare(&with_file(&place, "way-out/.bashrc"));
    assert_eq!(finished.outcome().reason, "InvalidFile", "{finished:?}");
    assert!(!place.path("home/.bashrc").exists());
}

#[test]
fn a_run_without_a_repository_needs_no_checkout() {
    let place = Place::new();
    let description = RunDescription {
        checkout: None::<Checkout>,
        ..Place::script("true")
    };
    assert!(place.prepare(&description).status.success());
    assert!(!place.checkout().exists());
}

#[test]
fn the_hooks_and_settings_of_the_user_do_not_count() {
    let mut place = Place::new();
    let mark = place.path("mark");
    place.make_remote("other.git", "other");
    let template = place.path("template/hooks");
    fs::create_dir_all(&template).expect("made");
    place.add_program("hook", &format!("touch {}", mark.display()));
    fs::copy(place.path("bin/hook"), template.join("post-checkout")).expect("copied");
    fs::write(
        place.path("home/.gitconfig"),
        format!(
            "[url \"{}\"]\n\tinsteadOf = {}\n[init]\n\ttemplateDir = {}\n",
            place.url("other.git"),
            place.url("remote.git"),
            place.path("template").display()
        ),
    )
    .expect("written");
    place.set("GIT_DIR", place.path("home"));
    place.set("LANG", "de_DE.UTF-8");
    assert!(place.prepare(&on(&place, None, None)).status.success());
    assert_eq!(head(&place).1, place.commit("remote.git", "main"));
    assert!(!mark.exists(), "a hook was run");
}

#[test]
fn a_run_description_that_cannot_be_read_is_an_outcome() {
    let place = Place::new();
    let mut description = Place::script("true");
    description.version = 99;
    for subcommand in ["prepare", "run"] {
        let finished = place.start(subcommand, &description).finish();
        assert_eq!(finished.status.code(), Some(1));
        assert_eq!(finished.outcome().reason, "InvalidRun", "{finished:?}");
    }
}
