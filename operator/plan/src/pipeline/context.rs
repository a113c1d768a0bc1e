//! What the template of a step may use, and the prompt that comes of it.

use std::collections::BTreeMap;

use axon_api::TaskPipelineSpec;
use axon_api::kinds::task_pipeline::{PipelineSource, StepRun};
use axon_api::markers::MAX_TEXT_BYTES;
use axon_api::printed_text::head_and_tail;
use serde_json::{Map, Value, json};

use super::Fault;
use super::kept::{KeptRun, Seen};
use super::prompts::{self, Circumstances};
use super::shell_word::shell_word;
use super::steps::Recipe;
use super::verdict::{self, Verdict};
use super::{history, steps};
use crate::template;

/// Bytes that the prompt of a Task may have.
const MAX_PROMPT_BYTES: usize = template::MAX_OUTPUT_BYTES;
/// To so many bytes each inserted text is cut at most, for the prompt to fit.
const LEAST_TEXT_BYTES: usize = 1024;

/// All from which a prompt is made.
#[derive(Debug)]
pub(crate) struct Material<'a> {
    pub(crate) spec: &'a TaskPipelineSpec,
    pub(crate) recipes: &'a [Recipe<'a>],
    pub(crate) runs: &'a [StepRun],
    pub(crate) kept: &'a BTreeMap<String, Seen>,
    pub(crate) branch: &'a str,
    pub(crate) base_branch: &'a str,
}

/// The prompt for the last of the runs.
pub(crate) fn prompt(material: &Material<'_>, recipe: &Recipe<'_>) -> Result<String, Fault> {
    let parsed = template::parse(recipe.template).map_err(|error| bad_template(recipe, &error))?;
    let mut limit = MAX_TEXT_BYTES;
    loop {
        let prompt = parsed
            .render(&material.data(recipe, limit))
            .map(|text| material.finish(text, recipe, limit));
        match prompt {
            Ok(prompt) if prompt.len() <= MAX_PROMPT_BYTES && !prompt.trim().is_empty() => {
                return Ok(prompt);
            }
            Ok(prompt) if prompt.trim().is_empty() => {
                let message = format!("the template of step `{}` gives an empty prompt", recipe.name);
                return Err(Fault::new("EmptyPrompt", message));
            }
            // A template writes at most a mebibyte, so that an error may go away with shorter texts.
            Err(error) if limit <= LEAST_TEXT_BYTES => return Err(bad_template(recipe, &error)),
            Ok(prompt) if limit <= LEAST_TEXT_BYTES => {
                let message = format!(
                    "the prompt of step `{}` has {} bytes, and {MAX_PROMPT_BYTES} are allowed",
                    recipe.name,
                    prompt.len()
                );
                return Err(Fault::new("PromptTooLarge", message));
            }
            Ok(_) | Err(_) => limit /= 2,
        }
    }
}

