use std::os::unix::fs::{PermissionsExt as _, symlink};

use axon_api::agents::setup::Plugin;

use super::copying::MAX_SKILL;
use super::*;

/// A directory with these files.
fn files(paths: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory");
    for path in paths {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, "---\nname: named\n---\n").expect("written");
    }
    root
}

fn source(source: &str, skill: Option<&str>) -> SkillSource {
    SkillSource {
        source: source.into(),
        skill: skill.map(ToOwned::to_owned),
        secret: None,
    }
}

fn taken(root: &Path, skill: Option<&str>) -> Result<Vec<String>, Failure> {
    let target = tempfile::tempdir().expect("a directory");
    let plugin = target.path().join("plugin");
    take(&source("o/r", skill), root, &plugin, &mut Budget::of_all())?;
    let mut names: Vec<String> = fs::read_dir(plugin)
        .expect("made")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    Ok(names)
}

#[test]
fn skills_are_found_in_every_place_and_the_first_of_a_name_wins() {
    let root = files(&[
        "SKILL.md",
        "skills/a/SKILL.md",
        ".claude/skills/b/SKILL.md",
        "c/SKILL.md",
        ".claude/skills/a/SKILL.md",
        "d/README.md",
        "deep/er/SKILL.md",
    ]);
    assert_eq!(taken(root.path(), None).expect("taken"), ["a", "b", "c", "named"]);
    let found = find(root.path(), "r");
    let a = found.iter().find(|found| found.name == "a").expect("there");
    assert_eq!(a.directory, root.path().join("skills/a"));
}

#[test]
fn one_skill_is_taken_with_all_its_files_and_without_the_others() {
    let root = files(&["skills/a/SKILL.md", "skills/a/lib/run.sh", "skills/b/SKILL.md"]);
    let script = root.path().join("skills/a/lib/run.sh");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("set");
    let target = tempfile::tempdir().expect("a directory");
    let plugin = target.path().join("plugin");
    take(
        &source("o/r", Some("a")),
        root.path(),
        &plugin,
        &mut Budget::of_all(),
    )
    .expect("taken");
    assert!(!plugin.join("b").exists());
    let mode = fs::metadata(plugin.join("a/lib/run.sh"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let root = files(&["skills/a/SKILL.md"]);
    let failure = taken(root.path(), Some("x")).expect_err("refused");
    assert_eq!(failure.reason, SKILL_NOT_FOUND);
    assert_eq!(failure.message, "`o/r` has no skill `x`: it has `a`");
    let none = files(&["README.md"]);
    assert_eq!(
        taken(none.path(), None).expect_err("refused").reason,
        SKILL_NOT_FOUND
    );
}

#[test]
fn a_link_is_refused_wherever_it_leads() {
    let root = files(&["skills/a/SKILL.md"]);
    symlink("/etc/passwd", root.path().join("skills/a/link")).expect("linked");
    let failure = taken(root.path(), None).expect_err("refused");
    assert_eq!(failure.reason, SKILL_SOURCE_FAILED);
    assert!(failure.message.contains("`link`"), "{failure}");
    let linked = files(&["elsewhere/deep/SKILL.md"]);
    fs::create_dir(linked.path().join("skills")).expect("made");
    symlink("../elsewhere/deep", linked.path().join("skills/a")).expect("linked");
    assert_eq!(
        taken(linked.path(), None).expect_err("refused").reason,
        SKILL_NOT_FOUND
    );
}

#[test]
fn a_skill_that_is_too_large_is_refused() {
    let root = files(&["skills/a/SKILL.md"]);
    let large = fs::File::create(root.path().join("skills/a/data")).expect("made");
    large.set_len(MAX_SKILL + 1).expect("set");
    let failure = taken(root.path(), None).expect_err("refused");
    assert!(failure.message.contains("2 MiB"), "{failure}");
}

#[test]
fn plugins_are_named_after_their_repositories() {
    for (source, name) in [
        ("owner/name", "name"),
        ("https://h/o/My.Skills.git", "My-Skills"),
        ("git@h:tools.git", "tools"),
        ("file:///srv/x/", "x"),
        ("https://h/o/..git", "skills"),
    ] {
        assert_eq!(repository_name(source), name, "{source}");
    }
    let description = RunDescription {
        plugins: vec![Plugin {
            name: "tools".into(),
            ..Plugin::default()
        }],
        skills: vec![
            source("a/tools", Some("x")),
            source("b/tools", None),
            source("a/tools", Some("y")),
        ],
        ..RunDescription::default()
    };
    let names: Vec<String> = named(&description)
        .into_iter()
        .map(|named| named.plugin)
        .collect();
    assert_eq!(names, ["tools-2", "tools-3", "tools-2"]);
}

#[test]
fn a_short_source_is_on_github() {
    assert_eq!(url("o/r"), "https://github.com/o/r.git");
    assert_eq!(url("o/r.git"), "https://github.com/o/r.git");
    assert_eq!(url("https://h/o/r"), "https://h/o/r");
    assert_eq!(url("git@h:r"), "git@h:r");
}

#[test]
fn a_link_in_place_of_the_directory_is_not_followed() {
    let workspace = tempfile::tempdir().expect("a directory");
    let outside = tempfile::tempdir().expect("a directory");
    symlink(outside.path(), workspace.path().join(".axon")).expect("linked");
    fresh_directory(workspace.path(), "uid").expect_err("refused");
    assert_eq!(fs::read_dir(outside.path()).expect("read").count(), 0);
}
