//! Decides what to do next for a `TaskSpawner`: which items become Tasks, and what is remembered.
//!
//! An item becomes a Task in four steps, each of which may be the last before a crash, and each of
//! which is harmless when it is done twice:
//!
//! 1. The Task is created. Its name follows from spawner, item and trigger, and it carries the latter
//!    two as annotations. It does not start: an operator lets a Task of a spawner start only when it
//!    was admitted.
//! 2. Memory is written: this item's trigger became the Task with this UID. A Task that memory does
//!    not know by its UID never starts; if memory knows another for the same trigger, it is deleted.
//! 3. With `maxConcurrency`, the Task gets a place in `status.places`. Nobody starts without one.
//! 4. The operator admits it ([`SpawnerPlan::admitted`]).
//!
//! Memory and status are written on the resourceVersion that the decision was made from, so that a
//! decision from stale state, or by a second operator, is refused by the server.

pub mod memory;
mod observed;
mod plan;

pub use observed::{SourceSeen, SpawnedTask, SpawnerObserved, Trouble};
pub use plan::{Spawn, SpawnerPlan, Step};
