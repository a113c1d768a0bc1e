//! `install`, `upgrade`, `uninstall` and `doctor` where there is no cluster, or one that only says its
//! version: what they print where, and with which exit code they end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// Exit code, stdout and stderr of the plugin in a home of its own.
fn run(home: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-axon"))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(home)
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    (
        output.status.code().expect("it was not killed"),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn a_dry_run_needs_no_cluster_and_prints_what_kubectl_could_apply() {
    let home = home();
    let (code, yaml, stderr) = run(home.path(), &["install", "--dry-run", "-n", "agents"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let objects: Vec<serde_json::Value> = serde_saphyr::from_multiple(&yaml).expect("YAML");
    assert_eq!(objects[0]["kind"], "Namespace");
    assert_eq!(objects[0]["metadata"]["name"], "agents");
    assert!(objects.len() > 10, "{}", objects.len());
    let (_, names, _) = run(
        home.path(),
        &["install", "--dry-run", "--crds-only", "-o", "name"],
    );
    assert!(
        names
            .lines()
            .all(|name| name.starts_with("customresourcedefinition.apiextensions.k8s.io/")),
        "{names}"
    );
}

#[test]
fn without_a_cluster_the_way_to_one_is_shown() {
    let home = home();
    for verb in ["install", "upgrade", "uninstall"] {
        let (code, stdout, stderr) = run(home.path(), &[verb]);
        assert_eq!((code, stdout.as_str()), (1, ""), "{verb}");
        assert!(stderr.contains("error: no cluster is configured"), "{stderr}");
        assert!(
            stderr.contains("`kind create cluster`") && stderr.contains("--local`"),
            "{stderr}"
        );
    }
    let (code, stdout, _) = run(home.path(), &["doctor"]);
    assert_eq!(code, 1);
    assert!(
        stdout.starts_with("fail      cluster   no cluster is configured"),
        "{stdout}"
    );
}

#[test]
fn there_is_nothing_to_install_on_this_machine() {
    let home = home();
    for verb in ["install", "upgrade", "uninstall"] {
        let (code, _, stderr) = run(home.path(), &["--local", verb]);
        assert_eq!(code, 1, "{verb}");
        assert!(
            stderr.contains(&format!("nothing to {verb} on this machine")),
            "{stderr}"
        );
    }
    assert!(!home.path().join(".axon/local").exists(), "the plane was started");
}

#[test]
fn doctor_looks_at_this_machine_without_starting_the_plane() {
    let home = home();
    let (_, stdout, _) = run(home.path(), &["doctor", "--local", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    let checks: Vec<&str> = report["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .filter_map(|check| check["check"].as_str())
        .collect();
    assert_eq!(
        checks,
        [
            "git",
            "bubblewrap",
            "claude-code",
            "codex",
            "gemini",
            "opencode",
            "shell",
            "plane"
        ]
    );
    let plane = &report["checks"][7];
    assert!(
        plane["message"]
            .as_str()
            .is_some_and(|state| state.starts_with("Not serving")),
        "{plane}"
    );
    assert!(!home.path().join(".axon/local").exists(), "the plane was started");
}

#[test]
fn an_old_cluster_is_refused_before_anything_is_asked_of_it() {
    let home = home();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    // Any real server that can be had here is new enough.
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut lines = BufReader::new(stream.try_clone().expect("a stream")).lines();
        let request = lines.next().expect("a request").expect("text");
        lines
            .take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()))
            .for_each(drop);
        let body = r#"{"major":"1","minor":"30","gitVersion":"v1.30.1","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("answered");
        request
    });
    let (code, _, stderr) = run(
        home.path(),
        &["install", "--server", &format!("http://{address}")],
    );
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains("the cluster is Kubernetes 1.30, and Axon needs 1.31 or newer"),
        "{stderr}"
    );
    assert!(server.join().expect("it ended").starts_with("GET /version"));
}

#[test]
fn flags_that_contradict_are_mistakes_of_the_command_line() {
    let home = home();
    for arguments in [
        &["install", "--crds-only", "--skip-crds"][..],
        &["install", "--image-pull-policy", "Sometimes"],
        &["doctor", "-o", "table"],
    ] {
        assert_eq!(run(home.path(), arguments).0, 2, "{arguments:?}");
    }
    let (code, _, stderr) = run(home.path(), &["install", "--dry-run", "--agent-image", "cobol=x"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("hint: write TYPE=IMAGE"), "{stderr}");
}
