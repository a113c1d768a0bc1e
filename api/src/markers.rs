//! The block of outputs that a run prints at the end of its log, and that custom images may print.
//!
//! Built-in agent types never have anything read from their logs: the block is printed for people
//! and for tools that were made for the seeds. From a custom image the runner accepts the last
//! block of the image's own output, under either name.

/// First line of the block that the runner prints.
pub const OUTPUTS_START: &str = "---AXON_OUTPUTS_START---";
/// Last line of the block that the runner prints.
pub const OUTPUTS_END: &str = "---AXON_OUTPUTS_END---";
/// First line of the block in images that were made for Kelos.
pub const KELOS_OUTPUTS_START: &str = "---KELOS_OUTPUTS_START---";
/// Last line of the block in images that were made for Kelos.
pub const KELOS_OUTPUTS_END: &str = "---KELOS_OUTPUTS_END---";
