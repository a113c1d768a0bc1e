//! Characters without a shape, and comments of HTML.

use super::bounds::at_most;

/// Bytes in which a declaration or an instruction that may be code must end to be taken for hidden.
const MAX_IN_CODE_BYTES: usize = 2048;

/// The text without characters that have no shape, and with `\n` for every end of line.
pub(super) fn without_characters(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(|c| !is_hidden(*c))
        .collect()
}

/// Whether a character shows nothing, or changes how others are shown.
fn is_hidden(c: char) -> bool {
    if c == '\n' || c == '\t' {
        return false;
    }
    c.is_control()
        || matches!(
            c,
            '\u{00AD}'                    // soft hyphen
            | '\u{034F}'                  // grapheme joiner
            | '\u{061C}'                  // Arabic letter mark
            | '\u{115F}'..='\u{1160}'     // Hangul fillers
            | '\u{17B4}'..='\u{17B5}'     // Khmer inherent vowels
            | '\u{180B}'..='\u{180F}'     // Mongolian selectors
            | '\u{200B}'..='\u{200F}'     // zero width, direction marks
            | '\u{2028}'..='\u{202E}'     // separators, direction embeddings
            | '\u{2060}'..='\u{206F}'     // word joiner, invisible operators, direction isolates
            | '\u{3164}'                  // Hangul filler
            | '\u{FE00}'..='\u{FE0F}'     // variation selectors
            | '\u{FEFF}'                  // byte order mark
            | '\u{FFA0}'                  // halfwidth Hangul filler
            | '\u{FFF0}'..='\u{FFFB}'     // interlinear annotations
            | '\u{1BCA0}'..='\u{1BCA3}'   // shorthand controls
            | '\u{1D173}'..='\u{1D17A}'   // musical controls
            | '\u{E0000}'..='\u{E0FFF}'   // tags, further variation selectors
        )
}

/// The text without entities that stand for such characters: a blank is put in their place, so that
/// what was around them does not become another one.
pub(super) fn without_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        if let Some(length) = hidden_entity(from) {
            out.push(' ');
            rest = from.get(length..).unwrap_or_default();
        } else {
            out.push('&');
            rest = from.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Bytes of the entity that the text begins with, if it shows nothing.
fn hidden_entity(text: &str) -> Option<usize> {
    const NAMED: &[&str] = &[
        "shy",
        "ZeroWidthSpace",
        "NegativeMediumSpace",
        "NegativeThickSpace",
        "NegativeThinSpace",
        "NegativeVeryThinSpace",
        "zwj",
        "zwnj",
        "lrm",
        "rlm",
        "NoBreak",
        "ApplyFunction",
        "af",
        "InvisibleTimes",
        "it",
        "InvisibleComma",
        "ic",
    ];
    let name = text.strip_prefix('&')?;
    let end = name.bytes().take(40).position(|byte| byte == b';')?;
    let name = name.get(..end)?;
    let hides = match name.strip_prefix('#') {
        None => NAMED.contains(&name),
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?).is_some_and(is_hidden)
        }
    };
    hides.then_some(end + 2)
}

/// The text without comments, processing instructions, declarations and CDATA of HTML: a blank is put
/// in their place. A comment that is not closed goes to the end of the text.
pub(super) fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        if let Some(length) = hidden_markup(from) {
            out.push(' ');
            rest = from.get(length..).unwrap_or_default();
        } else {
            out.push('<');
            rest = from.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Bytes of the markup that the text begins with, if a page shows nothing of it.
fn hidden_markup(text: &str) -> Option<usize> {
    let is_declaration = text
        .strip_prefix("<!")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    let (open, close) = match text {
        _ if text.starts_with("<!--") => ("<!--", "-->"),
        _ if text.starts_with("<![CDATA[") => ("<![CDATA[", "]]>"),
        _ if text.starts_with("<?") => ("<?", "?>"),
        _ if is_declaration => ("<!", ">"),
        _ => return None,
    };
    let inner = text.get(open.len()..)?;
    // `<!-->` and `<!--->` are whole comments.
    let is_empty = open == "<!--" && (inner.starts_with('>') || inner.starts_with("->"));
    if is_empty {
        return Some(open.len() + inner.find('>')? + 1);
    }
    // In code `a <!b` is an expression, and a file of PHP never closes its instruction.
    let may_be_code = is_declaration || text.starts_with("<?php") || text.starts_with("<?=");
    let within = if may_be_code {
        at_most(inner, MAX_IN_CODE_BYTES)
    } else {
        inner
    };
    match within.find(close) {
        Some(at) => Some(open.len() + at + close.len()),
        None if may_be_code => None,
        None => Some(text.len()),
    }
}
