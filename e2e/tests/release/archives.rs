//! The archives and their checksums.

use std::process::Command;

use anyhow::ensure;

use crate::files::{PLATFORMS, Release, say};

#[test]
fn an_archive_has_the_plugin_its_completion_and_the_licence() -> anyhow::Result<()> {
    let release = Release::new()?;
    release.run("archives", &[])?;
    for platform in PLATFORMS {
        let listed = say(Command::new("tar")
            .args(["--numeric-owner", "-tvzf"])
            .arg(release.archive(platform)))?;
        let files: Vec<(&str, &str, &str)> = listed
            .lines()
            .filter_map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                Some((*words.first()?, *words.get(1)?, *words.last()?))
            })
            .collect();
        assert_eq!(
            files,
            [
                ("-rw-r--r--", "0/0", "LICENSE"),
                ("-rwxr-xr-x", "0/0", "kubectl-axon"),
                ("-rwxr-xr-x", "0/0", "kubectl_complete-axon"),
            ],
            "{platform}"
        );
    }
    Ok(())
}

#[test]
fn the_same_programs_give_the_same_archive() -> anyhow::Result<()> {
    let release = Release::new()?;
    release.run("archives", &[])?;
    let first = std::fs::read(release.archive("linux-arm64"))?;
    // What is left in the folder by an earlier version is not published with this one.
    std::fs::write(
        release.assets().join("kubectl-axon_0.0.1_linux_amd64.tar.gz"),
        "old",
    )?;
    release.run("archives", &[])?;
    assert_eq!(std::fs::read(release.archive("linux-arm64"))?, first);
    assert_eq!(std::fs::read_dir(release.assets())?.count(), PLATFORMS.len());
    Ok(())
}

#[test]
fn the_checksums_are_of_every_file() -> anyhow::Result<()> {
    let release = Release::new()?;
    release.run("archives", &[])?;
    release.run("krew", &[])?;
    release.run("checksums", &[])?;
    let check = |strict: &str| {
        say(Command::new("sha256sum")
            .args(["--check", strict, "SHA256SUMS"])
            .current_dir(release.assets()))
    };
    let checked = check("--strict")?;
    ensure!(checked.lines().all(|line| line.ends_with(": OK")), "{checked}");
    assert_eq!(checked.lines().count(), PLATFORMS.len() + 1, "{checked}");

    std::fs::write(release.archive("linux-arm64"), "changed on its way")?;
    ensure!(check("--strict").is_err(), "a changed file is found");
    Ok(())
}

#[test]
fn a_platform_that_cannot_be_built_here_is_refused_with_a_sentence() -> anyhow::Result<()> {
    let release = Release::new()?;
    let refusals = [
        (
            "darwin-arm64",
            "failed to build `darwin-arm64`: it needs Apple's SDK",
        ),
        ("windows-amd64", "unknown platform: `windows-amd64`"),
    ];
    for (platform, sentence) in refusals {
        let refused = release.run("programs", &[platform]).unwrap_err().to_string();
        ensure!(
            refused.contains(sentence) && refused.contains("hint: "),
            "{refused}"
        );
    }
    Ok(())
}

#[test]
fn nothing_is_packed_before_programs_are_built() -> anyhow::Result<()> {
    let release = Release::new()?;
    std::fs::remove_dir_all(release.folder().join("programs"))?;
    let refused = release.run("archives", &[]).unwrap_err().to_string();
    ensure!(refused.contains("hint: e2e/release/programs"), "{refused}");
    Ok(())
}
