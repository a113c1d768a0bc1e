//! The columns of each kind, and the cells of an object. What cannot be read of it is left empty.

use axon_api::kinds::reference::LocalReference;
use axon_api::{AgentConfig, AgentProvider, Task, TaskDefaults, TaskPipeline, TaskSpawner, Workspace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::ages;
use crate::progress::{duration, short_commit};
use crate::resources::Kind;
use crate::verbs::approve::phase_word;

/// Which columns a table has.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub(super) kind: Kind,
    pub(super) wide: bool,
    pub(super) namespace: bool,
}

/// Between the name and the age, and behind the age of a wide table.
struct Titles {
    usual: &'static [&'static str],
    wide: &'static [&'static str],
}

fn titles(kind: Kind) -> Titles {
    let (usual, wide): (&[&str], &[&str]) = match kind {
        Kind::Task => (
            &["TYPE", "PHASE", "BRANCH", "WORKSPACE", "AGENT CONFIG", "DURATION"],
            &["REASON", "COMMIT", "JOB", "POD", "TOKENS", "COST"],
        ),
        Kind::Workspace => (&["REPO", "REF"], &["SECRET", "STORAGE"]),
        Kind::AgentConfig => (&["PLUGINS", "SKILLS", "MCP SERVERS"], &[]),
        Kind::AgentProvider => (
            &["DISPLAY NAME", "AGENT TYPES", "READY"],
            &["REASON", "BASE URL", "SECRET"],
        ),
        Kind::TaskDefaults => (&["TYPE", "TIMEOUT"], &["MODEL", "IMAGE", "PROVIDERS"]),
        Kind::TaskPipeline => (
            &["PHASE", "STEP", "PULL REQUEST"],
            &["REASON", "BRANCH", "RETRIES", "WORKSPACE"],
        ),
        Kind::TaskSpawner => (
            &["SOURCE", "PHASE", "ACTIVE", "DISCOVERED", "TASKS"],
            &[
                "WORKSPACE",
                "SUSPEND",
                "WAITING",
                "LAST DISCOVERY",
                "NEXT",
                "PROBLEM",
            ],
        ),
        Kind::Secret => (&[], &[]),
    };
    Titles { usual, wide }
}

pub(super) fn headers(columns: Columns) -> Vec<&'static str> {
    let titles = titles(columns.kind);
    let mut headers = Vec::new();
    if columns.namespace {
        headers.push("NAMESPACE");
    }
    headers.push("NAME");
    headers.extend(titles.usual);
    headers.push("AGE");
    if columns.wide {
        headers.extend(titles.wide);
    }
    headers
}

/// The cells of one object.
pub(super) fn row(object: Value, columns: Columns, now: Timestamp) -> Vec<String> {
    let metadata = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    let age = metadata("creationTimestamp")
        .parse()
        .map(|created| ages::between(created, now))
        .unwrap_or_default();
    let mut cells = Vec::new();
    if columns.namespace {
        cells.push(metadata("namespace"));
    }
    cells.push(metadata("name"));
    let titles = titles(columns.kind);
    let Cells { mut usual, mut wide } = match columns.kind {
        Kind::Task => read(object).map(|task| task_cells(&task, now)),
        Kind::Workspace => read(object).map(workspace_cells),
        Kind::AgentConfig => read(object).map(|config| agent_config_cells(&config)),
        Kind::AgentProvider => read(object).map(agent_provider_cells),
        Kind::TaskDefaults => read(object).map(task_defaults_cells),
        Kind::TaskPipeline => read(object).map(task_pipeline_cells),
        Kind::TaskSpawner => read(object).map(|spawner| task_spawner_cells(&spawner, now)),
        Kind::Secret => None,
    }
    .unwrap_or_else(unreadable);
    usual.resize(titles.usual.len(), String::new());
    wide.resize(titles.wide.len(), String::new());
    cells.extend(usual);
    cells.push(age);
    if columns.wide {
        cells.extend(wide);
    }
    cells
}

/// As many as there are titles; what is missing at the end is empty.
#[derive(Default)]
struct Cells {
    usual: Vec<String>,
    wide: Vec<String>,
}

fn read<K: DeserializeOwned>(object: Value) -> Option<K> {
    serde_json::from_value(object).ok()
}

fn unreadable() -> Cells {
    Cells {
        usual: vec!["Unreadable".to_owned()],
        wide: Vec::new(),
    }
}

fn name_of(reference: Option<&LocalReference>) -> String {
    reference
        .map(|reference| reference.name.clone())
        .unwrap_or_default()
}

fn names<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().cloned().collect::<Vec<_>>().join(",")
}

fn task_cells(task: &Task, now: Timestamp) -> Cells {
    let (spec, status) = (&task.spec, task.status.clone().unwrap_or_default());
    let result = |key: &str| status.results.get(key).cloned().unwrap_or_default();
    let workspace = match (&spec.workspace_ref, &spec.workspace) {
        (Some(reference), _) => reference.name.clone(),
        (None, Some(inline)) => inline.repo.clone(),
        (None, None) => String::new(),
    };
    let configs = spec.agent_config_ref.iter().chain(&spec.agent_config_refs);
    let usage = status.usage.as_ref();
    Cells {
        usual: vec![
            agent_type(task),
            status.phase.map(|phase| phase.to_string()).unwrap_or_default(),
            Some(result("branch"))
                .filter(|branch| !branch.is_empty())
                .or_else(|| spec.branch.clone())
                .unwrap_or_default(),
            workspace,
            names(configs.map(|config| &config.name)),
            duration(task, now),
        ],
        wide: vec![
            status.reason.clone().unwrap_or_default(),
            short_commit(&result("commit")),
            status.job_name.clone().unwrap_or_default(),
            status.pod_name.clone().unwrap_or_default(),
            usage
                .map(|usage| format!("{}/{}", usage.input_tokens, usage.output_tokens))
                .unwrap_or_default(),
            usage
                .and_then(|usage| usage.cost_usd.as_ref())
                .map(|cost| format!("${cost}"))
                .unwrap_or_default(),
        ],
    }
}