/// Whether all templates can be read: what is wrong with one is told before the first step is paid
/// for.
pub(crate) fn check(recipes: &[Recipe<'_>]) -> Result<(), Fault> {
    recipes.iter().try_for_each(|recipe| {
        template::parse(recipe.template)
            .map(drop)
            .map_err(|error| bad_template(recipe, &error))
    })
}

fn bad_template(recipe: &Recipe<'_>, error: &template::TemplateError) -> Fault {
    Fault::new(
        "BadTemplate",
        format!("the prompt of step `{}`: {error}", recipe.name),
    )
}

impl Material<'_> {
    fn kept(&self, task: &str) -> Option<&KeptRun> {
        match self.kept.get(task)? {
            Seen::Kept(run) => Some(run),
            Seen::Foreign { .. } => None,
        }
    }

    /// An agent is told why the step is done again; a script uses what it wants.
    fn finish(&self, text: String, recipe: &Recipe<'_>, limit: usize) -> String {
        if recipe.is_shell {
            return text;
        }
        prompts::complete(&text, recipe, &self.circumstances(limit))
    }

    fn circumstances(&self, limit: usize) -> Circumstances<'_> {
        let failure = history::failure_before_last(self.runs);
        Circumstances {
            failure: failure.map(|run| (&*run.step, self.failure(run, limit))),
            feedback: self.feedback().map(str::to_owned),
        }
    }

    /// Why a run has failed, and what it has written.
    fn failure(&self, run: &StepRun, limit: usize) -> String {
        let Some(kept) = self.kept(&run.task) else {
            return format!("step `{}` has failed", run.step);
        };
        let recipe = self.recipes.iter().find(|recipe| recipe.name == run.step);
        let sentence = match recipe.map(|recipe| verdict::judge(recipe, &run.task, kept)) {
            Some(Verdict::Failed { sentence, .. }) => sentence,
            _ => kept.message.clone(),
        };
        if kept.text.trim().is_empty() {
            return sentence;
        }
        format!("{sentence}\n\n{}", head_and_tail(kept.text.trim_end(), limit))
    }

    /// What a person wants to be different, when the last run was begun for that.
    fn feedback(&self) -> Option<&str> {
        let before = history::before_last(self.runs)?;
        let last = self.runs.last()?;
        if before.step != last.step {
            return None;
        }
        steps::decision(self.spec, &before.task)?.feedback.as_deref()
    }

    fn data(&self, recipe: &Recipe<'_>, limit: usize) -> Value {
        let insert = |text: &str| {
            let text = head_and_tail(text, limit);
            if recipe.is_shell { shell_word(&text) } else { text }
        };
        let text_of = |step: &str| insert(self.last(step).map_or("", |run| run.text.trim_end()));
        let steps: Map<String, Value> = self
            .recipes
            .iter()
            .map(|other| (other.name.to_owned(), self.step(other.name, &insert)))
            .collect();
        let failure = history::failure_before_last(self.runs);
        let failure = failure.map_or_else(String::new, |run| self.failure(run, limit));
        // The prompt and the branches are the user's own, and are never cut.
        let whole = |text: &str| {
            if recipe.is_shell {
                shell_word(text)
            } else {
                text.to_owned()
            }
        };
        json!({
            "Prompt": whole(&self.spec.prompt),
            "Branch": whole(self.branch),
            "BaseBranch": whole(self.base_branch),
            "Source": source(self.spec.source.as_ref(), &whole),
            "Steps": steps,
            "Failure": insert(&failure),
            "Feedback": whole(self.feedback().unwrap_or_default()),
            "Plan": text_of("plan"),
            "Implementation": text_of("implement"),
        })
    }

    /// What a step has come to; nothing when it has not run, or is not kept any more.
    fn last(&self, step: &str) -> Option<&KeptRun> {
        history::last_of(self.runs, step).and_then(|run| self.kept(&run.task))
    }

    fn step(&self, name: &str, insert: &impl Fn(&str) -> String) -> Value {
        let run = self.last(name);
        let results: BTreeMap<&String, String> = run
            .into_iter()
            .flat_map(|run| &run.results)
            .map(|(key, value)| (key, insert(value)))
            .collect();
        let outputs: Vec<String> = run
            .into_iter()
            .flat_map(|run| &run.outputs)
            .map(|output| insert(output))
            .collect();
        json!({
            "Text": insert(run.map_or("", |run| run.text.trim_end())),
            "Results": results,
            "Outputs": outputs,
        })
    }
}

/// Every field is there whatever the source is, so that a template may ask for it.
fn source(source: Option<&PipelineSource>, insert: &impl Fn(&str) -> String) -> Value {
    let github = source.and_then(|source| source.github.as_ref());
    let chat = source.and_then(|source| source.chat.as_ref());
    let type_ = source
        .and_then(|source| serde_json::to_value(source.type_).ok())
        .and_then(|type_| type_.as_str().map(str::to_owned))
        .unwrap_or_default();
    let reference = github.map_or_else(String::new, |issue| {
        format!("{}/{}#{}", issue.owner, issue.repo, issue.issue_number)
    });
    let url = github.map_or_else(String::new, |issue| {
        format!(
            "https://github.com/{}/{}/issues/{}",
            issue.owner, issue.repo, issue.issue_number
        )
    });
    json!({
        "Type": insert(&type_),
        "Owner": insert(github.map_or("", |issue| &issue.owner)),
        "Repo": insert(github.map_or("", |issue| &issue.repo)),
        "IssueNumber": github.map_or(0, |issue| issue.issue_number),
        "Reference": insert(&reference),
        "URL": insert(&url),
        "SessionID": insert(chat.map_or("", |chat| &chat.session_id)),
        "UserID": insert(chat.map_or("", |chat| &chat.user_id)),
    })
}
