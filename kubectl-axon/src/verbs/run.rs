//! `run`: creates a Task and, if asked, watches it to its end.

use std::path::PathBuf;

use axon_api::kinds::task::{CredentialsType, DEFAULT_TYPE};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::{self, Exit};
use crate::failure::{Failure, Result};
use crate::progress::{self, Watched};
use crate::resources::Kind;
use crate::run_objects::{Wanted, objects_for_run};
use crate::writing::{self, About, DryRun, Show, WriteArgs, Writing};
use crate::{complete, inputs, invocation, manifest, output};

const EXAMPLES: &str = "\
Examples:
  # Run a script on this machine: no cluster, no key
  kubectl axon run --local -t shell -p 'git log --oneline | head' --workspace-repo . -w

  # Let Claude Code work on a repository and watch it
  kubectl axon run -p 'Add unit tests' --secret anthropic-api-key \\
    --workspace-repo https://github.com/your-org/repo.git --branch add-tests -w

  # What a manifest says, or a prompt from a file
  kubectl axon run -f task.yaml -w
  kubectl axon run --prompt-file prompt.md --workspace my-workspace
";

/// Create a task that runs a coding agent
#[derive(Args)]
#[command(after_help = format!("{EXAMPLES}\n{}", exit::HELP))]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) task: TaskArgs,

    /// Create what this manifest says, `-` for stdin; may be given more than once
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with_all = TASK_FLAGS)]
    filename: Vec<PathBuf>,

    /// Follow the task to its end; the exit code is the task's
    #[arg(short, long)]
    watch: bool,

    #[command(flatten)]
    write: WriteArgs,
}

/// The flags of [`TaskArgs`], which a manifest takes the place of.
const TASK_FLAGS: &[&str] = &[
    "prompt",
    "prompt_file",
    "agent_type",
    "secret",
    "credential_type",
    "model",
    "effort",
    "image",
    "name",
    "workspace",
    "workspace_repo",
    "workspace_ref",
    "agent_configs",
    "provider",
    "retry",
    "ttl",
    "depends_on",
    "branch",
    "timeout",
    "env",
    "sandbox",
];

/// What the Task is to be.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Task")]
pub(crate) struct TaskArgs {
    /// What the agent is to do; `-` reads it from stdin
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,

    /// File with the prompt; `-` for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "prompt", value_hint = clap::ValueHint::FilePath)]
    pub(crate) prompt_file: Option<PathBuf>,

    #[arg(short = 't', long = "type", value_name = "TYPE", add = complete::agent_types(), help = agent_type_help())]
    pub(crate) agent_type: Option<String>,

    /// Secret with the agent's credential
    #[arg(long, value_name = "NAME", add = complete::secrets())]
    pub(crate) secret: Option<String>,

    /// What that Secret holds; `none` runs the agent without a credential
    #[arg(long, value_name = "TYPE", value_parser = clap::builder::EnumValueParser::<CredentialKindArg>::new())]
    pub(crate) credential_type: Option<CredentialKindArg>,

    /// Model, as the agent's CLI spells it
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,

    /// Reasoning effort, as the agent's CLI spells it
    #[arg(long, value_name = "EFFORT")]
    pub(crate) effort: Option<String>,

    /// Container image to use instead of the agent type's own
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,

    /// Name of the task; default: task- and five random characters
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Workspace to check out
    #[arg(long, value_name = "NAME", add = complete::workspaces())]
    pub(crate) workspace: Option<String>,

    /// Repository to check out; with --local also a folder, `.` for the one you are in
    #[arg(long, value_name = "URL", conflicts_with = "workspace")]
    pub(crate) workspace_repo: Option<String>,

    /// Branch, tag or commit of --workspace-repo; default: the repository's default branch
    #[arg(long, value_name = "REF", requires = "workspace_repo")]
    pub(crate) workspace_ref: Option<String>,

    /// `AgentConfig` with instructions for the agent; may be given more than once, and they add up
    #[arg(long = "agent-config", value_name = "NAME", value_delimiter = ',', add = complete::agent_configs())]
    pub(crate) agent_configs: Vec<String>,

    /// `AgentProvider` with the endpoint and credential to use
    #[arg(long, value_name = "NAME", conflicts_with_all = ["secret", "credential_type"], add = complete::agent_providers())]
    pub(crate) provider: Option<String>,

    /// Task that must succeed first; may be given more than once
    #[arg(long, value_name = "TASK", value_delimiter = ',', add = complete::tasks())]
    pub(crate) depends_on: Vec<String>,

    /// Branch to work on; made if the repository does not have it
    #[arg(long, value_name = "BRANCH")]
    pub(crate) branch: Option<String>,

