//! `version`: of this program, of what it was built with, and of the server.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::Global;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::{cluster, output};

/// How long a server that does not answer is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Show the version of this program and of the server
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon version
  kubectl axon version --client -o json")]
pub(crate) struct VersionArgs {
    /// Do not ask the server
    #[arg(long)]
    client: bool,

    /// Print json or yaml
    #[arg(short, long, value_name = "FORMAT", value_parser = ["json", "yaml"])]
    output: Option<String>,
}

pub(crate) fn version(global: Global, args: &VersionArgs) -> Result<Exit> {
    let agents: Vec<&str> = axon_agents::AGENTS.iter().map(|agent| agent.name()).collect();
    let sources: Vec<&str> = axon_api::sources::SOURCES
        .iter()
        .map(|source| source.name)
        .collect();
    let mut answer = json!({
        "clientVersion": env!("CARGO_PKG_VERSION"),
        "agentTypes": agents,
        "sources": sources,
    });
    let mut unreachable = None;
    if !args.client {
        match cluster::block_on(server(global)) {
            Ok(server) => answer["server"] = server,
            Err(failure) => unreachable = Some(failure),
        }
    }
    match args.output.as_deref() {
        Some("json") => output::print(output::to_json(&answer))?,
        Some(_) => output::print(output::to_yaml(&answer)?)?,
        None => {
            let mut text = format!(
                "Client Version: {}\nAgent Types: {}\nSources: {}\n",
                env!("CARGO_PKG_VERSION"),
                listed(&agents),
                listed(&sources)
            );
            if let Some(version) = answer["server"]["kubernetesVersion"].as_str() {
                let _ = writeln!(text, "Server Version: {version}");
                let installed = if answer["server"]["axonInstalled"] == true {
                    "yes"
                } else {
                    "no"
                };
                let _ = writeln!(text, "Axon Installed: {installed}");
            }
            output::print(text)?;
        }
    }
    match unreachable {
        None => Ok(Exit::Success),
        Some(failure) => Err(failure),
    }
}

/// The names in one line.
fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

/// What the server says of itself.
async fn server(global: Global) -> Result<Value> {
    let defaults = Config::default();
    let ask = async {
        let cluster = cluster::connect_with(&global, &defaults).await?;
        let version = cluster
            .client
            .apiserver_version()
            .await
            .map_err(|error| Failure::api("get the server's version", &error))?;
        let resources = cluster.client.list_api_group_resources("axon.io/v1alpha1").await;
        let installed =
            resources.is_ok_and(|list| list.resources.iter().any(|resource| resource.name == "tasks"));
        Ok(json!({ "kubernetesVersion": version.git_version, "axonInstalled": installed }))
    };
    tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(|_| {
        Err(Failure::new(
            "failed to get the server's version: no answer within 3 s",
        ))
    })
}