/// The Task's own type, else the one that the namespace or the operator gave it.
pub(crate) fn agent_type(task: &Task) -> String {
    let given = task.status.iter().flat_map(|status| &status.effective);
    task.spec
        .type_
        .clone()
        .or_else(|| {
            given
                .filter(|setting| setting.field == "type")
                .map(|setting| setting.value.clone())
                .next()
        })
        .unwrap_or_else(|| task.spec.agent_type().to_owned())
}

fn workspace_cells(workspace: Workspace) -> Cells {
    let spec = workspace.spec;
    let storage = spec.storage.map(|storage| {
        let size = storage.size.unwrap_or_else(|| "10Gi".to_owned());
        let scope = storage
            .scope
            .map(|scope| format!(" of the {scope:?}"))
            .unwrap_or_default();
        format!("{size}{scope}")
    });
    Cells {
        usual: vec![spec.repo, spec.ref_.unwrap_or_default()],
        wide: vec![name_of(spec.secret_ref.as_ref()), storage.unwrap_or_default()],
    }
}

fn agent_config_cells(config: &AgentConfig) -> Cells {
    let spec = &config.spec;
    Cells {
        usual: vec![
            names(spec.plugins.iter().map(|plugin| &plugin.name)),
            names(
                spec.skills
                    .iter()
                    .map(|skill| skill.skill.as_ref().unwrap_or(&skill.source)),
            ),
            names(spec.mcp_servers.iter().map(|server| &server.name)),
        ],
        wide: Vec::new(),
    }
}

fn agent_provider_cells(provider: AgentProvider) -> Cells {
    let spec = provider.spec;
    let ready = provider.status.as_ref().and_then(|status| {
        status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Ready")
    });
    Cells {
        usual: vec![
            spec.display_name.unwrap_or_default(),
            spec.agent_types.join(","),
            ready.map(|ready| ready.status.clone()).unwrap_or_default(),
        ],
        wide: vec![
            ready.map(|ready| ready.reason.clone()).unwrap_or_default(),
            spec.base_url.unwrap_or_default(),
            spec.auth_token_secret_ref
                .map(|secret| format!("{}/{}", secret.name, secret.key))
                .unwrap_or_default(),
        ],
    }
}

fn task_defaults_cells(defaults: TaskDefaults) -> Cells {
    let spec = defaults.spec;
    let providers: Vec<String> = spec
        .providers
        .iter()
        .map(|(agent_type, name)| format!("{agent_type}={name}"))
        .collect();
    Cells {
        usual: vec![spec.type_.unwrap_or_default(), spec.timeout.unwrap_or_default()],
        wide: vec![
            spec.model.unwrap_or_default(),
            spec.image.unwrap_or_default(),
            providers.join(","),
        ],
    }
}

fn task_pipeline_cells(pipeline: TaskPipeline) -> Cells {
    let status = pipeline.status.unwrap_or_default();
    let workspace = match (&pipeline.spec.workspace_ref, &pipeline.spec.workspace) {
        (Some(reference), _) => reference.name.clone(),
        (None, Some(inline)) => inline.repo.clone(),
        (None, None) => String::new(),
    };
    Cells {
        usual: vec![
            status.phase.map(phase_word).unwrap_or_default(),
            status.current_step.unwrap_or_default(),
            status.pull_request.map(|request| request.url).unwrap_or_default(),
        ],
        wide: vec![
            status.reason.unwrap_or_default(),
            status.branch.or(pipeline.spec.branch).unwrap_or_default(),
            status
                .retries
                .map(|retries| retries.to_string())
                .unwrap_or_default(),
            workspace,
        ],
    }
}

fn task_spawner_cells(spawner: &TaskSpawner, now: Timestamp) -> Cells {
    let status = spawner.status.clone().unwrap_or_default();
    let template = &spawner.spec.task_template;
    let workspace = match (&template.workspace_ref, &template.workspace) {
        (Some(reference), _) => reference.name.clone(),
        (None, Some(inline)) => inline.repo.clone(),
        (None, None) => String::new(),
    };
    let count = |number: Option<i64>| number.unwrap_or_default().to_string();
    let time = |time: Option<&Time>| {
        time.map(|time| ages::between(time.0.min(now), time.0.max(now)))
            .unwrap_or_default()
    };
    Cells {
        usual: vec![
            spawner.spec.when.source().unwrap_or_default().to_owned(),
            status.phase.map(|phase| phase.to_string()).unwrap_or_default(),
            count(status.active_tasks),
            count(status.total_discovered),
            count(status.total_tasks_created),
        ],
        wide: vec![
            workspace,
            spawner.is_suspended().to_string(),
            count(status.waiting_items),
            time(status.last_discovery_time.as_ref()),
            time(status.next_schedule_time.as_ref()),
            problem(&status.conditions).unwrap_or_default(),
        ],
    }
}

/// The reason of the first condition that is not as it should be.
fn problem(conditions: &[Condition]) -> Option<String> {
    let wrong = conditions.iter().find(|condition| {
        matches!(
            (&*condition.type_, &*condition.status),
            ("Supported" | "Ready", "False") | ("RateLimited" | "MaxTotalTasksReached", "True")
        )
    });
    wrong.map(|condition| condition.reason.clone())
}
