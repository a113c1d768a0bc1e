//! The program as people start it: what it prints where, and with which exit code it ends.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The plugin, with a home of its own and no cluster.
fn plugin(home: &Path) -> Command {
    program(env!("CARGO_BIN_EXE_kubectl-axon"), home)
}

fn program(path: &str, home: &Path) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().expect("a folder");
    plugin(home.path()).args(arguments).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Exit code, stdout and stderr.
fn parts(output: &Output) -> (i32, String, String) {
    (
        output.status.code().expect("it was not killed"),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn the_version_needs_no_cluster() {
    let (code, stdout, stderr) = parts(&run(&["version", "--client"]));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.starts_with("Client Version: "), "{stdout}");
    let (_, json, _) = parts(&run(&["version", "--client", "-o", "json"]));
    let version: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(version["clientVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_name_in_the_usage_is_the_one_by_which_it_was_started() {
    let home = tempfile::tempdir().expect("a folder");
    for (path, usage) in [
        (env!("CARGO_BIN_EXE_kubectl-axon"), "Usage: kubectl axon get"),
        (env!("CARGO_BIN_EXE_axon"), "Usage: axon get"),
    ] {
        let output = program(path, home.path())
            .args(["get", "-h"])
            .output()
            .expect("it starts");
        assert!(text(&output.stdout).contains(usage), "{}", text(&output.stdout));
    }
}

#[test]
fn mistakes_end_with_1_and_say_what_to_do() {
    for (arguments, error, hint) in [
        (&["run"][..], "error: no prompt", "hint: kubectl axon run -p"),
        (
            &["run", "-p", "x", "-t", "shall"],
            "error: unknown agent type `shall`",
            "hint: did you mean `shell`?",
        ),
        (
            &["run", "-p", "x"],
            "error: no credentials configured",
            "hint: `kubectl axon init`",
        ),
        (
            &["run", "-p", "x", "-t", "shell", "--name", "A"],
            "error: invalid task name `A`",
            "hint: a name has",
        ),
        (
            &["run", "-t", "shell", "-p", "x"],
            "error: no cluster is configured",
            "`kubectl axon run --local`",
        ),
        (
            &["get"],
            "error: no cluster is configured",
            "`kubectl axon run --local`",
        ),
        (
            &["get", "--config", "/nowhere"],
            "error: failed to read the config file `/nowhere`",
            "hint: `kubectl axon init`",
        ),
        (
            &["get", "--kubeconfig", "/nowhere"],
            "error: failed to read the kubeconfig `/nowhere`",
            "--local",
        ),
        (
            &["get", "-s", "http://127.0.0.1:1"],
            "error: failed to list tasks in namespace `default`: the cluster cannot be reached",
            "--local",
        ),
        (&["get", "pod/x"], "error: unknown kind `pod`", ""),
        (
            &["delete", "tasks"],
            "error: no task named",
            "hint: give names, or --all",
        ),
        (
            &["run", "-f", "/nowhere.yaml"],
            "error: failed to read the manifest `/nowhere.yaml`",
            "",
        ),
    ] {
        let (code, stdout, stderr) = parts(&run(arguments));
        assert_eq!((code, stdout.as_str()), (1, ""), "{arguments:?}: {stderr}");
        assert!(
            stderr.starts_with(error) && stderr.contains(hint),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn a_command_line_that_is_not_understood_ends_with_2() {
    for arguments in [
        &["frobnicate"][..],
        &["get", "-o", "table"],
        &["run", "-f", "x", "-p", "y"],
        &["run", "-p", "x", "--credential-type", "key"],
        &["get", "--local", "--context", "x"],
    ] {
        let (code, stdout, _) = parts(&run(arguments));
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}");
    }
}

#[test]
fn a_dry_run_prints_objects_and_no_secrets() {
    let home = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(home.path().join(".axon")).expect("made");
    std::fs::write(
        home.path().join(".axon/config.yaml"),
        "apiKey: sk-secret\nworkspace: {repo: 'https://h/r', token: ghp-secret}\n",
    )
    .expect("written");
    let output = plugin(home.path())
        .args(["run", "-p", "it's \"$(x)\"\nand more", "--name", "t", "--dry-run"])
        .output()
        .expect("it starts");
    let (code, stdout, stderr) = parts(&output);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let kinds: Vec<&str> = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("kind: "))
        .collect();
    assert_eq!(kinds, ["Secret", "Secret", "Workspace", "Task"]);
    // `sk-secret` and `ghp-secret` in base64.
    for secret in [
        "secret\n",
        "sk-secret",
        "ghp-secret",
        "c2stc2VjcmV0",
        "Z2hwLXNlY3JldA",
    ] {
        assert!(!stdout.contains(secret), "{stdout}");
    }
    assert!(stdout.contains("and more"), "{stdout}");
}

#[test]
fn a_prompt_comes_from_stdin_too() {
    use std::io::Write as _;
    let home = tempfile::tempdir().expect("a folder");
    let mut child = plugin(home.path())
        .args([
            "run",
            "-t",
            "shell",
            "-p",
            "-",
            "--dry-run",
            "-o",
            "jsonpath={.spec.prompt}",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let prompt = "quotes ' \" and $(x) and \0 and\nlines";
    child
        .stdin
        .take()
        .expect("stdin")
        .write_all(prompt.as_bytes())
        .expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(text(&output.stdout), prompt);
}

#[test]
fn a_reader_of_stdout_that_has_gone_is_no_error() {
    let home = tempfile::tempdir().expect("a folder");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = plugin(home.path())
        .args(["version", "--client"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .expect("it starts");
    assert_eq!(
        (output.status.code(), text(&output.stderr).as_str()),
        (Some(0), "")
    );
}

#[test]
fn init_writes_a_file_that_can_be_read() {
    let home = tempfile::tempdir().expect("a folder");
    let init = || plugin(home.path()).arg("init").output().expect("it starts");
    let (code, stdout, _) = parts(&init());
    let path = home.path().join(".axon/config.yaml");
    assert_eq!(
        (code, stdout),
        (0, format!("Config file created: {}\n", path.display()))
    );
    let (code, _, stderr) = parts(&init());
    assert_eq!(code, 1);
    assert!(
        stderr.contains("already exists") && stderr.contains("--force"),
        "{stderr}"
    );
    let output = plugin(home.path())
        .args(["run", "-t", "shell", "-p", "x", "--dry-run"])
        .output()
        .expect("it starts");
    assert_eq!(parts(&output).0, 0, "{}", text(&output.stderr));
}

#[test]
fn shells_and_kubectl_can_complete() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = parts(&run(&["completion", shell]));
        assert_eq!(code, 0);
        assert!(script.contains("kubectl-axon"), "{shell}: {script}");
    }
    let (_, candidates, _) = parts(&run(&["__complete", "de"]));
    for verb in ["describe\t", "delete\t"] {
        assert!(
            candidates.lines().any(|line| line.starts_with(verb)),
            "{candidates}"
        );
    }
    assert_eq!(candidates.lines().last(), Some(":4"));
    let (_, types, _) = parts(&run(&["__complete", "run", "-t", ""]));
    assert!(types.lines().any(|line| line.starts_with("shell")), "{types}");
}

/// The blocks of a Markdown file that are marked `yaml`.
fn yaml_blocks(markdown: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in markdown.lines() {
        match (&mut block, line) {
            (None, "```yaml") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

#[test]
fn the_manifests_of_the_readme_the_examples_and_the_earlier_systems_have_no_mistake() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect(path);
    let mut manifests = yaml_blocks(&read("README.md"));
    assert!(!manifests.is_empty(), "the README shows a manifest");
    manifests.push(read("examples/01-first-task/task.yaml"));
    manifests.push(read("kubectl-axon/tests/manifests/seeds.yaml"));
    for manifest in manifests {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::write(home.path().join("manifest.yaml"), &manifest).expect("written");
        let output = plugin(home.path())
            .args(["run", "--dry-run", "-f", "manifest.yaml"])
            .output()
            .expect("it starts");
        let (code, shown, said) = parts(&output);
        assert_eq!(code, 0, "{said}\n{manifest}");
        assert_eq!(
            shown.matches("apiVersion:").count(),
            manifest.matches("apiVersion:").count()
        );
    }
}
