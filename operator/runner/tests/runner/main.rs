//! Drives the built runner against real git repositories on this machine.

mod agent;
mod agent_config;
mod attacks;
mod checkout;
mod credential;
mod stream;
mod support;
