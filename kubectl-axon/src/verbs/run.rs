//! `run`: creates a Task and, if asked, watches it to its end.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use axon_api::kinds::task::CredentialsType;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::apply::{self, Keep};
use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::{self, Exit};
use crate::failure::{Failure, Result};
use crate::output::{self, Format};
use crate::progress::{self, Watched};
use crate::resources::Kind;
use crate::run_objects::{Wanted, objects_for_run};
use crate::{complete, inputs, invocation, manifest};

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

    /// Only show what would be created: without asking the server, or as it would answer
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: Option<DryRun>,

    /// Print the task as yaml, json, name or jsonpath=TEMPLATE
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parse)]
    output: Option<Format>,

    /// Do not ask before changing an object that someone else made
    #[arg(short, long)]
    yes: bool,
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
    "agent_config",
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

    /// Agent type: claude-code, codex, gemini, opencode or shell; default: the config file's, else claude-code
    #[arg(short = 't', long = "type", value_name = "TYPE", add = complete::agent_types())]
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

    /// Instructions for the agent, by the name of an `AgentConfig`
    #[arg(long, value_name = "NAME")]
    pub(crate) agent_config: Option<String>,

    /// Task that must succeed first; may be given more than once
    #[arg(long, value_name = "TASK", add = complete::tasks())]
    pub(crate) depends_on: Vec<String>,

    /// Branch to work on; made if the repository does not have it
    #[arg(long, value_name = "BRANCH")]
    pub(crate) branch: Option<String>,

    /// How long the agent may run, such as 30m or 1h30m
    #[arg(long, value_name = "DURATION")]
    pub(crate) timeout: Option<String>,

    /// Variable for the agent; may be given more than once
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,

    /// Sandbox on this machine; only with --local
    #[arg(long, value_enum, value_name = "SANDBOX")]
    pub(crate) sandbox: Option<Sandbox>,
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

/// A value of `--dry-run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DryRun {
    /// Print the objects without asking the server
    Client,
    /// Ask the server what it would do
    Server,
}

/// Creates the objects, says so, and watches the Tasks if asked.
pub(crate) fn run(context: &Context, args: &RunArgs) -> Result<Exit> {
    let wanted = if args.filename.is_empty() {
        let inputs = inputs::answer(&context.global, &args.task)?;
        objects_for_run(&args.task, &context.config, inputs)?
    } else {
        let objects = manifest::read(&args.filename)?;
        objects.into_iter().map(Wanted::Create).collect()
    };
    if args.dry_run == Some(DryRun::Client) {
        show_unsent(&wanted, args.output.as_ref())?;
        return Ok(Exit::Success);
    }
    if context.global.local && args.task.sandbox == Some(Sandbox::None) {
        output::note(
            "warning: without a sandbox the agent can read and change whatever you can on this machine",
        );
    }
    cluster::block_on(async {
        let cluster = cluster::connect(context).await?;
        check_namespaces(&wanted, context)?;
        if args.dry_run == Some(DryRun::Server) {
            write(&cluster, &wanted, Keep::No, args).await?;
            return Ok(Exit::Success);
        }
        // Of several objects none is written when one would be refused.
        if wanted.len() > 1 {
            check(&cluster, &wanted, args).await?;
        }
        if args.watch {
            return write_and_watch(&cluster, &wanted, args).await;
        }
        let written = write(&cluster, &wanted, Keep::Yes, args).await?;
        let watched: Vec<Watched> = written.iter().filter_map(Watched::of).collect();
        if let ([task], None) = (watched.as_slice(), &args.output) {
            output::note(format!(
                "follow it with {}",
                invocation::command(&format!("logs {} -f", task.name))
            ));
        }
        Ok(Exit::Success)
    })
}

/// Creates the objects and follows the Tasks. From before the first is created, Ctrl-C ends only
/// this program, and says what becomes of the Tasks.
async fn write_and_watch(cluster: &Cluster, wanted: &[Wanted], args: &RunArgs) -> Result<Exit> {
    let mut interrupt = signal(SignalKind::interrupt())
        .map_err(|error| Failure::new(format!("failed to listen for Ctrl-C: {error}")))?;
    let written = tokio::select! {
        written = write(cluster, wanted, Keep::Yes, args) => written?,
        _ = interrupt.recv() => {
            output::note(format!(
                "interrupted while the task was being created: {} shows whether it was",
                invocation::command("get")
            ));
            return Ok(Exit::Interrupted);
        }
    };
    let watched: Vec<Watched> = written.iter().filter_map(Watched::of).collect();
    progress::watch(cluster, &mut interrupt, &watched, args.output.as_ref()).await
}

/// Asks the server about each object without keeping it.
async fn check(cluster: &Cluster, wanted: &[Wanted], args: &RunArgs) -> Result<()> {
    for object in wanted {
        apply::write(cluster, object, Keep::No, &|object| {
            may_overwrite(object, args.yes)
        })
        .await?;
    }
    Ok(())
}

