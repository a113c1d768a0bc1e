//! Reads the body of a delivery: bounded in length, in time, and together with all others in memory.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::answer::Answer;

/// How long a body may be, in bytes.
pub(super) const LONGEST: usize = 10 * 1024 * 1024;
/// How long all bodies that are being read may be together, in bytes.
pub(super) const LONGEST_TOGETHER: usize = 4 * LONGEST;
/// How long a body may take to come.
const TIME: Duration = Duration::from_secs(20);
/// How long what is not taken is read.
const DISCARD: Duration = Duration::from_secs(10);
/// How much of a body that is not taken is read, so that its sender gets to read the answer.
const MOST_DISCARDED: usize = 3 * LONGEST;

/// A body, and its part of the memory for all.
pub(super) struct Held<'a> {
    pub(super) bytes: Vec<u8>,
    memory: Option<SemaphorePermit<'a>>,
}

/// Reads a body whole. `memory` has a permit for each byte of all bodies together.
pub(super) async fn read<'a>(body: &mut Incoming, memory: &'a Semaphore) -> Result<Held<'a>, Answer> {
    if body.size_hint().lower() > LONGEST as u64 {
        return Err(too_long());
    }
    match tokio::time::timeout(TIME, collect(body, memory)).await {
        Ok(read) => read,
        Err(_) => Err(Answer::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not come within {} seconds", TIME.as_secs()),
        )),
    }
}

async fn collect<'a>(body: &mut Incoming, memory: &'a Semaphore) -> Result<Held<'a>, Answer> {
    let mut held = Held {
        bytes: Vec::new(),
        memory: None,
    };
    // Memory is taken for what has come, and not for what is said to come: saying costs nothing.
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let sentence = format!("the body could not be read: {error}");
            Answer::new(StatusCode::BAD_REQUEST, sentence)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if held.bytes.len() + data.len() > LONGEST {
            return Err(too_long());
        }
        held.take(&data, memory)?;
    }
    Ok(held)
}

impl<'a> Held<'a> {
    fn take(&mut self, data: &Bytes, memory: &'a Semaphore) -> Result<(), Answer> {
        let busy = |_| Answer::later("too many deliveries are being read at once");
        let more = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let permit = memory.try_acquire_many(more).map_err(busy)?;
        match &mut self.memory {
            Some(memory) => memory.merge(permit),
            none => *none = Some(permit),
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

/// Reads what is left of a body and drops it: a connection that is closed before all is read takes the
/// answer with it. A sender that asked before it sent, has not sent.
pub(super) async fn discard(headers: &HeaderMap, body: &mut Incoming) {
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let read = async {
        let mut length = 0;
        while let Some(Ok(frame)) = body.frame().await {
            length += frame.data_ref().map_or(0, Bytes::len);
            if length > MOST_DISCARDED {
                break;
            }
        }
    };
    // Whether it all came or not, the answer is the same.
    let _ = tokio::time::timeout(DISCARD, read).await;
}

fn too_long() -> Answer {
    let sentence = format!("the body is longer than {LONGEST} bytes");
    Answer::new(StatusCode::PAYLOAD_TOO_LARGE, sentence)
}
