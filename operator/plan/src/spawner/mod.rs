//! Decides what to do next for a `TaskSpawner`: which items become Tasks, and what is remembered.
//!
//! An item becomes a Task in four steps, each of which may be the last before a crash, and each of
//! which is harmless when it is done twice:
//!
//! 1. The Task is created. Its name follows from spawner, item and run, and it carries item, trigger
//!    and run as annotations. The run counts the Tasks of the item, so that a Task that was made from
//!    a stale view tells of itself that it comes too late. It does not start: an operator lets a Task
//!    of a spawner start only when it was admitted.
//! 2. Memory is written: this item's run became the Task with this UID. A Task that memory does not
//!    know by its UID never starts; if memory knows another for the same run, it is deleted.
//! 3. The Task gets a place in `status.places`, of which there are `maxConcurrency` (1000 at most,
//!    1 for cron with Forbid or Replace). The same write counts it in `status.totalTasksCreated`, so
//!    that the count is exact and `maxTotalTasks` is kept whatever crashes. Nobody starts without a
//!    place, and nobody gets one twice: it is given only to a Task of which the server itself has just
//!    said that it has not ended, and taken away only when that has ended or is known to be gone.
//! 4. The operator admits it ([`SpawnerPlan::admitted`]).
//!
//! Memory and status are written on the resourceVersion that the decision was made from, so that a
//! decision from stale state, or by a second operator, is refused by the server. Where a stale view of
//! Tasks could do harm, the plan says what has to be asked of the server ([`SpawnerPlan::ask`]).
//!
//! While a spawner is suspended its source is not asked, and so what is remembered of matching and not
//! matching stays as it is.

mod check;
mod conditions;
mod decide;
mod draft;
mod due;
mod fields;
pub mod memory;
mod observed;
mod owner;
mod places;
mod plan;
mod recall;
mod status;
mod ticks;
mod trigger;

pub use draft::{Refusal, draft};
pub use observed::{SourceSeen, SpawnedTask, SpawnerObserved, TicksSeen, Trouble};
pub use plan::{Ask, Spawn, SpawnerPlan, Step};

/// Decides what to do next for the observed spawner.
pub fn plan(observed: &SpawnerObserved<'_>) -> SpawnerPlan {
    decide::decide(observed)
}
