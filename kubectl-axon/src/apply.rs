//! Writing objects: creating them strictly, and bringing those that the command line keeps to
//! their content.

use axon_api::labels;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::failure::{Failure, Result};
use crate::invocation;
use crate::parts::MANAGER;
use crate::resources::Kind;
use crate::run_objects::Wanted;

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
        Wanted::Ensure(object) => ensure(cluster, object, Others::Stay, keep, may_overwrite).await,
        Wanted::Replace(object) => ensure(cluster, object, Others::Go, keep, may_overwrite).await,
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

/// What becomes of the keys that a Secret has and that are not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    /// The keys of several agent types can be side by side.
    Stay,
    Go,
}

/// Creates an object, or brings it to its content.
async fn ensure(
    cluster: &Cluster,
    object: &Value,
    others: Others,
    keep: Keep,
    may_overwrite: MayOverwrite<'_>,
) -> Result<(Value, Change)> {
    let (kind, name) = identity(object)?;
    let Some(current) = get(&cluster.client, kind, &cluster.namespace, name).await? else {
        return Ok((create(cluster, object, keep).await?, Change::Created));
    };
    let Some(patch) = difference(kind, others, &current, object) else {
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
    let api: Api<DynamicObject> =
        Api::namespaced_with(cluster.client.clone(), &cluster.namespace, &kind.resource());
    let patched = api
        .patch(name, &parameters, &Patch::Merge(patch))
        .await
        .and_then(|object| serde_json::to_value(object).map_err(kube::Error::SerdeError))
        .map_err(|error| Failure::api(&action, &error))?;
    Ok((patched, Change::Configured))
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

/// The merge patch that brings `current` to `wanted`; `None` when it is there already.
fn difference(kind: Kind, others: Others, current: &Value, wanted: &Value) -> Option<Value> {
    let empty = json!({});
    if kind == Kind::Secret {
        let old = current.get("data").unwrap_or(&empty);
        let mut data = wanted["data"].clone();
        if others == Others::Stay {
            for (key, value) in old.as_object()? {
                data.as_object_mut()?
                    .entry(key.clone())
                    .or_insert_with(|| value.clone());
            }
        }
        return merge_patch(old, &data).map(|data| json!({ "data": data }));
    }
    let (old, new) = (current.get("spec").unwrap_or(&empty), &wanted["spec"]);
    merge_patch(old, new).map(|spec| json!({ "spec": spec }))
}

/// The JSON merge patch from one value to another; `None` when they are equal.
fn merge_patch(old: &Value, new: &Value) -> Option<Value> {
    if old == new {
        return None;
    }
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        return Some(new.clone());
    };
    let gone = old
        .keys()
        .filter(|key| !new.contains_key(*key))
        .map(|key| (key.clone(), Value::Null));
    let changed = new.iter().filter_map(|(key, value)| {
        let patch = match old.get(key) {
            Some(old) => merge_patch(old, value)?,
            None => value.clone(),
        };
        Some((key.clone(), patch))
    });
    Some(Value::Object(gone.chain(changed).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_patched_only_when_a_value_changed() {
        let current = json!({"data": {"A": "MQ==", "B": "Mg=="}});
        assert_eq!(
            difference(
                Kind::Secret,
                Others::Stay,
                &current,
                &json!({"data": {"A": "MQ=="}})
            ),
            None
        );
        assert_eq!(
            difference(
                Kind::Secret,
                Others::Stay,
                &current,
                &json!({"data": {"A": "Mw=="}})
            ),
            Some(json!({"data": {"A": "Mw=="}}))
        );
        assert_eq!(
            difference(
                Kind::Secret,
                Others::Go,
                &current,
                &json!({"data": {"A": "MQ=="}})
            ),
            Some(json!({"data": {"B": null}}))
        );
    }

    #[test]
    fn a_field_that_left_the_config_file_leaves_the_workspace() {
        let difference =
            |current: &Value, wanted: &Value| difference(Kind::Workspace, Others::Stay, current, wanted);
        let current =
            json!({"spec": {"repo": "https://a/b", "ref": "main", "clone": {"depth": 1, "lfs": true}}});
        let wanted = json!({"spec": {"repo": "https://a/b", "clone": {"depth": 1}}});
        assert_eq!(
            difference(&current, &wanted),
            Some(json!({"spec": {"ref": null, "clone": {"lfs": null}}}))
        );
        assert_eq!(difference(&wanted, &wanted), None);
    }
}
