//! What was told last of a Task: the annotation `axon.io/reported`.

use axon_api::{Task, labels};
use kube::ResourceExt;
use serde::{Deserialize, Serialize};

/// Bytes of what went wrong that are kept.
const LONGEST_ERROR: usize = 512;

/// The annotation. Its `phase` is what the decision reads; the rest saves requests and repeated events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Told {
    /// What was told: `Accepted`, or the phase with which the Task has ended.
    pub(super) phase: String,
    /// GitHub's ID of the comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<u64>,
    /// GitHub's ID of the check run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) check: Option<u64>,
    /// What could not be told, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

impl Told {
    /// What the Task says was told; nothing when that cannot be read.
    pub(super) fn of(task: &Task) -> Self {
        let annotation = task.annotations().get(labels::REPORTED);
        annotation.map_or_else(Self::default, |annotation| Self::parse(annotation))
    }

    /// What will have been told, when the decision wants this annotation and this was told before.
    pub(super) fn next(reported: &str, before: &Self) -> Self {
        Self {
            phase: Self::parse(reported).phase,
            error: None,
            ..before.clone()
        }
    }

    /// Notes what could not be told.
    pub(super) fn note(&mut self, errors: &[String]) {
        let text = errors.join("; ");
        let end = text.floor_char_boundary(LONGEST_ERROR);
        self.error = (!errors.is_empty()).then(|| text.get(..end).unwrap_or(&text).to_owned());
    }

    /// The annotation.
    pub(super) fn annotation(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn parse(annotation: &str) -> Self {
        serde_json::from_str(annotation).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_next_keeps_the_ids_and_drops_the_error() {
        let before = Told::parse(r#"{"phase":"Accepted","comment":7,"error":"no"}"#);
        let next = Told::next(r#"{"phase":"Succeeded"}"#, &before);
        assert_eq!(next.annotation(), r#"{"phase":"Succeeded","comment":7}"#);
    }

    #[test]
    fn an_annotation_that_somebody_spoilt_tells_nothing() {
        for spoilt in ["", "no", "[]", r#"{"phase":7}"#] {
            assert_eq!(Told::parse(spoilt), Told::default(), "{spoilt}");
        }
    }

    #[test]
    fn an_error_is_cut_between_characters() {
        let mut told = Told::default();
        told.note(&["ä".repeat(1000)]);
        assert_eq!(told.error, Some("ä".repeat(256)));
        told.note(&[]);
        assert_eq!(told.error, None);
    }
}
