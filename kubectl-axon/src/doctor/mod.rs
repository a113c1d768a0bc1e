//! What `doctor` looks at: one file for each area, of which each gives checks.
//!
//! To add an area, add its file and a line to `cluster` below, or to `local::checks`.

mod admission;
mod definitions;
mod lease;
mod local;
mod network;
mod operator;
mod pods;
pub(crate) mod report;
mod rights;
mod services;
mod spawners;

use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;

use self::report::Check;
use crate::cli::Context;
use crate::cluster::Cluster;
use crate::failure::Result;
use crate::install::{NAMESPACE, process, refusal};
use crate::invocation;

pub(crate) use self::local::checks as local;

/// What the areas look at.
struct Place<'a> {
    client: &'a Client,
    /// Where the operator is.
    operators: &'a str,
    /// Where people's tasks are: the current namespace.
    current: &'a str,
}

/// Whether network policies are tried out, by pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    No,
    Yes,
}

/// Looks at everything of a cluster.
pub(crate) async fn cluster(context: &Context, namespace: Option<&str>, probe: Probe) -> Vec<Check> {
    let (cluster, version) = match reached(context).await {
        Ok(reached) => reached,
        Err(failure) => return vec![Check::failed("cluster", &failure)],
    };
    let mut checks = vec![Check::ok("cluster", version)];
    let client = &cluster.client;
    let found = operator::find(client, namespace).await;
    let place = Place {
        client,
        operators: found.as_ref().map_or(NAMESPACE, |(namespace, _)| namespace),
        current: &cluster.namespace,
    };
    checks.extend(definitions::checks(client).await);
    checks.push(admission::check(client).await);
    let deployment = match &found {
        Ok((_, deployment)) => {
            checks.extend(operator(&place, deployment.as_ref()).await);
            deployment.as_ref()
        }
        // Who may not see the operator can still be told of the rest.
        Err(check) => {
            checks.push(check.clone());
            None
        }
    };
    checks.push(rights::own(&place).await);
    checks.push(pods::check(&place).await);
    checks.push(spawners::check(&place).await);
    checks.push(network::check(&place, deployment, probe).await);
    checks
}

async fn reached(context: &Context) -> Result<(Cluster, String)> {
    let cluster = process::reach(context).await?;
    let info = cluster
        .client
        .apiserver_version()
        .await
        .map_err(|error| crate::failure::Failure::api("get the server's version", &error))?;
    Ok((cluster, format!("Kubernetes {}", info.git_version)))
}

/// The areas that need an operator.
async fn operator(place: &Place<'_>, deployment: Option<&Deployment>) -> Vec<Check> {
    let Some(deployment) = deployment else {
        return vec![operator::absent(place.operators)];
    };
    let mut checks = operator::checks(place, deployment).await;
    checks.push(rights::operators(place, deployment).await);
    checks.push(lease::check(place, deployment).await);
    checks.push(services::metrics(place, deployment).await);
    checks.extend(services::webhook(place, deployment).await);
    checks
}

/// The values that the operator's program was given for a flag, such as those of
/// `--watch-namespace`; commas part them too.
fn flag(deployment: &Deployment, name: &str) -> Vec<String> {
    let start = format!("--{name}=");
    let containers = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref())
        .map(|spec| spec.containers.as_slice())
        .unwrap_or_default();
    let arguments = containers
        .iter()
        .flat_map(|container| container.args.iter().flatten());
    arguments
        .filter_map(|argument| argument.strip_prefix(&start))
        .flat_map(|value| value.split(','))
        .map(str::to_owned)
        .collect()
}

/// How an installation is brought back to what it is to be.
fn repair(deployment: &Deployment) -> String {
    let value = serde_json::to_value(deployment).unwrap_or_default();
    match refusal::helm_release(&value) {
        Some(release) => format!("`helm upgrade` of release `{release}` brings it back"),
        // Who has changed it by hand keeps the field until it is taken over.
        None => format!(
            "{} brings it back",
            invocation::command("upgrade --force-conflicts")
        ),
    }
}
