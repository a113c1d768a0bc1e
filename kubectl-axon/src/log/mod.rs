//! A Task's log: finding it, following it, and showing it to people.

pub(crate) mod follow;
pub(crate) mod lines;
pub(crate) mod render;
