//! Decides what to do next for a Task: observed state in, plan out.
//!
//! Pure and total: no client, no clock, no randomness, and no error. What a user got wrong becomes
//! a condition of the Task. Everything observed is in [`Observed`]; everything to be done is in
//! [`Plan`].

pub mod branch;
pub mod dependencies;
pub mod observed;
pub mod pipeline;
pub mod plan;
pub mod provider;
pub mod references;
pub mod report;
pub mod settings;
pub mod spawner;
pub mod template;

mod again;
mod agent_config;
mod attempt;
mod bounded;
mod conditions;
mod decide;
mod description;
mod draft;
mod effective;
mod ending;
mod environment;
mod job;
mod leftovers;
mod notices;
mod overrides;
mod pod_spec;
mod progress;
mod repository;
mod requirements;
mod results;
mod retry;
mod start;
mod storage;
mod surroundings;
mod token;
mod volumes;

pub use observed::{
    Admission, BranchSeen, Dependency, DependencyTask, Found, LeaseSeen, Observed, SecretKeys,
};
pub use plan::{Notice, NoticeKind, Plan, Step};
pub use settings::{CaBundle, Settings};

/// Whether Axon keeps the name of a variable for itself.
pub fn is_reserved_variable(name: &str) -> bool {
    environment::is_reserved(name)
}

/// Decides what to do next for the observed Task.
pub fn plan(observed: &Observed<'_>) -> Plan {
    decide::decide(observed)
}
