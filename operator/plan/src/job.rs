//! The Job of one attempt, and the Secret with its run description.

use std::collections::BTreeMap;
use std::time::Duration;

use axon_api::{GROUP, Task, VERSION, labels, names, paths};
use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{PodTemplateSpec, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::bounded;
use crate::description::{self, Confidence, Packed};
use crate::environment::{self, Role};
use crate::plan::{Notice, NoticeKind, Step};
use crate::pod_spec;
use crate::requirements::Requirements;
use crate::settings::Settings;

/// The runner enforces the timeout; the Job's deadline only stands behind it.
const BACKSTOP: Duration = Duration::from_mins(2);

/// What to create for one attempt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attempt {
    /// To be done in this order, the Job last.
    pub(crate) steps: Vec<Step>,
    /// What the user should know of it.
    pub(crate) notice: Option<Notice>,
}

/// A run description that is too large even for a Secret: its bytes after gzip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge(pub(crate) usize);

/// Builds the objects of one attempt.
pub(crate) fn build(
    task: &Task,
    attempt: i32,
    requirements: &Requirements<'_>,
    settings: &Settings,
) -> Result<Attempt, TooLarge> {
    let name = name(task, attempt);
    let containers = pod_spec::containers(task, requirements);
    let description = description::describe(task, attempt, requirements, containers);
    let confidence = if requirements.configuration.is_confidential() {
        Confidence::Confidential
    } else {
        Confidence::Open
    };
    let packed = description::pack(&description, confidence);
    let mut steps = Vec::new();
    if let Some(repository) = &requirements.repository {
        steps.extend(repository.make_token.clone());
        let claim = repository.claim.clone();
        steps.extend(claim.map(|claim| Step::CreateClaim(Box::new(claim))));
    }
    match &packed {
        Packed::TooLarge(bytes) => return Err(TooLarge(*bytes)),
        Packed::Secret(bytes) => {
            let secret = run_secret(task, attempt, &name, bytes);
            steps.push(Step::CreateRunSecret(Box::new(secret)));
        }
        Packed::Inline(_) => {}
    }
    let agents = environment::of(task, Role::Agent, requirements, &packed, settings);
    let notice = (attempt == 1 && !agents.ignored.is_empty()).then(|| ignored(&agents.ignored));
    let job = Job {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: task.metadata.namespace.clone(),
            labels: Some(object_labels(task, attempt)),
            owner_references: Some(vec![owner(task)]),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            backoff_limit: Some(0),
            completions: Some(1),
            parallelism: Some(1),
            pod_replacement_policy: Some("Failed".to_owned()),
            pod_failure_policy: Some(fail_when_disrupted()),
            active_deadline_seconds: deadline(requirements),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(object_labels(task, attempt)),
                    annotations: annotations(task),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod_spec::build(
                    task,
                    &name,
                    requirements,
                    &packed,
                    agents.variables,
                    settings,
                )),
            },
            ..JobSpec::default()
        }),
        status: None,
    };
    steps.push(Step::CreateJob(Box::new(job)));
    Ok(Attempt { steps, notice })
}

/// Tells which variables of the user do not reach the agent.
fn ignored(names: &[String]) -> Notice {
    Notice {
        kind: NoticeKind::Warning,
        reason: "VariableIgnored".to_owned(),
        message: bounded::line(
            &format!(
                "Axon sets or keeps these variables itself, so that the user's are left out: {}",
                names.join(", ")
            ),
            bounded::MESSAGE_BYTES,
        ),
    }
}

/// Name of the Job of one attempt.
pub(crate) fn name(task: &Task, attempt: i32) -> String {
    names::job(
        task.metadata.name.as_deref().unwrap_or_default(),
        task.metadata.uid.as_deref().unwrap_or_default(),
        attempt,
    )
}

/// A Job counts its deadline from its own start, so the time in which the pod is scheduled, pulls
/// its images and clones is part of it: a backstop of the timeout alone could strike before the
/// agent has had its time.
fn deadline(requirements: &Requirements<'_>) -> Option<i64> {
    let timeout = requirements.timeout?;
    let whole = timeout
        .saturating_add(requirements.start_timeout)
        .saturating_add(BACKSTOP);
    i64::try_from(whole.as_millis().div_ceil(1000)).ok()
}

/// An eviction ends the Job: with the default policy it would make a second pod.
fn fail_when_disrupted() -> PodFailurePolicy {
    PodFailurePolicy {
        rules: vec![PodFailurePolicyRule {
            action: "FailJob".to_owned(),
            on_exit_codes: None,
            on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                status: "True".to_owned(),
                type_: "DisruptionTarget".to_owned(),
            }]),
        }],
    }
}

fn run_secret(task: &Task, attempt: i32, job: &str, bytes: &[u8]) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(names::run_secret(job)),
            namespace: task.metadata.namespace.clone(),
            labels: Some(own_labels(task, attempt)),
            owner_references: Some(vec![owner(task)]),
            ..ObjectMeta::default()
        },
        immutable: Some(true),
        data: Some(BTreeMap::from([(
            paths::RUN_KEY.to_owned(),
            ByteString(bytes.to_vec()),
        )])),
        ..Secret::default()
    }
}

/// The Task as the owner of what is made for it.
pub(crate) fn owner(task: &Task) -> OwnerReference {
    OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: "Task".to_owned(),
        name: task.metadata.name.clone().unwrap_or_default(),
        uid: task.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

/// The labels of Job and pod: the user's, then Axon's own, which win.
fn object_labels(task: &Task, attempt: i32) -> BTreeMap<String, String> {
    let mut all = task
        .spec
        .pod_overrides
        .as_ref()
        .map(|overrides| overrides.labels.clone())
        .unwrap_or_default();
    all.extend(own_labels(task, attempt));
    all
}

fn own_labels(task: &Task, attempt: i32) -> BTreeMap<String, String> {
    let name = task.metadata.name.as_deref().unwrap_or_default();
    let uid = task.metadata.uid.as_deref().unwrap_or_default();
    [
        (labels::TASK, names::label_value(name)),
        (labels::TASK_UID, uid.to_owned()),
        (labels::ATTEMPT, attempt.to_string()),
        (labels::MANAGED_BY, labels::MANAGER.to_owned()),
        (labels::NAME, "axon".to_owned()),
        (labels::COMPONENT, "task".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

fn annotations(task: &Task) -> Option<BTreeMap<String, String>> {
    let sandbox = task.metadata.annotations.as_ref()?.get(labels::SANDBOX)?;
    Some(BTreeMap::from([(labels::SANDBOX.to_owned(), sandbox.clone())]))
}
