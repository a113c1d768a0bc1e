//! The Task of one run of a step.

use std::collections::BTreeMap;

use axon_api::kinds::task::{Limits, TaskSpec};
use axon_api::kinds::task_pipeline::StepRun;
use axon_api::{Task, TaskPipeline, labels, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};

use super::steps::Recipe;

/// The Task of this run.
pub(crate) fn task(
    pipeline: &TaskPipeline,
    recipe: &Recipe<'_>,
    run: &StepRun,
    branch: &str,
    prompt: String,
) -> Task {
    let spec = &pipeline.spec;
    // A script has no use for the agent's credential, and is not given it.
    let of_agent = !recipe.is_shell;
    let limits = recipe.turns.map(|turns| Limits {
        turns: Some(turns),
        ..Limits::default()
    });
    Task {
        metadata: metadata(pipeline, recipe, run),
        spec: TaskSpec {
            type_: recipe.type_.map(str::to_owned),
            prompt,
            credentials: spec.credentials.clone().filter(|_| of_agent),
            provider_ref: spec.provider_ref.clone().filter(|_| of_agent),
            provider: spec.provider.clone().filter(|_| of_agent),
            model: recipe.model.map(str::to_owned),
            image: spec.image.clone(),
            workspace_ref: spec.workspace_ref.clone(),
            workspace: spec.workspace.clone(),
            agent_config_refs: spec.agent_config_refs.clone(),
            branch: Some(branch.to_owned()),
            timeout: Some(recipe.timeout.to_owned()),
            limits,
            pod_overrides: spec.pod_overrides.clone(),
            ..TaskSpec::default()
        },
        status: None,
    }
}

fn metadata(pipeline: &TaskPipeline, recipe: &Recipe<'_>, run: &StepRun) -> ObjectMeta {
    let labels = [
        (labels::PIPELINE, names::label_value(&pipeline.name_any())),
        (labels::PIPELINE_STEP, recipe.name.to_owned()),
        (labels::MANAGED_BY, labels::MANAGER.to_owned()),
    ];
    // In which sandbox agents run on one machine is said on the pipeline for all its steps.
    let sandbox = pipeline.annotations().get(labels::SANDBOX);
    let annotations: BTreeMap<String, String> = sandbox
        .map(|sandbox| (labels::SANDBOX.to_owned(), sandbox.clone()))
        .into_iter()
        .collect();
    ObjectMeta {
        name: Some(run.task.clone()),
        namespace: pipeline.namespace(),
        labels: Some(
            labels
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        ),
        annotations: (!annotations.is_empty()).then_some(annotations),
        owner_references: pipeline.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// The branch that the steps work on.
pub(crate) fn branch(pipeline: &TaskPipeline) -> String {
    if let Some(branch) = &pipeline.spec.branch {
        return branch.clone();
    }
    let name = pipeline.name_any();
    let cut: String = name.chars().take(250).collect();
    // git takes no branch that ends so, and an object may.
    let end = if cut.strip_suffix(".lock").is_some() {
        "-"
    } else {
        ""
    };
    format!("ai/{}{end}", cut.trim_end_matches(['.', '-']))
}
