//! Whether anybody uses the plane: requests from outside, and Tasks that have not finished.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axon_api::{Phase, Task, TaskPipeline, TaskSpawner};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client};

/// While Tasks run, one looks at least this often whether they have finished, and at most so often.
const LONGEST_LOOK: Duration = Duration::from_secs(30);
const SHORTEST_LOOK: Duration = Duration::from_millis(100);

/// Counts the requests from outside.
#[derive(Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

struct State {
    open: usize,
    last: Instant,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            open: 0,
            last: Instant::now(),
        })))
    }

    /// A request has come; it lasts as long as what is returned.
    pub(super) fn request(&self) -> OpenRequest {
        self.change(|state| state.open += 1);
        OpenRequest(self.clone())
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        state.last = Instant::now();
    }

    /// For how long there has been no request; zero while one is open.
    fn quiet(&self) -> Duration {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.open > 0 {
            Duration::ZERO
        } else {
            state.last.elapsed()
        }
    }
}

/// A request that is being answered; a watch is, as long as it lasts.
pub(super) struct OpenRequest(Activity);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.change(|state| state.open = state.open.saturating_sub(1));
    }
}

/// The body of an answer, which keeps its request open.
pub(super) struct Answer<B> {
    pub(super) body: B,
    pub(super) _request: OpenRequest,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Returns when there was no request for `limit`, no spawner looks for work, and neither a Task nor a
/// pipeline is unfinished, unless the pipeline waits for a person.
pub(super) async fn idle(activity: Activity, client: Client, limit: Duration) {
    loop {
        let left = limit.saturating_sub(activity.quiet());
        if !left.is_zero() {
            tokio::time::sleep(left).await;
        } else if is_done(&client).await {
            return;
        } else {
            tokio::time::sleep(limit.clamp(SHORTEST_LOOK, LONGEST_LOOK)).await;
        }
    }
}

/// Whether nothing on the plane has anything to do. What cannot be listed may have.
async fn is_done(client: &Client) -> bool {
    unfinished_tasks(client).await == Ok(0)
        && unfinished_pipelines(client).await == Ok(0)
        && looking_spawners(client).await == Ok(0)
}

/// How many spawners may find work; an error where they cannot be listed.
async fn looking_spawners(client: &Client) -> Result<usize, String> {
    let resource = ApiResource::erase::<TaskSpawner>(&());
    let is_suspended = |object: &DynamicObject| object.data.pointer("/spec/suspend") == Some(&true.into());
    count_objects(client, &resource, |object| !is_suspended(object)).await
}

/// How many Tasks have not finished; an error where they cannot be listed.
///
/// They are read loosely: one that cannot be understood counts as unfinished.
pub(crate) async fn unfinished_tasks(client: &Client) -> Result<usize, String> {
    let resource = ApiResource::erase::<Task>(&());
    count(client, &resource, |phase| !is_final(phase)).await
}

/// How many pipelines have something to do; an error where they cannot be listed.
async fn unfinished_pipelines(client: &Client) -> Result<usize, String> {
    let resource = ApiResource::erase::<TaskPipeline>(&());
    count(client, &resource, has_work).await
}

async fn count(
    client: &Client,
    resource: &ApiResource,
    counts: impl Fn(Option<&str>) -> bool,
) -> Result<usize, String> {
    count_objects(client, resource, |object| {
        let phase = object.data.pointer("/status/phase");
        counts(phase.and_then(serde_json::Value::as_str))
    })
    .await
}

async fn count_objects(
    client: &Client,
    resource: &ApiResource,
    counts: impl Fn(&DynamicObject) -> bool,
) -> Result<usize, String> {
    let objects: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let objects = objects.list(&ListParams::default()).await;
    let objects = objects.map_err(|error| error.to_string())?;
    Ok(objects.iter().filter(|object| counts(object)).count())
}

fn is_final(phase: Option<&str>) -> bool {
    serde_json::from_value::<Phase>(phase.into()).is_ok_and(Phase::is_final)
}

/// Whether a pipeline in this phase has something to do. One that waits for an approval gets it by a
/// command, which starts the plane.
fn has_work(phase: Option<&str>) -> bool {
    !matches!(
        phase,
        Some("AwaitingApproval" | "Complete" | "Failed" | "Cancelled")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_request_is_activity_until_it_is_dropped() {
        let activity = Activity::new();
        let watch = activity.request();
        drop(activity.request());
        assert_eq!(activity.quiet(), Duration::ZERO);
        drop(watch);
        assert!(activity.quiet() > Duration::ZERO);
    }

    #[test]
    fn every_phase_that_the_kind_knows_is_either_final_or_not() {
        for (phase, expected) in [
            (None, false),
            (Some("Pending"), false),
            (Some("Waiting"), false),
            (Some("Running"), false),
            (Some("Succeeded"), true),
            (Some("Failed"), true),
            (Some("TimedOut"), true),
            (Some("Cancelled"), true),
        ] {
            assert_eq!(is_final(phase), expected, "{phase:?}");
        }
    }
}
