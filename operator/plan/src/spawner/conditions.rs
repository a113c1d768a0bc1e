//! The conditions of a spawner.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use crate::bounded;

/// This build has the source.
pub(crate) const SUPPORTED: &str = "Supported";
/// The source can be asked, and what the Tasks are made of is well formed.
pub(crate) const READY: &str = "Ready";
/// The source is asked less often for a while.
pub(crate) const RATE_LIMITED: &str = "RateLimited";
/// No new Tasks are made because somebody said so.
pub(crate) const SUSPENDED: &str = "Suspended";
/// `maxTotalTasks` are made.
pub(crate) const MAX_TOTAL: &str = "MaxTotalTasksReached";
/// Events that come while the operator is down are found again.
pub(crate) const DOWN_PROOF: &str = "DownProof";

/// Bytes of a message as JSON. Six conditions and a thousand places are below 16 KiB.
const MESSAGE_BYTES: usize = 320;

/// The conditions in the making.
#[derive(Debug)]
pub(crate) struct Conditions {
    pub(crate) list: Vec<Condition>,
    pub(crate) now: Timestamp,
    pub(crate) generation: Option<i64>,
}

impl Conditions {
    /// Sets one. Its transition time changes only when its status does.
    pub(crate) fn set(&mut self, type_: &str, status: &str, reason: &str, message: &str) {
        let known = self.list.iter().position(|condition| condition.type_ == type_);
        let since = known
            .and_then(|index| self.list.get(index))
            .filter(|condition| condition.status == status)
            .map_or(Time(self.now), |condition| condition.last_transition_time.clone());
        let condition = Condition {
            last_transition_time: since,
            message: bounded::line(message, MESSAGE_BYTES),
            observed_generation: self.generation,
            reason: bounded::reason(reason, "Unknown"),
            status: status.to_owned(),
            type_: type_.to_owned(),
        };
        match known.and_then(|index| self.list.get_mut(index)) {
            Some(known) => *known = condition,
            None => self.list.push(condition),
        }
    }

    /// Sets one that is only there once it has been True.
    pub(crate) fn set_if_ever(&mut self, type_: &str, is_so: bool, reason: &str, message: &str) {
        if is_so {
            self.set(type_, "True", reason, message);
        } else if self.list.iter().any(|condition| condition.type_ == type_) {
            self.set(type_, "False", reason, "");
        }
    }

    /// Takes one away.
    pub(crate) fn remove(&mut self, type_: &str) {
        self.list.retain(|condition| condition.type_ != type_);
    }
}
