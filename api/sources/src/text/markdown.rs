//! Texts of Markdown that a page does not show: alternative texts of pictures, titles of links, and
//! definitions of links.

use super::bounds::at_most;

/// Bytes of a link's target, its title included; a bound on the work for a line of opening brackets.
const MAX_TARGET_BYTES: usize = 2048;
/// Bytes of the name of a link's definition that stays.
const MAX_LABEL_BYTES: usize = 60;

/// The text without them.
pub(super) fn without_titles(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        match definition(line) {
            Some(definition) => out.push_str(&definition),
            None => push_line(line, &mut out),
        }
        out.push_str(end);
    }
    out
}

/// What remains of a line that is a definition such as `[label]: address "title"`, or one of the
/// comments that are made of it: `[//]: # (comment)`. `None` when it is none.
fn definition(line: &str) -> Option<String> {
    let trimmed = line.trim_start_matches([' ', '\t', '>']);
    let (label, rest) = trimmed.strip_prefix('[')?.split_once("]:")?;
    if label.contains(']') || label.starts_with('^') {
        return None;
    }
    let address = rest.split_whitespace().next().unwrap_or_default();
    let is_comment = matches!(address, "" | "#" | "<>") || label.len() > MAX_LABEL_BYTES;
    if is_comment {
        return Some(String::new());
    }
    Some(format!("[{label}]: {address}"))
}

fn push_line(line: &str, out: &mut String) {
    let mut rest = line;
    while let Some(at) = rest.find("](") {
        let (before, from) = rest.split_at(at);
        let target = from.get(2..).unwrap_or_default();
        let Some(close) = end_of_target(target) else {
            out.push_str(before);
            out.push_str("](");
            rest = target;
            continue;
        };
        out.push_str(without_alternative(before));
        out.push_str("](");
        out.push_str(without_title(target.get(..close).unwrap_or_default()));
        out.push(')');
        rest = target.get(close + 1..).unwrap_or_default();
    }
    out.push_str(rest);
}

/// A link's target without its title. What has no title is left as it is: `table[name](one, two)` is
/// code.
fn without_title(target: &str) -> &str {
    let trimmed = target.trim();
    match trimmed.split_once(char::is_whitespace) {
        Some((address, rest)) if rest.trim_start().starts_with(['"', '\'', '(']) => address,
        _ => target,
    }
}

/// Where the target that the text begins with ends: at the parenthesis that closes it.
fn end_of_target(text: &str) -> Option<usize> {
    let text = at_most(text, MAX_TARGET_BYTES);
    let mut depth = 0_usize;
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') if depth == 0 => return Some(at),
            (None, ')') => depth -= 1,
            (Some(_) | None, _) => {}
        }
    }
    // A quote that does not end is no title: the first parenthesis closes.
    quote.and_then(|_| text.find(')'))
}

/// What is before the target, without the alternative text if it is a picture's.
fn without_alternative(before: &str) -> &str {
    match before.rfind("![") {
        Some(at) if !before.get(at + 2..).unwrap_or_default().contains(']') => {
            before.get(..at + 2).unwrap_or_default()
        }
        _ => before,
    }
}
