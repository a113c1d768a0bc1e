//! Skills and sub-agents as files: Markdown that begins with front matter.
//!
//! The CLIs leave out a document whose front matter lacks a name or a description, and some refuse
//! to start when a field is not of their own kind (`tools: Read, Grep` is right for one and an
//! error to another). Front matter is therefore completed, and cut down to the fields that the CLI
//! knows. It is read line by line: a field is a line that begins with its name and a colon, and
//! the lines below it up to the next one; its value is passed on as it stands.

use std::fmt::Write as _;

use crate::launch::{ConfigDirectory, ConfigFile, Launch};
use crate::setup::{Skill, SkillContent};

/// Descriptions that are made up are at most this long.
const MAX_DESCRIPTION: usize = 200;

/// A document taken apart.
struct Document<'a> {
    /// Names of fields with the lines that make them up.
    fields: Vec<(&'a str, &'a str)>,
    body: &'a str,
}

/// The text of `SKILL.md` with a name and a description.
pub(crate) fn skill(name: &str, content: &str) -> String {
    let document = parse(content);
    written(name, &document, |_| true, "")
}

/// The text of a sub-agent with a name, a description and those of its fields that are kept, and
/// with `more` lines of front matter.
pub(crate) fn agent(name: &str, content: &str, keeps: impl Fn(&str) -> bool, more: &str) -> String {
    let document = parse(content);
    written(name, &document, keeps, more)
}

/// The text of a sub-agent that is called `name` whatever its front matter says.
pub(crate) fn agent_named(name: &str, content: &str, keeps: impl Fn(&str) -> bool) -> String {
    let mut document = parse(content);
    document.fields.retain(|(field, _)| *field != "name");
    written(name, &document, keeps, "")
}

/// What stands below the front matter.
pub(crate) fn body(content: &str) -> &str {
    parse(content).body
}

/// Adds a skill to a launch: its text or its directory becomes `directory` below the home.
pub(crate) fn add_skill(launch: &mut Launch, directory: &str, of: Skill<'_>) {
    match of.content {
        SkillContent::Text(text) => launch.files.push(ConfigFile {
            path: format!("{directory}/SKILL.md"),
            contents: skill(of.name, text),
            mode: 0o644,
        }),
        SkillContent::Directory(from) => launch.directories.push(ConfigDirectory {
            from: from.to_owned(),
            path: directory.to_owned(),
        }),
    }
}

/// `name`, or `name` with the first free number behind it when it is taken. Takes it.
pub(crate) fn free_name(name: &str, taken: &mut Vec<String>) -> String {
    let mut free = name.to_owned();
    let mut number = 2_u32;
    while taken.contains(&free) {
        free = format!("{name}-{number}");
        number += 1;
    }
    taken.push(free.clone());
    free
}

fn parse(content: &str) -> Document<'_> {
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    front_matter(content).unwrap_or(Document {
        fields: Vec::new(),
        body: content,
    })
}

fn front_matter(content: &str) -> Option<Document<'_>> {
    let mut lines = content.split_inclusive('\n');
    let first = lines.next()?;
    if first.trim_end() != "---" {
        return None;
    }
    let mut fields: Vec<(&str, usize, usize)> = Vec::new();
    let mut at = first.len();
    for line in lines {
        let end = at + line.len();
        if line.trim_end() == "---" {
            let fields = fields
                .into_iter()
                .filter_map(|(name, from, to)| Some((name, content.get(from..to)?)))
                .collect();
            return Some(Document {
                fields,
                body: content.get(end..)?,
            });
        }
        match (field_name(line), fields.last_mut()) {
            (Some(name), _) => fields.push((name, at, end)),
            (None, Some(last)) => last.2 = end,
            (None, None) => {}
        }
        at = end;
    }
    None
}

