//! The objects of an installation that are on the cluster, whatever version made them.

use std::collections::BTreeSet;

use axon_api::labels;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::Client;
use serde_json::{Value, json};

use super::manifest::rank;
use super::present::AT_ONCE;
use super::server;
use crate::failure::Result;

/// The kinds that an installation has had in any version, and that may be removed with it. The
/// definitions are none of them: with them go the objects of users. The namespace is looked at alone.
const KINDS: &[(&str, &str)] = &[
    ("v1", "ServiceAccount"),
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("apps/v1", "Deployment"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("networking.k8s.io/v1", "Ingress"),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicyBinding",
    ),
];

/// What tells one object from all others.
type Key = (String, String, String);

fn key(object: &Value) -> Key {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    (
        text(&object["kind"]),
        text(&metadata["namespace"]),
        text(&metadata["name"]),
    )
}

/// The objects of the installation in `namespace`, by their label, in the order in which they are
/// applied.
pub(crate) async fn labelled(client: &Client, namespace: &str) -> Result<Vec<Value>> {
    let selector = format!("{}={namespace}", labels::INSTALLATION);
    let selector = &selector;
    let lists: Vec<_> = KINDS
        .iter()
        .map(|(version, kind)| async move {
            server::labelled(client, &json!({"apiVersion": version, "kind": kind}), selector).await
        })
        .collect();
    let found: Vec<Vec<Value>> = futures::stream::iter(lists)
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut objects: Vec<Value> = found.into_iter().flatten().collect();
    objects.sort_by_key(rank);
    Ok(objects)
}

/// What an older version has installed and `wanted` no longer has.
pub(crate) async fn stale(client: &Client, namespace: &str, wanted: &[Value]) -> Result<Vec<Value>> {
    Ok(without(labelled(client, namespace).await?, wanted))
}

/// The objects that are not among the wanted ones. When only a part is wanted, nothing is stale:
/// what is not asked for is not in the way.
fn without(objects: Vec<Value>, wanted: &[Value]) -> Vec<Value> {
    if !wanted.iter().any(super::manifest::is_operator) {
        return Vec::new();
    }
    let wanted: BTreeSet<Key> = wanted.iter().map(key).collect();
    objects
        .into_iter()
        .filter(|object| !wanted.contains(&key(object)))
        .collect()
}

/// `objects` and those of `more` that are not among them.
pub(crate) fn joined(mut objects: Vec<Value>, more: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut known: BTreeSet<Key> = objects.iter().map(key).collect();
    objects.extend(more.into_iter().filter(|object| known.insert(key(object))));
    objects.sort_by_key(rank);
    objects
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::manifest::Wanted;

    fn old() -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "axon-old", "namespace": "axon-system"}})
    }

    #[test]
    fn only_what_the_new_version_lacks_is_stale() {
        let wanted = Wanted::standard("axon-system").objects().expect("objects");
        let mut present = wanted.clone();
        present.push(old());
        assert_eq!(without(present.clone(), &wanted), [old()]);
        let definitions: Vec<Value> = wanted
            .into_iter()
            .filter(|object| object["kind"] == "CustomResourceDefinition")
            .collect();
        assert_eq!(without(present, &definitions), Vec::<Value>::new());
    }

    #[test]
    fn every_kind_of_the_manifest_can_be_removed_again() {
        for object in Wanted::standard("axon-system").objects().expect("objects") {
            let kind = object["kind"].as_str().expect("a kind");
            let version = object["apiVersion"].as_str().expect("a version");
            let is_kept = matches!(kind, "Namespace" | "CustomResourceDefinition");
            assert!(is_kept || KINDS.contains(&(version, kind)), "{version} {kind}");
        }
    }

    #[test]
    fn an_object_that_is_known_twice_is_there_once() {
        assert_eq!(joined(vec![old()], [old()]).len(), 1);
    }
}
