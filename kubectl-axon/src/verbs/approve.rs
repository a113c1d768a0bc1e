//! `approve` and `deny`: what a person decides about the step of a pipeline that awaits it.

use axon_api::kinds::task_pipeline::{Approval, Decision, PipelinePhase};
use axon_api::{TaskPipeline, TaskPipelineStatus};
use clap::Args;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::resources::{Kind, plain_name};
use crate::{complete, inputs, invocation, objects, output};

/// Approve the step of a pipeline that awaits it
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon describe taskpipeline my-work     # what is to be approved
  kubectl axon approve my-work
  kubectl axon approve my-work --step plan

It needs the right to `approve` taskpipelines, beside the one to update them.")]
pub(crate) struct ApproveArgs {
    /// Name of the pipeline
    #[arg(value_name = "PIPELINE", add = complete::pipelines())]
    pipeline: String,

    /// Only if it is this step that awaits the approval
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
}

/// Deny the step of a pipeline that awaits approval
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon deny my-work --feedback 'Keep the old API'    # the step is done once more
  kubectl axon deny my-work                                  # the pipeline ends

It needs the right to `approve` taskpipelines, beside the one to update them.")]
pub(crate) struct DenyArgs {
    /// Name of the pipeline
    #[arg(value_name = "PIPELINE", add = complete::pipelines())]
    pipeline: String,

    /// Only if it is this step that awaits the approval
    #[arg(long, value_name = "STEP")]
    step: Option<String>,

    /// What the step is to do differently; without it the pipeline ends
    #[arg(long, value_name = "TEXT|@FILE")]
    feedback: Option<String>,
}

pub(crate) fn approve(context: &Context, args: &ApproveArgs) -> Result<Exit> {
    decide(
        context,
        &args.pipeline,
        args.step.as_deref(),
        &Judgement {
            decision: Decision::Approved,
            feedback: None,
        },
    )
}

pub(crate) fn deny(context: &Context, args: &DenyArgs) -> Result<Exit> {
    let feedback = args
        .feedback
        .as_deref()
        .map(|text| inputs::text_or_file("--feedback", text))
        .transpose()?;
    decide(
        context,
        &args.pipeline,
        args.step.as_deref(),
        &Judgement {
            decision: Decision::Denied,
            feedback,
        },
    )
}

/// What was decided.
struct Judgement {
    decision: Decision,
    feedback: Option<String>,
}

fn decide(context: &Context, name: &str, step: Option<&str>, judgement: &Judgement) -> Result<Exit> {
    let name = plain_name(name, Kind::TaskPipeline)?;
    cluster::block_on(async {
        let cluster = cluster::connect(context).await?;
        let pipeline: TaskPipeline = objects::typed(&cluster, Kind::TaskPipeline, &name).await?;
        let awaiting = awaiting(&pipeline, step)?;
        let user = user(&cluster).await?;
        let patch = patch(&pipeline, &awaiting, &user, judgement);
        objects::patch(&cluster, Kind::TaskPipeline, &name, patch)
            .await
            .map_err(|error| refused(&name, judgement.decision, &error))?;
        let word = match judgement.decision {
            Decision::Approved => "approved",
            Decision::Denied => "denied",
        };
        output::print(format!("{}/{name} {word}\n", Kind::TaskPipeline.with_group()))?;
        output::note(format!(
            "step `{}`, task `{}`, as `{user}`",
            awaiting.step, awaiting.task
        ));
        Ok(Exit::Success)
    })
}

fn refused(name: &str, decision: Decision, error: &kube::Error) -> Failure {
    let verb = match decision {
        Decision::Approved => "approve",
        Decision::Denied => "deny",
    };
    if matches!(error, kube::Error::Api(status) if status.reason == "Conflict") {
        return Failure::new(format!(
            "failed to {verb} taskpipeline `{name}`: it has changed meanwhile"
        ))
        .hint(format!(
            "{} shows how it stands",
            invocation::command(&format!("describe taskpipeline {name}"))
        ));
    }
    Failure::api(&format!("{verb} taskpipeline `{name}`"), error)
}

/// The run of a step that awaits a decision.
#[derive(Debug, PartialEq, Eq)]
struct Awaiting {
    step: String,
    task: String,
}

