//! Cuts text from outside, so that a status stays within 16 KiB whatever an agent says.

/// Bytes that a message of the status may have as JSON.
pub(crate) const MESSAGE_BYTES: usize = 1024;

/// Marks that a text was cut.
const CUT: &str = " [cut]";

/// The longest beginning of `text` that has at most `limit` bytes once it is a JSON string, with a
/// mark where it was cut. Control characters but line breaks and tabs become spaces.
pub(crate) fn text(text: &str, limit: usize) -> String {
    let mut kept = String::new();
    let mut bytes = 0;
    for character in text.chars() {
        let character = if character.is_control() && character != '\n' && character != '\t' {
            ' '
        } else {
            character
        };
        bytes += json_bytes(character);
        if bytes > limit.saturating_sub(CUT.len()) {
            return finish(text, kept, limit);
        }
        kept.push(character);
    }
    kept
}

/// The text as one line of at most `limit` bytes: line breaks and tabs become spaces.
pub(crate) fn line(line: &str, limit: usize) -> String {
    let flat: String = line
        .trim()
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    text(&flat, limit)
}

/// A reason: the word that conditions and events allow, or `fallback` when nothing of it is left.
pub(crate) fn reason(word: &str, fallback: &str) -> String {
    let kept: String = word
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(64)
        .collect();
    if kept.starts_with(|character: char| character.is_ascii_alphabetic()) {
        kept
    } else {
        fallback.to_owned()
    }
}

/// A text that only just fits is not cut for the sake of the mark.
fn finish(whole: &str, mut kept: String, limit: usize) -> String {
    let all: usize = whole.chars().map(json_bytes).sum();
    if all <= limit && !whole.chars().any(char::is_control) {
        return whole.to_owned();
    }
    kept.push_str(CUT);
    kept
}

/// Bytes of a character inside of a JSON string.
fn json_bytes(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\t' => 2,
        control if control.is_ascii_control() => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_that_fits_is_left_alone() {
        assert_eq!(text("twelve bytes", 12), "twelve bytes");
    }

    #[test]
    fn a_reason_is_a_word() {
        assert_eq!(reason("Clone Failed!", "Failed"), "CloneFailed");
        assert_eq!(reason("9", "Failed"), "Failed");
        assert_eq!(reason("", "Failed"), "Failed");
    }

    proptest! {
        #[test]
        fn whatever_the_text_it_fits_as_json(whole in "\\PC{0,40}|(?s).{0,200}", limit in 10usize..120) {
            let json = serde_json::to_string(&text(&whole, limit)).expect("JSON");
            prop_assert!(json.len() <= limit + 2, "{json}");
            let flat = line(&whole, limit);
            prop_assert!(!flat.contains('\n'));
            prop_assert!(flat.len() <= limit);
        }
    }
}
