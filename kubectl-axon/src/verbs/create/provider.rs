//! `create provider`: an endpoint of a model and the credential for it.

use axon_api::kinds::reference::KeyReference;
use axon_api::kinds::task::CredentialsType;
use axon_api::{AgentProvider, AgentProviderSpec};
use clap::Args;

use crate::complete;
use crate::credentials;
use crate::failure::{Failure, Result};
use crate::parts::{check_name, to_value, variables};
use crate::run_objects::Wanted;
use crate::writing::WriteArgs;

/// Create a provider: an endpoint of a model and the credential for it
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  kubectl axon create provider gemini --agent-type gemini \\
    --secret gemini-credentials --key api-key
  kubectl axon create provider gateway --agent-type claude-code \\
    --secret gateway --key token --base-url https://llm.example.com
  kubectl axon run -p 'Fix the bug' --provider gateway")]
pub(super) struct ProviderArgs {
    /// Name of the provider
    #[arg(value_name = "NAME")]
    pub(super) name: String,

    /// Agent type that may use it, default all; may be given more than once
    #[arg(long = "agent-type", value_name = "TYPE", value_delimiter = ',', add = complete::agent_types())]
    pub(super) agent_types: Vec<String>,

    /// Secret with the credential; default: the endpoint needs none
    #[arg(long, value_name = "NAME", add = complete::secrets())]
    pub(super) secret: Option<String>,

    /// Key in that Secret; default: the variable of the one agent type, such as `ANTHROPIC_API_KEY`
    #[arg(long, value_name = "KEY", requires = "secret")]
    pub(super) key: Option<String>,

    /// Variable in which the agent gets the credential; default: that of the agent type
    #[arg(long, value_name = "NAME", requires = "secret")]
    pub(super) auth_env: Option<String>,

    /// Address of the endpoint; default: that of the agent type
    #[arg(long, value_name = "URL")]
    pub(super) base_url: Option<String>,

    /// Variable for the agent; may be given more than once
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) env: Vec<String>,

    /// Name for people
    #[arg(long, value_name = "TEXT")]
    pub(super) display_name: Option<String>,

    #[command(flatten)]
    pub(super) write: WriteArgs,
}

pub(super) fn objects(args: &ProviderArgs) -> Result<Vec<Wanted>> {
    check_name("provider", &args.name)?;
    for agent_type in &args.agent_types {
        credentials::find(agent_type)?;
    }
    let spec = AgentProviderSpec {
        display_name: args.display_name.clone(),
        agent_types: args.agent_types.clone(),
        auth_token_secret_ref: secret_ref(args)?,
        auth_token_env: args.auth_env.clone(),
        base_url: args.base_url.clone(),
        environment: variables(&args.env)?,
    };
    Ok(vec![Wanted::Ensure(to_value(&AgentProvider::new(
        &args.name, spec,
    ))?)])
}

fn secret_ref(args: &ProviderArgs) -> Result<Option<KeyReference>> {
    let Some(name) = args.secret.clone() else {
        return Ok(None);
    };
    let key = match (&args.key, args.agent_types.as_slice()) {
        (Some(key), _) => key.clone(),
        (None, [agent_type]) => {
            credentials::key(credentials::find(agent_type)?, CredentialsType::ApiKey)?.to_owned()
        }
        (None, _) => {
            return Err(Failure::new(format!(
                "--secret {name} does not say under which key it has the credential"
            ))
            .hint("name it with --key"));
        }
    };
    Ok(Some(KeyReference { name, key }))
}
