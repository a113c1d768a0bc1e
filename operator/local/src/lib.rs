//! The embedded control plane: Kubernetes' API in one process over `SQLite`, and a Job runner.
//!
//! The operator does not know that it talks to this plane rather than to a cluster.
//!
//! # What a program that uses this crate offers
//!
//! The plane starts its own program again for its other parts. So the program answers, before
//! anything else and without showing them in its help, to:
//!
//! - `PROGRAM local serve`: [`serve::run`], in the folder of [`directory::Directory::from_environment`];
//! - `PROGRAM local runner ARGUMENTS...`: `axon_runner::main` with the arguments;
//! - `PROGRAM local container FOLDER CONTAINER`: [`jobs::container_main`] with the two arguments. It
//!   must not be called in a tokio runtime, and wants no other threads.
//!
//! Its commands reach the plane through [`connect::client`], and for people there are
//! [`connect::kubeconfig`], [`connect::status`] and [`connect::stop`].

pub mod connect;
pub mod directory;
pub mod jobs;
pub mod plane;
pub mod serve;