    /// How long the agent may run, such as 30m or 1h30m
    #[arg(long, value_name = "DURATION")]
    pub(crate) timeout: Option<String>,

    /// Run again at most this often after a failure; each run is paid for
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..=10))]
    pub(crate) retry: Option<i32>,

    /// Delete the task this long after its end, such as 3600 or 1h
    #[arg(long, value_name = "DURATION")]
    pub(crate) ttl: Option<String>,

    /// Variable for the agent; may be given more than once
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,

    /// Sandbox on this machine; only with --local
    #[arg(long, value_enum, value_name = "SANDBOX")]
    pub(crate) sandbox: Option<Sandbox>,
}

/// The agent types of this build.
fn agent_type_help() -> String {
    let names: Vec<&str> = axon_agents::AGENTS.iter().map(|agent| agent.name()).collect();
    format!(
        "Agent type: {}; default: the config file's, else the namespace's, else {DEFAULT_TYPE}",
        names.join(", ")
    )
}

impl TaskArgs {
    pub(crate) fn credential_type(&self) -> Option<CredentialsType> {
        self.credential_type.map(|argument| argument.0)
    }
}

/// A value of `--credential-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CredentialKindArg(pub(crate) CredentialsType);

impl ValueEnum for CredentialKindArg {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self(CredentialsType::ApiKey),
            Self(CredentialsType::OAuth),
            Self(CredentialsType::None),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self.0 {
            CredentialsType::ApiKey => "api-key",
            CredentialsType::OAuth => "oauth",
            CredentialsType::None => "none",
        }))
    }
}

/// A value of `--sandbox`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sandbox {
    /// Sees the checkout and nothing else of your files
    Bubblewrap,
    /// Can read and change whatever you can
    None,
}

/// Creates the objects, says so, and watches the Tasks if asked.
pub(crate) fn run(context: &Context, args: &RunArgs) -> Result<Exit> {
    cluster::block_on(async {
        let wanted = if args.filename.is_empty() {
            let inputs = inputs::answer(context, &args.task, args.write.dry_run).await?;
            objects_for_run(&args.task, &context.config, inputs)?
        } else {
            let objects = manifest::read(&args.filename)?;
            objects.into_iter().map(Wanted::Create).collect()
        };
        if args.write.dry_run == Some(DryRun::Client) {
            writing::show_unsent(&wanted, args.write.output.as_ref())?;
            return Ok(Exit::Success);
        }
        if context.global.local && args.task.sandbox == Some(Sandbox::None) {
            output::note(
                "warning: without a sandbox the agent can read and change whatever you can on this machine",
            );
        }
        let about = if args.filename.is_empty() {
            About::Kind(Kind::Task)
        } else {
            About::All
        };
        create(context, &wanted, about, args.watch, &args.write).await
    })
}

/// Writes the objects and, if asked, follows the Tasks among them to their ends.
pub(crate) async fn create(
    context: &Context,
    wanted: &[Wanted],
    about: About,
    is_watched: bool,
    args: &WriteArgs,
) -> Result<Exit> {
    let cluster = cluster::connect(context).await?;
    writing::check_namespaces(wanted, context)?;
    let is_watched = is_watched && args.dry_run.is_none();
    let writing = Writing {
        wanted,
        about,
        show: if is_watched { Show::AtTheEnd } else { Show::Now },
        args,
    };
    if is_watched {
        return write_and_watch(&cluster, &writing).await;
    }
    let Some(written) = writing.run(&cluster).await? else {
        return Ok(Exit::Success);
    };
    let watched: Vec<Watched> = written.iter().filter_map(Watched::of).collect();
    if let ([task], None) = (watched.as_slice(), &args.output) {
        output::note(format!(
            "follow it with {}",
            invocation::command(&format!("logs {} -f", task.name))
        ));
    }
    Ok(Exit::Success)
}

/// Creates the objects and follows the Tasks. From before the first is created, Ctrl-C ends only
/// this program, and says what becomes of the Tasks.
async fn write_and_watch(cluster: &Cluster, writing: &Writing<'_>) -> Result<Exit> {
    let mut interrupt = signal(SignalKind::interrupt())
        .map_err(|error| Failure::new(format!("failed to listen for Ctrl-C: {error}")))?;
    let written = tokio::select! {
        written = writing.run(cluster) => written?.unwrap_or_default(),
        _ = interrupt.recv() => {
            output::note(format!(
                "interrupted while the task was being created: {} shows whether it was",
                invocation::command("get")
            ));
            return Ok(Exit::Interrupted);
        }
    };
    let watched: Vec<Watched> = written.iter().filter_map(Watched::of).collect();
    progress::watch(cluster, &mut interrupt, &watched, writing.args.output.as_ref()).await
}
