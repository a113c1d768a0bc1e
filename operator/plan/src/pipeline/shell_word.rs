//! Makes a text from outside one word for a shell, wherever in a script it is inserted.
//!
//! Quoting alone does not do: a person may write quotes of either kind around the place, and inside
//! of those a quoted text would be a program again. So every character that means something to a
//! shell is written as the number of its bytes, and `printf` of the shell turns it back.

use std::fmt::Write as _;

/// The word. A text of plain characters, and an empty one, is left as it is.
pub(crate) fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@,+-".contains(&byte);
    if text.bytes().all(is_plain) && !text.starts_with('-') {
        return text.to_owned();
    }
    let mut word = String::with_capacity(text.len() * 2 + 24);
    word.push_str("\"$(printf '%b' '");
    // A shell keeps no NUL in a word.
    for byte in text.bytes().filter(|byte| *byte != 0) {
        if is_plain(byte) || byte == b' ' {
            word.push(char::from(byte));
        } else {
            let _ = write!(word, "\\0{byte:03o}");
        }
    }
    word.push_str("')\"");
    word
}
