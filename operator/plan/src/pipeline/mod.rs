//! Decides what to do next for a pipeline: observed state in, plan out.
//!
//! Pure and total like the decisions about Tasks. Each run of a step is one Task. A run is written
//! into the status before its Task is created, so that a decision from an old state is refused by
//! the server and what is named by the status is created once. What a run ended with is kept in a
//! Secret before anything is decided upon it, so that it outlives the run's Task and pod, and so
//! that the same decision is made however often it is made.

mod context;
mod decide;
mod draft;
mod history;
mod kept;
mod observed;
mod plan;
mod prompts;
mod pull_request;
mod shell_word;
mod steps;
mod task;
mod verdict;

pub use kept::{KeptRun, Seen as KeptSeen};
pub use observed::PipelineObserved;
pub use plan::{PipelinePlan, Step};

/// Decides what to do next for the observed pipeline.
pub fn plan(observed: &PipelineObserved<'_>) -> PipelinePlan {
    decide::decide(observed)
}

/// The Tasks whose kept runs a decision may look at, once the last run has ended.
pub fn kept_tasks(status: &axon_api::TaskPipelineStatus) -> Vec<&str> {
    history::of_interest(&status.runs)
}

/// Marks an end that nothing can be done about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}
