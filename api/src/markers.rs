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
/// First line of the text that ends the log of a step of a pipeline. The text follows as base64 in
/// lines of [`TEXT_LINE`] characters, the last of which may be shorter, then [`TEXT_END`].
pub const TEXT_START: &str = "---AXON_TEXT_START---";
/// Last line of the log of a step of a pipeline.
pub const TEXT_END: &str = "---AXON_TEXT_END---";
/// Characters of base64 in a line: 768 bytes of the text.
pub const TEXT_LINE: usize = 1024;
/// A text has at most this many bytes; of a longer one head and tail are kept.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;
