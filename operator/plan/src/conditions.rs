//! The conditions of a Task. All are positive: True is what one waits for.

use axon_api::TaskStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use crate::bounded;

/// This build can run the Task.
pub(crate) const SUPPORTED: &str = "Supported";
/// All that the Task needs is there.
pub(crate) const READY: &str = "Ready";
/// The agent was started. Absent until a pod is let go; False from that moment until the agent
/// starts, so that its last transition tells since when the pod may start.
pub(crate) const STARTED: &str = "Started";
/// The Task has ended, in whatever way.
pub(crate) const COMPLETE: &str = "Complete";

/// Bytes that a condition's message may have: the whole one is in `status.message`.
const MESSAGE_BYTES: usize = 512;

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    True,
    False,
}

/// Sets a condition. Its transition time changes only when its status does.
pub(crate) fn set(
    status: &mut TaskStatus,
    type_: &str,
    verdict: Verdict,
    reason: &str,
    message: &str,
    moment: Moment,
) {
    let spelled = match verdict {
        Verdict::True => "True",
        Verdict::False => "False",
    };
    let message = bounded::line(message, MESSAGE_BYTES);
    let generation = moment.generation;
    if let Some(condition) = status
        .conditions
        .iter_mut()
        .find(|condition| condition.type_ == type_)
    {
        if condition.status != spelled {
            spelled.clone_into(&mut condition.status);
            condition.last_transition_time = Time(moment.now);
        }
        reason.clone_into(&mut condition.reason);
        condition.message = message;
        condition.observed_generation = generation;
        return;
    }
    status.conditions.push(Condition {
        last_transition_time: Time(moment.now),
        message,
        observed_generation: generation,
        reason: reason.to_owned(),
        status: spelled.to_owned(),
        type_: type_.to_owned(),
    });
}

/// Takes a condition away.
pub(crate) fn remove(status: &mut TaskStatus, type_: &str) {
    status.conditions.retain(|condition| condition.type_ != type_);
}

/// Since when the condition says `False` for `reason`.
pub(crate) fn false_since(status: &TaskStatus, type_: &str, reason: Option<&str>) -> Option<Timestamp> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_ && condition.status == "False")
        .filter(|condition| reason.is_none_or(|reason| condition.reason == reason))
        .map(|condition| condition.last_transition_time.0)
}

/// For what and when a condition is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    pub(crate) generation: Option<i64>,
}
