//! The version stands in Cargo.toml, and everything else says the same.

use std::process::Command;

use anyhow::ensure;

use crate::files::{VERSION, path, read, say};

#[test]
fn the_chart_has_the_version_of_the_programs() -> anyhow::Result<()> {
    let chart = read("charts/axon/Chart.yaml")?;
    for line in [format!("version: {VERSION}"), format!("appVersion: {VERSION}")] {
        ensure!(
            chart.lines().any(|of_chart| of_chart == line),
            "no line `{line}` in charts/axon/Chart.yaml"
        );
    }
    Ok(())
}

#[test]
fn every_image_that_is_installed_has_the_version_of_the_programs() -> anyhow::Result<()> {
    let manifest = read("charts/axon/install.yaml")?;
    let images: Vec<&str> = manifest
        .split(|character: char| character.is_whitespace() || "\"'=".contains(character))
        .filter(|word| word.starts_with("axon/") && word.contains(':'))
        .collect();
    ensure!(!images.is_empty(), "no images in install.yaml");
    for image in images {
        ensure!(image.ends_with(&format!(":{VERSION}")), "`{image}`");
    }
    Ok(())
}

#[test]
fn a_tag_of_another_version_is_not_released() -> anyhow::Result<()> {
    let tag = |name: &str| say(Command::new(path("e2e/release/tag")).arg(name));
    tag(&format!("v{VERSION}"))?;
    for other in ["v0.0.1", VERSION, ""] {
        let refused = tag(other).unwrap_err().to_string();
        ensure!(
            refused.contains(&format!("the version in Cargo.toml is `{VERSION}`")),
            "{refused}"
        );
    }
    Ok(())
}

#[test]
fn the_programs_that_check_a_release_are_built_in_the_versions_that_are_named() -> anyhow::Result<()> {
    let modules = read("e2e/cluster/build.d/release/go.mod")?;
    let settings = read("e2e/cluster/lib.sh")?;
    for (module, variable) in [
        ("sigs.k8s.io/krew", "KREW_VERSION"),
        ("github.com/rhysd/actionlint", "ACTIONLINT_VERSION"),
    ] {
        let pinned = modules
            .lines()
            .find_map(|line| line.trim().strip_prefix(module))
            .map(str::trim);
        let named = settings
            .lines()
            .find_map(|line| line.strip_prefix(variable)?.strip_prefix('='));
        assert_eq!(pinned, named, "{module}");
        assert!(named.is_some(), "{variable}");
    }
    Ok(())
}
