//! The order of questions about a pipeline.

use std::time::Duration;

use axon_api::kinds::task_pipeline::{Decision, PipelinePhase, StepResult, StepRun};
use axon_api::{Task, names};
use kube::ResourceExt;

use super::context::{self, Material};
use super::draft::Draft;
use super::kept::{KeptRun, Ownership, Seen};
use super::observed::PipelineObserved;
use super::plan::{PipelinePlan, Step};
use super::steps::{self, Recipe};
use super::verdict::{self, Verdict};
use super::{Fault, pull_request, task};
use crate::observed::Found;
use crate::plan::NoticeKind;

/// How long to wait for objects of an earlier pipeline of the same name to go.
const UNTIL_GONE: Duration = Duration::from_secs(5);

/// Decides what to do next for the observed pipeline.
pub(crate) fn decide(observed: &PipelineObserved<'_>) -> PipelinePlan {
    let pipeline = observed.pipeline;
    let untouched = |why: &str| PipelinePlan {
        status: pipeline.status.clone().unwrap_or_default(),
        why: why.to_owned(),
        ..PipelinePlan::default()
    };
    if pipeline.metadata.uid.is_none() || pipeline.metadata.name.is_none() {
        return untouched("the TaskPipeline is not on the server yet");
    }
    if pipeline.metadata.deletion_timestamp.is_some() {
        return untouched("the TaskPipeline is being deleted, and with it all that it owns");
    }
    if pipeline.is_finished() {
        let mut plan = untouched("the TaskPipeline has ended");
        plan.steps.extend(leftover(observed));
        return plan;
    }
    let draft = Draft::new(observed);
    let recipes = match steps::resolve(&pipeline.spec, observed.default_type) {
        Ok(recipes) => recipes,
        Err(fault) => return draft.fail(&fault, "a step is not as it should be"),
    };
    let branch = task::branch(pipeline);
    let round = Round {
        recipes: &recipes,
        branch: &branch,
        base_branch: base_branch(observed),
    };
    match draft.status.runs.last().cloned() {
        None => round.start(draft),
        Some(run) => round.follow(draft, &run),
    }
}

/// A Task of a pipeline that has ended, begun when that was not known yet, is ended too.
fn leftover(observed: &PipelineObserved<'_>) -> Option<Step> {
    let Found::Present(task) = observed.task else {
        return None;
    };
    let ours = Ownership::of(task, observed.pipeline) == Ownership::Ours;
    (ours && !task.is_finished()).then(|| cancel(task)).flatten()
}

fn cancel(task: &Task) -> Option<Step> {
    if task.spec.cancel == Some(true) {
        return None;
    }
    Some(Step::CancelTask {
        task: task.name_any(),
        uid: task.uid()?,
    })
}

/// The branch that the work is to be merged into; empty for the repository's default branch.
fn base_branch<'a>(observed: &PipelineObserved<'a>) -> &'a str {
    let workspace = match observed.workspace {
        Found::Present(workspace) => Some(&workspace.spec),
        _ => observed.pipeline.spec.workspace.as_ref(),
    };
    workspace
        .and_then(|workspace| workspace.ref_.as_deref())
        .unwrap_or_default()
}

/// What does not change while a decision is made.
struct Round<'a> {
    recipes: &'a [Recipe<'a>],
    branch: &'a str,
    base_branch: &'a str,
}

