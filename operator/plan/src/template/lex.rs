//! Cuts a template into tokens.

use serde_json::{Number, Value};

use super::Fault;

/// A token of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Text(String),
    /// `{{`.
    Open,
    /// `}}`.
    Close,
    Dot,
    /// `.Name`.
    Field(String),
    /// `$name`; the name is without the dollar sign, and empty for `$`.
    Variable(String),
    Word(String),
    Literal(Value),
    Pipe,
    LeftParenthesis,
    RightParenthesis,
    Comma,
    /// `:=`.
    Declare,
    /// `=`.
    Assign,
}

/// A token and where it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) offset: usize,
    /// Whether nothing is between it and the token before.
    pub(super) is_attached: bool,
}

/// Cuts a template into tokens. The text between the actions is trimmed where they ask for it.
pub(super) fn lex(source: &str) -> Result<Vec<Placed>, Fault> {
    let mut lexer = Lexer {
        source,
        offset: 0,
        tokens: Vec::new(),
    };
    let mut trim = Trim::Keep;
    while lexer.offset < source.len() {
        trim = lexer.text_and_action(trim)?;
    }
    Ok(lexer.tokens)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trim {
    Keep,
    Trim,
}

struct Lexer<'a> {
    source: &'a str,
    offset: usize,
    tokens: Vec<Placed>,
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.offset..).unwrap_or_default()
    }

    fn push(&mut self, token: Token, length: usize, is_attached: bool) {
        self.tokens.push(Placed {
            token,
            offset: self.offset,
            is_attached,
        });
        self.offset += length;
    }

    /// Reads the text up to the next action, and that action. Tells how the text after it is
    /// trimmed.
    fn text_and_action(&mut self, before: Trim) -> Result<Trim, Fault> {
        let rest = self.rest();
        let (text, has_action) = match rest.split_once("{{") {
            Some((text, _)) => (text, true),
            None => (rest, false),
        };
        let length = text.len();
        let after = rest.get(length + 2..).unwrap_or_default();
        let trims = has_action && after.starts_with('-') && after[1..].starts_with(is_space);
        let text = match before {
            Trim::Trim => text.trim_start_matches(is_space),
            Trim::Keep => text,
        };
        let text = if trims {
            text.trim_end_matches(is_space)
        } else {
            text
        };
        if !text.is_empty() {
            self.push(Token::Text(text.to_owned()), 0, false);
        }
        self.offset += length;
        if !has_action {
            return Ok(Trim::Keep);
        }
        self.action(if trims { 3 } else { 2 })
    }

    fn action(&mut self, opening: usize) -> Result<Trim, Fault> {
        let start = self.offset;
        let inner = self.rest().get(opening..).unwrap_or_default();
        let trimmed = inner.trim_start_matches(is_space);
        if trimmed.starts_with("/*") && (opening == 3 || trimmed.len() == inner.len()) {
            self.offset += opening + inner.len() - trimmed.len();
            return self.comment(start);
        }
        self.push(Token::Open, opening, false);
        loop {
            let rest = self.rest();
            let space = rest.len() - rest.trim_start_matches(is_space).len();
            self.offset += space;
            if let Some((length, trim)) = closing(self.rest(), space > 0) {
                self.push(Token::Close, length, space == 0);
                return Ok(trim);
            }
            if self.rest().is_empty() {
                return Err(Fault::new(start, "this `{{` has no `}}`"));
            }
            self.token(space == 0)?;
        }
    }

    fn comment(&mut self, start: usize) -> Result<Trim, Fault> {
        let Some(end) = self.rest().find("*/") else {
            return Err(Fault::new(start, "this comment has no `*/`"));
        };
        self.offset += end + 2;
        let rest = self.rest();
        let space = rest.len() - rest.trim_start_matches(is_space).len();
        let after = rest.get(space..).unwrap_or_default();
        match closing(after, space > 0) {
            Some((length, trim)) if space == 0 || trim == Trim::Trim => {
                self.offset += space + length;
                Ok(trim)
            }
            _ => Err(Fault::new(self.offset, "a comment must end with `*/}}`")),
        }
    }

    /// Reads one token of an action.
    fn token(&mut self, is_attached: bool) -> Result<(), Fault> {
        let rest = self.rest();
        let mut characters = rest.chars();
        let (first, second) = (characters.next().unwrap_or_default(), characters.next());
        let (token, length) = match (first, second) {
            ('|', _) => (Token::Pipe, 1),
            ('(', _) => (Token::LeftParenthesis, 1),
            (')', _) => (Token::RightParenthesis, 1),
            (',', _) => (Token::Comma, 1),
            ('=', _) => (Token::Assign, 1),
            (':', Some('=')) => (Token::Declare, 2),
            ('"', _) => self.quoted()?,
            ('`', _) => self.raw()?,
            ('\'', _) => self.character()?,
            ('.', Some(next)) if next.is_ascii_digit() => self.number()?,
            ('.', Some(next)) if is_word(next) => {
                let name = word(&rest[1..]);
                (Token::Field(name.to_owned()), 1 + name.len())
            }
            ('.', _) => (Token::Dot, 1),
            ('$', _) => {
                let name = word(&rest[1..]);
                (Token::Variable(name.to_owned()), 1 + name.len())
            }
            ('0'..='9', _) => self.number()?,
            ('+' | '-', Some(next)) if next.is_ascii_digit() || next == '.' => self.number()?,
            (first, _) if is_word(first) => {
                let name = word(rest);
                let token = match name {
                    "true" => Token::Literal(Value::Bool(true)),
                    "false" => Token::Literal(Value::Bool(false)),
                    _ => Token::Word(name.to_owned()),
                };
                (token, name.len())
            }
            _ => {
                let shown = first.escape_debug();
                return Err(Fault::new(self.offset, format!("unexpected character `{shown}`")));
            }
        };
        self.push(token, length, is_attached);
        Ok(())
    }

    fn raw(&self) -> Result<(Token, usize), Fault> {
        let inner = self.rest().get(1..).unwrap_or_default();
        let end = inner
            .find('`')
            .ok_or_else(|| Fault::new(self.offset, "this raw string has no end"))?;
        let text = inner.get(..end).unwrap_or_default().replace('\r', "");
        Ok((Token::Literal(Value::String(text)), end + 2))
    }

    fn quoted(&self) -> Result<(Token, usize), Fault> {
        let (text, length) = self.unescape('"')?;
        Ok((Token::Literal(Value::String(text)), length))
    }

    /// A character in single quotes is its number, as in Go.
    fn character(&self) -> Result<(Token, usize), Fault> {
        let (text, length) = self.unescape('\'')?;
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(only), None) => Ok((Token::Literal(Value::from(u32::from(only))), length)),
            _ => Err(Fault::new(
                self.offset,
                "single quotes are for one character; a string has double quotes",
            )),
        }
    }

    /// Reads what is between two `quote`s, and tells how long it is with them.
    fn unescape(&self, quote: char) -> Result<(String, usize), Fault> {
        let rest = self.rest();
        let no_end = || Fault::new(self.offset, "this string has no end on its line");
        let mut text = String::new();
        let mut characters = rest.char_indices().skip(1);
        while let Some((index, character)) = characters.next() {
            match character {
                '\n' => return Err(no_end()),
                '\\' => {
                    let (_, kind) = characters.next().ok_or_else(no_end)?;
                    let digits = match kind {
                        'x' => 2,
                        'u' => 4,
                        'U' => 8,
                        _ => 0,
                    };
                    let hex: String = characters.by_ref().take(digits).map(|(_, digit)| digit).collect();
                    let unknown = || Fault::new(self.offset + index, "unknown escape sequence");
                    text.push(escape(kind, &hex).ok_or_else(unknown)?);
                }
                _ if character == quote => return Ok((text, index + quote.len_utf8())),
                _ => text.push(character),
            }
        }
        Err(no_end())
    }

    fn number(&self) -> Result<(Token, usize), Fault> {
        let rest = self.rest();
        let mut previous = ' ';
        let end = rest.find(|character: char| {
            let is_sign = matches!(character, '+' | '-') && matches!(previous, ' ' | 'e' | 'E');
            let belongs = is_sign || character == '.' || is_word(character);
            previous = character;
            !belongs
        });
        let spelled = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let value =
            number(spelled).ok_or_else(|| Fault::new(self.offset, format!("`{spelled}` is not a number")))?;
        Ok((Token::Literal(Value::Number(value)), spelled.len()))
    }
}

/// The length of the `}}` or ` -}}` at the start, and how what follows is trimmed.
fn closing(rest: &str, after_space: bool) -> Option<(usize, Trim)> {
    if rest.starts_with("}}") {
        return Some((2, Trim::Keep));
    }
    (after_space && rest.starts_with("-}}")).then_some((3, Trim::Trim))
}

fn word(text: &str) -> &str {
    let end = text.find(|character| !is_word(character)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn escape(kind: char, hex: &str) -> Option<char> {
    Some(match kind {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        '0' => '\0',
        '\\' | '"' | '\'' => kind,
        'x' | 'u' | 'U' => char::from_u32(u32::from_str_radix(hex, 16).ok()?)?,
        _ => return None,
    })
}

fn number(spelled: &str) -> Option<Number> {
    let plain = spelled.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let hex = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
        .map(|hex| i64::from_str_radix(hex, 16).ok());
    match hex {
        Some(hex) => Some(Number::from(hex? * sign)),
        None => match plain.trim_start_matches('+').parse::<i64>() {
            Ok(whole) => Some(Number::from(whole)),
            Err(_) if digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') => {
                Number::from_f64(plain.parse().ok()?)
            }
            Err(_) => None,
        },
    }
}
