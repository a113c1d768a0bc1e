//! What the crates depend on: purity, licences, and one TLS provider.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const AGENT_FEATURES: &[&str] = &["claude-code", "codex", "gemini", "opencode", "shell"];
const SOURCE_FEATURES: &[&str] = &["github", "cron", "webhook"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the workspace")
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--locked")
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "cargo {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Names of all crates that `package` links with these features, itself included.
fn tree(package: &str, features: &str) -> BTreeSet<String> {
    let arguments = [
        "tree",
        "-p",
        package,
        "-e",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--no-default-features",
        "--features",
        features,
    ];
    cargo(&arguments)
        .lines()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect()
}

#[test]
fn the_pure_crates_link_no_runtime_no_client_and_no_tls_with_any_feature() {
    let agents = ["axon-agents", "axon-api", "axon-plan"];
    let sources = ["axon-sources", "axon-api"];
    let checked = agents
        .map(|package| (package, AGENT_FEATURES))
        .into_iter()
        .chain(sources.map(|package| (package, SOURCE_FEATURES)));
    let impure = [
        "tokio",
        "hyper",
        "rustls",
        "kube-client",
        "kube-runtime",
        "octocrab",
        "rusqlite",
    ];
    for (package, features) in checked {
        let all = features.join(",");
        for features in features.iter().copied().chain(["", all.as_str()]) {
            let tree = tree(package, features);
            assert!(tree.len() > 3, "the tree of {package} was read");
            for name in impure {
                assert!(
                    !tree.contains(name),
                    "{package} with features `{features}` links {name}"
                );
            }
        }
    }
}

#[test]
fn one_tls_provider_is_linked() {
    for package in ["axon-operator", "kubectl-axon"] {
        let tree = tree(package, "shell");
        assert!(tree.contains("ring"), "{package} links ring");
        for name in ["aws-lc-rs", "openssl", "native-tls"] {
            assert!(!tree.contains(name), "{package} links {name}");
        }
    }
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let rules = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let allowed: BTreeSet<&str> = rules
        .lines()
        .skip_while(|line| !line.starts_with("allow = ["))
        .skip(1)
        .take_while(|line| !line.starts_with(']'))
        .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","))
        .collect();
    assert!(allowed.contains("Apache-2.0"));
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version", "1"])).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 100);
    for package in packages {
        let expression = package["license"].as_str().unwrap_or_default();
        assert!(
            allows(&allowed, expression),
            "{} has the licence `{expression}`",
            package["name"]
        );
    }
}

/// Whether a licence expression (SPDX, or the older form with a slash) can be met by the allowed
/// ones: every part joined by AND has an alternative that is allowed.
fn allows(allowed: &BTreeSet<&str>, expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], " ").replace('/', " OR ");
    plain
        .split(" AND ")
        .all(|part| part.split(" OR ").any(|name| allowed.contains(name.trim())))
}

#[test]
fn an_expression_is_met_by_any_alternative_of_each_part() {
    let allowed = BTreeSet::from(["MIT", "ISC"]);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND (ISC OR GPL-3.0)", true),
        ("MIT AND GPL-3.0", false),
        ("", false),
    ] {
        assert_eq!(allows(&allowed, expression), expected, "{expression}");
    }
}
