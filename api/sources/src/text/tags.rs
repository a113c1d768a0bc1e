//! Attributes of HTML's tags.

/// Attributes that stay: what they say is seen, or is too short to say much.
const KEPT: &[&str] = &[
    "href", "src", "srcset", "id", "class", "width", "height", "align", "lang", "type", "colspan", "rowspan",
    "open", "checked",
];
/// Bytes of a value that stays; addresses may be longer.
const MAX_VALUE_BYTES: usize = 100;
const MAX_ADDRESS_BYTES: usize = 2048;
/// Words that a tag may have beside its name, without values: `Box<dyn Error>` in an issue about Rust
/// looks like a tag, and should stay what it is.
const MAX_BARE_WORDS: usize = 2;

/// The text with tags that have only those attributes whose values a page shows or needs.
pub(super) fn without_attributes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        if let Some(tag) = Tag::read(from) {
            tag.write(from, &mut out);
            rest = from.get(tag.length..).unwrap_or_default();
        } else {
            out.push('<');
            rest = from.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// A tag that is open or closes (<https://spec.commonmark.org/0.31.2/#open-tag>).
struct Tag<'a> {
    /// `name`, or `/name`.
    name: &'a str,
    attributes: Vec<(&'a str, Option<&'a str>)>,
    closes_itself: bool,
    length: usize,
}

impl<'a> Tag<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let after = text.strip_prefix('<')?;
        let slash = usize::from(after.starts_with('/'));
        let letters = after.get(slash..)?;
        if !letters.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let name_end = letters
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .map(|end| end + slash)?;
        let (name, mut rest) = after.split_at_checked(name_end)?;
        let mut attributes = Vec::new();
        loop {
            let trimmed = rest.trim_start();
            if let Some(left) = trimmed.strip_prefix('>') {
                return Some(Self {
                    name,
                    attributes,
                    closes_itself: false,
                    length: text.len() - left.len(),
                });
            }
            if let Some(left) = trimmed.strip_prefix("/>") {
                return Some(Self {
                    name,
                    attributes,
                    closes_itself: true,
                    length: text.len() - left.len(),
                });
            }
            if trimmed.len() == rest.len() {
                return None;
            }
            let (attribute, left) = read_attribute(trimmed)?;
            attributes.push(attribute);
            rest = left;
        }
    }

    fn write(&self, text: &str, out: &mut String) {
        let bare = self
            .attributes
            .iter()
            .filter(|(_, value)| value.is_none())
            .count();
        let stays = |name: &str, value: Option<&str>| {
            let is_kept = KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(name));
            match value {
                Some(value) => {
                    let is_address = ["href", "src", "srcset"]
                        .iter()
                        .any(|kept| kept.eq_ignore_ascii_case(name));
                    let max = if is_address {
                        MAX_ADDRESS_BYTES
                    } else {
                        MAX_VALUE_BYTES
                    };
                    is_kept && value.len() <= max
                }
                None => is_kept || bare <= MAX_BARE_WORDS,
            }
        };
        let attributes = &self.attributes;
        if attributes.iter().all(|(name, value)| stays(name, *value)) {
            out.push_str(text.get(..self.length).unwrap_or_default());
            return;
        }
        out.push('<');
        out.push_str(self.name);
        for (name, value) in attributes.iter().filter(|(name, value)| stays(name, *value)) {
            out.push(' ');
            out.push_str(name);
            if let Some(value) = value {
                out.push('=');
                out.push_str(value);
            }
        }
        out.push_str(if self.closes_itself { " />" } else { ">" });
    }
}

/// The attribute that the text begins with, its value with its quotes, and what is behind it.
fn read_attribute(text: &str) -> Option<((&str, Option<&str>), &str)> {
    let is_first = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':');
    let is_further = |c: char| is_first(c) || c.is_ascii_digit() || matches!(c, '.' | '-');
    if !text.starts_with(is_first) {
        return None;
    }
    let (name, rest) = text.split_at(text.find(|c| !is_further(c))?);
    let Some(value) = rest.trim_start().strip_prefix('=').map(str::trim_start) else {
        return Some(((name, None), rest));
    };
    let end = match value.chars().next()? {
        quote @ ('"' | '\'') => value.get(1..)?.find(quote)? + 2,
        _ => value.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '=' | '<' | '>' | '`'))?,
    };
    let (value, rest) = value.split_at_checked(end)?;
    (!value.is_empty()).then_some(((name, Some(value)), rest))
}
