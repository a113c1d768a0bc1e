//! Why something could not be told.

use axon_plan::spawner::Trouble;
use axon_sources::github::client::{Failure, Wait};

use crate::failure::Answer;

/// What keeps a report from being written.
#[derive(Debug)]
pub(super) struct Hindrance {
    /// A sentence without a full stop, with a hint where there is one.
    pub(super) message: String,
    /// Whether waiting helps.
    pub(super) passes: bool,
    /// When GitHub wants to be asked again.
    pub(super) wait: Option<Wait>,
}

impl Hindrance {
    /// One that stays until a person does something.
    pub(super) fn lasting(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            passes: false,
            wait: None,
        }
    }

    /// The same, of writing `what`.
    pub(super) fn of(mut self, what: &str) -> Self {
        self.message = format!("failed to write {what}: {}", self.message);
        self
    }
}

impl From<Failure> for Hindrance {
    fn from(failure: Failure) -> Self {
        Self {
            passes: failure.kind.passes(),
            wait: failure.wait,
            message: failure.message,
        }
    }
}

impl From<Trouble> for Hindrance {
    fn from(trouble: Trouble) -> Self {
        Self {
            message: trouble.message,
            passes: trouble.passes,
            wait: None,
        }
    }
}

impl From<Answer> for Hindrance {
    fn from(answer: Answer) -> Self {
        Self {
            message: format!("{:#}", anyhow::Error::new(answer)),
            passes: true,
            wait: None,
        }
    }
}
