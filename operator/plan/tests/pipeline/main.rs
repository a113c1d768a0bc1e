//! What the decisions about pipelines are, from the outside.

#![expect(clippy::needless_pass_by_value, reason = "builders take literals")]

mod approvals;
mod histories;
mod model;
mod prompts;
mod retries;
mod schema;
mod starting;
mod world;
