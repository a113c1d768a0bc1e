//! How much of a repository is there, and what belongs to it: commits, depths, filters, remotes,
//! submodules and LFS.

use std::fs;

use axon_api::kinds::workspace::{CloneOptions, Remote};
use axon_api::run::{Checkout, RunDescription};

use crate::support::{Place, git};

fn on(place: &Place, change: impl FnOnce(&mut Checkout)) -> RunDescription {
    let mut description = place.script_on_remote("true");
    change(description.checkout.as_mut().expect("a checkout"));
    description
}

fn prepared(place: &Place, description: &RunDescription) -> String {
    let finished = place.prepare(description);
    assert!(finished.status.success(), "{finished:?}");
    finished.text()
}

fn push(place: &Place, branch: &str) {
    let url = place.path("remote.git").to_string_lossy().into_owned();
    git(&place.path("remote.git.work"), &["push", "-q", &url, branch]);
}

#[test]
fn a_commit_is_checked_out_whole_or_by_its_first_digits() {
    let place = Place::new();
    let commit = place.commit("remote.git", "v1");
    for wanted in [commit.as_str(), &commit[..8]] {
        for depth in [None, Some(1)] {
            prepared(
                &place,
                &on(&place, |checkout| {
                    checkout.commit = Some(wanted.into());
                    checkout.clone.depth = depth;
                }),
            );
            assert_eq!(
                git(&place.checkout(), &["rev-parse", "HEAD"]),
                commit,
                "{wanted} {depth:?}"
            );
        }
    }
}

#[test]
fn refs_with_odd_names_are_checked_out() {
    let place = Place::new();
    let remote = place.path("remote.git");
    let commit = place.commit("remote.git", "topic");
    for name in [
        "refs/pull/7/head",
        "refs/heads/w\u{fc}st/a@b,c",
        "refs/heads/HEAD",
        "refs/tags/w$(x)",
    ] {
        git(&remote, &["update-ref", name, &commit]);
    }
    for (ref_, branch) in [
        ("refs/pull/7/head", ""),
        ("w\u{fc}st/a@b,c", "w\u{fc}st/a@b,c"),
        ("refs/heads/HEAD", "HEAD"),
        ("w$(x)", ""),
    ] {
        prepared(&place, &on(&place, |checkout| checkout.ref_ = Some(ref_.into())));
        let checkout = place.checkout();
        assert_eq!(git(&checkout, &["rev-parse", "@"]), commit, "{ref_}");
        assert_eq!(git(&checkout, &["branch", "--show-current"]), branch, "{ref_}");
    }
    for ref_ in ["*", "refs/heads/*", "main~1", "@{-1}", "main^{commit}", ":/first"] {
        let finished = place.prepare(&on(&place, |checkout| checkout.ref_ = Some(ref_.into())));
        assert_eq!(finished.outcome().reason, "RefNotFound", "{ref_}: {finished:?}");
    }
}

#[test]
fn a_commit_that_is_not_there_is_named() {
    let place = Place::new();
    for wanted in ["0123456", "0123456789abcdef0123456789abcdef01234567"] {
        let finished = place.prepare(&on(&place, |checkout| checkout.commit = Some(wanted.into())));
        assert_eq!(finished.outcome().reason, "RefNotFound", "{finished:?}");
        assert!(finished.outcome().message.contains(wanted), "{finished:?}");
    }
}

#[test]
fn a_branch_is_made_from_the_commit() {
    let place = Place::new();
    prepared(
        &place,
        &on(&place, |checkout| {
            checkout.commit = Some(place.commit("remote.git", "v1"));
            checkout.branch = Some("feature/x".into());
        }),
    );
    assert_eq!(git(&place.checkout(), &["branch", "--show-current"]), "feature/x");
    assert_eq!(
        git(&place.checkout(), &["rev-parse", "HEAD"]),
        place.commit("remote.git", "v1")
    );
}

#[test]
fn the_depth_is_the_number_of_commits() {
    let place = Place::new();
    for (depth, count) in [(Some(1), "1"), (None, "2")] {
        prepared(&place, &on(&place, |checkout| checkout.clone.depth = depth));
        assert_eq!(git(&place.checkout(), &["rev-list", "--count", "HEAD"]), count);
    }
}

#[test]
fn a_partial_clone_fetches_what_is_missing_when_the_agent_needs_it() {
    let place = Place::new();
    git(
        &place.path("remote.git"),
        &["config", "uploadpack.allowFilter", "true"],
    );
    git(
        &place.path("remote.git"),
        &["config", "uploadpack.allowAnySHA1InWant", "true"],
    );
    let mut description = on(&place, |checkout| {
        checkout.clone.filter = Some("blob:none".into());
    });
    prepared(&place, &description);
    let missing = git(
        &place.checkout(),
        &["rev-list", "--objects", "--all", "--missing=print"],
    );
    assert!(missing.lines().any(|line| line.starts_with('?')), "{missing}");
    description.prompt = "git show v1:README && git status --short".into();
    let finished = place.run(&description);
    assert_eq!(finished.outcome().reason, "Completed", "{finished:?}");
    assert!(finished.text().contains("first"), "{finished:?}");
}

