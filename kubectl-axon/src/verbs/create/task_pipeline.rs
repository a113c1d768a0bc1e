//! `create taskpipeline`: a piece of work in steps.

use std::path::PathBuf;

use axon_api::kinds::task_pipeline::{GitHubIssueSource, PipelineSource, PipelineSourceType, PipelineStep};
use axon_api::{TaskDefaultsSpec, TaskPipeline, TaskPipelineSpec, WorkspaceSpec};
use clap::Args;

use super::ReadValue;
use crate::cli::Context;
use crate::config::Config;
use crate::credentials::{Chosen, access};
use crate::failure::{Failure, Result};
use crate::parts::{check_name, duration, named, pair, to_value};
use crate::run_objects::{Wanted, check_prompt, config_workspace, pod_overrides};
use crate::text::closest;
use crate::verbs::run::CredentialKindArg;
use crate::writing::WriteArgs;
use crate::{complete, inputs};

/// The steps that have a prompt of their own, in the order of a pipeline that names none.
const KNOWN_STEPS: &[&str] = &["plan", "implement", "test", "pullRequest"];

/// Create a pipeline: a piece of work in steps, by default plan, implement, test and pullRequest
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  kubectl axon create taskpipeline dark-mode -p 'Add dark mode' --workspace my-workspace
  kubectl axon create taskpipeline dark-mode -p 'Add dark mode' --workspace my-workspace \\
    --approve-after plan --max-retries 3 --step-timeout 30m
  kubectl axon create taskpipeline tidy -p 'Tidy the docs' --workspace my-workspace \\
    --step implement --step 'spelling=Correct the spelling of: {{.Prompt}}'

A step that is none of the four known ones needs a prompt, NAME=TEXT or NAME=@FILE.")]
pub(super) struct TaskPipelineArgs {
    /// Name of the pipeline
    #[arg(value_name = "NAME")]
    pub(super) name: String,

    /// What is to be done; `-` reads it from stdin
    #[arg(short, long, value_name = "TEXT")]
    pub(super) prompt: Option<String>,

    /// File with what is to be done; `-` for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "prompt", value_hint = clap::ValueHint::FilePath)]
    pub(super) prompt_file: Option<PathBuf>,

    /// Issue on GitHub from which the work comes
    #[arg(long, value_name = "OWNER/REPO#NUMBER")]
    pub(super) issue: Option<String>,

    /// Workspace to check out; default: the config file's
    #[arg(short, long, value_name = "NAME", add = complete::workspaces())]
    pub(super) workspace: Option<String>,

    /// Repository to check out; with --local also a folder
    #[arg(
        long,
        visible_alias = "workspace-repo",
        value_name = "URL",
        conflicts_with = "workspace"
    )]
    pub(super) repo: Option<String>,

    /// Branch, tag or commit of --repo
    #[arg(
        long = "ref",
        visible_alias = "workspace-ref",
        value_name = "REF",
        requires = "repo"
    )]
    pub(super) git_ref: Option<String>,

    /// Branch to work on; default: ai/ and the name
    #[arg(long, value_name = "BRANCH")]
    pub(super) branch: Option<String>,

    /// Step of the pipeline, in the order given; may be given more than once
    #[arg(long = "step", value_name = "NAME[=TEXT|@FILE]")]
    pub(super) steps: Vec<String>,

    /// Step after which a person has to approve; may be given more than once
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    pub(super) approve_after: Vec<String>,

    /// How often a step may be tried again, 0 to 10; default: 3
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..=10))]
    pub(super) max_retries: Option<i32>,

    /// How long each step may run; default: 30m
    #[arg(long, value_name = "DURATION")]
    pub(super) step_timeout: Option<String>,

    /// Agent type of the steps; default: the config file's, else the namespace's
    #[arg(short = 't', long = "type", value_name = "TYPE", add = complete::agent_types())]
    pub(super) agent_type: Option<String>,

    /// Secret with the agent's credential
    #[arg(long, value_name = "NAME", add = complete::secrets())]
    pub(super) secret: Option<String>,

    /// What that Secret holds; `none` runs the agent without a credential
    #[arg(long, value_name = "TYPE", value_parser = clap::builder::EnumValueParser::<CredentialKindArg>::new())]
    pub(super) credential_type: Option<CredentialKindArg>,

    /// `AgentProvider` with the endpoint and credential to use
    #[arg(long, value_name = "NAME", conflicts_with_all = ["secret", "credential_type"], add = complete::agent_providers())]
    pub(super) provider: Option<String>,

    /// `AgentConfig` with instructions for the agent; may be given more than once
    #[arg(long = "agent-config", value_name = "NAME", value_delimiter = ',', add = complete::agent_configs())]
    pub(super) agent_configs: Vec<String>,

    /// Model of the steps, as the agent's CLI spells it
    #[arg(long, value_name = "MODEL")]
    pub(super) model: Option<String>,

    /// Container image of the steps
    #[arg(long, value_name = "IMAGE")]
    pub(super) image: Option<String>,

    /// Variable for the agents; may be given more than once
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) env: Vec<String>,

    #[command(flatten)]
    pub(super) write: WriteArgs,
}

impl TaskPipelineArgs {
    fn chosen(&self) -> Chosen<'_> {
        Chosen {
            agent_type: self.agent_type.as_deref(),
            secret: self.secret.as_ref(),
            credential_type: self.credential_type.map(|kind| kind.0),
            provider: self.provider.as_ref(),
        }
    }
}

