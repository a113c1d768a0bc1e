//! The run description, and how it travels.

use std::io::Write as _;

use axon_api::run::{self, RunDescription};
use axon_api::{Task, labels, outcome};
use flate2::{Compression, GzBuilder};

use crate::repository::Repository;
use crate::requirements::Requirements;

/// How a run description travels to the runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packed {
    /// As a variable of the containers.
    Inline(String),
    /// As a Secret: gzip'd JSON.
    Secret(Vec<u8>),
    /// Not at all: it has this many bytes after gzip.
    TooLarge(usize),
}

/// All that the runner is told of this attempt.
pub(crate) fn describe(
    task: &Task,
    attempt: i32,
    requirements: &Requirements<'_>,
    containers: usize,
) -> RunDescription {
    let spec = &task.spec;
    let repository = requirements.repository.as_ref();
    let configuration = &requirements.configuration;
    let labels = task.metadata.labels.as_ref();
    RunDescription {
        version: run::VERSION,
        task: task.metadata.name.clone().unwrap_or_default(),
        namespace: task.metadata.namespace.clone().unwrap_or_default(),
        uid: task.metadata.uid.clone().unwrap_or_default(),
        attempt,
        agent_type: requirements.agent_type.to_owned(),
        prompt: requirements.prompt.clone().into_owned(),
        model: requirements.model.map(str::to_owned),
        effort: spec.effort.clone(),
        upstream_repo: match repository {
            Some(repository) => repository.upstream.clone(),
            None => spec.upstream_repo.clone(),
        },
        checkout: repository.map(Repository::checkout),
        instructions: configuration.instructions.clone(),
        plugins: configuration.plugins.clone(),
        skills: configuration.skills.clone(),
        mcp_servers: configuration.mcp_servers.clone(),
        setup_command: repository
            .map(|repository| repository.spec.setup_command.clone())
            .unwrap_or_default(),
        print_text: labels.is_some_and(|labels| labels.contains_key(labels::PIPELINE)),
        timeout_milliseconds: requirements
            .timeout
            .and_then(|timeout| u64::try_from(timeout.as_millis()).ok()),
        limits: requirements.limits,
        custom_image: requirements.image.is_users(),
        outcome_limit_bytes: outcome::limit_bytes(containers),
    }
}

/// Where a run description may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confidence {
    /// By whoever may read the Job.
    Open,
    /// By whoever may read Secrets.
    Confidential,
}

/// Chooses how the description travels.
pub(crate) fn pack(description: &RunDescription, confidence: Confidence) -> Packed {
    let json = serde_json::to_string(description).unwrap_or_default();
    if confidence == Confidence::Open {
        // The kubelet expands `$(NAME)` in variables. In JSON a dollar sign can only be part of a
        // string, where it may be written as an escape that nothing expands.
        let inline = json.replace('$', "\\u0024");
        if inline.len() <= run::MAX_INLINE_BYTES {
            return Packed::Inline(inline);
        }
    }
    let bytes = gzip(json.as_bytes());
    if bytes.len() > run::MAX_SECRET_BYTES {
        return Packed::TooLarge(bytes.len());
    }
    Packed::Secret(bytes)
}

/// The same bytes for the same input: no time and no system is written into the header.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(Vec::new(), Compression::default());
    let _ = encoder.write_all(bytes);
    // Writing into memory does not fail; an empty file would be refused by the runner.
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn with_prompt(prompt: &str) -> RunDescription {
        RunDescription {
            version: run::VERSION,
            prompt: prompt.to_owned(),
            ..RunDescription::default()
        }
    }

    #[test]
    fn what_a_kubelet_would_expand_arrives_as_it_was_written() {
        let description = with_prompt("echo $(HOME) $$ \u{0} \"quoted\"\n");
        let Packed::Inline(json) = pack(&description, Confidence::Open) else {
            panic!("a short prompt travels inline");
        };
        assert!(!json.contains('$'));
        assert_eq!(
            serde_json::from_str::<RunDescription>(&json).expect("JSON"),
            description
        );
    }

    #[test]
    fn a_prompt_of_a_mebibyte_travels_in_a_secret_and_comes_back() {
        let description = with_prompt(&"all work and no play ".repeat(50_000));
        let Packed::Secret(bytes) = pack(&description, Confidence::Open) else {
            panic!("a long prompt travels in a Secret");
        };
        assert_eq!(
            Packed::Secret(bytes.clone()),
            pack(&description, Confidence::Open)
        );
        let mut json = String::new();
        flate2::read::GzDecoder::new(bytes.as_slice())
            .read_to_string(&mut json)
            .expect("gzip");
        assert_eq!(
            serde_json::from_str::<RunDescription>(&json).expect("JSON"),
            description
        );
    }

    #[test]
    fn what_is_confidential_never_travels_inline() {
        assert!(matches!(
            pack(&with_prompt("x"), Confidence::Confidential),
            Packed::Secret(_)
        ));
    }

    #[test]
    fn what_gzip_cannot_make_small_enough_is_too_large() {
        // A linear congruential generator: text that does not compress.
        let mut state = 1u64;
        let prompt: String = (0..1_500_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b' ' + u8::try_from((state >> 33) % 94).expect("small"))
            })
            .collect();
        assert!(
            matches!(pack(&with_prompt(&prompt), Confidence::Open), Packed::TooLarge(size) if size > run::MAX_SECRET_BYTES)
        );
    }
}
