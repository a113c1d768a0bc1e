//! What GitHub answered, and what its headers say.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri, header};
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::failure::{Failure, FailureKind, number};
use super::{cut, without_query};

/// An answer of GitHub.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    /// What is left of the requests that the credential may make in this hour.
    pub budget: Option<Budget>,
    headers: HeaderMap,
    body: Bytes,
    url: String,
}

/// What is left of a rate limit (`x-ratelimit-*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Requests for each period.
    pub limit: u64,
    /// Requests that are left of it.
    pub remaining: u64,
    /// When the next period begins.
    pub reset: Timestamp,
}

/// One page of a listing.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on it; `None` when it is the one that the tag was of.
    pub items: Option<Vec<T>>,
    /// Its tag.
    pub etag: Option<String>,
    /// Address of the page behind it.
    pub next: Option<String>,
    /// Number of the last page, when this is not it.
    pub last: Option<u32>,
    pub budget: Option<Budget>,
}

#[derive(Deserialize)]
struct Complaint {
    message: String,
}

impl Answer {
    pub(super) fn new(status: StatusCode, headers: HeaderMap, body: Bytes, url: &str) -> Self {
        Self {
            status,
            budget: budget(&headers),
            headers,
            body,
            url: url.to_owned(),
        }
    }

    /// What it holds.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let url = without_query(&self.url);
            let why = format!("`{url}` was answered with something else than expected: {error}");
            Failure::new(FailureKind::Unavailable, why)
        })
    }

    /// A page of items as GitHub writes them, each turned into what we know of it.
    pub(super) fn page<T: DeserializeOwned, U>(&self, read: impl Fn(T) -> U) -> Result<Page<U>, Failure> {
        let items = if self.status == StatusCode::NOT_MODIFIED {
            None
        } else {
            let items: Vec<T> = self.read()?;
            Some(items.into_iter().map(read).collect())
        };
        let last = self.link("last").and_then(|link| parameter(&link, "page"));
        Ok(Page {
            items,
            etag: self.text(header::ETAG.as_str()).map(str::to_owned),
            next: self.next(),
            last,
            budget: self.budget,
        })
    }

    /// The page behind this one. Only the query is taken from what the server says, so that nobody
    /// can lead the credential elsewhere, and a server behind a proxy may call itself as it likes.
    pub(super) fn next(&self) -> Option<String> {
        let link = self.link("next")?;
        let (_, query) = link.split_once('?')?;
        Some(format!("{}?{query}", without_query(&self.url)))
    }

    /// Where a redirect leads, when that is at the same server.
    pub(super) fn location(&self, from: &str) -> Option<String> {
        let to = self.text(header::LOCATION.as_str())?;
        let from: Uri = from.parse().ok()?;
        if to.starts_with('/') && !to.starts_with("//") {
            let scheme = from.scheme_str()?;
            return Some(format!("{scheme}://{}{to}", from.authority()?));
        }
        let target: Uri = to.parse().ok()?;
        let is_same = target.scheme() == from.scheme() && target.authority() == from.authority();
        is_same.then(|| to.to_owned())
    }

    pub(super) fn failure(&self, asked: &str) -> Failure {
        let complaint = serde_json::from_slice(&self.body);
        let said = complaint.map_or_else(|_| String::new(), |complaint: Complaint| complaint.message);
        let (kind, wait) = Failure::of(self.status, &self.headers, &said);
        let mut message = format!("`{asked}` was answered {}", self.status.as_u16());
        if !said.is_empty() {
            message.push_str(": ");
            message.push_str(cut(&said));
        }
        Failure { kind, message, wait }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The target of a link of the header `Link` (RFC 8288).
    fn link(&self, relation: &str) -> Option<String> {
        let links = self.text(header::LINK.as_str())?;
        links.split(',').find_map(|link| {
            let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
            let wanted = format!("rel=\"{relation}\"");
            let is_wanted = parameters.split(';').any(|parameter| parameter.trim() == wanted);
            is_wanted.then(|| target.to_owned())
        })
    }
}

fn budget(headers: &HeaderMap) -> Option<Budget> {
    let reset = i64::try_from(number(headers, "x-ratelimit-reset")?).ok()?;
    Some(Budget {
        limit: number(headers, "x-ratelimit-limit")?,
        remaining: number(headers, "x-ratelimit-remaining")?,
        reset: Timestamp::from_second(reset).ok()?,
    })
}

fn parameter(url: &str, name: &str) -> Option<u32> {
    let (_, query) = url.split_once('?')?;
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then(|| value.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const URL: &str = "https://api.example.com/repos/o/r/issues?page=1";

    fn answer(name: &'static str, value: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        Answer::new(StatusCode::OK, headers, Bytes::from_static(b"[1]"), URL)
    }

    #[test]
    fn the_next_page_is_at_the_server_that_was_asked() {
        let answer = answer(
            "link",
            "<https://evil.example.com/x?page=2&after=a%2Cb>; rel=\"next\", <https://evil.example.com/x?page=9>; rel=\"last\"",
        );
        let page = answer.page(|number: u64| number).expect("a page");
        assert_eq!(
            page.next.as_deref(),
            Some("https://api.example.com/repos/o/r/issues?page=2&after=a%2Cb")
        );
        assert_eq!((page.last, page.items), (Some(9), Some(vec![1])));
    }

    #[test]
    fn a_redirect_is_followed_only_to_the_same_server() {
        for (to, expected) in [
            (
                "/repositories/1/issues",
                Some("https://api.example.com/repositories/1/issues"),
            ),
            (
                "https://api.example.com/repositories/1",
                Some("https://api.example.com/repositories/1"),
            ),
            ("https://api.example.com:8443/repositories/1", None),
            ("http://api.example.com/repositories/1", None),
            ("https://evil.example.com/repositories/1", None),
            ("//evil.example.com/repositories/1", None),
            ("repositories", None),
        ] {
            assert_eq!(answer("location", to).location(URL).as_deref(), expected, "{to}");
        }
    }
}
