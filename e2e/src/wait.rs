//! Waiting for what cannot be watched.

use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep};

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(100);

/// Looks again and again until `holds` says so; an error after `limit`, which names `what`.
pub async fn until(
    limit: Duration,
    what: &str,
    mut holds: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    while !holds().await? {
        if Instant::now() > deadline {
            bail!("waited {} s in vain for {what}", limit.as_secs());
        }
        sleep(INTERVAL).await;
    }
    Ok(())
}
