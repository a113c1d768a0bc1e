//! Text from outside, made fit for a terminal, and words that are near each other.

/// The text in one line without anything that a terminal obeys: control characters become
/// `\x1b`-like escapes, line breaks and tabs a space.
pub(crate) fn one_line(text: &str) -> String {
    let joined = text.replace("\r\n", " ").replace(['\n', '\t', '\r'], " ");
    printable(joined.trim())
}

/// A message without the lines `hint: ...` at its end, in one line, and these hints.
pub(crate) fn without_hints(message: &str) -> (String, Vec<String>) {
    let (hints, lines): (Vec<&str>, Vec<&str>) = message.lines().partition(|line| line.starts_with("hint: "));
    let hints = hints.into_iter().map(one_line).collect();
    (one_line(&lines.join("\n")), hints)
}

/// The text with its lines, without anything else that a terminal obeys.
pub(crate) fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if is_obeyed(character) {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
    }
    clean
}

/// Whether a terminal does something other than to show the character: C0 and C1 controls, and
/// the marks that turn the direction of text around.
fn is_obeyed(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first `limit` characters, with `...` if that is not all.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
    }
}

/// The candidate that someone who wrote `word` has probably meant.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| {
            (
                distance(&word.to_lowercase(), &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance in characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, left_char) in left.chars().enumerate() {
        let mut next = vec![line + 1];
        for ((above, diagonal), right_char) in row.iter().skip(1).zip(&row).zip(&right) {
            let before = next.last().copied().unwrap_or_default();
            let replaced = diagonal + usize::from(left_char != *right_char);
            next.push(replaced.min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown_instead() {
        assert_eq!(printable("a\u{1b}[31mb\nc\td"), "a\\u{1b}[31mb\nc\td");
        assert_eq!(printable("x\u{202e}y\u{9b}z"), "x\\u{202e}y\\u{9b}z");
        assert_eq!(one_line(" a\r\nb\tc\r"), "a b c");
        assert_eq!(one_line("äöü 漢字 🙂"), "äöü 漢字 🙂");
    }

    #[test]
    fn hints_are_told_apart_from_the_message() {
        let (message, hints) = without_hints("no `x`\nat all\nhint: make one\n");
        assert_eq!(
            (message.as_str(), hints),
            ("no `x` at all", vec!["hint: make one".to_owned()])
        );
    }

    #[test]
    fn a_cut_counts_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüx", 3), "äöü...");
    }

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_is_not() {
        let known = ["oauthToken", "apiKey", "workspace", "ref"];
        for (word, meant) in [
            ("oathToken", Some("oauthToken")),
            ("oauthtoken", Some("oauthToken")),
            ("apikeys", Some("apiKey")),
            ("wrkspace", Some("workspace")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(closest(word, known), meant, "{word}");
        }
    }
}
