//! GitHub: what its sources are told, what they see, and which items match.

pub mod facts;
pub mod files;
pub mod issues;
pub mod pull_requests;
pub mod webhook;
