//! Command lines and config files: run against a plane on this machine.

use std::path::Path;

use super::blocks::{self, Item};
use super::table::{self, Class, Ran};
use super::worlds::block;
use super::{tools, tools::parts};

/// The config file that the READMEs write before their first command.
const CONFIG: &str = "\
oauthToken: placeholder
workspace:
  repo: https://github.com/your-org/your-repo.git
  ref: main
  token: placeholder
";

/// Files that commands read.
const FILES: &[(&str, &str)] = &[
    ("empty.yaml", "{}\n"),
    ("AGENTS.md", "# Rules\n"),
    (
        "skills/deploy.md",
        "---\nname: deploy\ndescription: Deploy\n---\nDo it.\n",
    ),
    (
        "agents/reviewer.md",
        "---\nname: reviewer\ndescription: Review\n---\nDo it.\n",
    ),
    (
        "mcp/my-tools.json",
        "{\"type\":\"stdio\",\"command\":\"npx\",\"args\":[\"-y\",\"@my-org/mcp-tools\"]}",
    ),
    (".codex/auth.json", "{\"tokens\":{}}"),
    (".config/my-app.private-key.pem", "-----BEGIN PRIVATE KEY-----\n"),
];

/// A home folder as the READMEs' users have it; its plane is stopped in the end.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().expect("a folder"));
        for (name, content) in FILES {
            home.write(name, content);
        }
        home.write(".axon/config.yaml", CONFIG);
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, content).expect("written");
    }

    /// Runs one line, and says what is wrong with how it ends or with what it shows.
    fn prove(&self, line: &str, ran: &Ran) -> Result<(), String> {
        for line in &ran.before {
            let (code, _, stderr) = parts(&tools::shell(self.path(), &with_kubeconfig(line)));
            if code != 0 {
                return Err(format!("{line} ends with {code}\n{stderr}"));
            }
        }
        let (code, stdout, stderr) = parts(&tools::shell(self.path(), &with_kubeconfig(line)));
        if code != ran.exit {
            return Err(format!("{line} ends with {code}\n{stdout}{stderr}"));
        }
        let shown = format!("{stdout}{stderr}");
        let missing: Vec<&String> = ran.shows.iter().filter(|part| !shown.contains(*part)).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("{line} does not show {missing:?}\n{shown}"))
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.path().join(".axon/local").exists() {
            tools::shell(self.path(), "axon local stop");
        }
    }
}

/// kubectl talks to the plane.
fn with_kubeconfig(line: &str) -> String {
    if line.starts_with("kubectl ") && !line.starts_with("kubectl axon ") {
        format!("KUBECONFIG=$(axon local kubeconfig) && export KUBECONFIG && {line}")
    } else {
        line.to_owned()
    }
}

/// The command line as it is run: of this program, and with values for placeholders.
fn substituted(item: &Item, ran: &Ran) -> String {
    let line = ran.run.as_deref().unwrap_or(&item.text);
    let line = match line.strip_prefix("kelos ") {
        Some(rest) => format!("axon {rest}"),
        None => line.to_owned(),
    };
    let mut text = String::new();
    let mut rest = line.as_str();
    while let Some((before, after)) = rest.split_once("=<") {
        let (_, after) = after.split_once('>').expect("a placeholder ends");
        text.push_str(before);
        text.push_str("=placeholder");
        rest = after;
    }
    format!("{text}{rest} {}", ran.add).trim_end().to_owned()
}

#[test]
fn every_command_line_runs() {
    let has_kubectl = tools::kubectl().is_some();
    let (mut proven, mut skipped) = (0, 0);
    let mut failures = Vec::new();
    for seed in blocks::SEEDS {
        let table = table::of(seed);
        let home = Home::new();
        for item in blocks::items(seed) {
            let Some(Class::Command(ran)) = table.get(&item.line) else {
                continue;
            };
            let place = format!("{seed}:{}", item.line);
            assert_eq!(
                ran.run.is_some(),
                ran.why.is_some(),
                "{place}: what is run instead needs a reason"
            );
            let line = substituted(&item, ran);
            if line.starts_with("kubectl ") && !has_kubectl {
                skipped += 1;
                continue;
            }
            for (name, block_line) in &ran.files {
                let (_, objects, _) = tools::convert(&block(seed, *block_line));
                let texts: Vec<String> = objects.iter().map(ToString::to_string).collect();
                home.write(name, &texts.join("\n---\n"));
            }
            match home.prove(&line, ran) {
                Ok(()) => proven += 1,
                Err(why) => failures.push(format!("{place}: {why}")),
            }
        }
    }
    println!("{proven} command lines; {skipped} not run, for want of kubectl");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_config_file_is_understood() {
    let mut failures = Vec::new();
    for seed in blocks::SEEDS {
        for (line, class) in table::of(seed) {
            let Class::Config(ran) = class else { continue };
            let home = Home::new();
            let text = block(seed, line);
            // A block that shows the workspace alone stands below a credential.
            let has_credential = text.contains("oauthToken:") || text.contains("apiKey:");
            let credential = if has_credential {
                ""
            } else {
                "oauthToken: placeholder\n"
            };
            home.write(".axon/config.yaml", &format!("{credential}{text}"));
            let place = format!("{seed}:{line}");
            if let Err(why) = home.prove("axon run -p x --dry-run", &ran) {
                failures.push(format!("{place}: {why}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_verb_and_flag_is_there() {
    let home = Home::new();
    let mut failures = Vec::new();
    for seed in blocks::SEEDS {
        let table = table::of(seed);
        for item in blocks::items(seed) {
            let place = format!("{seed}:{}", item.line);
            match table.get(&item.line) {
                Some(Class::Verb(_)) => {
                    let words: Vec<&str> = item
                        .text
                        .split_whitespace()
                        .skip(1)
                        .take_while(|word| !word.starts_with(['<', '[']))
                        .collect();
                    let line = format!("axon {} --help", words.join(" "));
                    let (code, _, stderr) = parts(&tools::shell(home.path(), &line));
                    if code != 0 {
                        failures.push(format!("{place}: {line}: {stderr}"));
                    }
                }
                Some(Class::Flag(flag)) => {
                    for verb in &flag.verbs {
                        let (_, help, _) = parts(&tools::shell(home.path(), &format!("axon {verb} --help")));
                        for name in item.text.trim().split(", ") {
                            let is_there = help
                                .split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | '='))
                                .any(|word| word == name);
                            if !is_there {
                                failures.push(format!("{place}: {verb} has no {name}"));
                            }
                        }
                    }
                }
                _ => {}
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_commands_of_the_migration_page_run() {
    let home = Home::new();
    for (seed, folder) in [
        ("2-axon-late", "axon"),
        ("3-agent-operator", "agent-operator"),
        ("4-xonovex-agent-operator", "xonovex"),
        ("5-kelos", "kelos"),
    ] {
        for (line, class) in table::of(seed) {
            if matches!(class, Class::Manifest(_)) {
                home.write(&format!("{folder}/{line}.yaml"), &block(seed, line));
            }
        }
    }
    let path = format!("{}/../docs/migration.md", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(path).expect("the page");
    let mut proven = 0;
    for block in blocks::extract(&page) {
        for line in block
            .text
            .lines()
            .filter(|line| line.starts_with("kubectl axon convert "))
        {
            let line = line.replacen("kubectl axon", "axon", 1);
            let (code, _, stderr) = parts(&tools::shell(home.path(), &line));
            assert!([0, 13].contains(&code), "{line}: {stderr}");
            proven += 1;
        }
    }
    assert!(proven >= 4, "the page shows {proven} commands");
}