impl Round<'_> {
    fn start(&self, mut draft: Draft<'_, '_>) -> PipelinePlan {
        if draft.is_cancelled() {
            return cancelled(draft);
        }
        if let Err(fault) = context::check(self.recipes) {
            return draft.fail(&fault, "a template cannot be read");
        }
        if let (Found::Missing, Some(reference)) = (
            &draft.observed.workspace,
            &draft.observed.pipeline.spec.workspace_ref,
        ) {
            let message = format!("waits for Workspace `{}`, which does not exist", reference.name);
            draft.enter(PipelinePhase::Pending, "WorkspaceNotFound", &message);
            return draft.finish("the Workspace is not there yet");
        }
        draft.status.branch = Some(self.branch.to_owned());
        draft.started();
        self.begin(draft, 0, "the first step")
    }

    /// Begins a step: records the run, then creates its Task.
    fn begin(&self, mut draft: Draft<'_, '_>, index: usize, why: &str) -> PipelinePlan {
        let Some(recipe) = self.recipes.get(index) else {
            let pull_request = draft.status.pull_request.as_ref();
            let message = pull_request.map_or_else(
                || "all steps have passed".to_owned(),
                |pull_request| format!("all steps have passed; the pull request is {}", pull_request.url),
            );
            return draft.end(
                PipelinePhase::Complete,
                "Complete",
                &message,
                "all steps have passed",
            );
        };
        let pipeline = draft.observed.pipeline;
        let number = draft.status.run_count.unwrap_or_default().saturating_add(1);
        let uid = pipeline.metadata.uid.as_deref().unwrap_or_default();
        let run = StepRun {
            step: recipe.name.to_owned(),
            task: names::step_task(&pipeline.name_any(), uid, recipe.name, number),
            ..StepRun::default()
        };
        draft.status.runs.push(run.clone());
        let task = match self.task(&draft, recipe, &run) {
            Ok(task) => task,
            Err(fault) => {
                draft.status.runs.pop();
                return draft.fail(&fault, "the prompt of a step cannot be made");
            }
        };
        draft.status.run_count = Some(number);
        draft.status.current_step = Some(recipe.name.to_owned());
        let message = format!("step `{}` runs as Task `{}`", recipe.name, run.task);
        draft.enter(recipe.phase(), "StepRunning", &message);
        draft.notify(NoticeKind::Normal, "StepStarted", &message);
        draft.after_status(Step::CreateTask(Box::new(task)));
        draft.finish(why)
    }

    /// The Task of the last run of the status.
    fn task(&self, draft: &Draft<'_, '_>, recipe: &Recipe<'_>, run: &StepRun) -> Result<Task, Fault> {
        let pipeline = draft.observed.pipeline;
        let material = Material {
            spec: &pipeline.spec,
            recipes: self.recipes,
            runs: &draft.status.runs,
            kept: draft.observed.kept,
            branch: self.branch,
            base_branch: self.base_branch,
        };
        let prompt = context::prompt(&material, recipe)?;
        Ok(task::task(pipeline, recipe, run, self.branch, prompt))
    }

    /// Sees to the last run.
    fn follow(&self, draft: Draft<'_, '_>, run: &StepRun) -> PipelinePlan {
        let position = self.recipes.iter().position(|recipe| recipe.name == run.step);
        let Some((index, recipe)) = position.and_then(|index| Some((index, self.recipes.get(index)?))) else {
            let fault = Fault::new("InvalidStep", format!("there is no step `{}` any more", run.step));
            return draft.fail(&fault, "the status tells of a step that is not there");
        };
        match (run.result, draft.observed.kept.get(&run.task)) {
            (Some(StepResult::Passed), _) => self.passed(draft, index, recipe, run),
            (_, Some(Seen::Kept(kept))) => self.conclude(draft, index, recipe, run, kept),
            (_, Some(Seen::Foreign { is_going: true })) => {
                wait_for_name(draft, "Secret", &names::step_text(&run.task))
            }
            (_, Some(Seen::Foreign { is_going: false })) => {
                taken(draft, "Secret", &names::step_text(&run.task))
            }
            (_, None) => self.under_way(draft, recipe, run),
        }
    }

    /// What the last run ended with is not kept yet.
    fn under_way(&self, draft: Draft<'_, '_>, recipe: &Recipe<'_>, run: &StepRun) -> PipelinePlan {
        match draft.observed.task {
            Found::Present(task) => {
                let is_recorded = run.task_uid.is_some();
                match Ownership::of(task, draft.observed.pipeline) {
                    Ownership::Ours if !is_recorded || run.task_uid == task.uid() => {
                        Self::watch(draft, recipe, task)
                    }
                    _ if is_recorded => lost(draft, run),
                    _ if draft.is_cancelled() => cancelled(draft),
                    Ownership::Another => taken(draft, "Task", &run.task),
                    Ownership::Ours | Ownership::Going => wait_for_name(draft, "Task", &run.task),
                }
            }
            Found::Invalid(why) => {
                let message = format!("Task `{}` cannot be read: {why}", run.task);
                let mut draft = draft;
                draft.enter(recipe.phase(), "TaskUnreadable", &message);
                draft.finish("the Task cannot be read")
            }
            Found::Missing | Found::NotNamed if run.task_uid.is_some() => lost(draft, run),
            Found::Missing | Found::NotNamed => self.create(draft, recipe, run),
        }
    }

    /// The status tells of a run of which there is no Task yet.
    fn create(&self, mut draft: Draft<'_, '_>, recipe: &Recipe<'_>, run: &StepRun) -> PipelinePlan {
        if draft.is_cancelled() {
            return cancelled(draft);
        }
        if let Some(why) = draft.observed.refused {
            let message = format!("the server refuses Task `{}`: {why}", run.task);
            return draft.fail(&Fault::new("TaskRefused", message), "the server refuses the Task");
        }
        match self.task(&draft, recipe, run) {
            Ok(task) => {
                draft.after_status(Step::CreateTask(Box::new(task)));
                draft.finish("the Task of the recorded run is not there yet")
            }
            Err(fault) => draft.fail(&fault, "the prompt of a step cannot be made"),
        }
    }

    /// The Task is there.
    fn watch(mut draft: Draft<'_, '_>, recipe: &Recipe<'_>, task: &Task) -> PipelinePlan {
        let name = task.name_any();
        if task.is_finished() {
            let pod = task.status.as_ref().and_then(|status| status.pod_name.clone());
            return keep(draft, &name, pod, KeptRun::of(task));
        }
        draft.change_run(|run| {
            run.task_uid = task.uid();
            run.phase = task.phase();
        });
        if draft.is_cancelled() {
            let message = format!("waits for Task `{name}` to be cancelled");
            draft.enter(recipe.phase(), "Cancelling", &message);
            if let Some(step) = cancel(task) {
                draft.after_status(step);
            }
            return draft.finish("the Task is being cancelled");
        }
        let status = task.status.as_ref();
        let waits_for = status
            .filter(|_| task.phase() == Some(axon_api::Phase::Waiting))
            .and_then(|status| status.message.as_deref());
        let (reason, message) = match waits_for {
            Some(message) => ("StepWaiting", format!("step `{}` waits: {message}", recipe.name)),
            None => (
                "StepRunning",
                format!("step `{}` runs as Task `{name}`", recipe.name),
            ),
        };
        draft.enter(recipe.phase(), reason, &message);
        draft.finish("the Task is under way")
    }

    /// What the last run ended with is kept, and nothing is decided upon it yet.
    fn conclude(
        &self,
        mut draft: Draft<'_, '_>,
        index: usize,
        recipe: &Recipe<'_>,
        run: &StepRun,
        kept: &KeptRun,
    ) -> PipelinePlan {
        let secret = names::step_text(&run.task);
        let uid = match draft.observed.task {
            Found::Present(task) => task.uid(),
            _ => None,
        };
        draft.change_run(|run| {
            run.task_uid = run.task_uid.take().or(uid);
            run.phase = kept.phase.or(run.phase);
            run.text_secret = Some(secret);
        });
        if let Some(pull_request) = pull_request::told(kept) {
            draft.status.pull_request = Some(pull_request);
        } else if recipe.known == Some(steps::Known::PullRequest)
            && let Some(pull_request) = pull_request::named_in(&kept.text)
        {
            draft.status.pull_request = Some(pull_request);
        }
        match verdict::judge(recipe, &run.task, kept) {
            Verdict::Passed => {
                draft.change_run(|run| run.result = Some(StepResult::Passed));
                self.passed(draft, index, recipe, run)
            }
            _ if draft.is_cancelled() => cancelled(draft),
            Verdict::Cancelled => {
                let message = format!("Task `{}` of step `{}` was cancelled", run.task, run.step);
                draft.end(
                    PipelinePhase::Cancelled,
                    "StepCancelled",
                    &message,
                    "a person cancelled the Task",
                )
            }
            Verdict::Failed { sentence, began } => {
                draft.change_run(|run| run.result = Some(StepResult::Failed));
                let target = if began { recipe.on_failure } else { index };
                self.failed(draft, recipe, target, &sentence)
            }
        }
    }

    /// The last run has passed.
    fn passed(
        &self,
        mut draft: Draft<'_, '_>,
        index: usize,
        recipe: &Recipe<'_>,
        run: &StepRun,
    ) -> PipelinePlan {
        if draft.is_cancelled() {
            return cancelled(draft);
        }
        if !recipe.needs_approval {
            draft.forget_approval();
            return self.begin(draft, index + 1, "the step has passed");
        }
        let Some(decision) = steps::decision(&draft.observed.pipeline.spec, &run.task) else {
            let message = format!(
                "waits for the approval of Task `{}` of step `{}`",
                run.task, run.step
            );
            if draft.status.phase != Some(PipelinePhase::AwaitingApproval) {
                draft.notify(NoticeKind::Normal, "AwaitingApproval", &message);
            }
            draft.enter(PipelinePhase::AwaitingApproval, "AwaitingApproval", &message);
            draft.approved("False", "AwaitingApproval", &message);
            return draft.finish("a person has to decide");
        };
        let user = crate::bounded::line(&decision.user, 128);
        draft.change_run(|run| run.decided_by = Some(user.clone()));
        let feedback = decision
            .feedback
            .as_deref()
            .filter(|feedback| !feedback.trim().is_empty());
        match (decision.decision, feedback) {
            (Decision::Approved, _) => {
                let message = format!("`{user}` approved Task `{}` of step `{}`", run.task, run.step);
                draft.approved("True", "Approved", &message);
                self.begin(draft, index + 1, "the step is approved")
            }
            (Decision::Denied, Some(_)) => {
                let message = format!("`{user}` wants step `{}` to be done again", run.step);
                draft.approved("False", "Denied", &message);
                self.begin(draft, index, "the step was denied with feedback")
            }
            (Decision::Denied, None) => {
                let message = format!("`{user}` denied Task `{}` of step `{}`", run.task, run.step);
                draft.approved("False", "Denied", &message);
                draft.fail(&Fault::new("Denied", message), "the step was denied")
            }
        }
    }

    /// The last run has failed.
    fn failed(
        &self,
        mut draft: Draft<'_, '_>,
        recipe: &Recipe<'_>,
        target: usize,
        sentence: &str,
    ) -> PipelinePlan {
        draft.forget_approval();
        let failures = draft.status.failures.entry(recipe.name.to_owned()).or_default();
        *failures = failures.saturating_add(1);
        let failures = *failures;
        let allowed = steps::max_retries(&draft.observed.pipeline.spec);
        if failures > allowed {
            let message = format!(
                "step `{}` has failed {failures} times, and maxRetries is {allowed}; the last time: {sentence}",
                recipe.name
            );
            return draft.fail(&Fault::new("RetriesSpent", message), "the retries are spent");
        }
        draft.status.retries = Some(draft.status.retries.unwrap_or_default().saturating_add(1));
        let message = format!("step `{}` has failed: {sentence}", recipe.name);
        draft.notify(NoticeKind::Warning, "StepFailed", &message);
        self.begin(draft, target, "the step has failed and is tried again")
    }
}

