//! The controller of TaskSpawners: rounds over what the sources have heard, what is remembered, and
//! the Tasks that are there. Decisions are `axon_plan::spawner`'s; only `apply` writes.

mod apply;
mod memory;
mod observe;
mod round;
mod sources;
mod state;

use std::sync::Arc;

use crate::apply::Applier;
use crate::config::Config;
use crate::watch::Listed;
use crate::work::work;

use self::round::Round;
pub use self::sources::Sources;
#[cfg(feature = "github")]
pub use self::sources::ask_of;
use self::state::States;

/// Rounds at work at once: one may wait for the forge.
const CONCURRENCY: usize = 4;

/// Does the rounds of all spawners, for ever, once every watch has listed what there is: a decision
/// from half a view would have to ask the server for the rest.
pub async fn keep(
    applier: Arc<Applier>,
    config: Arc<Config>,
    sources: Sources,
    mut listed: Listed,
) -> anyhow::Error {
    if let Err(error) = listed.wait().await {
        return error;
    }
    let queue = applier.world.lock().errands().spawners;
    let round = Arc::new(Round {
        applier,
        config,
        sources,
        states: States::default(),
    });
    let workers = (0..CONCURRENCY).map(|_| {
        let round = Arc::clone(&round);
        work(Arc::clone(&queue), move |key| {
            let round = Arc::clone(&round);
            async move { round.run(&key).await }
        })
    });
    let workers: Vec<_> = workers.map(Box::pin).collect();
    futures::future::select_all(workers).await.0
}
