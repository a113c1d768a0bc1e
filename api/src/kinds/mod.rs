//! One file per kind.

// The derive puts each kind into a private module and exports it from there, which the lint takes
// for an item that cannot be reached.
#![expect(unreachable_pub, reason = "the code that kube's derive makes")]

pub mod agent_config;
pub mod agent_provider;
pub mod pod_overrides;
pub mod reference;
pub mod storage;
pub mod task;
pub mod task_defaults;
pub mod task_pipeline;
pub mod task_spawner;
pub mod task_template;
pub mod workspace;
