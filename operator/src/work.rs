//! Rounds of a kind that has few and short ones: one after the other, from a queue of its own.

use std::future::Future;
use std::sync::Arc;

use crate::key::Key;
use crate::queue::{Next, Queue, Urgency};

/// Does rounds for what the queue tells, one at a time, for ever.
pub async fn work<R>(queue: Arc<Queue>, round: impl Fn(Key) -> R) -> anyhow::Error
where
    R: Future<Output = Next>,
{
    loop {
        let (key, _) = queue.next(Urgency::Normal).await;
        let next = round(key.clone()).await;
        queue.done(&key, next);
    }
}
