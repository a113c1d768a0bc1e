//! What this build has that another may lack.

use anyhow::bail;
use axon_api::{agents, sources};

/// The names of what this build has: its agent types, and the sources of TaskSpawners.
pub fn all() -> Vec<&'static str> {
    let agents = agents::AGENTS.iter().map(|agent| agent.name());
    let sources = sources::SOURCES.iter().map(|source| source.name);
    agents.chain(sources).collect()
}

/// Fails when this build lacks any of these.
pub fn require(expected: &[String]) -> anyhow::Result<()> {
    let all = all();
    let is_missing = |name: &&String| !all.contains(&name.as_str());
    let missing: Vec<String> = expected
        .iter()
        .filter(is_missing)
        .map(|name| format!("`{name}`"))
        .collect();
    if !missing.is_empty() {
        bail!(
            "this build of the operator lacks {}: it has {}\nhint: use an image that was built with them, or do not expect them (--expect-features, in the chart features)",
            missing.join(", "),
            all.join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_lacks_is_named_and_what_it_has_is_not() {
        assert!(require(&[]).is_ok());
        assert!(require(&all().iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).is_ok());
        assert!(require(&["shell".to_owned(), "cron".to_owned()]).is_ok());
        let error = require(&["cobol".to_owned()])
            .expect_err("no such thing")
            .to_string();
        assert!(error.contains("lacks `cobol`: it has "), "{error}");
    }
}
