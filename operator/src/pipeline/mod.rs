//! The controller of pipelines: rounds that read what they need from the server, since they are few
//! and far between, and that write only what the plan says.

mod apply;
mod observe;
mod round;
#[cfg(test)]
mod tests;
mod text;
mod wakes;

use std::sync::Arc;

use axon_api::{Task, TaskPipeline, Workspace, labels};
use kube::Client;
use kube::core::PartialObjectMeta;

use crate::config::Config;
use crate::notices::Notices;
use crate::queue::Queue;
use crate::scope::Place;
use crate::watch::{self as watches, Watches};
use crate::work::work;
use crate::world::Loose;

use self::round::Round;
use self::wakes::Wakes;

/// Rounds at work at once: one may have to wait for the log of a pod.
const CONCURRENCY: usize = 4;

/// Starts the watches and the rounds of pipelines.
pub fn start(watches: &mut Watches<'_>, client: Client, config: &Config, notices: Notices) {
    let queue = Arc::new(Queue::default());
    let wakes = Arc::new(Wakes::new(Arc::clone(&queue)));
    let places = Place::namespaces(&config.watch_namespaces);
    watches.start::<Loose<TaskPipeline>>("taskpipelines", &places, watches::all(), {
        let wakes = Arc::clone(&wakes);
        move |event| wakes.on_pipeline(event)
    });
    let steps = watches::all().labels(labels::PIPELINE);
    watches.start::<Loose<Task>>("tasks of pipelines", &places, steps, {
        let wakes = Arc::clone(&wakes);
        move |event| wakes.on_task(event)
    });
    watches.start::<PartialObjectMeta<Workspace>>("workspaces of pipelines", &places, watches::all(), {
        let wakes = Arc::clone(&wakes);
        move |event| wakes.on_workspace(event)
    });
    let round = Arc::new(Round {
        client,
        settings: config.settings.clone(),
        notices,
        wakes,
        secrets: config.secrets.clone(),
    });
    for _ in 0..CONCURRENCY {
        let round = Arc::clone(&round);
        let queue = Arc::clone(&queue);
        watches.tasks.spawn(work(queue, move |key| {
            let round = Arc::clone(&round);
            async move { round.run(&key).await }
        }));
    }
}
