//! Repositories over ssh, with a real server.

use axon_api::run::{Access, Checkout, RunDescription};

use crate::sshd::Server;
use crate::support::{Place, git};

const COMMIT_AND_PUSH: &str = "set -e
echo change >>README
git commit -qam change
git push -q origin HEAD";

fn on(place: &Place, server: &Server, prompt: &str) -> RunDescription {
    RunDescription {
        checkout: Some(Checkout {
            repo: server.url(&place.path("remote.git")),
            branch: Some("feature/x".into()),
            access: Access::Ssh,
            secret_name: Some("deploy".into()),
            ..Checkout::default()
        }),
        ..Place::script(prompt)
    }
}

#[test]
fn a_repository_is_cloned_and_pushed_with_its_key() {
    let (mut place, server) = (Place::new(), Server::start());
    place.set(
        "AXON_SSH_DIR",
        server.secret("client", &server.known_hosts("host")),
    );
    let finished = place.prepare_and_run(&on(&place, &server, COMMIT_AND_PUSH));
    let outcome = finished.outcome();
    assert_eq!(outcome.reason, "Completed", "{finished:?}");
    assert!(outcome.pushed, "{finished:?}");
    assert_eq!(
        outcome.commit.as_deref(),
        Some(place.commit("remote.git", "feature/x").as_str())
    );
}

#[test]
fn an_unknown_host_is_never_accepted_and_its_fingerprint_is_told() {
    let (mut place, server) = (Place::new(), Server::start());
    place.set("AXON_SSH_DIR", server.secret("client", ""));
    let finished = place.prepare(&on(&place, &server, "true"));
    let outcome = finished.outcome();
    assert_eq!(outcome.reason, "HostKeyUnknown", "{finished:?}");
    for words in [server.fingerprint().as_str(), "ssh-keyscan -p", "Secret `deploy`"] {
        assert!(outcome.message.contains(words), "{}", outcome.message);
    }
}

#[test]
fn a_changed_host_key_is_told_as_such() {
    let (mut place, server) = (Place::new(), Server::start());
    place.set(
        "AXON_SSH_DIR",
        server.secret("client", &server.known_hosts("stranger")),
    );
    let finished = place.prepare(&on(&place, &server, "true"));
    let outcome = finished.outcome();
    assert_eq!(outcome.reason, "HostKeyChanged", "{finished:?}");
    assert!(
        outcome.message.contains(&server.fingerprint()),
        "{}",
        outcome.message
    );
}

#[test]
fn a_key_that_the_server_does_not_know_names_its_secret() {
    let (mut place, server) = (Place::new(), Server::start());
    place.set(
        "AXON_SSH_DIR",
        server.secret("stranger", &server.known_hosts("host")),
    );
    let finished = place.prepare(&on(&place, &server, "true"));
    let outcome = finished.outcome();
    assert_eq!(outcome.reason, "AuthenticationFailed", "{finished:?}");
    assert!(outcome.message.contains("Secret `deploy`"), "{}", outcome.message);
}

#[test]
fn what_the_clone_was_made_with_leaves_no_trace_for_the_agent() {
    let (mut place, server) = (Place::new(), Server::start());
    let secret = server.secret("client", &server.known_hosts("host"));
    place.set("AXON_SSH_DIR", secret.clone());
    let mut description = on(
        &place,
        &server,
        "cat .git/config; env; git ls-remote origin && echo reached",
    );
    assert!(place.prepare(&description).status.success());
    let config = std::fs::read_to_string(place.checkout().join(".git/config")).expect("read");
    assert!(!config.contains(&secret.display().to_string()) && !config.contains("sshCommand"));
    place.forget("AXON_SSH_DIR");
    description.prompt.push_str(" || echo refused");
    let finished = place.run(&description);
    assert!(finished.text().contains("refused"), "{finished:?}");
    assert!(
        !finished.text().contains(&secret.display().to_string()),
        "{finished:?}"
    );
}

#[test]
fn the_key_is_not_shown_to_the_host_of_a_submodule() {
    let (mut place, server) = (Place::new(), Server::start());
    place.set(
        "AXON_SSH_DIR",
        server.secret("client", &server.known_hosts("host")),
    );
    let work = place.path("remote.git.work");
    let url = server
        .url(&place.path("remote.git"))
        .replace("127.0.0.1", "localhost");
    std::fs::write(
        work.join(".gitmodules"),
        format!("[submodule \"m\"]\n\tpath = m\n\turl = {url}\n"),
    )
    .expect("written");
    let commit = place.commit("remote.git", "topic");
    git(&work, &["add", ".gitmodules"]);
    git(
        &work,
        &[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{commit},m"),
        ],
    );
    git(&work, &["commit", "-q", "-m", "a submodule elsewhere"]);
    git(
        &work,
        &["push", "-q", &place.path("remote.git").to_string_lossy(), "main"],
    );
    let mut description = on(&place, &server, "true");
    if let Some(checkout) = &mut description.checkout {
        checkout.clone.submodules = Some(true);
    }
    let finished = place.prepare(&description);
    let outcome = finished.outcome();
    assert_eq!(outcome.reason, "HostKeyUnknown", "{finished:?}");
    assert!(outcome.message.contains("submodule"), "{}", outcome.message);
}