#[test]
fn remotes_are_added() {
    let place = Place::new();
    place.make_remote("upstream.git", "upstream");
    let mut description = on(&place, |checkout| {
        checkout.remotes = vec![Remote {
            name: "upstream".into(),
            url: place.url("upstream.git"),
        }];
    });
    prepared(&place, &description);
    description.prompt = "git fetch -q upstream && git show upstream/main:README".into();
    let finished = place.run(&description);
    assert!(finished.text().contains("upstream, then more"), "{finished:?}");
}

/// Makes `remote.git` a repository with a submodule that has one itself.
fn add_submodules(place: &Place) {
    place.make_remote("inner.git", "inner");
    place.make_remote("outer.git", "outer");
    for (name, submodule) in [("outer.git", "inner.git"), ("remote.git", "outer.git")] {
        let work = place.path(&format!("{name}.work"));
        let url = place.url(submodule);
        git(
            &work,
            &[
                "-c",
                "protocol.file.allow=always",
                "submodule",
                "--quiet",
                "add",
                &url,
                "below",
            ],
        );
        git(&work, &["commit", "-q", "-m", "a submodule"]);
        let url = place.path(name).to_string_lossy().into_owned();
        git(&work, &["push", "-q", &url, "main"]);
    }
}

#[test]
fn submodules_of_all_levels_are_checked_out_when_asked() {
    let place = Place::new();
    add_submodules(&place);
    prepared(&place, &on(&place, |_| ()));
    assert!(!place.checkout().join("below/README").exists());
    prepared(
        &place,
        &on(&place, |checkout| checkout.clone.submodules = Some(true)),
    );
    let inner = fs::read_to_string(place.checkout().join("below/below/README")).expect("read");
    assert_eq!(inner, "inner, then more");
    assert_eq!(git(&place.checkout(), &["status", "--short"]), "");
}

#[test]
fn files_of_lfs_are_fetched_when_asked_and_pushed_by_the_agent() {
    let place = Place::new();
    let work = place.path("remote.git.work");
    git(&work, &["lfs", "install", "--local"]);
    git(&work, &["lfs", "track", "*.bin"]);
    fs::write(work.join("big.bin"), "the contents").expect("written");
    git(&work, &["add", "."]);
    git(&work, &["commit", "-q", "-m", "a large file"]);
    git(&work, &["remote", "add", "origin", &place.url("remote.git")]);
    git(&work, &["push", "-q", "origin", "main"]);
    let big = place.checkout().join("big.bin");

    prepared(&place, &on(&place, |_| ()));
    let pointer = fs::read_to_string(&big).expect("read");
    assert!(pointer.starts_with("version https://git-lfs"), "{pointer}");

    let mut description = on(&place, |checkout| {
        checkout.clone.lfs = Some(true);
        checkout.branch = Some("feature/x".into());
    });
    prepared(&place, &description);
    assert_eq!(fs::read_to_string(&big).expect("read"), "the contents");
    description.prompt = "set -e
test -z \"$(git status --short)\"
echo more >big.bin; git commit -qam more; git push -q origin HEAD"
        .into();
    let finished = place.run(&description);
    assert!(finished.outcome().pushed, "{finished:?}");
    let pointer = git(&place.path("remote.git"), &["show", "feature/x:big.bin"]);
    assert!(pointer.starts_with("version https://git-lfs"), "{pointer}");
}

#[test]
fn lfs_without_git_lfs_is_told_in_a_sentence() {
    let mut place = Place::new();
    // Of all programs only those that the checkout needs.
    for program in ["git", "sh"] {
        place.add_program(
            program,
            &format!("exec {} \"$@\"", crate::support::which(program).display()),
        );
    }
    place.set("PATH", place.path("bin"));
    let finished = place.prepare(&on(&place, |checkout| {
        checkout.clone = CloneOptions {
            lfs: Some(true),
            ..CloneOptions::default()
        };
    }));
    assert_eq!(finished.outcome().reason, "LfsMissing", "{finished:?}");
    assert!(finished.outcome().message.contains("git-lfs"), "{finished:?}");
}

#[test]
fn a_repository_that_names_its_objects_by_sha256_is_cloned() {
    let place = Place::new();
    let bare = place.path("modern.git").to_string_lossy().into_owned();
    let work = place.path("modern.work");
    let root = place.path("");
    git(
        &root,
        &[
            "init",
            "-q",
            "--bare",
            "--object-format=sha256",
            "-b",
            "main",
            &bare,
        ],
    );
    git(
        &root,
        &[
            "init",
            "-q",
            "--object-format=sha256",
            "-b",
            "main",
            &work.to_string_lossy(),
        ],
    );
    git(&work, &["remote", "add", "origin", &bare]);
    git(&work, &["commit", "-q", "--allow-empty", "-m", "first"]);
    git(&work, &["push", "-q", "origin", "HEAD:main"]);
    prepared(
        &place,
        &on(&place, |checkout| checkout.repo = place.url("modern.git")),
    );
    assert_eq!(
        git(&place.checkout(), &["rev-parse", "HEAD"]),
        git(&work, &["rev-parse", "HEAD"])
    );
}

#[test]
fn a_branch_that_became_a_folder_of_branches_is_no_hindrance() {
    let place = Place::new();
    let persistent = on(&place, |checkout| checkout.persistent = true);
    prepared(&place, &persistent);
    git(&place.path("remote.git"), &["branch", "-m", "topic", "topic/new"]);
    prepared(&place, &persistent);
    assert_eq!(
        git(&place.checkout(), &["rev-parse", "origin/topic/new"]),
        place.commit("remote.git", "topic/new")
    );
    push(&place, "main");
}
