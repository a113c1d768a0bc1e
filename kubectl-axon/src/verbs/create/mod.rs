//! `create`: objects of one kind from flags, one file per kind.

mod agent_config;
mod provider;
mod task_defaults;
mod task_pipeline;
#[cfg(any(feature = "github", feature = "cron", feature = "webhook"))]
mod task_spawner;
mod workspace;

#[cfg(test)]
mod tests;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::resources::Kind;
use crate::run_objects::Wanted;
use crate::schema;
use crate::verbs::run;
use crate::writing::{self, About, DryRun, WriteArgs};
use crate::{cluster, inputs};

/// Create a workspace, agent config, provider, pipeline, spawner, or a namespace's defaults
#[derive(Args)]
#[command(after_help = examples())]
pub(crate) struct CreateArgs {
    #[command(subcommand)]
    kind: CreateKind,
}

fn examples() -> String {
    let examples: &[&str] = &[
        "  kubectl axon create workspace my-workspace --repo https://github.com/your-org/repo.git\n",
        "  kubectl axon create agentconfig my-config --agents-md @AGENTS.md\n",
        "  kubectl axon create taskpipeline my-work --workspace my-workspace -p 'Add dark mode'\n",
        #[cfg(feature = "cron")]
        "  kubectl axon create taskspawner nightly --cron '0 3 * * *' -p 'Update the dependencies'\n",
    ];
    format!("Examples:\n{}\nTasks are created with `run`.", examples.concat())
}

#[derive(Subcommand)]
enum CreateKind {
    #[command(visible_alias = "ws")]
    Workspace(Box<workspace::WorkspaceArgs>),
    #[command(name = "agentconfig", visible_alias = "ac")]
    AgentConfig(agent_config::AgentConfigArgs),
    #[command(name = "provider", visible_aliases = ["agentprovider", "ap"])]
    Provider(provider::ProviderArgs),
    #[command(name = "taskpipeline", visible_aliases = ["pipeline", "tp"])]
    TaskPipeline(Box<task_pipeline::TaskPipelineArgs>),
    #[cfg(any(feature = "github", feature = "cron", feature = "webhook"))]
    #[command(name = "taskspawner", visible_aliases = ["spawner", "ts"])]
    TaskSpawner(Box<task_spawner::TaskSpawnerArgs>),
    #[command(name = "taskdefaults", visible_aliases = ["defaults", "td"])]
    TaskDefaults(Box<task_defaults::TaskDefaultsArgs>),
}

impl CreateArgs {
    /// Whether `--token` is the repository's here, and not the one for the API server.
    pub(crate) fn takes_token(&self) -> bool {
        matches!(self.kind, CreateKind::Workspace(_))
    }
}

/// Reads a flag's value `TEXT` or `@FILE`, given the flag for messages.
type ReadValue<'a> = &'a dyn Fn(&str, &str) -> Result<String>;

/// Creates the object with what it needs, and says so.
pub(crate) fn create(context: &Context, args: &CreateArgs) -> Result<Exit> {
    let read: ReadValue<'_> = &inputs::text_or_file;
    cluster::block_on(async {
        let (kind, wanted, write) = match &args.kind {
            CreateKind::Workspace(args) => {
                let repo = inputs::repository("--repo", &args.repo, context.global.local)?;
                (
                    Kind::Workspace,
                    workspace::objects(args, repo, read)?,
                    &args.write,
                )
            }
            CreateKind::AgentConfig(args) => {
                (Kind::AgentConfig, agent_config::objects(args, read)?, &args.write)
            }
            CreateKind::Provider(args) => (Kind::AgentProvider, provider::objects(args)?, &args.write),
            CreateKind::TaskDefaults(args) => {
                (Kind::TaskDefaults, task_defaults::objects(args)?, &args.write)
            }
            CreateKind::TaskPipeline(args) => {
                let inputs = task_pipeline::inputs(context, args).await?;
                let wanted = task_pipeline::objects(args, &context.config, inputs, read)?;
                (Kind::TaskPipeline, wanted, &args.write)
            }
            #[cfg(any(feature = "github", feature = "cron", feature = "webhook"))]
            CreateKind::TaskSpawner(args) => {
                let defaults = task_spawner::defaults(context, args).await?;
                let wanted = task_spawner::objects(args, &context.config, defaults.as_ref(), read)?;
                (Kind::TaskSpawner, wanted, &args.write)
            }
        };
        write_all(context, kind, &wanted, write).await
    })
}

async fn write_all(context: &Context, kind: Kind, wanted: &[Wanted], write: &WriteArgs) -> Result<Exit> {
    for wanted in wanted {
        check_fields(wanted.object())?;
    }
    if write.dry_run == Some(DryRun::Client) {
        writing::show_unsent(wanted, write.output.as_ref())?;
        return Ok(Exit::Success);
    }
    run::create(context, wanted, About::Kind(kind), false, write).await
}

/// Finds a misspelled field in what flags brought in as JSON.
fn check_fields(object: &Value) -> Result<()> {
    let Some(kind) = Kind::of(object) else {
        return Ok(());
    };
    schema::check(kind, object).map_err(|problem| {
        let failure = Failure::new(format!(
            "{} `{}` has no field `{}`",
            kind.singular(),
            object["metadata"]["name"].as_str().unwrap_or_default(),
            problem.path
        ));
        match problem.meant {
            Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
            None => failure,
        }
    })
}
