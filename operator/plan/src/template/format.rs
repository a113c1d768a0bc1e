//! Writes values as Go's `fmt` does.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// The widest field and the most digits that a `printf` may ask for.
const MAX_WIDTH: usize = 1024;

/// A value's kind, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// The value as `%v` writes it. It is cut once it has `limit` bytes.
pub(super) fn plain(value: &Value, limit: usize) -> String {
    let mut text = String::new();
    write_plain(&mut text, value, limit);
    text
}

fn write_plain(text: &mut String, value: &Value, limit: usize) {
    if text.len() >= limit {
        return;
    }
    match value {
        Value::Null => text.push_str("<nil>"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(value) => text.push_str(&number(value)),
        Value::String(value) => text.push_str(value),
        Value::Array(list) => {
            text.push('[');
            for (index, value) in list.iter().enumerate() {
                if text.len() >= limit {
                    return;
                }
                if index > 0 {
                    text.push(' ');
                }
                write_plain(text, value, limit);
            }
            text.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push_str("map[");
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if text.len() >= limit {
                    return;
                }
                if index > 0 {
                    text.push(' ');
                }
                text.push_str(key);
                text.push(':');
                write_plain(text, value, limit);
            }
            text.push(']');
        }
    }
}

/// Go writes a float with an exponent where that is below -4 or above 20.
fn number(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let size = float.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let scientific = format!("{float:e}");
        if let Some((digits, exponent)) = scientific.split_once('e') {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            return format!("{digits}e{sign}{exponent:0>2}");
        }
    }
    format!("{float}")
}

/// The values in a row, with a space between two of which neither is a string.
pub(super) fn print(values: &[&Value], limit: usize) -> String {
    let mut text = String::new();
    let mut was_string = true;
    for value in values {
        if !was_string && !value.is_string() {
            text.push(' ');
        }
        write_plain(&mut text, value, limit);
        was_string = value.is_string();
    }
    text
}

/// The values with spaces between them and a line break after them.
pub(super) fn println(values: &[&Value], limit: usize) -> String {
    let mut text = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        write_plain(&mut text, value, limit);
    }
    text.push('\n');
    text
}

/// The values as the pattern says, with the verbs `%s %d %v %q %t %f %x %%`, widths and precisions.
pub(super) fn printf(pattern: &str, values: &[&Value], limit: usize) -> Result<String, String> {
    let mut text = String::new();
    let mut values = values.iter();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let (verb, after) = Verb::read(after)?;
        rest = after;
        if verb.letter == '%' {
            text.push('%');
            continue;
        }
        let value = values
            .next()
            .ok_or_else(|| format!("`printf` has no value for `%{}`", verb.letter))?;
        verb.write(&mut text, value, limit)?;
        if text.len() >= limit {
            return Ok(text);
        }
    }
    text.push_str(rest);
    match values.len() {
        0 => Ok(text),
        more => Err(format!("`printf` was given {more} more values than it writes")),
    }
}

/// A verb with what is between the percent sign and it.
struct Verb {
    letter: char,
    pads: Pads,
    has_plus: bool,
    width: usize,
    precision: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pads {
    Left,
    LeftWithZeros,
    Right,
}

impl Verb {
    fn read(after: &str) -> Result<(Self, &str), String> {
        let flags = after.trim_start_matches(['-', '+', '0', ' ', '#']);
        let flagged = after.get(..after.len() - flags.len()).unwrap_or_default();
        let pads = if flagged.contains('-') {
            Pads::Right
        } else if flagged.contains('0') {
            Pads::LeftWithZeros
        } else {
            Pads::Left
        };
        let (width, rest) = digits(flags)?;
        let (precision, rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (precision, rest) = digits(rest)?;
                (Some(precision), rest)
            }
            None => (None, rest),
        };
        let letter = rest.chars().next().ok_or("`printf` ends with `%`")?;
        let verb = Self {
            letter,
            pads,
            has_plus: flagged.contains('+'),
            width,
            precision,
        };
        Ok((verb, rest.get(letter.len_utf8()..).unwrap_or_default()))
    }

    fn write(&self, text: &mut String, value: &Value, limit: usize) -> Result<(), String> {
        let wrong = || format!("`printf` cannot write {} as `%{}`", kind(value), self.letter);
        let (written, is_number) = match (self.letter, value) {
            ('v', value) => (plain(value, limit), value.is_number()),
            ('s', Value::String(value)) => (self.shortened(value), false),
            ('s', Value::Array(list)) if list.iter().all(Value::is_string) => (plain(value, limit), false),
            ('q', Value::String(value)) => (quoted(&self.shortened(value), limit), false),
            ('t', Value::Bool(_)) => (plain(value, limit), false),
            ('d', Value::Number(value)) => {
                let whole = whole(value).ok_or_else(wrong)?;
                (whole.to_string(), true)
            }
            ('x', Value::Number(value)) => {
                let whole = whole(value).ok_or_else(wrong)?;
                let sign = if whole < 0 { "-" } else { "" };
                (format!("{sign}{:x}", whole.unsigned_abs()), true)
            }
            ('f', Value::Number(value)) => {
                let float = value.as_f64().ok_or_else(wrong)?;
                (format!("{float:.*}", self.precision.unwrap_or(6)), true)
            }
            ('s' | 'q' | 't' | 'd' | 'x' | 'f', _) => return Err(wrong()),
            (letter, _) => return Err(format!("`printf` does not know `%{}`", letter.escape_debug())),
        };
        self.pad(text, &written, is_number);
        Ok(())
    }

    fn shortened(&self, value: &str) -> String {
        match self.precision {
            Some(precision) => value.chars().take(precision).collect(),
            None => value.to_owned(),
        }
    }

    fn pad(&self, text: &mut String, written: &str, is_number: bool) {
        let signed = if self.has_plus && is_number && !written.starts_with('-') {
            format!("+{written}")
        } else {
            written.to_owned()
        };
        let missing = self.width.saturating_sub(signed.chars().count());
        match self.pads {
            Pads::Right => {
                text.push_str(&signed);
                text.push_str(&" ".repeat(missing));
            }
            Pads::LeftWithZeros if is_number => {
                let digits = signed.trim_start_matches(['-', '+']);
                text.push_str(signed.get(..signed.len() - digits.len()).unwrap_or_default());
                text.push_str(&"0".repeat(missing));
                text.push_str(digits);
            }
            Pads::Left | Pads::LeftWithZeros => {
                text.push_str(&" ".repeat(missing));
                text.push_str(&signed);
            }
        }
    }
}

fn digits(text: &str) -> Result<(usize, &str), String> {
    let rest = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let digits = text.get(..text.len() - rest.len()).unwrap_or_default();
    if digits.is_empty() {
        return Ok((0, rest));
    }
    match digits.parse() {
        Ok(number) if number <= MAX_WIDTH => Ok((number, rest)),
        _ => Err(format!("`printf` writes at most {MAX_WIDTH} characters wide")),
    }
}

/// The number without fraction; `None` where it has one.
fn whole(number: &Number) -> Option<i128> {
    if let Some(whole) = number.as_i64() {
        return Some(i128::from(whole));
    }
    if let Some(whole) = number.as_u64() {
        return Some(i128::from(whole));
    }
    let spelled = format!("{}", number.as_f64()?);
    spelled.parse().ok()
}

fn quoted(text: &str, limit: usize) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        if quoted.len() >= limit {
            break;
        }
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            control if u32::from(control) < 0x20 || u32::from(control) == 0x7f => {
                let _ = write!(quoted, "\\x{:02x}", u32::from(control));
            }
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