async fn write(cluster: &Cluster, wanted: &[Wanted], keep: Keep, args: &RunArgs) -> Result<Vec<Value>> {
    let suffix = match keep {
        Keep::Yes => "",
        Keep::No => " (server dry run)",
    };
    let mut written = Vec::new();
    for object in wanted {
        // The check has asked already, and asks once is enough.
        let asked = wanted.len() > 1 && keep == Keep::Yes;
        let (value, change) = apply::write(cluster, object, keep, &|object| {
            may_overwrite(object, args.yes || asked)
        })
        .await?;
        let is_task = Kind::of(&value) == Some(Kind::Task);
        let line = format!("{} {}{suffix}", output::kind_and_name(&value), change.word());
        match (&args.output, is_task || !args.filename.is_empty()) {
            (None, true) => output::print(line + "\n")?,
            // What a Task needs is told beside it: stdout names the Task alone.
            (_, false) => {
                if change != apply::Change::Unchanged {
                    output::note(line);
                }
            }
            (Some(format), true) if !args.watch => show(&value, format)?,
            (Some(_), true) => {}
        }
        written.push(value);
    }
    Ok(written)
}

fn show(object: &Value, format: &Format) -> Result<()> {
    let object = hidden_secrets(&output::without_managed_fields(object.clone()));
    match format {
        Format::Json => output::print(output::to_json(&object)),
        Format::Yaml | Format::Wide => output::print(output::to_yaml(&object)?),
        Format::Name => output::print(output::kind_and_name(&object) + "\n"),
        Format::JsonPath(template) => output::print(template.render(&object)),
    }
}

/// Prints the objects that would be created, as documents that `kubectl apply -f -` takes.
fn show_unsent(wanted: &[Wanted], format: Option<&Format>) -> Result<()> {
    let objects: Vec<Value> = wanted
        .iter()
        .map(|wanted| hidden_secrets(wanted.object()))
        .collect();
    match format {
        Some(Format::Json) => {
            let whole = match objects.as_slice() {
                [one] => one.clone(),
                _ => output::list_of(&objects),
            };
            output::print(output::to_json(&whole))
        }
        Some(Format::Name) => {
            let names: Vec<String> = objects
                .iter()
                .map(|object| output::kind_and_name(object) + "\n")
                .collect();
            output::print(names.concat())
        }
        Some(Format::JsonPath(template)) => {
            let last = objects.last().cloned().unwrap_or_default();
            output::print(template.render(&last))
        }
        Some(Format::Yaml | Format::Wide) | None => {
            let mut documents = Vec::new();
            for object in &objects {
                let comment = match Kind::of(object) {
                    Some(Kind::Secret) => "# The values of this Secret are not shown.\n",
                    _ => "",
                };
                documents.push(format!("{comment}{}", output::to_yaml(object)?));
            }
            output::print(documents.join("---\n"))
        }
    }
}

/// The object with the values of a Secret blotted out: they have no business on a terminal.
fn hidden_secrets(object: &Value) -> Value {
    let mut object = object.clone();
    if Kind::of(&object) == Some(Kind::Secret) {
        for field in ["data", "stringData"] {
            for (_, value) in object[field].as_object_mut().into_iter().flatten() {
                // Not base64, so that no server takes it for the value.
                *value = Value::from("(not shown)");
            }
        }
        if let Some(fields) = object.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
    }
    object
}

/// The namespace of a manifest must be the flag's, as with kubectl.
fn check_namespaces(wanted: &[Wanted], context: &Context) -> Result<()> {
    let Some(flag) = &context.global.namespace else {
        return Ok(());
    };
    for wanted in wanted {
        let object = wanted.object();
        if let Some(own) = object["metadata"]["namespace"].as_str().filter(|own| own != flag) {
            return Err(Failure::new(format!(
                "the namespace `{own}` of {} in the manifest is not the namespace `{flag}` of --namespace",
                output::kind_and_name(object)
            )));
        }
    }
    Ok(())
}

/// Asks on a terminal whether an object that someone else made may be changed.
fn may_overwrite(object: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::new(format!(
            "{object} exists with other content, and {} did not make it",
            invocation::name()
        ))
        .hint("--yes changes it"));
    }
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{object} exists with other content. Change it? [y/N]: ");
    let _ = stderr.flush();
    let mut answer = String::new();
    let _ = std::io::stdin().read_line(&mut answer);
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new("aborted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secrets_are_not_shown() {
        let secret = serde_json::json!({"apiVersion": "v1", "kind": "Secret", "data": {"KEY": "c2VjcmV0"}});
        assert_eq!(hidden_secrets(&secret)["data"]["KEY"], "(not shown)");
    }
}