/// The name of the field that begins on this line.
fn field_name(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

fn written(name: &str, document: &Document<'_>, keeps: impl Fn(&str) -> bool, more: &str) -> String {
    let mut text = String::from("---\n");
    let field = |wanted: &str| {
        let (_, lines) = document.fields.iter().find(|(name, _)| *name == wanted)?;
        let (_, value) = lines.split_once(':')?;
        (!value.trim().is_empty()).then_some(*lines)
    };
    let mut add = |lines: &str| {
        text.push_str(lines.trim_end_matches(['\r', '\n']));
        text.push('\n');
    };
    match field("name") {
        Some(lines) => add(lines),
        None => add(&format!("name: {}", quoted(name))),
    }
    match field("description") {
        Some(lines) => add(lines),
        None => add(&format!(
            "description: {}",
            quoted(&described(name, document.body))
        )),
    }
    for (field, lines) in &document.fields {
        if !matches!(*field, "name" | "description") && keeps(field) {
            add(lines);
        }
    }
    text.push_str(more);
    let _ = write!(text, "---\n\n{}", document.body.trim_start_matches(['\r', '\n']));
    text
}

/// What a text is about: its first line.
fn described(name: &str, body: &str) -> String {
    let first = body
        .lines()
        .map(|line| line.trim_start_matches('#').trim())
        .find(|line| !line.is_empty())
        .unwrap_or(name);
    first.chars().take(MAX_DESCRIPTION).collect()
}

/// A YAML string in double quotes, on one line.
fn quoted(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() || c == '\u{feff}' { ' ' } else { c })
        .collect();
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct FrontMatter {
        name: String,
        description: String,
    }

    proptest! {
        #[test]
        fn front_matter_that_is_made_is_yaml_and_the_text_stays(
            name in "[A-Za-z0-9][A-Za-z0-9_.-]{0,20}",
            text in "[ \t]{0,2}(\\PC|[\"'\\\\:#{}&*!|>%@`,\n\r\u{0}\u{7f}\u{85}\u{2028}]){0,60}",
        ) {
            prop_assume!(!text.starts_with("---"));
            let made = skill(&name, &text);
            let (head, rest) = made
                .strip_prefix("---\n")
                .and_then(|made| made.split_once("\n---\n\n"))
                .expect("front matter");
            let front_matter: FrontMatter = serde_saphyr::from_str(head).expect("YAML");
            prop_assert_eq!(front_matter.name, name);
            prop_assert!(!front_matter.description.is_empty());
            prop_assert_eq!(rest, text.trim_start_matches(['\r', '\n']));
        }
    }

    #[test]
    fn front_matter_is_made_where_there_is_none() {
        assert_eq!(
            skill("deploy", "\n# Ship \"it\"\n\nRun make.\n"),
            "---\nname: \"deploy\"\ndescription: \"Ship \\\"it\\\"\"\n---\n\n# Ship \"it\"\n\nRun make.\n"
        );
        assert_eq!(skill("x", ""), "---\nname: \"x\"\ndescription: \"x\"\n---\n\n");
    }

    #[test]
    fn whole_front_matter_stays_as_it_is() {
        let text = "---\nname: deploy\ndescription: >-\n  ships\n  it\nlicense: MIT\n---\n\nRun make.\n";
        assert_eq!(skill("other", text), text);
    }

    #[test]
    fn what_is_missing_is_added() {
        assert_eq!(
            skill("deploy", "---\r\nname:\r\nlicense: MIT\r\n---\r\nRun make.\n"),
            "---\nname: \"deploy\"\ndescription: \"Run make.\"\nlicense: MIT\n---\n\nRun make.\n"
        );
    }

    #[test]
    fn an_agent_keeps_only_what_its_cli_knows() {
        let text = "---\nname: r\ndescription: reads\ntools: Read, Grep\nmodel: sonnet\ncolor:\n  - red\n---\nRead.\n";
        assert_eq!(
            agent("r", text, |field| field == "color", "mode: subagent\n"),
            "---\nname: r\ndescription: reads\ncolor:\n  - red\nmode: subagent\n---\n\nRead.\n"
        );
        assert_eq!(body(text), "Read.\n");
    }

    #[test]
    fn front_matter_without_an_end_is_text() {
        assert_eq!(body("---\nname: x\n"), "---\nname: x\n");
    }

    #[test]
    fn a_taken_name_gets_a_number() {
        let mut taken = Vec::new();
        let names: Vec<String> = ["a", "a", "a-2", "a"]
            .map(|name| free_name(name, &mut taken))
            .into();
        assert_eq!(names, ["a", "a-2", "a-2-2", "a-3"]);
    }
}
