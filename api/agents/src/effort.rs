//! What an effort means in tokens, for models that take a number.

/// The tokens that Google's models of the second generation may think with; a number as effort is
/// taken as it is. `None` when the effort is not known.
pub(crate) fn thinking_budget(effort: &str) -> Option<u32> {
    match effort {
        "minimal" => Some(512),
        "low" => Some(1024),
        "medium" => Some(4096),
        "high" => Some(8192),
        "xhigh" => Some(16384),
        "max" => Some(24576),
        number => number.parse().ok(),
    }
}
