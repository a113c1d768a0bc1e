//! What goes wrong because a test says so.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

/// What the next requests get instead of, or before, their answer. Default: the next request,
/// whatever it asks.
#[derive(Clone, Debug)]
pub struct Fault {
    what: What,
    method: Option<Method>,
    path: String,
    times: usize,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Value,
    },
    Close,
    Wait(Duration),
}

impl Fault {
    /// This status, with a body as GitHub has for it.
    pub fn status(status: u16) -> Self {
        let message = match status {
            401 => "Bad credentials",
            403 => "Resource not accessible by integration",
            404 => "Not Found",
            429 => "Too many requests",
            _ => "Server Error",
        };
        Self::new(What::Answer {
            status,
            headers: Vec::new(),
            body: json!({"message": message, "documentation_url": super::answer::DOCUMENTATION}),
        })
    }

    /// The secondary rate limit: 403, and when to come again.
    pub fn secondary_rate_limit(retry_after_seconds: u32) -> Self {
        let message =
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        Self::status(403)
            .header("retry-after", &retry_after_seconds.to_string())
            .body(json!({"message": message, "documentation_url": super::answer::DOCUMENTATION}))
    }

    /// The connection is closed before any of the answer is sent.
    pub fn close() -> Self {
        Self::new(What::Close)
    }

    /// The answer comes this much later.
    pub fn slow(by: Duration) -> Self {
        Self::new(What::Wait(by))
    }

    /// Only requests of this method whose path has `path` in it.
    #[must_use]
    pub fn on(mut self, method: Method, path: &str) -> Self {
        self.method = Some(method);
        path.clone_into(&mut self.path);
        self
    }

    /// So many of them.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// All of them, until [`super::GitHub::recover`].
    #[must_use]
    pub fn from_now_on(self) -> Self {
        self.times(usize::MAX)
    }

    /// Adds a header to a scripted answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let What::Answer { headers, .. } = &mut self.what {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Replaces the body of a scripted answer; a string is sent as it is, as of a proxy in front.
    #[must_use]
    pub fn body(mut self, value: Value) -> Self {
        if let What::Answer { body, .. } = &mut self.what {
            *body = value;
        }
        self
    }

    fn new(what: What) -> Self {
        Self {
            what,
            method: None,
            path: String::new(),
            times: 1,
        }
    }

    fn matches(&self, method: &Method, path: &str) -> bool {
        self.method.as_ref().is_none_or(|expected| expected == method) && path.contains(&self.path)
    }
}

/// The fault of a request, the first that matches; it is then used up by one.
pub(super) fn take(faults: &mut Vec<Fault>, method: &Method, path: &str) -> Option<What> {
    let index = faults.iter().position(|fault| fault.matches(method, path))?;
    let fault = faults.get_mut(index)?;
    let what = fault.what.clone();
    fault.times = fault.times.saturating_sub(1);
    if fault.times == 0 {
        faults.remove(index);
    }
    Some(what)
}
