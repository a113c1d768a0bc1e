//! `docs/reference/operator.md` is what `axon-operator --help` prints; `make docs` writes it anew.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// The help of a command.
fn help(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_axon-operator"))
        .args(words)
        .arg("--help")
        .env_clear()
        .env("COLUMNS", "100")
        .output()
        .expect("it starts");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The names below `Commands:`.
fn commands(help: &str) -> Vec<&str> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

#[test]
fn the_reference_of_the_operator_is_what_help_prints() {
    let mut page = "\
# Reference of the operator's program

What `axon-operator COMMAND --help` prints. Generated from the code: `make docs`. Each flag can be a variable too; the chart sets
those that have a value of their own there.
"
    .to_owned();
    let top = help(&[]);
    let _ = write!(page, "\n## axon-operator\n\n```text\n{top}\n```\n");
    let commands = commands(&top);
    assert!(commands.contains(&"run"), "{commands:?}");
    for command in commands {
        let _ = write!(page, "\n## {command}\n\n```text\n{}\n```\n", help(&[command]));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/operator.md");
    if std::env::var("AXON_DOCS").is_ok_and(|wish| wish == "write") {
        std::fs::write(&path, &page).expect("written");
    }
    let is = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        is == page,
        "{} is not what the program says\nhint: make docs",
        path.display()
    );
}