/// Keeps what a run ended with, before anything is decided upon it.
fn keep(mut draft: Draft<'_, '_>, task: &str, pod: Option<String>, run: KeptRun) -> PipelinePlan {
    if let Some(why) = draft.observed.refused {
        let message = format!("the server refuses to keep what Task `{task}` ended with: {why}");
        return draft.fail(
            &Fault::new("TextRefused", message),
            "the server refuses the Secret",
        );
    }
    draft.before_status(Step::KeepRun {
        task: task.to_owned(),
        pod,
        run: Box::new(run),
    });
    draft.wake_in(Duration::ZERO);
    draft.finish("the Task has ended, and what it ended with is kept first")
}

/// The Task is gone before what it ended with was kept.
fn lost(draft: Draft<'_, '_>, run: &StepRun) -> PipelinePlan {
    keep(draft, &run.task, None, KeptRun::of_lost(&run.task))
}

fn cancelled(draft: Draft<'_, '_>) -> PipelinePlan {
    draft.end(
        PipelinePhase::Cancelled,
        "Cancelled",
        "the TaskPipeline was cancelled",
        "it is cancelled",
    )
}

fn taken(draft: Draft<'_, '_>, kind: &str, name: &str) -> PipelinePlan {
    let message = format!("there is a {kind} `{name}` already that is not of this TaskPipeline");
    draft.fail(&Fault::new("NameConflict", message), "a name is taken")
}

fn wait_for_name(mut draft: Draft<'_, '_>, kind: &str, name: &str) -> PipelinePlan {
    let message = format!("waits until {kind} `{name}` of an earlier TaskPipeline is gone");
    let phase = draft.status.phase.unwrap_or(PipelinePhase::Pending);
    draft.enter(phase, "NameTaken", &message);
    draft.wake_in(UNTIL_GONE);
    draft.finish("a name is not free yet")
}