/// Which run is to be decided upon, or why none.
fn awaiting(pipeline: &TaskPipeline, step: Option<&str>) -> Result<Awaiting> {
    let name = pipeline.name_any();
    let status = pipeline.status.clone().unwrap_or_default();
    let not_awaiting = || {
        let phase = status.phase.map_or("not looked at yet".to_owned(), phase_word);
        Failure::new(format!("taskpipeline `{name}` awaits no approval: it is {phase}")).hint(format!(
            "{} shows its steps",
            invocation::command(&format!("describe taskpipeline {name}"))
        ))
    };
    if status.phase != Some(PipelinePhase::AwaitingApproval) {
        return Err(not_awaiting());
    }
    let run = last_run(&status).ok_or_else(not_awaiting)?;
    if let Some(step) = step.filter(|step| *step != run.step) {
        return Err(Failure::new(format!(
            "step `{step}` of taskpipeline `{name}` awaits no approval: `{}` does",
            run.step
        )));
    }
    if let Some(made) = pipeline
        .spec
        .approvals
        .iter()
        .find(|approval| approval.task == run.task)
    {
        return Err(Failure::new(format!(
            "step `{}` of taskpipeline `{name}` is decided upon already: `{}` has {}",
            run.step,
            made.user,
            match made.decision {
                Decision::Approved => "approved it",
                Decision::Denied => "denied it",
            }
        )));
    }
    Ok(run)
}

fn last_run(status: &TaskPipelineStatus) -> Option<Awaiting> {
    let current = status.current_step.as_deref();
    let run = status
        .runs
        .iter()
        .rev()
        .find(|run| current.is_none_or(|current| run.step == current))?;
    Some(Awaiting {
        step: run.step.clone(),
        task: run.task.clone(),
    })
}

/// The phase as it is spelled in status.
pub(crate) fn phase_word(phase: PipelinePhase) -> String {
    serde_json::to_value(phase)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// The list of approvals with one more. The resource version guards those that others add at the
/// same time: a merge patch replaces the whole list.
fn patch(pipeline: &TaskPipeline, awaiting: &Awaiting, user: &str, judgement: &Judgement) -> Value {
    let mut approvals = pipeline.spec.approvals.clone();
    approvals.push(Approval {
        task: awaiting.task.clone(),
        decision: judgement.decision,
        user: user.to_owned(),
        feedback: judgement.feedback.clone(),
    });
    json!({
        "metadata": {
            "uid": pipeline.metadata.uid,
            "resourceVersion": pipeline.metadata.resource_version,
        },
        "spec": { "approvals": approvals },
    })
}

/// The name by which the server knows the person. The plane on this machine knows no names, so it
/// is told that of the system's user.
async fn user(cluster: &Cluster) -> Result<String> {
    let api: Api<SelfSubjectReview> = Api::all(cluster.client.clone());
    let review = api
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await;
    match review {
        Ok(review) => review
            .status
            .and_then(|status| status.user_info?.username)
            .ok_or_else(|| Failure::new("the server does not say who you are to it")),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(system_user()),
        Err(error) => Err(Failure::api("ask the server who you are to it", &error)),
    }
}

fn system_user() -> String {
    ["USER", "LOGNAME"]
        .into_iter()
        .filter_map(|variable| std::env::var(variable).ok())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "local".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(phase: &str, approvals: &Value) -> TaskPipeline {
        serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "TaskPipeline",
            "metadata": {"name": "p", "uid": "u", "resourceVersion": "7"},
            "spec": {"prompt": "x", "approvals": approvals},
            "status": {"phase": phase, "currentStep": "plan", "runs": [
                {"step": "plan", "task": "p-plan-1"}, {"step": "plan", "task": "p-plan-2"},
            ]},
        }))
        .expect("a pipeline")
    }

    #[test]
    fn the_last_run_of_the_step_that_awaits_it_is_decided_upon() {
        let approvals = json!([{"task": "p-plan-1", "decision": "Denied", "user": "ann", "feedback": "no"}]);
        let pipeline = pipeline("AwaitingApproval", &approvals);
        let run = awaiting(&pipeline, Some("plan")).expect("a run");
        assert_eq!(run.task, "p-plan-2");
        let judgement = Judgement {
            decision: Decision::Approved,
            feedback: None,
        };
        assert_eq!(
            patch(&pipeline, &run, "bob", &judgement),
            json!({
                "metadata": {"uid": "u", "resourceVersion": "7"},
                "spec": {"approvals": [
                    approvals[0], {"task": "p-plan-2", "decision": "Approved", "user": "bob"},
                ]},
            })
        );
    }

    #[test]
    fn what_awaits_nothing_cannot_be_decided_upon() {
        let decided = json!([{"task": "p-plan-2", "decision": "Approved", "user": "ann"}]);
        for (pipeline, step, message) in [
            (
                pipeline("Planning", &json!([])),
                None,
                "awaits no approval: it is Planning",
            ),
            (
                pipeline("AwaitingApproval", &json!([])),
                Some("test"),
                "step `test` of taskpipeline `p` awaits no approval: `plan` does",
            ),
            (
                pipeline("AwaitingApproval", &decided),
                None,
                "is decided upon already: `ann` has approved it",
            ),
        ] {
            let failure = awaiting(&pipeline, step).expect_err("nothing awaits");
            assert!(failure.message().contains(message), "{failure:?}");
        }
    }
}
