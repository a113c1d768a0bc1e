//! Bounds for the text that a run keeps and for what is shown on one line.

/// The longest text of an agent that is kept, in bytes.
pub(crate) const TEXT_LIMIT: usize = 1 << 20;

/// The longest error message, model name or session id that is kept, in bytes.
pub(crate) const MESSAGE_LIMIT: usize = 4 << 10;

/// The longest text on one line, in characters.
const LINE_LIMIT: usize = 120;

/// The start of `text` that fits into `limit` bytes, cut between characters.
pub(crate) fn start(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

/// A short string that is kept for the length of the run.
pub(crate) fn kept(text: &str) -> String {
    start(text, MESSAGE_LIMIT).to_owned()
}

/// Adds as much of `piece` to `text` as [`TEXT_LIMIT`] allows.
pub(crate) fn append(text: &mut String, piece: &str) {
    let room = TEXT_LIMIT.saturating_sub(text.len());
    text.push_str(start(piece, room));
}

/// Puts `with` in place of `text`, as far as [`TEXT_LIMIT`] allows.
pub(crate) fn replace(text: &mut String, with: &str) {
    text.clear();
    append(text, with);
}

/// `text` on one line: control characters become spaces, and what is over 120 characters is cut.
pub(crate) fn one_line(text: &str) -> String {
    let mut characters = text.trim().chars();
    let mut line: String = characters
        .by_ref()
        .take(LINE_LIMIT)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if characters.next().is_some() {
        line.push_str("...");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_text_stops_at_its_limit_between_characters() {
        let mut text = "a".repeat(TEXT_LIMIT - 1);
        append(&mut text, "é");
        assert_eq!(text.len(), TEXT_LIMIT - 1);
        append(&mut text, "bc");
        assert_eq!(text.len(), TEXT_LIMIT);
        replace(&mut text, "short");
        assert_eq!(text, "short");
    }
}
