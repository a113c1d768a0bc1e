//! Finding the provider's own words and HTTP status in the error strings of the CLIs.

use serde_json::Value;

use crate::event::Ending;
use crate::{json, text};

/// How deep an error may be wrapped in other errors' strings.
const NESTING: usize = 4;

/// Words that stand before an HTTP status: `last status: 429`, `"code":401`, `API Error: 529`.
const BEFORE_STATUS: &[&str] = &["status", "statuscode", "code", "error", "http"];

/// Words that stand after an HTTP status: the beginnings of the reason phrases of RFC 9110.
const AFTER_STATUS: &[&str] = &[
    "bad",
    "unauthorized",
    "payment",
    "forbidden",
    "too",
    "internal",
    "service",
    "gateway",
    "overloaded",
];

/// A failure from an error string of a CLI. `http_status` is what the stream says in a field of
/// its own; without it the string is searched.
pub(crate) fn failed(text: &str, http_status: Option<u16>) -> Ending {
    Ending::Failed {
        message: text::kept(provider_message(text).trim()),
        http_status: http_status.or_else(|| http_status_in(text)),
    }
}

/// The number as an HTTP status of an error.
pub(crate) fn http_status(value: Option<&Value>) -> Option<u16> {
    let status = u16::try_from(value?.as_u64()?).ok()?;
    (400..600).contains(&status).then_some(status)
}

/// The message inside the JSON body that `text` quotes, or `text` itself.
fn provider_message(text: &str) -> String {
    let mut message = text.trim().to_owned();
    for _ in 0..NESTING {
        match quoted_message(&message) {
            Some(inner) => message = inner,
            None => break,
        }
    }
    message
}

/// The message of the first JSON object inside `text`. The providers answer with
/// `{"error":{"message":...}}`, gateways also with `{"message":...}` and `{"error":"..."}`.
fn quoted_message(text: &str) -> Option<String> {
    let (_, body) = text.split_at_checked(text.find('{')?)?;
    let value: Value = serde_json::Deserializer::from_str(body)
        .into_iter()
        .next()?
        .ok()?;
    ["/error/message", "/message", "/error"]
        .iter()
        .find_map(|pointer| json::string(&value, pointer))
        .filter(|message| !message.trim().is_empty())
        .map(ToOwned::to_owned)
}

/// The first number from 400 to 599 that the words around it mark as an HTTP status.
fn http_status_in(text: &str) -> Option<u16> {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let is_one_of = |word: Option<&&str>, list: &[&str]| {
        word.is_some_and(|word| list.iter().any(|known| word.eq_ignore_ascii_case(known)))
    };
    words.iter().enumerate().find_map(|(index, word)| {
        let status: u16 = word.parse().ok()?;
        let before = index.checked_sub(1).and_then(|before| words.get(before));
        let marked = is_one_of(before, BEFORE_STATUS) || is_one_of(words.get(index + 1), AFTER_STATUS);
        (marked && (400..600).contains(&status)).then_some(status)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_and_status_are_found_in_the_strings_of_the_clis() {
        let cases = [
            (
                "unexpected status 401 Unauthorized: Incorrect API key provided, url: http://h/v1/responses",
                "unexpected status 401 Unauthorized: Incorrect API key provided, url: http://h/v1/responses",
                Some(401),
            ),
            (
                "exceeded retry limit, last status: 429 Too Many Requests",
                "exceeded retry limit, last status: 429 Too Many Requests",
                Some(429),
            ),
            (
                r#"[API Error: {"error":{"code":401,"message":"API key not valid","status":"UNAUTHENTICATED"}}]"#,
                "API key not valid",
                Some(401),
            ),
            (
                r#"got status: 400. {"error":{"code":400,"message":"{\"error\":{\"message\":\"inner\"}}"}}"#,
                "inner",
                Some(400),
            ),
            (r#"{"message":"gateway says no"}"#, "gateway says no", None),
            (r#"{"error":"plain"}"#, "plain", None),
            (
                "Request failed: 503 Service Unavailable",
                "Request failed: 503 Service Unavailable",
                Some(503),
            ),
            ("API Error: 529 {not json", "API Error: 529 {not json", Some(529)),
            ("stopped at line 404", "stopped at line 404", None),
            ("error 200", "error 200", None),
            ("", "", None),
        ];
        for (text, message, http_status) in cases {
            let expected = Ending::Failed {
                message: message.to_owned(),
                http_status,
            };
            assert_eq!(failed(text, None), expected, "{text}");
        }
    }

    #[test]
    fn a_status_field_of_the_stream_beats_the_text() {
        let Ending::Failed { http_status, .. } = failed("status 401", Some(403)) else {
            panic!("a failure is expected");
        };
        assert_eq!(http_status, Some(403));
    }
}
