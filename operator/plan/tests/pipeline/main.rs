//! What the decisions about pipelines are, from the outside.

mod approvals;
mod histories;
mod model;
mod prompts;
mod retries;
mod schema;
mod starting;
mod world;
