//! The webhook server with real requests, against the embedded control plane.

#[path = "../../src/testing.rs"]
#[allow(dead_code, reason = "only its refusals are used here")]
mod testing;

mod answers;
mod harness;
mod keeping;
mod keys;
mod pending;
