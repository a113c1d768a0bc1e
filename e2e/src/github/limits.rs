//! The primary rate limit: so many requests an hour for each credential.
//!
//! Source: <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const WINDOW: SignedDuration = SignedDuration::from_hours(1);
const PER_HOUR: u64 = 5000;
const PER_HOUR_ANONYMOUS: u64 = 60;

#[derive(Debug, Default)]
pub(super) struct Limits {
    windows: BTreeMap<String, Window>,
    per_hour: Option<u64>,
    exhausted_until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    used: u64,
    reset: Timestamp,
}

/// Where a credential stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    limit: u64,
    used: u64,
    reset: Timestamp,
}

impl Limits {
    /// Lets each credential make this many requests in an hour.
    pub(super) fn allow(&mut self, per_hour: u64) {
        self.per_hour = Some(per_hour);
    }

    pub(super) fn exhaust(&mut self, until: Timestamp) {
        self.exhausted_until = Some(until);
    }

    /// Where the credential stands; an empty one is that of who shows none.
    pub(super) fn standing(&mut self, credential: &str, now: Timestamp) -> Standing {
        let default = if credential.is_empty() {
            PER_HOUR_ANONYMOUS
        } else {
            PER_HOUR
        };
        let limit = self.per_hour.unwrap_or(default);
        if let Some(until) = self.exhausted_until {
            if now < until {
                return Standing {
                    limit,
                    used: limit,
                    reset: until,
                };
            }
            self.exhausted_until = None;
            self.windows.clear();
        }
        let Window { used, reset } = *self.window(credential, now);
        Standing { limit, used, reset }
    }

    /// Counts a request.
    pub(super) fn charge(&mut self, credential: &str, now: Timestamp) {
        self.window(credential, now).used += 1;
    }

    fn window(&mut self, credential: &str, now: Timestamp) -> &mut Window {
        let fresh = Window {
            used: 0,
            reset: now + WINDOW,
        };
        let window = self.windows.entry(credential.to_owned()).or_insert(fresh);
        if window.reset <= now {
            *window = fresh;
        }
        window
    }
}

impl Standing {
    pub(super) fn is_exhausted(&self) -> bool {
        self.used >= self.limit
    }

    /// As `/rate_limit` shows it.
    pub(super) fn json(&self) -> Value {
        json!({
            "limit": self.limit,
            "used": self.used,
            "remaining": self.remaining(),
            "reset": self.reset.as_second(),
        })
    }

    /// Writes the headers that every answer has, but for those that it has already.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let numbers = [
            ("x-ratelimit-limit", self.limit),
            ("x-ratelimit-remaining", self.remaining()),
            ("x-ratelimit-used", self.used),
            (
                "x-ratelimit-reset",
                u64::try_from(self.reset.as_second()).unwrap_or_default(),
            ),
        ];
        for (name, value) in numbers {
            headers.entry(name).or_insert_with(|| HeaderValue::from(value));
        }
        headers
            .entry("x-ratelimit-resource")
            .or_insert_with(|| HeaderValue::from_static("core"));
    }

    fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}
