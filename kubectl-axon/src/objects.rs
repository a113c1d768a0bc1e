//! Reading objects of any kind.

use axon_api::labels;
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::apply;
use crate::cluster::Cluster;
use crate::failure::{Failure, Result};
use crate::invocation;
use crate::resources::Kind;

/// How many objects one answer of the server has at most.
const PAGE: u32 = 500;

/// The kind as untyped objects: one that cannot be read hurts only itself, and what this version
/// does not know is shown nevertheless.
pub(crate) fn api(cluster: &Cluster, kind: Kind) -> Api<DynamicObject> {
    Api::namespaced_with(cluster.client.clone(), &cluster.namespace, &kind.resource())
}

/// The object of this name, or that there is none.
pub(crate) async fn get(cluster: &Cluster, kind: Kind, name: &str) -> Result<Value> {
    apply::get(&cluster.client, kind, &cluster.namespace, name)
        .await?
        .ok_or_else(|| not_found(kind, name, &cluster.namespace))
}

/// The object of this name in the type of its kind.
pub(crate) async fn typed<K: DeserializeOwned>(cluster: &Cluster, kind: Kind, name: &str) -> Result<K> {
    let object = get(cluster, kind, name).await?;
    serde_json::from_value(object).map_err(|error| {
        Failure::new(format!("failed to read {} `{name}`: {error}", kind.singular())).hint(format!(
            "{} shows it as it is",
            invocation::command(&format!("get {} {name} -o yaml", kind.singular()))
        ))
    })
}

/// All objects of a kind that `parameters` select, over as many pages as there are.
pub(crate) async fn list(
    api: &Api<DynamicObject>,
    parameters: ListParams,
    action: &str,
) -> Result<Vec<DynamicObject>> {
    let mut parameters = parameters.limit(PAGE);
    let mut objects = Vec::new();
    loop {
        let page = api
            .list(&parameters)
            .await
            .map_err(|error| Failure::api(action, &error))?;
        objects.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters.continue_token = Some(token),
            None => return Ok(objects),
        }
    }
}

/// Changes an object by a merge patch.
pub(crate) async fn patch(
    cluster: &Cluster,
    kind: Kind,
    name: &str,
    patch: Value,
) -> Result<(), kube::Error> {
    let parameters = PatchParams {
        field_manager: Some(labels::CLI_FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api(cluster, kind)
        .patch(name, &parameters, &Patch::Merge(patch))
        .await
        .map(|_| ())
}

/// There is no object of that name.
pub(crate) fn not_found(kind: Kind, name: &str, namespace: &str) -> Failure {
    Failure::new(format!(
        "{} `{name}` not found in namespace `{namespace}`",
        kind.singular()
    ))
    .hint(format!(
        "{} lists all of them",
        invocation::command(&format!("get {} -A", kind.plural()))
    ))
}
