//! A plan about a pipeline in the making: the status as it is to be, and the steps around its
//! writing.

use std::time::Duration;

use axon_api::TaskPipelineStatus;
use axon_api::kinds::task_pipeline::{PipelinePhase, StepRun};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::observed::PipelineObserved;
use super::plan::{PipelinePlan, Step};
use super::{Fault, history};
use crate::bounded;
use crate::draft::whole_seconds;
use crate::plan::{Notice, NoticeKind};

/// The pipeline has ended, in whatever way.
const COMPLETE: &str = "Complete";
/// The step that needs an approval has it.
const APPROVED: &str = "Approved";
/// Bytes of a condition's message.
const CONDITION_BYTES: usize = 512;

/// A plan in the making.
pub(crate) struct Draft<'a, 'o> {
    pub(crate) observed: &'a PipelineObserved<'o>,
    pub(crate) status: TaskPipelineStatus,
    now: Timestamp,
    first: Vec<Step>,
    last: Vec<Step>,
    notices: Vec<Notice>,
    wake: Option<Duration>,
}

impl<'a, 'o> Draft<'a, 'o> {
    /// Starts from the status that the pipeline has.
    pub(crate) fn new(observed: &'a PipelineObserved<'o>) -> Self {
        let mut status = observed.pipeline.status.clone().unwrap_or_default();
        status.observed_generation = observed.pipeline.metadata.generation;
        Self {
            observed,
            status,
            now: whole_seconds(observed.now),
            first: Vec::new(),
            last: Vec::new(),
            notices: Vec::new(),
            wake: None,
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.observed.pipeline.spec.cancel == Some(true)
    }

    /// Adds a step to be done before the status is written.
    pub(crate) fn before_status(&mut self, step: Step) {
        self.first.push(step);
    }

    /// Adds a step to be done only when the status has been written.
    pub(crate) fn after_status(&mut self, step: Step) {
        self.last.push(step);
    }

    /// Looks again after this time.
    pub(crate) fn wake_in(&mut self, time: Duration) {
        self.wake = Some(time);
    }

    /// Changes the last run.
    pub(crate) fn change_run(&mut self, change: impl FnOnce(&mut StepRun)) {
        if let Some(run) = self.status.runs.last_mut() {
            change(run);
        }
    }

    /// Sets where the pipeline is.
    pub(crate) fn enter(&mut self, phase: PipelinePhase, reason: &str, message: &str) {
        self.status.phase = Some(phase);
        self.status.reason = Some(bounded::reason(reason, phase.as_str()));
        self.status.message = Some(bounded::text(message, bounded::MESSAGE_BYTES));
        if phase.is_final() {
            let reason = self.status.reason.clone().unwrap_or_default();
            self.set(COMPLETE, "True", &reason, message);
        } else {
            self.set(COMPLETE, "False", "InProgress", "");
        }
    }

    /// Whether the step that runs, or ran last, is approved.
    pub(crate) fn approved(&mut self, verdict: &str, reason: &str, message: &str) {
        self.set(APPROVED, verdict, reason, message);
    }

    /// The step that runs needs no approval, or not yet.
    pub(crate) fn forget_approval(&mut self) {
        self.status
            .conditions
            .retain(|condition| condition.type_ != APPROVED);
    }

    fn set(&mut self, type_: &str, verdict: &str, reason: &str, message: &str) {
        let conditions = &mut self.status.conditions;
        let known = conditions.iter().find(|condition| condition.type_ == type_);
        let since = known
            .filter(|condition| condition.status == verdict)
            .map_or(Time(self.now), |condition| condition.last_transition_time.clone());
        let condition = Condition {
            last_transition_time: since,
            message: bounded::line(message, CONDITION_BYTES),
            observed_generation: self.observed.pipeline.metadata.generation,
            reason: reason.to_owned(),
            status: verdict.to_owned(),
            type_: type_.to_owned(),
        };
        match conditions.iter_mut().find(|known| known.type_ == type_) {
            Some(known) => *known = condition,
            None => conditions.push(condition),
        }
    }

    /// Tells of something that happens with this plan.
    pub(crate) fn notify(&mut self, kind: NoticeKind, reason: &str, message: &str) {
        self.notices.push(Notice {
            kind,
            reason: reason.to_owned(),
            message: bounded::text(message, bounded::MESSAGE_BYTES),
        });
    }

    /// Ends the pipeline for good.
    pub(crate) fn end(
        mut self,
        phase: PipelinePhase,
        reason: &str,
        message: &str,
        why: &str,
    ) -> PipelinePlan {
        self.enter(phase, reason, message);
        self.status.completion_time = Some(Time(self.now));
        match phase {
            PipelinePhase::Failed => {
                self.notify(NoticeKind::Warning, "Failed", &format!("{reason}: {message}"));
            }
            _ => self.notify(NoticeKind::Normal, phase.as_str(), message),
        }
        self.finish(why)
    }

    /// Ends the pipeline for something that nothing can be done about.
    pub(crate) fn fail(self, fault: &Fault, why: &str) -> PipelinePlan {
        self.end(PipelinePhase::Failed, fault.reason, &fault.message, why)
    }

    /// The moment at which the first step is begun.
    pub(crate) fn started(&mut self) {
        let now = self.now;
        self.status.start_time.get_or_insert(Time(now));
    }

    /// The plan.
    pub(crate) fn finish(mut self, why: &str) -> PipelinePlan {
        history::trim(&mut self.status.runs);
        let changed = self.observed.pipeline.status.as_ref() != Some(&self.status);
        let mut steps = self.first;
        if changed {
            steps.push(Step::WriteStatus);
        }
        steps.extend(self.last);
        if changed {
            steps.extend(self.notices.into_iter().map(Step::Notify));
        }
        PipelinePlan {
            steps,
            status: self.status,
            wake: self.wake,
            why: why.to_owned(),
        }
    }
}
