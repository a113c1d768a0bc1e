//! The Task of an item: its template, rendered once.
//!
//! What comes of a template is never a template again, nor a part of a script, an option of a command
//! or a name that has not been made safe.

mod branch;
mod metadata;
mod name;
mod script;

use axon_api::kinds::pod_overrides::PodOverrides;
use axon_api::kinds::task::{Credentials, TaskSpec};
use axon_api::kinds::task_spawner::SpawnerCredential;
use axon_api::sources::WorkItem;
use axon_api::{Task, TaskSpawner, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use serde_json::Value;

use super::plan::Spawn;
use super::{check, owner};
use crate::template;

/// Bytes that the prompt of a Task may have.
const MAX_PROMPT_BYTES: usize = 1 << 20;

/// What an agent is told when the spawner does not say.
const DEFAULT_PROMPT: &str =
    "{{.Kind}} #{{.Number}}: {{.Title}}\n\n{{.Body}}{{if .Comments}}\n\nComments:\n{{.Comments}}{{end}}";
/// The same for items that need not have a number or comments.
const DEFAULT_EVENT_PROMPT: &str = "{{.Kind}}: {{.Title}}\n\n{{.Payload}}";

/// Why an item cannot become a Task. It is for good: the same item would be refused again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One word, such as `PromptTooLarge`.
    pub reason: &'static str,
    /// A fragment that says what is wrong with the item.
    pub message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// The Task that `item` becomes, to be created as it is. `default_type` is the agent type of a Task
/// that names none.
///
/// # Errors
/// When a template asks for what this item does not have, or gives what a Task cannot have.
pub fn draft(
    spawner: &TaskSpawner,
    spawn: &Spawn,
    item: &WorkItem,
    default_type: &str,
) -> Result<Task, Refusal> {
    let data = Value::Object(item.variables.clone());
    let template = &spawner.spec.task_template;
    let render = |field: &str, source: &str| render(field, source, &data);
    let branch = match &template.branch {
        Some(source) => Some(branch::checked(render("branch", source)?)?),
        None => None,
    };
    let is_script = check::agent_type(spawner, default_type) == check::SHELL;
    let prompt = prompt(spawner, &data, is_script)?;
    let credential = credential(spawner, &spawn.candidate.key);
    let name = name::of(spawner, spawn, &data)?;
    let metadata = ObjectMeta {
        name: Some(name),
        namespace: spawner.namespace(),
        labels: Some(metadata::labels(spawner, credential, &data)?),
        annotations: Some(metadata::annotations(spawner, spawn, item, &data)?),
        owner_references: owner::reference(spawner).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    };
    let mut pod_overrides = template.pod_overrides.clone();
    if is_script {
        let overrides = pod_overrides.get_or_insert_with(PodOverrides::default);
        script::add_item(&mut overrides.env, item);
    }
    let of_spawner = credential.map(|credential| Credentials {
        type_: credential.type_,
        secret_ref: Some(credential.secret_ref.clone()),
    });
    Ok(Task {
        metadata,
        spec: TaskSpec {
            type_: template.type_.clone(),
            prompt,
            credentials: of_spawner.or_else(|| template.credentials.clone()),
            provider_ref: template.provider_ref.clone(),
            provider: template.provider.clone(),
            model: template.model.clone(),
            effort: template.effort.clone(),
            image: template.image.clone(),
            workspace_ref: template.workspace_ref.clone(),
            workspace: template.workspace.clone(),
            agent_config_ref: template.agent_config_ref.clone(),
            agent_config_refs: template.agent_config_refs.clone(),
            depends_on: template.depends_on.clone(),
            branch,
            upstream_repo: template.upstream_repo.clone().or_else(|| source_repo(spawner)),
            timeout: template.timeout.clone(),
            start_timeout: template.start_timeout.clone(),
            retry: template.retry.clone(),
            limits: template.limits.clone(),
            cancel: None,
            ttl_seconds_after_finished: template.ttl_seconds_after_finished,
            pod_overrides,
        },
        status: None,
    })
}

/// What a template gives for an item.
fn render(field: &str, source: &str, data: &Value) -> Result<String, Refusal> {
    template::render(source, data)
        .map_err(|error| Refusal::new("TemplateFailed", format!("taskTemplate.{field}, {error}")))
}

fn prompt(spawner: &TaskSpawner, data: &Value, is_script: bool) -> Result<String, Refusal> {
    let spec = &spawner.spec;
    let is_request = spec.when.webhook.is_some();
    let default = if is_request {
        DEFAULT_EVENT_PROMPT
    } else {
        DEFAULT_PROMPT
    };
    let source = spec.task_template.prompt_template.as_deref();
    let mut prompt = if is_script {
        // Nothing of the item is in it: that is checked before any item is fetched, and here once more.
        script::checked(source)?;
        render("promptTemplate", source.unwrap_or_default(), &Value::Null)?
    } else {
        render("promptTemplate", source.unwrap_or(default), data)?
    };
    if prompt.trim().is_empty() {
        return Err(Refusal::new(
            "EmptyPrompt",
            "taskTemplate.promptTemplate gives an empty prompt",
        ));
    }
    // With dependencies the prompt of a Task is a template, and nothing that strangers wrote may be.
    if !spec.task_template.depends_on.is_empty() {
        prompt = prompt.replace("{{", "{{\"{{\"}}");
    }
    if prompt.len() > MAX_PROMPT_BYTES {
        let message = format!(
            "the prompt has {} bytes, and {MAX_PROMPT_BYTES} are allowed",
            prompt.len()
        );
        return Err(Refusal::new("PromptTooLarge", message));
    }
    Ok(prompt)
}

/// The one of the spawner's credentials that an item gets: always the same one for the same item.
fn credential<'a>(spawner: &'a TaskSpawner, key: &str) -> Option<&'a SpawnerCredential> {
    let all = &spawner.spec.credentials;
    let digits: String = names::sha256(key).chars().take(8).collect();
    let number = usize::try_from(u32::from_str_radix(&digits, 16).ok()?).ok()?;
    all.get(number.checked_rem(all.len())?)
}

/// The repository that the source names as `owner/name`, to which pull requests go.
fn source_repo(spawner: &TaskSpawner) -> Option<String> {
    let when = &spawner.spec.when;
    let issues = when
        .github_issues
        .as_ref()
        .and_then(|source| source.repo.as_deref());
    let pulls = when.github_pull_requests.as_ref();
    let pulls = pulls.and_then(|source| source.repo.as_deref());
    let repo = issues.or(pulls)?;
    let is_url = repo.contains(':');
    let identity = axon_api::repository::identity(repo);
    let path = if is_url {
        identity.split_once('/').map(|(_, path)| path)?
    } else {
        repo.trim_end_matches(".git")
    };
    let (owner, name) = path.split_once('/')?;
    let is_word = |word: &str| !word.is_empty() && !word.contains(['/', ' ']) && !word.starts_with('-');
    (is_word(owner) && is_word(name)).then(|| format!("{owner}/{name}"))
}
