//! `docs/reference/`: kinds, command line and metrics, as the code has them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use axon_api::Phase;
use axon_operator::metrics::{DeliveryLabels, GitHubLabels, Metrics, RoundLabels, RoundResult, WriteLabels};

use super::{files, kinds};

fn path(name: &str) -> std::path::PathBuf {
    files::root().join("docs/reference").join(name)
}

#[test]
fn the_reference_of_kinds_is_that_of_the_definitions() {
    files::compare(&path("kinds.md"), &kinds::page());
}

#[test]
fn the_reference_of_the_command_line_is_what_help_prints() {
    let mut page = "\
# Reference of the command line

What `kubectl axon VERB --help` prints. Generated from the code: `make docs`. `axon` is the same program under another name.
Every verb has the flags of the connection, which are shown once, at the end.
"
    .to_owned();
    let (top, connection) = help(&[]);
    let _ = write!(page, "\n## kubectl axon\n\n```text\n{top}\n```\n");
    let mut count = 0;
    for verb in commands(&top) {
        let (text, _) = help(&[&verb]);
        let _ = write!(page, "\n## {verb}\n\n```text\n{text}\n```\n");
        for inner in commands(&text) {
            let (text, _) = help(&[&verb, &inner]);
            let _ = write!(page, "\n### {verb} {inner}\n\n```text\n{text}\n```\n");
        }
        count += 1;
    }
    assert!(count > 10, "the verbs were found: {count}");
    let _ = write!(
        page,
        "\n## Flags of the connection\n\n```text\n{connection}\n```\n"
    );
    files::compare(&path("cli.md"), &page);
}

/// The help of a command, and the flags of the connection that every one has.
fn help(words: &[&str]) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-axon"))
        .args(words)
        .arg("--help")
        .env_clear()
        .env("COLUMNS", "100")
        .output()
        .expect("it starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut own = Vec::new();
    let mut connection = Vec::new();
    let mut is_connection = false;
    for line in text.trim_end().lines() {
        let is_heading = !line.starts_with(' ') && !line.is_empty();
        if is_heading {
            is_connection = line == "Connection:";
        }
        if is_connection {
            connection.push(line.trim_end());
        } else {
            own.push(line.trim_end());
        }
    }
    (
        own.join("\n").trim_end().to_owned(),
        connection.join("\n").trim_end().to_owned(),
    )
}

/// The names below `Commands:`.
fn commands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// A page on which everything was counted once.
fn counted() -> String {
    let metrics = Metrics::default();
    metrics.tasks.enter(Some(Phase::Running));
    let result = RoundResult::Done;
    metrics.rounds.get_or_create(&RoundLabels { result }).inc();
    metrics.round_seconds.observe(0.002);
    let labels = WriteLabels {
        verb: "create",
        kind: "job",
    };
    metrics.api_writes.get_or_create(&labels).inc();
    let labels = GitHubLabels {
        status: 304,
        resource: "issues",
    };
    metrics.github_requests.get_or_create(&labels).inc();
    let labels = DeliveryLabels {
        source: "github",
        code: 202,
    };
    metrics.deliveries.get_or_create(&labels).inc();
    metrics.encode().expect("a page")
}

#[test]
fn the_reference_of_metrics_is_the_page_that_prometheus_reads() {
    let page = counted();
    let mut labels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a value"));
        let names = rest
            .trim_start_matches('{')
            .split_once('}')
            .map(|(inside, _)| {
                inside
                    .split(',')
                    .filter_map(|label| label.split('=').next())
                    .collect()
            })
            .unwrap_or_default();
        labels.insert(name, names);
    }
    let mut text = "\
# Reference of the metrics

What the operator serves at `/metrics` (port 8080). Generated from the code: `make docs`. No label ever holds the name of an object.

| metric | type | labels | what it is |
|---|---|---|---|
"
    .to_owned();
    let mut rows = 0;
    for line in page.lines() {
        let Some((name, about)) = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) else {
            continue;
        };
        let type_ = page
            .lines()
            .find_map(|line| line.strip_prefix(&format!("# TYPE {name} ")))
            .expect("a type");
        let sample = match type_ {
            "counter" => format!("{name}_total"),
            "histogram" => format!("{name}_count"),
            _ => name.to_owned(),
        };
        let of = labels
            .get(sample.as_str())
            .unwrap_or_else(|| panic!("{name} was not counted"));
        let of: Vec<String> = of.iter().map(|label| format!("`{label}`")).collect();
        let shown = if type_ == "counter" { sample.as_str() } else { name };
        let about = about.trim_end_matches('.');
        let _ = writeln!(text, "| `{shown}` | {type_} | {} | {about} |", of.join(", "));
        rows += 1;
    }
    assert!(rows > 10, "the metrics were found: {rows}");
    files::compare(&path("metrics.md"), &text);
}
