//! The sources of TaskSpawners: what they are told ([`When`] and the specs in it), which items match
//! (pure filters), and what an item is for a template ([`WorkItem`]).
//!
//! To add a source: its file with spec and filters, its field in [`When`], a line in [`SOURCES`] and
//! [`NAMES`], what a schema cannot say of it in `check.rs`, and a cargo feature.
//!
//! Pure but for what is behind a `*-client` feature: nothing else here asks a forge or reads a clock.

#![expect(unreachable_pub, reason = "the code that kube's derive makes")]
#![expect(
    clippy::doc_markdown,
    reason = "doc comments of specs are what kubectl explain prints, as plain text"
)]

mod check;
pub mod comment_policy;
pub mod cron;
pub mod github;
pub mod item;
pub mod pattern;
pub mod poll_interval;
pub mod reporting;
pub mod secret;
pub mod text;
pub mod variables;
pub mod webhook;
mod when;

pub use check::check;
pub use item::{Candidate, Cause, Fetched, Subject, SubjectKind, Verdict, WorkItem};
pub use when::{NAMES, SOURCES, Source, When};
