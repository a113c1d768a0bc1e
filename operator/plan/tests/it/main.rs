//! What the decisions are, from the outside.

#![expect(clippy::needless_pass_by_value, reason = "builders take literals")]

mod bounds;
mod branches;
mod crowd;
mod crowd_simulation;
mod dependencies;
mod fixtures;
mod inheriting;
mod jobs;
mod lifecycle;
mod model;
mod named;
mod overriding;
mod reaching;
mod retries;
mod schema_values;
mod schema_walk;
mod setting_up;
mod simulation;
mod spawned;
mod starting;
mod surroundings;
mod templates;
