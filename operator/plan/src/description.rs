//! The run description, and how it travels.

use std::io::Write as _;

use axon_api::run::{self, Checkout, RunDescription};
use axon_api::{Task, outcome};
use flate2::{Compression, GzBuilder};

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
    RunDescription {
        version: run::VERSION,
        task: task.metadata.name.clone().unwrap_or_default(),
        namespace: task.metadata.namespace.clone().unwrap_or_default(),
        uid: task.metadata.uid.clone().unwrap_or_default(),
        attempt,
        agent_type: spec.agent_type().to_owned(),
        prompt: requirements.prompt.clone().into_owned(),
        model: spec.model.clone(),
        effort: spec.effort.clone(),
        upstream_repo: spec.upstream_repo.clone(),
        checkout: requirements.workspace.map(|workspace| Checkout {
            repo: workspace.repo.clone(),
            ref_: workspace.ref_.clone(),
            branch: spec.branch.clone(),
            files: workspace.files.clone(),
            secret_name: requirements.workspace_secret.map(str::to_owned),
            directory: axon_api::paths::REPOSITORY.to_owned(),
            ..Checkout::default()
        }),
        timeout_milliseconds: requirements
            .timeout
            .and_then(|timeout| u64::try_from(timeout.as_millis()).ok()),
        limits: requirements.limits,
        custom_image: spec.image.is_some(),
        outcome_limit_bytes: outcome::limit_bytes(containers),
        ..RunDescription::default()
    }
}

/// Chooses how the description travels.
pub(crate) fn pack(description: &RunDescription) -> Packed {
    let json = serde_json::to_string(description).unwrap_or_default();
    // The kubelet expands `$(NAME)` in variables. In JSON a dollar sign can only be part of a
    // string, where it may be written as an escape that nothing expands.
    let inline = json.replace('$', "\\u0024");
    if inline.len() <= run::MAX_INLINE_BYTES {
        return Packed::Inline(inline);
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
        let Packed::Inline(json) = pack(&description) else {
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
        let Packed::Secret(bytes) = pack(&description) else {
            panic!("a long prompt travels in a Secret");
        };
        assert_eq!(Packed::Secret(bytes.clone()), pack(&description));
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
            matches!(pack(&with_prompt(&prompt)), Packed::TooLarge(size) if size > run::MAX_SECRET_BYTES)
        );
    }
}
