//! The steps of a pipeline, with what each has from the pipeline and what is absent filled in.

use axon_api::TaskPipelineSpec;
use axon_api::kinds::task_pipeline::{Approval, PipelinePhase, PipelineStep};

use super::{Fault, prompts};

/// How often a step may fail, unless the pipeline says so.
const MAX_RETRIES: i32 = 3;
/// How long a step may run, unless it or the pipeline says so.
const TIMEOUT: &str = "30m";
/// The agent type without an agent.
const SHELL: &str = "shell";

/// The steps that have a prompt of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Plan,
    Implement,
    Test,
    PullRequest,
}

impl Known {
    /// In the order in which a pipeline without steps has them.
    const ALL: [Self; 4] = [Self::Plan, Self::Implement, Self::Test, Self::PullRequest];

    fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Implement => "implement",
            Self::Test => "test",
            Self::PullRequest => "pullRequest",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    fn turns(self) -> i32 {
        match self {
            Self::Plan => 15,
            Self::Implement => 50,
            Self::Test => 8,
            Self::PullRequest => 3,
        }
    }
}

/// One step, as it is done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recipe<'a> {
    pub(crate) name: &'a str,
    pub(crate) known: Option<Known>,
    /// Template of the prompt.
    pub(crate) template: &'a str,
    /// Agent type, when step or pipeline names one.
    pub(crate) type_: Option<&'a str>,
    pub(crate) is_shell: bool,
    pub(crate) model: Option<&'a str>,
    pub(crate) timeout: &'a str,
    pub(crate) turns: Option<i32>,
    pub(crate) needs_approval: bool,
    /// Which of the steps follows when this one fails.
    pub(crate) on_failure: usize,
    /// Whether an agent has to say in words that the step has passed.
    pub(crate) judges: bool,
}

impl Recipe<'_> {
    /// The phase in which the pipeline is while the step runs.
    pub(crate) fn phase(&self) -> PipelinePhase {
        match self.known {
            Some(Known::Plan) => PipelinePhase::Planning,
            Some(Known::Implement) => PipelinePhase::Implementing,
            Some(Known::Test) => PipelinePhase::Testing,
            Some(Known::PullRequest) => PipelinePhase::PullRequest,
            None => PipelinePhase::Running,
        }
    }
}

/// How often each step may fail and be followed by another run.
pub(crate) fn max_retries(spec: &TaskPipelineSpec) -> i32 {
    spec.max_retries.unwrap_or(MAX_RETRIES)
}

/// The steps of a pipeline, or what is wrong with one of them.
pub(crate) fn resolve<'a>(spec: &'a TaskPipelineSpec, default_type: &str) -> Result<Vec<Recipe<'a>>, Fault> {
    if spec.steps.is_empty() {
        let steps = Known::ALL.iter().map(|known| Named {
            name: known.name(),
            step: None,
        });
        return all(spec, default_type, &steps.collect::<Vec<_>>());
    }
    let steps = spec.steps.iter().map(|step| Named {
        name: &step.name,
        step: Some(step),
    });
    all(spec, default_type, &steps.collect::<Vec<_>>())
}

struct Named<'a> {
    name: &'a str,
    step: Option<&'a PipelineStep>,
}

fn all<'a>(
    spec: &'a TaskPipelineSpec,
    default_type: &str,
    steps: &[Named<'a>],
) -> Result<Vec<Recipe<'a>>, Fault> {
    let recipes = steps.iter().enumerate();
    recipes
        .map(|(index, _)| recipe(spec, default_type, steps, index))
        .collect()
}

fn recipe<'a>(
    spec: &'a TaskPipelineSpec,
    default_type: &str,
    steps: &[Named<'a>],
    index: usize,
) -> Result<Recipe<'a>, Fault> {
    let Some(Named { name, step }) = steps.get(index) else {
        return Err(Fault::new("InvalidStep", "there is no such step"));
    };
    let invalid = |message: String| Fault::new("InvalidStep", message);
    if steps.iter().take(index).any(|other| other.name == *name) {
        return Err(invalid(format!("there are two steps `{name}`")));
    }
    let known = Known::of(name);
    let type_ = step
        .and_then(|step| step.type_.as_deref())
        .or(spec.type_.as_deref());
    let is_shell = type_.unwrap_or(default_type) == SHELL;
    let own = step.and_then(|step| step.prompt.as_deref());
    let template = match (own, known) {
        (Some(own), _) => own,
        (None, Some(known)) if !is_shell => prompts::template(known),
        (None, Some(_)) => {
            return Err(invalid(format!(
                "step `{name}` is of type shell and has no prompt, which is the script to run"
            )));
        }
        (None, None) => {
            return Err(invalid(format!(
                "step `{name}` has no prompt: only plan, implement, test and pullRequest have one of their own"
            )));
        }
    };
    let on_failure = on_failure(steps, index, known)?;
    let timeout = step
        .and_then(|step| step.timeout.as_deref())
        .or(spec.step_timeout.as_deref());
    let built_in_turns = known.filter(|_| !is_shell).map(Known::turns);
    Ok(Recipe {
        name,
        known,
        template,
        type_,
        is_shell,
        model: step
            .and_then(|step| step.model.as_deref())
            .or(spec.model.as_deref())
            .filter(|_| !is_shell),
        timeout: timeout.unwrap_or(TIMEOUT),
        turns: step.and_then(|step| step.max_turns).or(built_in_turns),
        needs_approval: step.is_some_and(|step| step.approval == Some(true)),
        on_failure,
        judges: known == Some(Known::Test) || on_failure != index,
    })
}

fn on_failure(steps: &[Named<'_>], index: usize, known: Option<Known>) -> Result<usize, Fault> {
    let position = |wanted: &str| steps.iter().position(|other| other.name == wanted);
    let name = steps.get(index).map_or("", |step| step.name);
    let named = steps
        .get(index)
        .and_then(|step| step.step)
        .and_then(|step| step.on_failure.as_deref());
    let Some(wanted) = named else {
        let implement = known
            .filter(|known| *known == Known::Test)
            .and_then(|_| position(Known::Implement.name()))
            .filter(|implement| *implement < index);
        return Ok(implement.unwrap_or(index));
    };
    match position(wanted) {
        Some(target) if target <= index => Ok(target),
        Some(_) => Err(Fault::new(
            "InvalidStep",
            format!("step `{name}` cannot go back to `{wanted}` on failure: that step comes after it"),
        )),
        None => Err(Fault::new(
            "InvalidStep",
            format!("step `{name}` cannot go back to `{wanted}` on failure: there is no such step"),
        )),
    }
}

/// What was decided about the run of this Task.
pub(crate) fn decision<'a>(spec: &'a TaskPipelineSpec, task: &str) -> Option<&'a Approval> {
    spec.approvals.iter().find(|approval| approval.task == task)
}
