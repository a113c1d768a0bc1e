//! The embedded control plane: Kubernetes' API in one process over SQLite, and a Job runner.
//!
//! The operator does not know that it talks to this plane rather than to a cluster.

pub mod connect;
pub mod directory;
pub mod jobs;
pub mod plane;
pub mod serve;
