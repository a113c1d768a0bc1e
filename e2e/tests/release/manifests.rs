//! The manifests for `kubectl apply -f`, and the chart's package.

use std::process::Command;

use anyhow::ensure;
use axon_e2e::plane::{helm, program};

use crate::files::{Release, VERSION, path, say};

#[test]
fn the_manifests_are_those_of_the_chart_and_name_the_registry_of_the_release() -> anyhow::Result<()> {
    let release = Release::new()?;
    say(Command::new(path("e2e/release/manifests"))
        .env("DIST", release.folder())
        .env("HELM", helm()?)
        .env("AXON_OPERATOR", program("axon-operator")?)
        .env("IMAGE_REGISTRY", "registry.example.com/mirror"))?;

    let packed = say(Command::new("tar")
        .arg("-tzf")
        .arg(release.assets().join(format!("axon-{VERSION}.tgz"))))?;
    ensure!(packed.lines().any(|file| file == "axon/Chart.yaml"), "{packed}");

    let definitions = std::fs::read_to_string(release.assets().join("install-crd.yaml"))?;
    ensure!(
        definitions.contains("name: tasks.axon.io") && !definitions.contains("kind: Deployment"),
        "only definitions"
    );

    let manifest = std::fs::read_to_string(release.assets().join("install.yaml"))?;
    ensure!(
        manifest.contains("kind: Namespace\n") && !manifest.contains("CustomResourceDefinition\n"),
        "everything else, the namespace first"
    );
    let images = manifest.matches(&format!("axon/operator:{VERSION}")).count();
    let moved = manifest
        .matches(&format!("registry.example.com/mirror/axon/operator:{VERSION}"))
        .count();
    ensure!(images > 0 && images == moved, "{moved} of {images} images");
    ensure!(
        manifest.contains(&format!("codex=registry.example.com/mirror/axon/codex:{VERSION}")),
        "the agents' images too"
    );
    Ok(())
}
