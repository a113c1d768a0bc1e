//! Axon's kinds, names and labels, and the two documents that its parts exchange: the run
//! description (operator to runner) and the outcome (runner to operator).
//!
//! Pure: nothing here talks to a server or reads a clock.

#![expect(
    clippy::doc_markdown,
    reason = "doc comments of the kinds are what kubectl explain prints, as plain text"
)]

pub use axon_agents as agents;
pub use axon_sources as sources;

pub mod admission;
pub mod crd;
pub mod kinds;
pub mod labels;
pub mod markers;
pub mod names;
pub mod outcome;
pub mod paths;
pub mod printed_text;
pub mod report;
pub mod repository;
pub mod run;
pub mod units;
pub mod variables;

pub use kinds::agent_config::{AgentConfig, AgentConfigSpec};
pub use kinds::agent_provider::{AgentProvider, AgentProviderSpec};
pub use kinds::task::{Phase, Task, TaskSpec, TaskStatus};
pub use kinds::task_defaults::{TaskDefaults, TaskDefaultsSpec};
pub use kinds::task_pipeline::{TaskPipeline, TaskPipelineSpec, TaskPipelineStatus};
pub use kinds::task_spawner::{SpawnerPhase, TaskSpawner, TaskSpawnerSpec, TaskSpawnerStatus};
pub use kinds::workspace::{Workspace, WorkspaceSpec};

/// The API group of every kind.
pub const GROUP: &str = "axon.io";
/// The version of every kind.
pub const VERSION: &str = "v1alpha1";
