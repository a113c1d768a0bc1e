//! Bounds on text.

/// What is put where something was cut off.
const NOTE: &str = "\n[the rest was cut off]";
/// What is put before the comments that are kept.
const OLDER_NOTE: &str = "[older comments were cut off]";
/// What is between two comments.
const SEPARATOR: &str = "\n---\n";

/// The longest beginning of at most `max` bytes that ends between two characters.
pub(super) fn at_most(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The text, cut to `max` bytes between two characters; a note says so when something was cut off.
pub fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let kept = at_most(text, max.saturating_sub(NOTE.len()));
    at_most(&format!("{kept}{NOTE}"), max).to_owned()
}

/// Joins comments, given from the oldest to the newest, with a line of three dashes between two. As
/// many of the newest are kept as fit into `max` bytes, the newest always, if only its beginning; a
/// note says so when older ones do not fit.
pub fn join_newest(comments: &[String], max: usize) -> String {
    let room = max.saturating_sub(OLDER_NOTE.len() + SEPARATOR.len());
    let mut kept: Vec<&str> = Vec::new();
    let mut length = 0;
    for comment in comments.iter().rev() {
        length += comment.len() + SEPARATOR.len();
        if length > room {
            break;
        }
        kept.push(comment);
    }
    let newest;
    if let (true, Some(comment)) = (kept.is_empty(), comments.last()) {
        newest = cut(comment, room);
        kept.push(&newest);
    }
    if kept.len() < comments.len() {
        kept.push(OLDER_NOTE);
    }
    kept.reverse();
    at_most(&kept.join(SEPARATOR), max).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_long_text_ends_between_two_characters_and_says_that_it_was_cut() {
        assert_eq!(cut("short", 100), "short");
        assert_eq!(cut(&"ä".repeat(30), 41), format!("{}{NOTE}", "ä".repeat(9)));
    }

    #[test]
    fn the_newest_comments_are_kept() {
        assert_eq!(join_newest(&[], 100), "");
        assert_eq!(join_newest(&owned(&["one", "two"]), 100), "one\n---\ntwo");
        let long = "x".repeat(40);
        assert_eq!(
            join_newest(&owned(&[&long, "two", "three"]), 60),
            format!("{OLDER_NOTE}\n---\ntwo\n---\nthree")
        );
        let much = "x".repeat(200);
        assert_eq!(
            join_newest(&owned(&["one", &much]), 100),
            format!("{OLDER_NOTE}\n---\n{}{NOTE}", "x".repeat(43))
        );
    }

    proptest! {
        #[test]
        fn no_bound_is_ever_passed(texts in prop::collection::vec(".{0,40}", 0..8), max in 0_usize..200) {
            prop_assert!(join_newest(&texts, max).len() <= max);
            prop_assert!(cut(&texts.concat(), max).len() <= max);
        }
    }
}
