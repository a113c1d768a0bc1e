//! `create taskspawner`: a source, and a template of the Tasks that its items become.

use axon_api::kinds::task_template::TaskTemplate;
use axon_api::sources::When;
use axon_api::{TaskDefaultsSpec, TaskSpawner, TaskSpawnerSpec};
use clap::Args;

use super::ReadValue;
use crate::cli::Context;
use crate::config::Config;
use crate::credentials::{Chosen, access};
use crate::failure::{Failure, Result};
use crate::parts::{check_name, named, seconds, to_value};
use crate::run_objects::{Wanted, config_workspace, pod_overrides};
use crate::verbs::run::CredentialKindArg;
use crate::writing::WriteArgs;
use crate::{complete, inputs};

mod source;

pub(super) use source::SourceArgs;

/// Create a spawner: a source of work, and what its tasks are
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = source::examples())]
pub(super) struct TaskSpawnerArgs {
    /// Name of the spawner
    #[arg(value_name = "NAME")]
    pub(super) name: String,

    #[command(flatten)]
    pub(super) source: SourceArgs,

    /// Template of the prompt, such as 'Fix {{.Title}}', or @FILE with it; default: kind, number,
    /// title, body and comments of the item
    #[arg(short, long, value_name = "TEMPLATE|@FILE", help_heading = "Tasks")]
    pub(super) prompt: Option<String>,

    /// Workspace of the tasks; default: the config file's
    #[arg(short, long, value_name = "NAME", help_heading = "Tasks", add = complete::workspaces())]
    pub(super) workspace: Option<String>,

    /// Template of the branch, such as 'axon-task-{{.Number}}'
    #[arg(long, value_name = "TEMPLATE", help_heading = "Tasks")]
    pub(super) branch: Option<String>,

    /// Template of the tasks' names; default: the spawner's name and the item's ID
    #[arg(long, value_name = "TEMPLATE", help_heading = "Tasks")]
    pub(super) name_template: Option<String>,

    /// Agent type of the tasks; default: the config file's, else the namespace's
    #[arg(short = 't', long = "type", value_name = "TYPE", help_heading = "Tasks", add = complete::agent_types())]
    pub(super) agent_type: Option<String>,

    /// Secret with the agent's credential
    #[arg(long, value_name = "NAME", help_heading = "Tasks", add = complete::secrets())]
    pub(super) secret: Option<String>,

    /// What that Secret holds; `none` runs the agent without a credential
    #[arg(long, value_name = "TYPE", help_heading = "Tasks", value_parser = clap::builder::EnumValueParser::<CredentialKindArg>::new())]
    pub(super) credential_type: Option<CredentialKindArg>,

    /// `AgentProvider` with the endpoint and credential to use
    #[arg(long, value_name = "NAME", help_heading = "Tasks", conflicts_with_all = ["secret", "credential_type"], add = complete::agent_providers())]
    pub(super) provider: Option<String>,

    /// `AgentConfig` with instructions for the agent; may be given more than once
    #[arg(long = "agent-config", value_name = "NAME", value_delimiter = ',', help_heading = "Tasks", add = complete::agent_configs())]
    pub(super) agent_configs: Vec<String>,

    /// Model of the tasks, as the agent's CLI spells it
    #[arg(long, value_name = "MODEL", help_heading = "Tasks")]
    pub(super) model: Option<String>,

    /// Container image of the tasks
    #[arg(long, value_name = "IMAGE", help_heading = "Tasks")]
    pub(super) image: Option<String>,

    /// Variable for the agents; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Tasks")]
    pub(super) env: Vec<String>,

    /// How long each task may run, such as 1h
    #[arg(long, value_name = "DURATION", help_heading = "Tasks")]
    pub(super) timeout: Option<String>,

    /// How long a task is kept after its end, as seconds or a duration
    #[arg(long, value_name = "TIME", help_heading = "Tasks")]
    pub(super) ttl: Option<String>,

    /// Tasks that may be unfinished at once; default: without limit
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..=1000))]
    pub(super) max_concurrency: Option<i32>,

    /// Tasks that the spawner may make in its life; default: without limit
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    pub(super) max_total_tasks: Option<i32>,

    /// Create it paused
    #[arg(long)]
    pub(super) suspend: bool,

    #[command(flatten)]
    pub(super) write: WriteArgs,
}

impl TaskSpawnerArgs {
    fn chosen(&self) -> Chosen<'_> {
        Chosen {
            agent_type: self.agent_type.as_deref(),
            secret: self.secret.as_ref(),
            credential_type: self.credential_type.map(|kind| kind.0),
            provider: self.provider.as_ref(),
        }
    }
}

/// What the namespace's defaults answer that the flags leave open.
pub(super) async fn defaults(context: &Context, args: &TaskSpawnerArgs) -> Result<Option<TaskDefaultsSpec>> {
    inputs::defaults(context, args.chosen(), args.write.dry_run).await
}

pub(super) fn objects(
    args: &TaskSpawnerArgs,
    config: &Config,
    defaults: Option<&TaskDefaultsSpec>,
    read: ReadValue<'_>,
) -> Result<Vec<Wanted>> {
    check_name("spawner", &args.name)?;
    let when = source::when(&args.source)?;
    if let Some(timeout) = &args.timeout {
        crate::parts::duration("--timeout", timeout)?;
    }
    let mut wanted = Vec::new();
    let access = access(args.chosen(), config, defaults, &mut wanted)?;
    let workspace_ref = match &args.workspace {
        Some(name) => Some(named(name)),
        None => config_workspace(config, &mut wanted)?,
    };
    if workspace_ref.is_none() && needs_workspace(&when) {
        return Err(Failure::new(format!(
            "spawner `{}` has no workspace, whose repository its source asks about",
            args.name
        ))
        .hint("name one with --workspace; `create workspace` makes one"));
    }
    let prompt = args.prompt.as_deref().map(|prompt| read("--prompt", prompt));
    let config_names: Vec<&String> = match args.agent_configs.as_slice() {
        [] => config.agent_config.iter().collect(),
        names => names.iter().collect(),
    };
    let template = TaskTemplate {
        type_: access.type_,
        prompt_template: prompt.transpose()?,
        name_template: args.name_template.clone(),
        credentials: access.credentials,
        provider_ref: access.provider_ref,
        model: args.model.clone().or_else(|| config.model.clone()),
        image: args.image.clone(),
        workspace_ref,
        agent_config_refs: config_names.into_iter().map(|name| named(name)).collect(),
        branch: args.branch.clone(),
        timeout: args.timeout.clone(),
        ttl_seconds_after_finished: args.ttl.as_deref().map(|ttl| seconds("--ttl", ttl)).transpose()?,
        pod_overrides: pod_overrides(&config.env, &args.env)?,
        ..TaskTemplate::default()
    };
    let spec = TaskSpawnerSpec {
        when,
        task_template: template,
        poll_interval: args.source.poll_interval().cloned(),
        max_concurrency: args.max_concurrency,
        max_total_tasks: args.max_total_tasks,
        suspend: args.suspend.then_some(true),
        ..TaskSpawnerSpec::default()
    };
    wanted.push(Wanted::Create(to_value(&TaskSpawner::new(&args.name, spec))?));
    Ok(wanted)
}

/// Whether the source asks about the workspace's repository.
fn needs_workspace(when: &When) -> bool {
    when.github_issues.is_some() || when.github_pull_requests.is_some()
}
