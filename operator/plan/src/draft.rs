//! A plan in the making: the status as it is to be, and the steps around its writing.

use std::time::Duration;

use axon_api::{Phase, TaskStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::bounded;
use crate::conditions::{self, Moment, Verdict};
use crate::ending::Ending;
use crate::leftovers;
use crate::notices;
use crate::observed::Observed;
use crate::plan::{Plan, Step};
use crate::progress::Cause;
use crate::results;

/// A plan in the making.
pub(crate) struct Draft<'a, 'o> {
    pub(crate) observed: &'a Observed<'o>,
    /// The moment, in whole seconds as Kubernetes writes time.
    pub(crate) now: Timestamp,
    pub(crate) status: TaskStatus,
    first: Vec<Step>,
    last: Vec<Step>,
    wake: Option<Duration>,
    write: Write,
}

/// When the status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    IfChanged,
    Always,
}

impl<'a, 'o> Draft<'a, 'o> {
    /// Starts from the status that the Task has.
    pub(crate) fn new(observed: &'a Observed<'o>) -> Self {
        let mut status = observed.task.status.clone().unwrap_or_default();
        status.observed_generation = observed.task.metadata.generation;
        Self {
            observed,
            now: whole_seconds(observed.now),
            status,
            first: Vec::new(),
            last: Vec::new(),
            wake: None,
            write: Write::IfChanged,
        }
    }

    /// Adds a step to be done before the status is written.
    pub(crate) fn before_status(&mut self, step: Step) {
        self.first.push(step);
    }

    /// Adds a step to be done only when the status has been written.
    pub(crate) fn after_status(&mut self, step: Step) {
        self.last.push(step);
    }

    /// Adds a step to be done only when the server has taken the status, though it may be the one
    /// that the Task has: it takes none from a stale view.
    pub(crate) fn after_proof(&mut self, step: Step) {
        self.write = Write::Always;
        self.last.push(step);
    }

    /// Looks again at this moment, or at the earliest of several.
    pub(crate) fn wake_at(&mut self, moment: Timestamp) {
        let left = moment.duration_since(self.now);
        let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
        self.wake = Some(self.wake.map_or(left, |wake| wake.min(left)));
    }

    /// Whether the Task is to be ended.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.observed.task.spec.cancel == Some(true)
    }

    /// Sets where the Task is.
    pub(crate) fn enter(&mut self, phase: Phase, reason: &str, message: &str) {
        self.status.phase = Some(phase);
        self.status.reason = Some(bounded::reason(reason, phase.as_str()));
        self.status.message = Some(bounded::text(message, bounded::MESSAGE_BYTES));
        let (verdict, reason, message) = if phase.is_final() {
            (Verdict::True, self.status.reason.clone(), message)
        } else {
            (Verdict::False, None, "")
        };
        let reason = reason.unwrap_or_else(|| "InProgress".to_owned());
        self.set(conditions::COMPLETE, verdict, &reason, message);
    }

    /// Sets a condition.
    pub(crate) fn set(&mut self, type_: &str, verdict: Verdict, reason: &str, message: &str) {
        let moment = Moment {
            now: self.now,
            generation: self.observed.task.metadata.generation,
        };
        conditions::set(&mut self.status, type_, verdict, reason, message, moment);
    }

    /// This build can run the Task, and all that it needs is there.
    pub(crate) fn is_ready(&mut self) {
        self.set(conditions::SUPPORTED, Verdict::True, "Supported", "");
        self.set(conditions::READY, Verdict::True, "Found", "");
    }

    /// Ends the Task for good, and cleans up what must not start or run on.
    pub(crate) fn end(mut self, ending: &Ending, why: &str) -> Plan {
        let Cause { reason, message } = &ending.cause;
        self.enter(ending.phase, reason, message);
        if let Some(started) = ending.started.filter(|started| started.as_second() > 0) {
            self.status.start_time = Some(Time(whole_seconds(started)));
        }
        let finished = ending.finished.filter(|finished| finished.as_second() > 0);
        self.status.completion_time = Some(Time(finished.map_or(self.now, whole_seconds)));
        self.status.exit_code = ending.exit_code;
        if let Some(outcome) = &ending.outcome {
            results::record(&mut self.status, outcome);
        }
        if self.status.start_time.is_some() {
            self.set(conditions::STARTED, Verdict::True, "AgentStarted", "");
        } else {
            self.set(conditions::STARTED, Verdict::False, "NeverStarted", "");
        }
        for step in leftovers::steps(self.observed, &self.status) {
            self.after_status(step);
        }
        if let Some(due) = leftovers::expiry(self.observed.task, &self.status) {
            self.wake_at(due);
        }
        self.finish(why)
    }

    /// The plan.
    pub(crate) fn finish(mut self, why: &str) -> Plan {
        results::fit(&mut self.status);
        let before = self.observed.task.status.as_ref();
        let mut steps = self.first;
        let changed = before != Some(&self.status);
        if changed || self.write == Write::Always {
            steps.push(Step::WriteStatus);
        }
        steps.extend(self.last);
        if changed {
            steps.extend(notices::of(before, &self.status).map(Step::Notify));
        }
        Plan {
            steps,
            status: self.status,
            wake: self.wake,
            why: why.to_owned(),
        }
    }
}

/// The moment without fractions: Kubernetes writes none, and what is read back must equal what was
/// written.
pub(crate) fn whole_seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}
