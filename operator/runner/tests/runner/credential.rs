//! The token of the workspace: who gets it, and where it never stands.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use axon_api::outcome::RunResult;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::{Place, RUNNER};

fn answer(origin: &str, action: &str, request: &str, token_file: &std::path::Path) -> String {
    let mut child = Command::new(RUNNER)
        .args(["git-credential", origin, action])
        .env("AXON_GITHUB_TOKEN_FILE", token_file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(request.as_bytes())
        .expect("written");
    String::from_utf8(child.wait_with_output().expect("ended").stdout).expect("text")
}

#[test]
fn the_helper_answers_for_its_own_host_with_the_token_of_the_moment() {
    let place = Place::new();
    let token = place.path("home/token");
    let asked = |host: &str, action: &str| {
        answer(
            "https://git.example.com",
            action,
            &format!("protocol=https\nhost={host}\n\n"),
            &token,
        )
    };
    assert_eq!(asked("git.example.com", "get"), "", "there is no file yet");
    for value in ["first-token", "second-token"] {
        fs::write(&token, format!("{value}\n")).expect("written");
        assert_eq!(
            asked("git.example.com", "get"),
            format!("username=x-access-token\npassword={value}\n")
        );
    }
    assert_eq!(asked("evil.example.com", "get"), "");
    assert_eq!(asked("git.example.com", "store"), "");
    assert_eq!(asked("git.example.com", "erase"), "");
}

/// A server that wants to know who asks and is content with nobody. Gives its origin and the
/// credentials that it was sent.
pub(crate) fn strict_server() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(stream.try_clone().expect("cloned")).lines();
            while let Some(Ok(line)) = lines.next() {
                if let Some(value) = line.strip_prefix("Authorization: Basic ") {
                    let _ = sender.send(value.to_owned());
                }
                if line.is_empty() {
                    break;
                }
            }
            let _ = stream.write_all(
                b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\n\
                  Connection: close\r\n\r\n",
            );
        }
    });
    (origin, receiver)
}

#[test]
fn git_gets_the_token_from_the_file_and_the_outcome_does_not_show_it() {
    let mut place = Place::new();
    let (origin, credentials) = strict_server();
    let token = place.path("home/token");
    fs::write(&token, "ghs-very-secret").expect("written");
    place.set("AXON_GITHUB_TOKEN_FILE", &token);
    place.set("GITHUB_TOKEN", "ghs-very-secret");
    let mut description = place.script_on_remote("true");
    if let Some(checkout) = &mut description.checkout {
        checkout.repo = format!("{origin}/a/b.git");
        checkout.secret_name = Some("my-token".into());
    }
    let finished = place.prepare(&description);
    let outcome = finished.outcome();
    assert_eq!(
        (outcome.result, outcome.reason.as_str()),
        (RunResult::Failed, "AuthenticationFailed")
    );
    assert!(
        outcome.message.contains("Secret `my-token`"),
        "{}",
        outcome.message
    );
    let sent = credentials.try_recv().expect("credentials were sent");
    assert_eq!(
        STANDARD.decode(sent).expect("base64"),
        b"x-access-token:ghs-very-secret"
    );
    let said = format!("{finished:?}");
    assert!(!said.contains("ghs-very-secret"), "{said}");
}

#[test]
fn a_repository_that_needs_a_token_says_which_field_is_missing() {
    let place = Place::new();
    let (origin, _credentials) = strict_server();
    let mut description = place.script_on_remote("true");
    description.checkout.as_mut().expect("a checkout").repo = format!("{origin}/a/b.git");
    let finished = place.prepare(&description);
    let outcome = finished.outcome();
    assert_eq!(outcome.reason, "AuthenticationFailed");
    assert!(outcome.message.contains("needs a token") && outcome.message.contains("`secretRef`"));
}

#[test]
fn the_agents_git_asks_the_helper_too() {
    let mut place = Place::new();
    let (origin, credentials) = strict_server();
    let token = place.path("home/token");
    fs::write(&token, "ghs-very-secret").expect("written");
    place.set("AXON_GITHUB_TOKEN_FILE", &token);
    let mut description =
        place.script_on_remote(format!("git ls-remote {origin}/a/b.git; git config --list"));
    description.checkout.as_mut().expect("a checkout").repo = format!("{origin}/a/b.git");
    let finished = place.run(&description);
    assert!(credentials.try_recv().is_ok(), "{finished:?}");
    assert!(
        !finished.text().contains("ghs-very-secret"),
        "the token stands in a configuration"
    );
}

#[test]
fn a_token_that_is_refreshed_while_the_agent_runs_is_the_one_of_the_next_push() {
    let mut place = Place::new();
    let (origin, credentials) = strict_server();
    let token = place.path("home/token");
    fs::write(&token, "the-first-token").expect("written");
    place.set("AXON_GITHUB_TOKEN_FILE", &token);
    let push = format!("git push -q {origin}/a/b.git HEAD");
    let mut description = place.script_on_remote(format!(
        "git init -q; git commit -q --allow-empty -m one; {push}; echo the-second-token >\"$AXON_GITHUB_TOKEN_FILE\"; {push}"
    ));
    description.checkout.as_mut().expect("a checkout").repo = format!("{origin}/a/b.git");
    let finished = place.run(&description);
    let sent: Vec<String> = credentials
        .try_iter()
        .map(|sent| String::from_utf8(STANDARD.decode(sent).expect("base64")).expect("text"))
        .collect();
    let position = |word: &str| sent.iter().position(|sent| sent.ends_with(word));
    assert!(position("the-first-token").is_some(), "{sent:?} {finished:?}");
    assert!(
        position("the-first-token") < position("the-second-token"),
        "{sent:?} {finished:?}"
    );
}
