//! What the decisions are, from the outside.

mod bounds;
mod fixtures;
mod jobs;
mod lifecycle;
mod model;
mod simulation;
mod starting;
