//! What is reported back to issues and pull requests, against the fake GitHub and the embedded control
//! plane; and what is asked of GitHub for events.

#![cfg(feature = "github")]

mod checks;
mod comments;
mod events;
mod harness;
mod life;
