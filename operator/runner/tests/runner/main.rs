//! Drives the built runner against real git repositories on this machine.

mod agent;
mod agent_config;
mod amounts;
mod attacks;
mod checkout;
mod credential;
mod ssh;
mod sshd;
mod steps;
mod stream;
mod support;
mod worktrees;
