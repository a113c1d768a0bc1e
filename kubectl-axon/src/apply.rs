//! Writing objects: creating them strictly, and bringing those that the command line keeps to
//! their content.

use axon_api::labels;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::failure::{Failure, Result};
use crate::invocation;
use crate::resources::Kind;
use crate::run_objects::{MANAGER, Wanted};

/// Whether the server keeps what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Yes,
    /// A server-side dry run.
    No,
}

/// What was done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Configured,
    Unchanged,
}

impl Change {
    /// kubectl's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Says whether an object that someone else made may be overwritten.
pub(crate) type MayOverwrite<'a> = &'a dyn Fn(&str) -> Result<()>;

/// Writes one object, and gives it as the server has it.
pub(crate) async fn write(
    cluster: &Cluster,
    wanted: &Wanted,
    keep: Keep,
    may_overwrite: MayOverwrite<'_>,
) -> Result<(Value, Change)> {
    match wanted {
        Wanted::Create(object) => Ok((create(cluster, object, keep).await?, Change::Created)),
        Wanted::Ensure(object) => ensure(cluster, object, keep, may_overwrite).await,
    }
}

/// Creates an object. The server refuses fields that it does not know.
async fn create(cluster: &Cluster, object: &Value, keep: Keep) -> Result<Value> {
    let (kind, name) = identity(object)?;
    let action = format!("create {} `{name}`", kind.singular());
    let request = post(cluster, kind, object, keep)
        .map_err(|error| Failure::new(format!("failed to {action}: {error}")))?;
    let created: Result<Value, kube::Error> = cluster.client.request(request).await;
    match created {
        Ok(created) => Ok(created),
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
            Err(
                Failure::new(format!("{} `{name}` already exists", kind.singular())).hint(format!(
                    "choose another name, or delete it first: {}",
                    invocation::command(&format!("delete {} {name}", kind.singular()))
                )),
            )
        }
        Err(error) => Err(Failure::api(&action, &error)),
    }
}

/// Strict validation is a parameter that the library's typed calls do not have.
fn post(
    cluster: &Cluster,
    kind: Kind,
    object: &Value,
    keep: Keep,
) -> Result<http::Request<Vec<u8>>, http::Error> {
    let namespace = object["metadata"]["namespace"]
        .as_str()
        .unwrap_or(&cluster.namespace);
    let dry_run = match keep {
        Keep::Yes => "",
        Keep::No => "&dryRun=All",
    };
    let url = format!(
        "{}?fieldManager={}&fieldValidation=Strict{dry_run}",
        kind.url(Some(namespace)),
        labels::CLI_FIELD_MANAGER
    );
    http::Request::post(url)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(object.to_string().into_bytes())
}

fn identity(object: &Value) -> Result<(Kind, &str)> {
    let kind =
        Kind::of(object).ok_or_else(|| Failure::new("an object of an unknown kind cannot be created"))?;
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().or(metadata["generateName"].as_str());
    Ok((kind, name.unwrap_or_default()))
}

/// Creates a Secret or Workspace that the command line keeps, or brings it to its content.
async fn ensure(
    cluster: &Cluster,
    object: &Value,
    keep: Keep,
    may_overwrite: MayOverwrite<'_>,
) -> Result<(Value, Change)> {
    let (kind, name) = identity(object)?;
    let Some(current) = get(&cluster.client, kind, &cluster.namespace, name).await? else {
        return Ok((create(cluster, object, keep).await?, Change::Created));
    };
    let Some(patch) = difference(kind, &current, object) else {
        return Ok((current, Change::Unchanged));
    };
    let manager = current.pointer(&format!(
        "/metadata/labels/{}",
        labels::MANAGED_BY.replace('/', "~1")
    ));
    if manager.and_then(Value::as_str) != Some(MANAGER) {
        may_overwrite(&format!("{} `{name}`", kind.singular()))?;
    }
    let action = format!("update {} `{name}`", kind.singular());
    let parameters = PatchParams {
        dry_run: keep == Keep::No,
        field_manager: Some(labels::CLI_FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patched = match kind {
        Kind::Secret => patch_one::<Secret>(cluster, name, &parameters, &patch).await,
        Kind::Workspace => patch_one::<axon_api::Workspace>(cluster, name, &parameters, &patch).await,
        Kind::Task => patch_one::<axon_api::Task>(cluster, name, &parameters, &patch).await,
    };
    patched
        .map(|value| (value, Change::Configured))
        .map_err(|error| Failure::api(&action, &error))
}

async fn patch_one<K>(
    cluster: &Cluster,
    name: &str,
    parameters: &PatchParams,
    patch: &Value,
) -> Result<Value, kube::Error>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
    K::DynamicType: Default,
{
    let api: Api<K> = cluster.api();
    let patched = api.patch(name, parameters, &Patch::Merge(patch)).await?;
    serde_json::to_value(patched).map_err(kube::Error::SerdeError)
}

/// Reads one object; `None` when it is not there.
pub(crate) async fn get(client: &Client, kind: Kind, namespace: &str, name: &str) -> Result<Option<Value>> {
    let action = format!("get {} `{name}`", kind.singular());
    let request = http::Request::get(format!("{}/{name}", kind.url(Some(namespace))))
        .body(Vec::new())
        .map_err(|error| Failure::new(format!("failed to {action}: {error}")))?;
    match client.request(request).await {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status))
            if status.code == 404
                && status
                    .details
                    .as_ref()
                    .is_some_and(|details| !details.name.is_empty()) =>
        {
            Ok(None)
        }
        Err(error) => Err(Failure::api(&action, &error)),
    }
}

/// The merge patch that brings `current` to `wanted`; `None` when it is there already. Other keys
/// of a Secret stay, so that the keys of several agent types can be side by side.
fn difference(kind: Kind, current: &Value, wanted: &Value) -> Option<Value> {
    match kind {
        Kind::Secret => {
            let data = wanted["data"].as_object()?;
            let same = data
                .iter()
                .all(|(key, value)| current["data"].get(key) == Some(value));
            (!same).then(|| json!({ "data": data }))
        }
        Kind::Workspace | Kind::Task => {
            let (old, new) = (current["spec"].as_object()?, wanted["spec"].as_object()?);
            if old == new {
                return None;
            }
            let mut spec = new.clone();
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                spec.insert(key.clone(), Value::Null);
            }
            Some(json!({ "spec": spec }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_patched_only_when_a_value_changed() {
        let current = json!({"data": {"A": "MQ==", "B": "Mg=="}});
        assert_eq!(
            difference(Kind::Secret, &current, &json!({"data": {"A": "MQ=="}})),
            None
        );
        assert_eq!(
            difference(Kind::Secret, &current, &json!({"data": {"A": "Mw=="}})),
            Some(json!({"data": {"A": "Mw=="}}))
        );
    }

    #[test]
    fn a_field_that_left_the_config_file_leaves_the_workspace() {
        let current = json!({"spec": {"repo": "https://a/b", "ref": "main"}});
        let wanted = json!({"spec": {"repo": "https://a/b"}});
        assert_eq!(
            difference(Kind::Workspace, &current, &wanted),
            Some(json!({"spec": {"repo": "https://a/b", "ref": null}}))
        );
        assert_eq!(difference(Kind::Workspace, &wanted, &wanted), None);
    }
}
