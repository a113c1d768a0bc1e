//! GitHub: what its sources are told, what they see, and which items match.

#[cfg(feature = "github-client")]
pub mod client;
pub mod endpoint;
pub mod examined;
pub mod facts;
pub mod files;
mod filters;
pub mod issues;
pub mod items;
pub mod names;
pub mod pull_requests;
pub mod repository;
pub mod reviews;
#[cfg(test)]
pub(crate) mod sample;
pub mod webhook;
