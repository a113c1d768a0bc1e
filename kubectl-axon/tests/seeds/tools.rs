//! Running the program, and reading what it printed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A shell line with the program under its names on the PATH, and kubectl if there is one.
pub(crate) fn shell(home: &Path, line: &str) -> Output {
    let bin = home.join("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).expect("made");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_axon"), bin.join("axon")).expect("linked");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kubectl-axon"), bin.join("kubectl-axon"))
            .expect("linked");
        if let Some(kubectl) = kubectl() {
            std::os::unix::fs::symlink(kubectl, bin.join("kubectl")).expect("linked");
        }
    }
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("timeout")
        .args(["60", "sh", "-c", line])
        .env_clear()
        .env("HOME", home)
        .env("PATH", format!("{}:{path}", bin.display()))
        .current_dir(home)
        .stdin(Stdio::null())
        .output()
        .expect("a shell")
}

/// kubectl, where the tests with a real cluster keep it.
pub(crate) fn kubectl() -> Option<PathBuf> {
    let cache = PathBuf::from(std::env::var_os("HOME")?).join(".cache/axon-cluster");
    std::fs::read_dir(cache)
        .ok()?
        .filter_map(Result::ok)
        .map(|version| version.path().join("bin/kubectl"))
        .find(|path| path.is_file())
}

/// Exit code, stdout and stderr.
pub(crate) fn parts(output: &Output) -> (i32, String, String) {
    (
        output.status.code().expect("it was not killed"),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// `convert` of a text: exit code, objects, and what it said.
pub(crate) fn convert(yaml: &str) -> (i32, Vec<Value>, String) {
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("manifest.yaml"), yaml).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_axon"))
        .args(["convert", "-f", "manifest.yaml"])
        .env_clear()
        .env("HOME", home.path())
        .current_dir(home.path())
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    let (code, stdout, stderr) = parts(&output);
    let objects = serde_saphyr::from_multiple(&stdout).expect("YAML");
    (code, objects, stderr)
}
