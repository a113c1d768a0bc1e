//! Text from outside: hidden parts taken away, and bounded.
//!
//! What people see of an issue and what an agent reads of it should be the same, or strangers can tell
//! an agent what nobody sees. See [`visible`] for what counts as hidden.

mod bounds;
mod hidden;
mod markdown;
mod tags;

pub use bounds::{cut, join_newest};

/// Bytes of a body, and of comments together, that reach a template.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Bytes of a title.
pub const MAX_TITLE_BYTES: usize = 1024;
/// Bytes that are looked at for hidden parts.
const MAX_LOOKED_AT_BYTES: usize = 4 * MAX_BODY_BYTES;

/// The text without what a page would not show of it: comments of HTML, attributes of its tags,
/// alternative texts of pictures, titles of links, definitions of links that nothing shows, characters
/// without a shape (zero-width ones, those that turn the direction, tags, variation selectors,
/// controls), and such characters spelled as entities. This is also done within code, where a page
/// would show them: what is code and what is not can be made to look otherwise to us than to the page.
///
/// What a page folds away (`<details>`) stays: one click shows it. Doing it twice changes nothing more.
pub fn visible(text: &str) -> String {
    let text = bounds::at_most(text, MAX_LOOKED_AT_BYTES);
    let text = hidden::without_characters(text);
    let text = hidden::without_entities(&text);
    let text = hidden::without_comments(&text);
    let text = tags::without_attributes(&text);
    markdown::without_titles(&text)
}

/// A body as templates get it: visible, and cut with a note.
pub fn body(text: &str) -> String {
    cut(visible(text).trim(), MAX_BODY_BYTES)
}

/// A title as templates get it: visible, one line, and cut.
pub fn title(text: &str) -> String {
    let text = visible(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    bounds::at_most(&words.join(" "), MAX_TITLE_BYTES)
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests;
