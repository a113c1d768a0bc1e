//! Objects of any kind on the server, by the manifest's own words.

use axon_api::labels;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::Value;

use crate::apply::Keep;
use crate::failure::{Failure, Result};
use crate::output;

/// Whether fields that another program keeps may be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflicts {
    Refuse,
    Force,
}

/// The resource of an object of the manifest.
pub(crate) fn resource(object: &Value) -> ApiResource {
    let (group, version) = match object["apiVersion"].as_str().unwrap_or_default().split_once('/') {
        Some(parts) => parts,
        None => ("", object["apiVersion"].as_str().unwrap_or_default()),
    };
    let kind = object["kind"].as_str().unwrap_or_default();
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

/// The resource by the name that rights are given to, such as `deployments.apps`.
pub(crate) fn resource_name(resource: &ApiResource) -> String {
    if resource.group.is_empty() {
        resource.plural.clone()
    } else {
        format!("{}.{}", resource.plural, resource.group)
    }
}

/// Where the object is; one without a namespace is the cluster's.
fn api(client: &Client, object: &Value) -> Api<DynamicObject> {
    let resource = resource(object);
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// The object's name.
pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// What the server has under the object's name; `None` when it is not there.
pub(crate) async fn get(client: &Client, object: &Value) -> Result<Option<Value>> {
    let action = format!("get {}", output::kind_and_name(object));
    let found = api(client, object)
        .get_opt(name(object))
        .await
        .map_err(|error| Failure::api(&action, &error))?;
    found.map(|found| value(&found, object)).transpose()
}

/// All objects of the kind of `like` that have the label, in all namespaces; none where the kind is
/// not served, and `Err` where they may not be listed.
pub(crate) async fn labelled(client: &Client, like: &Value, selector: &str) -> Result<Vec<Value>> {
    let resource = resource(like);
    let listed = Api::<DynamicObject>::all_with(client.clone(), &resource)
        .list(&ListParams::default().labels(selector))
        .await;
    match listed {
        Ok(list) => list.items.iter().map(|found| value(found, like)).collect(),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(Failure::api(
            &format!("list {}", resource_name(&resource)),
            &error,
        )),
    }
}

/// Server-side apply of one object; what the server then has.
pub(crate) async fn apply(
    client: &Client,
    object: &Value,
    keep: Keep,
    conflicts: Conflicts,
) -> Result<Value> {
    let parameters = PatchParams {
        dry_run: keep == Keep::No,
        force: conflicts == Conflicts::Force,
        field_manager: Some(labels::CLI_FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let action = format!("apply {}", output::kind_and_name(object));
    let applied = api(client, object)
        .patch(name(object), &parameters, &Patch::Apply(object))
        .await;
    match applied {
        Ok(applied) => value(&applied, object),
        Err(error @ kube::Error::Api(_)) if is_conflict(&error) => Err(Failure::api(&action, &error)
            .hint("another program keeps these fields; --force-conflicts takes them over")),
        Err(error) => Err(Failure::api(&action, &error)),
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 && status.reason == "Conflict")
}

/// Deletes one object with all that it owns; whether it was there.
pub(crate) async fn delete(client: &Client, object: &Value, parameters: &DeleteParams) -> Result<bool> {
    match api(client, object).delete(name(object), parameters).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(Failure::api(
            &format!("delete {}", output::kind_and_name(object)),
            &error,
        )),
    }
}

/// The object as JSON. Items of a list do not say what they are.
fn value(found: &DynamicObject, like: &Value) -> Result<Value> {
    let mut value = serde_json::to_value(found)
        .map_err(|error| Failure::new(format!("failed to write JSON: {error}")))?;
    value["apiVersion"] = like["apiVersion"].clone();
    value["kind"] = like["kind"].clone();
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::manifest::Wanted;

    #[test]
    fn resources_are_named_as_rights_name_them() {
        let objects = Wanted::standard("axon-system").objects().expect("objects");
        let mut names: Vec<String> = objects
            .iter()
            .map(|object| resource_name(&resource(object)))
            .collect();
        names.dedup();
        for known in [
            "namespaces",
            "customresourcedefinitions.apiextensions.k8s.io",
            "serviceaccounts",
            "clusterroles.rbac.authorization.k8s.io",
            "validatingadmissionpolicies.admissionregistration.k8s.io",
            "deployments.apps",
        ] {
            assert!(names.iter().any(|name| name == known), "{known}: {names:?}");
        }
    }
}
