//! Decides what to do next for a Task: observed state in, plan out.
//!
//! Pure and total: no client, no clock, no randomness, and no error. What a user got wrong becomes
//! a condition of the Task. Everything observed is in [`Observed`]; everything to be done is in
//! [`Plan`].

pub mod observed;
pub mod plan;
pub mod settings;

pub use observed::{Dependency, Found, Observed, SecretKeys};
pub use plan::{Notice, NoticeKind, Plan, Step};
pub use settings::Settings;

/// Decides what to do next for the observed Task.
pub fn plan(observed: &Observed<'_>) -> Plan {
    let _ = observed;
    Plan::default()
}
