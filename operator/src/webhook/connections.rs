//! Connections of senders: bounded in number and in time, so that slow ones cannot hold up others.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at once.
const MOST: usize = 256;
/// How long the head of a request may take to come.
const HEAD: Duration = Duration::from_secs(10);
/// How long the head of a request may be, in bytes.
const LONGEST_HEAD: usize = 32 * 1024;
/// How long a connection may last: head, body, keeping and answer, with some to spare.
const TIME: Duration = Duration::from_mins(1);
/// How long one waits when no connection can be accepted, such as without free descriptors.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// Answers every request on `listener` with `answer`, for ever.
pub(super) async fn serve<A>(
    listener: TcpListener,
    answer: impl Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
) where
    A: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let free = Arc::new(Semaphore::new(MOST));
    loop {
        // Those who come while all are taken wait in the kernel. The semaphore is never closed.
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("failed to accept a connection: {error}");
                tokio::time::sleep(AFTER_ERROR).await;
                continue;
            }
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            if tokio::time::timeout(TIME, connection(stream, answer))
                .await
                .is_err()
            {
                tracing::debug!("a connection took too long and was closed");
            }
            drop(permit);
        });
    }
}

async fn connection<A>(stream: TcpStream, answer: impl Fn(Request<Incoming>) -> A)
where
    A: Future<Output = Response<Full<Bytes>>>,
{
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let answer = answer(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    // A connection is good for one delivery: one that nobody uses takes the place of another.
    let served = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!("a connection ended: {error}");
    }
}
