//! What it means when GitHub does not answer as it should.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use k8s_openapi::jiff::Timestamp;

/// How long to wait after a secondary rate limit that does not say how long.
const UNSAID: Duration = Duration::from_mins(1);

/// Why GitHub did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub kind: FailureKind,
    /// What was asked and what was answered, as a sentence without a full stop. No credential is
    /// in it.
    pub message: String,
    /// When GitHub wants to be asked again.
    pub wait: Option<Wait>,
}

/// When to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    For(Duration),
    Until(Timestamp),
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The credential is not accepted (401).
    Unauthorized,
    /// The credential may not do this (403, 451).
    Forbidden,
    /// It is not there, or the credential may not see it (404, 410).
    NotFound,
    /// A primary or secondary rate limit is used up (403, 429).
    RateLimited,
    /// GitHub is in trouble, cannot be reached, or answers what nobody understands.
    Unavailable,
    /// The request does not please GitHub (400, 422), or is answered from elsewhere (3xx).
    Refused,
}

impl FailureKind {
    /// One word for conditions.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "RepositoryNotFound",
            Self::RateLimited => "RateLimited",
            Self::Unavailable => "GitHubUnavailable",
            Self::Refused => "Refused",
        }
    }

    /// Whether waiting helps.
    pub fn passes(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable)
    }
}

impl Failure {
    /// A failure that has no time of its own.
    pub(super) fn new(kind: FailureKind, message: String) -> Self {
        Self {
            kind,
            message,
            wait: None,
        }
    }

    /// What an answer with this status means; `said` is GitHub's own message.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap, said: &str) -> (FailureKind, Option<Wait>) {
        let wait = wait(headers);
        let is_limit = wait.is_some() || said_to_be_limited(said);
        match status.as_u16() {
            401 => (FailureKind::Unauthorized, None),
            429 => (FailureKind::RateLimited, wait.or(Some(Wait::For(UNSAID)))),
            403 if is_limit => (FailureKind::RateLimited, wait.or(Some(Wait::For(UNSAID)))),
            403 | 451 => (FailureKind::Forbidden, None),
            404 | 410 => (FailureKind::NotFound, None),
            408 | 500.. => (FailureKind::Unavailable, wait),
            _ => (FailureKind::Refused, None),
        }
    }
}

/// When the headers say that one may ask again, if there is a limit that is used up.
fn wait(headers: &HeaderMap) -> Option<Wait> {
    if let Some(seconds) = number(headers, header::RETRY_AFTER.as_str()) {
        return Some(Wait::For(Duration::from_secs(seconds)));
    }
    if number(headers, "x-ratelimit-remaining")? > 0 {
        return None;
    }
    let reset = i64::try_from(number(headers, "x-ratelimit-reset")?).ok()?;
    Some(Wait::Until(Timestamp::from_second(reset).ok()?))
}

fn said_to_be_limited(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    said.contains("rate limit") || said.contains("abuse detection")
}

pub(super) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, headers: &[(&'static str, &'static str)], said: &str) -> (FailureKind, Option<Wait>) {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let name = header::HeaderName::from_static(name);
                (name, header::HeaderValue::from_static(value))
            })
            .collect();
        let status = StatusCode::from_u16(status).expect("a status");
        Failure::of(status, &headers, said)
    }

    #[test]
    fn a_status_alone_says_what_it_is() {
        for (status, kind, passes) in [
            (401, FailureKind::Unauthorized, false),
            (403, FailureKind::Forbidden, false),
            (451, FailureKind::Forbidden, false),
            (404, FailureKind::NotFound, false),
            (410, FailureKind::NotFound, false),
            (422, FailureKind::Refused, false),
            (302, FailureKind::Refused, false),
            (429, FailureKind::RateLimited, true),
            (500, FailureKind::Unavailable, true),
            (503, FailureKind::Unavailable, true),
        ] {
            let (found, _) = of(status, &[], "");
            assert_eq!((found, found.passes()), (kind, passes), "{status}");
        }
    }

    #[test]
    fn a_limit_is_told_from_a_refusal_by_headers_and_by_words() {
        let minute = Wait::For(Duration::from_mins(1));
        let reset = Wait::Until(Timestamp::from_second(1_770_000_000).expect("a time"));
        for (headers, said, kind, wait) in [
            (
                &[("retry-after", "7")][..],
                "",
                FailureKind::RateLimited,
                Some(Wait::For(Duration::from_secs(7))),
            ),
            (
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1770000000"),
                ],
                "",
                FailureKind::RateLimited,
                Some(reset),
            ),
            (
                &[],
                "You have exceeded a secondary rate limit",
                FailureKind::RateLimited,
                Some(minute),
            ),
            (
                &[],
                "You have triggered an abuse detection mechanism",
                FailureKind::RateLimited,
                Some(minute),
            ),
            (
                &[("x-ratelimit-remaining", "1")],
                "Resource not accessible",
                FailureKind::Forbidden,
                None,
            ),
        ] {
            assert_eq!(of(403, headers, said), (kind, wait), "{headers:?} {said}");
        }
    }
}
