//! The operator: observes the cluster, plans for each Task, and applies the plans.
//!
//! [`controllers::run`] works on any [`kube::Client`], so that the embedded control plane runs the
//! same controllers in process. What only a cluster needs (lease, health, metrics page) is around
//! it.

pub mod apply;
pub mod config;
pub mod controllers;
pub mod crds;
pub mod failure;
pub mod features;
#[cfg(feature = "github")]
pub mod forge;
pub mod github_app;
pub mod key;
pub mod lease;
pub mod metrics;
pub mod notices;
pub mod observe;
pub mod pipeline;
pub mod providers;
pub mod queue;
mod read;
#[cfg(feature = "github")]
pub mod report;
pub mod round;
pub mod scope;
pub mod server;
pub mod spawner;
pub mod sweep;
#[cfg(test)]
mod testing;
pub mod watch;
pub mod webhook;
pub mod work;
pub mod world;

pub use config::Config;
