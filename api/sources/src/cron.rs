//! `cron`: times of a schedule. Spec, which ticks are due, and what one is for templates.

mod items;
mod schedule;
mod ticks;

pub use items::{candidate, item};
pub use schedule::Schedule;
pub use ticks::{Due, MAX_TICKS, due, next_after, zone};

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Times of a cron schedule.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CronSource {
    /// Five fields: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday),
    /// such as "0 9 * * 1-5"; or @hourly, @daily, @weekly, @monthly, @yearly.
    #[schemars(length(min = 1, max = 256))]
    pub schedule: String,

    /// IANA time zone of the schedule, such as Europe/Paris. Absent means UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,

    /// What becomes of a tick while a Task of an earlier one has not ended. Allow: another Task.
    /// Forbid: no Task. Replace: the earlier Task is cancelled first. Absent means Allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<ConcurrencyPolicy>,

    /// What becomes of ticks that were missed while the operator was down or the spawner suspended.
    /// Latest: one Task for the latest of them. All: one for each, at most 1,000. None: no Task.
    /// Absent means Latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_ticks: Option<MissedTicks>,

    /// Seconds after its time in which a tick may still become a Task; minimum 1. Absent means
    /// without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub starting_deadline_seconds: Option<i64>,
}

/// What becomes of a tick while a Task of an earlier one has not ended.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConcurrencyPolicy {
    #[default]
    Allow,
    Forbid,
    Replace,
}

/// What becomes of ticks that were missed.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MissedTicks {
    #[default]
    Latest,
    All,
    None,
}
