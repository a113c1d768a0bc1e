//! Scenarios for both planes, and the real parts that they run against: a git server, the agent
//! CLIs, a scripted provider, servers of the Model Context Protocol.

pub mod chart;
pub mod clis;
pub mod git;
pub mod github;
pub mod llm;
pub mod mcp;
pub mod npm;
pub mod plane;
pub mod scenarios;
pub mod ssh;
pub mod suite;
pub mod wait;
pub mod world;
