//! `create taskdefaults`: what a namespace's Tasks have when they do not say otherwise.

use std::collections::BTreeMap;

use axon_api::kinds::storage::Storage;
use axon_api::kinds::task::{Credentials, CredentialsType};
use axon_api::{TaskDefaults, TaskDefaultsSpec};
use clap::Args;
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::complete;
use crate::credentials;
use crate::failure::{Failure, Result};
use crate::parts::{duration, env, pair, reference, to_value};
use crate::run_objects::Wanted;
use crate::verbs::run::CredentialKindArg;
use crate::writing::WriteArgs;

/// The one name that a namespace's defaults may have.
const NAME: &str = "default";

/// Create a namespace's defaults for tasks
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  kubectl axon create taskdefaults --type claude-code --secret anthropic-api-key --timeout 1h
  kubectl axon create taskdefaults --provider claude-code=gateway --provider gemini=gemini \\
    --cpu 4 --memory 8Gi")]
pub(super) struct TaskDefaultsArgs {
    /// Name, which can only be `default`
    #[arg(value_name = "NAME", default_value = NAME)]
    pub(super) name: String,

    /// Agent type of tasks that name none
    #[arg(short = 't', long = "type", value_name = "TYPE", add = complete::agent_types())]
    pub(super) agent_type: Option<String>,

    /// `AgentProvider` for an agent type; may be given more than once
    #[arg(long = "provider", value_name = "TYPE=NAME")]
    pub(super) providers: Vec<String>,

    /// Secret with the credential of tasks that name neither credentials nor provider
    #[arg(long, value_name = "NAME", add = complete::secrets())]
    pub(super) secret: Option<String>,

    /// What that Secret holds, default api-key; `none` runs agents without a credential
    #[arg(long, value_name = "TYPE", value_parser = clap::builder::EnumValueParser::<CredentialKindArg>::new())]
    pub(super) credential_type: Option<CredentialKindArg>,

    /// Model of tasks that name none
    #[arg(long, value_name = "MODEL")]
    pub(super) model: Option<String>,

    /// Container image of tasks that name none
    #[arg(long, value_name = "IMAGE")]
    pub(super) image: Option<String>,

    /// How long an agent may run whose task does not say it, such as 1h
    #[arg(long, value_name = "DURATION")]
    pub(super) timeout: Option<String>,

    /// CPU limit of agents, such as 4 or 500m
    #[arg(long, value_name = "QUANTITY")]
    pub(super) cpu: Option<String>,

    /// Memory limit of agents, such as 8Gi
    #[arg(long, value_name = "QUANTITY")]
    pub(super) memory: Option<String>,

    /// Size of the volume that workspaces without storage get, such as 10Gi
    #[arg(long, value_name = "QUANTITY")]
    pub(super) storage_size: Option<String>,

    /// `StorageClass` of that volume; default: the cluster's
    #[arg(long, value_name = "NAME")]
    pub(super) storage_class: Option<String>,

    /// Variable for agents; may be given more than once
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) env: Vec<String>,

    #[command(flatten)]
    pub(super) write: WriteArgs,
}

pub(super) fn objects(args: &TaskDefaultsArgs) -> Result<Vec<Wanted>> {
    if args.name != NAME {
        return Err(Failure::new(format!(
            "invalid name `{}`: the one TaskDefaults of a namespace is named `{NAME}`",
            args.name
        )));
    }
    if let Some(agent_type) = &args.agent_type {
        credentials::find(agent_type)?;
    }
    if let Some(timeout) = &args.timeout {
        duration("--timeout", timeout)?;
    }
    let has_storage = args.storage_size.is_some() || args.storage_class.is_some();
    let spec = TaskDefaultsSpec {
        type_: args.agent_type.clone(),
        providers: providers(&args.providers)?,
        credentials: credentials(args)?,
        model: args.model.clone(),
        image: args.image.clone(),
        timeout: args.timeout.clone(),
        resources: resources(args),
        storage: has_storage.then(|| Storage {
            class_name: args.storage_class.clone(),
            size: args.storage_size.clone(),
            ..Storage::default()
        }),
        env: env(&[], &args.env)?,
    };
    if spec == TaskDefaultsSpec::default() {
        return Err(Failure::new("the defaults would be empty")
            .hint("give at least one of the flags, such as --timeout 1h"));
    }
    Ok(vec![Wanted::Ensure(to_value(&TaskDefaults::new(NAME, spec))?)])
}

fn providers(flags: &[String]) -> Result<BTreeMap<String, String>> {
    flags
        .iter()
        .map(|text| {
            let (agent_type, name) = pair("--provider", text)?;
            credentials::find(agent_type)?;
            Ok((agent_type.to_owned(), name.to_owned()))
        })
        .collect()
}

fn credentials(args: &TaskDefaultsArgs) -> Result<Option<Credentials>> {
    let kind = args.credential_type.map(|kind| kind.0);
    match (kind, &args.secret) {
        (None, None) => Ok(None),
        (Some(CredentialsType::None), None) => Ok(Some(Credentials::default())),
        (Some(CredentialsType::None), Some(_)) => Err(Failure::new(
            "--secret cannot be used with --credential-type none",
        )),
        (Some(_), None) => {
            Err(Failure::new("--credential-type needs a Secret").hint("name one with --secret"))
        }
        (kind, secret) => Ok(Some(Credentials {
            type_: kind.unwrap_or(CredentialsType::ApiKey),
            secret_ref: reference(secret.as_ref()),
        })),
    }
}

fn resources(args: &TaskDefaultsArgs) -> Option<ResourceRequirements> {
    let limits: BTreeMap<String, Quantity> = [("cpu", &args.cpu), ("memory", &args.memory)]
        .into_iter()
        .filter_map(|(name, quantity)| Some((name.to_owned(), Quantity(quantity.clone()?))))
        .collect();
    (!limits.is_empty()).then(|| ResourceRequirements {
        limits: Some(limits),
        ..ResourceRequirements::default()
    })
}
