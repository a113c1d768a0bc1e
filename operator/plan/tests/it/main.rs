//! What the decisions are, from the outside.

#![expect(clippy::needless_pass_by_value, reason = "builders take literals")]

mod bounds;
mod fixtures;
mod jobs;
mod lifecycle;
mod model;
mod simulation;
mod starting;
