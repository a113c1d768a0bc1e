//! The outcome: the runner's last word, as versioned JSON in the container's termination message.

use axon_agents::Usage;
use serde::{Deserialize, Serialize};

/// The version of the document that this build writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// The kubelet keeps at most this many bytes of one container's termination message
/// (`MaxContainerTerminationMessageLength` in `pkg/kubelet/container/runtime.go`).
const MAX_CONTAINER_BYTES: usize = 4096;
/// And this many of all containers of a pod together, divided equally among them
/// (`MaxPodTerminationMessageLogLength`, same file).
const MAX_POD_BYTES: usize = 12 * 1024;
/// Left free, for what the kubelet adds.
const MARGIN_BYTES: usize = 256;

/// The bytes that an outcome may have in a pod of `containers` containers, init ones included.
pub fn limit_bytes(containers: usize) -> usize {
    (MAX_POD_BYTES / containers.max(1)).min(MAX_CONTAINER_BYTES)
        - MARGIN_BYTES.min(MAX_POD_BYTES / containers.max(1))
}

/// How a container of the run ended. The init container `prepare` writes one only when it fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Always [`VERSION`].
    pub version: u32,
    pub result: RunResult,
    /// One word, such as `AgentFailed` or `CloneFailed`: becomes the Task's reason.
    pub reason: String,
    /// A sentence for people: becomes the Task's message.
    pub message: String,
    /// Exit code of the agent; absent when it was never started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    /// Whether the remote was asked and has `commit` at the tip of `branch`.
    #[serde(default)]
    pub pushed: bool,
    /// URLs of pull requests from the branch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pull_requests: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// More results, from the marker block of a custom image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<(String, String)>,
    /// The agent's final message, cut to fit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Proof of the text that ends the log, where the run description asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub printed_text: Option<PrintedText>,
}

/// Proof of a text in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrintedText {
    /// Bytes of the text.
    pub bytes: usize,
    /// SHA-256 of the text, 64 hexadecimal digits.
    pub sha256: String,
}

/// How a run ended, as the runner saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunResult {
    Succeeded,
    Failed,
    TimedOut,
    Cancelled,
}

impl Outcome {
    /// An outcome with nothing but how it ended.
    pub fn new(result: RunResult, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            version: VERSION,
            result,
            reason: reason.into(),
            message: message.into(),
            exit_code: None,
            branch: None,
            commit: None,
            base_branch: None,
            pushed: false,
            pull_requests: Vec::new(),
            usage: None,
            extra: Vec::new(),
            text: String::new(),
            printed_text: None,
        }
    }

    /// Reads a termination message; `None` when it is not an outcome of this version.
    pub fn parse(message: &str) -> Option<Self> {
        serde_json::from_str::<Self>(message.trim())
            .ok()
            .filter(|outcome| outcome.version == VERSION)
    }

    /// The outcome as JSON of at most `limit` bytes, always valid: what does not fit is cut, first
    /// the final text, then the extra results and pull requests, then the message.
    pub fn to_json(&self, limit: usize) -> String {
        let mut outcome = self.clone();
        if let Some(json) = fits(&outcome, limit) {
            return json;
        }
        shrink_text(&mut outcome, limit, |outcome| &mut outcome.text);
        while fits(&outcome, limit).is_none()
            && (outcome.extra.pop().is_some() || outcome.pull_requests.pop().is_some())
        {}
        shrink_text(&mut outcome, limit, |outcome| &mut outcome.message);
        for field in [Field::Branch, Field::BaseBranch, Field::Commit] {
            if fits(&outcome, limit).is_none() {
                field.clear(&mut outcome);
            }
        }
        serde_json::to_string(&outcome).unwrap_or_default()
    }
}

/// Marks that a text was cut.
const CUT: &str = " [cut]";

enum Field {
    Branch,
    BaseBranch,
    Commit,
}

impl Field {
    fn clear(&self, outcome: &mut Outcome) {
        match self {
            Self::Branch => outcome.branch = None,
            Self::BaseBranch => outcome.base_branch = None,
            Self::Commit => outcome.commit = None,
        }
    }
}

fn fits(outcome: &Outcome, limit: usize) -> Option<String> {
    serde_json::to_string(outcome)
        .ok()
        .filter(|json| json.len() <= limit)
}

/// Cuts one text of the outcome to the longest beginning with which the whole fits, or to nothing.
fn shrink_text(outcome: &mut Outcome, limit: usize, text: impl Fn(&mut Outcome) -> &mut String) {
    if fits(outcome, limit).is_some() {
        return;
    }
    let whole = std::mem::take(text(outcome));
    let ends: Vec<usize> = whole.char_indices().map(|(index, _)| index).collect();
    let (mut low, mut high) = (0, ends.len());
    while low < high {
        let middle = (low + high).div_ceil(2);
        let end = ends.get(middle).copied().unwrap_or(whole.len());
        *text(outcome) = format!("{}{CUT}", &whole[..end]);
        if fits(outcome, limit).is_some() {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    let end = ends.get(low).copied().unwrap_or(whole.len());
    *text(outcome) = if low == 0 {
        String::new()
    } else {
        format!("{}{CUT}", &whole[..end])
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_outcome_comes_back_as_it_was_written() {
        let mut outcome = Outcome::new(RunResult::Failed, "AgentFailed", "agent exited 3");
        outcome.exit_code = Some(3);
        assert_eq!(Outcome::parse(&outcome.to_json(4096)), Some(outcome));
    }

    #[test]
    fn other_text_is_no_outcome() {
        assert_eq!(Outcome::parse("Segmentation fault"), None);
        assert_eq!(
            Outcome::parse(r#"{"version":9,"result":"Succeeded","reason":"","message":""}"#),
            None
        );
    }

    #[test]
    fn the_limit_is_the_kubelets_for_one_container_and_for_all() {
        assert_eq!([1, 2, 3, 4, 6].map(limit_bytes), [3840, 3840, 3840, 2816, 1792]);
        assert_eq!(limit_bytes(100_000), 0);
    }

    proptest! {
        #[test]
        fn any_cut_leaves_valid_json_within_the_limit(text in ".{0,6000}", message in ".{0,3000}", limit in 400usize..4096) {
            let mut outcome = Outcome::new(RunResult::Succeeded, "Completed", message);
            outcome.text = text;
            outcome.branch = Some("feature/x".into());
            outcome.pull_requests = vec!["https://example.com/pull/1".into(); 5];
            let json = outcome.to_json(limit);
            prop_assert!(json.len() <= limit);
            let read = Outcome::parse(&json).expect("valid");
            prop_assert_eq!(read.branch.as_deref(), Some("feature/x"));
        }
    }
}