/// What the flags leave open and the world has answered.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) prompt: String,
    pub(super) repository: Option<String>,
    pub(super) defaults: Option<TaskDefaultsSpec>,
}

pub(super) async fn inputs(context: &Context, args: &TaskPipelineArgs) -> Result<Inputs> {
    Ok(Inputs {
        prompt: inputs::prompt(args.prompt.as_deref(), args.prompt_file.as_deref())?,
        repository: args
            .repo
            .as_deref()
            .map(|repo| inputs::repository("--repo", repo, context.global.local))
            .transpose()?,
        defaults: inputs::defaults(context, args.chosen(), args.write.dry_run).await?,
    })
}

pub(super) fn objects(
    args: &TaskPipelineArgs,
    config: &Config,
    inputs: Inputs,
    read: ReadValue<'_>,
) -> Result<Vec<Wanted>> {
    check_name("pipeline", &args.name)?;
    check_prompt(&inputs.prompt)?;
    if let Some(timeout) = &args.step_timeout {
        duration("--step-timeout", timeout)?;
    }
    let mut wanted = Vec::new();
    let access = access(args.chosen(), config, inputs.defaults.as_ref(), &mut wanted)?;
    let workspace = inputs.repository.map(|repo| WorkspaceSpec {
        repo,
        ref_: args.git_ref.clone(),
        ..WorkspaceSpec::default()
    });
    let workspace_ref = match (&args.workspace, &workspace) {
        (Some(name), _) => Some(named(name)),
        (None, Some(_)) => None,
        (None, None) => config_workspace(config, &mut wanted)?,
    };
    if workspace.is_none() && workspace_ref.is_none() {
        return Err(
            Failure::new(format!("pipeline `{}` has no repository", args.name))
                .hint("name a workspace with --workspace, or a repository with --repo"),
        );
    }
    let config_names: Vec<&String> = match args.agent_configs.as_slice() {
        [] => config.agent_config.iter().collect(),
        names => names.iter().collect(),
    };
    let spec = TaskPipelineSpec {
        prompt: inputs.prompt,
        source: args.issue.as_deref().map(issue).transpose()?,
        workspace_ref,
        workspace,
        branch: args.branch.clone(),
        steps: steps(&args.steps, &args.approve_after, read)?,
        type_: access.type_,
        model: args.model.clone().or_else(|| config.model.clone()),
        image: args.image.clone(),
        credentials: access.credentials,
        provider_ref: access.provider_ref,
        agent_config_refs: config_names.into_iter().map(|name| named(name)).collect(),
        max_retries: args.max_retries,
        step_timeout: args.step_timeout.clone(),
        pod_overrides: pod_overrides(&config.env, &args.env)?,
        ..TaskPipelineSpec::default()
    };
    wanted.push(Wanted::Create(to_value(&TaskPipeline::new(&args.name, spec))?));
    Ok(wanted)
}

/// The steps that the flags name; none when they leave the four known ones as they are.
fn steps(flags: &[String], approve_after: &[String], read: ReadValue<'_>) -> Result<Vec<PipelineStep>> {
    let mut steps: Vec<PipelineStep> = Vec::new();
    for flag in flags {
        let (name, prompt) = if flag.contains('=') {
            let (name, text) = pair("--step", flag)?;
            (name, Some(read(&format!("--step {name}"), text)?))
        } else {
            (flag.as_str(), None)
        };
        if prompt.is_none() && !KNOWN_STEPS.contains(&name) {
            let failure = Failure::new(format!("step `{name}` has no prompt"));
            return Err(match closest(name, KNOWN_STEPS.iter().copied()) {
                Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
                None => failure.hint(format!(
                    "write it like --step '{name}=what to do', or {name}=@FILE"
                )),
            });
        }
        if steps.iter().any(|step| step.name == name) {
            return Err(Failure::new(format!("--step names `{name}` twice")));
        }
        steps.push(PipelineStep {
            name: name.to_owned(),
            prompt,
            ..PipelineStep::default()
        });
    }
    if approve_after.is_empty() {
        return Ok(steps);
    }
    if steps.is_empty() {
        steps = KNOWN_STEPS
            .iter()
            .map(|name| PipelineStep {
                name: (*name).to_owned(),
                ..PipelineStep::default()
            })
            .collect();
    }
    for name in approve_after {
        let names: Vec<String> = steps.iter().map(|step| step.name.clone()).collect();
        let Some(step) = steps.iter_mut().find(|step| step.name == *name) else {
            return Err(Failure::new(format!(
                "--approve-after names `{name}`, which is no step: the steps are {}",
                names.join(", ")
            )));
        };
        step.approval = Some(true);
    }
    Ok(steps)
}

/// `owner/repo#number`.
fn issue(text: &str) -> Result<PipelineSource> {
    let parts = text.split_once('#').and_then(|(repository, number)| {
        let (owner, repo) = repository.split_once('/')?;
        let number: i64 = number.parse().ok().filter(|number| *number > 0)?;
        (!owner.is_empty() && !repo.is_empty() && !repo.contains('/')).then_some((owner, repo, number))
    });
    let (owner, repo, issue_number) = parts.ok_or_else(|| {
        Failure::new(format!(
            "invalid --issue value `{text}`: must be OWNER/REPO#NUMBER"
        ))
    })?;
    Ok(PipelineSource {
        type_: PipelineSourceType::GitHubIssue,
        github: Some(GitHubIssueSource {
            owner: owner.to_owned(),
            repo: repo.to_owned(),
            issue_number,
        }),
        chat: None,
    })
}
