//! What a sender is told: a status, and a sentence that people read in the forge's list of
//! deliveries.

use axum::body::Bytes;
use axum::http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

/// Seconds after which a sender that was turned away is to come back.
const COME_BACK: u32 = 30;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// A sentence without a full stop.
    pub(super) sentence: String,
}

impl Answer {
    pub(super) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
        }
    }

    /// Nothing is wrong with the delivery: the sender is to try again.
    pub(super) fn later(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence)
    }

    /// What goes over the wire.
    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(format!("{}\n", self.sentence)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, text);
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(COME_BACK));
            }
            _ => {}
        }
        response
    }
}
