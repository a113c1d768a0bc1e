//! GitHub: what its sources are told, what they see, and which items match.

#[cfg(feature = "github-client")]
pub mod client;
pub mod endpoint;
pub mod facts;
pub mod files;
pub mod issues;
pub mod pull_requests;
pub mod webhook;
