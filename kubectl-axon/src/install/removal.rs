//! Removing an installation.

use std::time::Duration;

use axon_api::{crd, labels};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret};
use kube::api::{DeleteParams, DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::deployment::{Progress, pods};
use super::manifest::{Wanted, definitions, is_operator, rank};
use super::{DEPLOYMENT, Definitions, Wait, present, refusal, remains, server};
use crate::failure::{Failure, Result};
use crate::output;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(300);

/// What is to be removed.
#[derive(Clone, Debug)]
pub(crate) struct Removal {
    pub(crate) namespace: String,
    /// The operator's objects that are there, without the namespace.
    pub(crate) operator: Vec<Value>,
    /// The definitions that are there, if they are to go.
    pub(crate) definitions: Vec<Value>,
    /// How many objects of each kind there are in all namespaces, such as `3 tasks`.
    pub(crate) counts: Vec<String>,
}

impl Removal {
    pub(crate) fn is_empty(&self) -> bool {
        self.operator.is_empty() && self.definitions.is_empty()
    }

    /// All objects in the order in which they go: the operator first, so that it does not work
    /// without its rights, and what others need last.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let mut objects = self.operator.clone();
        objects.extend(self.definitions.clone());
        objects.sort_by_key(|object| std::cmp::Reverse(rank(object)));
        objects
    }
}

/// Finds what is there of the installation in `namespace`. Refuses what Helm keeps.
pub(crate) async fn plan(client: &Client, namespace: &str, fate: Definitions) -> Result<Removal> {
    let standard = Wanted::standard(namespace).objects()?;
    let is_kept = |object: &Value| {
        matches!(
            object["kind"].as_str(),
            Some("Namespace" | "CustomResourceDefinition")
        )
    };
    let by_name: Vec<Value> = standard.into_iter().filter(|object| !is_kept(object)).collect();
    let places = present::look(client, &by_name).await?;
    // One of the same name in the whole cluster may be of the installation in another namespace.
    let own = |object: &Value| {
        let label = object["metadata"]["labels"][labels::INSTALLATION].as_str();
        label.is_none_or(|label| label == namespace)
    };
    let has_operator = places
        .iter()
        .any(|place| is_operator(&place.wanted) && place.present.is_some());
    let present: Vec<Value> = places.into_iter().filter_map(|place| place.present).collect();
    if let Some(failure) = refusal::is_helms(&present, "uninstall", "") {
        return Err(failure);
    }
    // Without the operator and without the label, nothing says that an object of that name is ours.
    let named = present.into_iter().filter(|object| {
        own(object) && (has_operator || object["metadata"]["labels"][labels::INSTALLATION].is_string())
    });
    let operator = remains::joined(remains::labelled(client, namespace).await?, named);
    let there = present::look(client, &definitions()?).await?;
    let there: Vec<Value> = there.into_iter().filter_map(|place| place.present).collect();
    Ok(Removal {
        namespace: namespace.to_owned(),
        operator,
        counts: counts(client, &there).await,
        definitions: match fate {
            Definitions::Go => there,
            Definitions::Stay => Vec::new(),
        },
    })
}

/// How many objects there are of each kind that is defined.
async fn counts(client: &Client, there: &[Value]) -> Vec<String> {
    let mut counts = Vec::new();
    for definition in crd::all() {
        let name = definition.name_any();
        if !there.iter().any(|object| server::name(object) == name) {
            continue;
        }
        let names = &definition.spec.names;
        let like =
            json!({"apiVersion": format!("{}/{}", axon_api::GROUP, axon_api::VERSION), "kind": names.kind});
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &server::resource(&like));
        // Who may not list them is told less.
        let Ok(page) = api.list_metadata(&ListParams::default().limit(1)).await else {
            continue;
        };
        let more = page.metadata.remaining_item_count.unwrap_or_default();
        let count = page.items.len() + usize::try_from(more).unwrap_or_default();
        match count {
            0 => {}
            1 => counts.push(format!("1 {}", names.kind.to_lowercase())),
            _ => counts.push(format!("{count} {}", names.plural)),
        }
    }
    counts
}

/// Removes it, tells each object, and waits until all is gone if `wait` says so. What stays of the
/// namespace is said in the answer.
pub(crate) async fn remove(
    client: &Client,
    removal: &Removal,
    wait: Wait,
    tell: &dyn Fn(&Value) -> Result<()>,
) -> Result<Option<String>> {
    let running = operators_pods(client, &removal.namespace).await;
    let (definitions, operator): (Vec<Value>, Vec<Value>) = removal
        .objects()
        .into_iter()
        .partition(|object| object["kind"] == "CustomResourceDefinition");
    for object in &operator {
        delete(client, object, tell).await?;
        if wait == Wait::True && is_operator(object) {
            pods_gone(client, &removal.namespace, &running).await?;
        }
    }
    delete_leases(client, &removal.namespace).await?;
    if wait == Wait::True {
        gone(client, &operator).await?;
    }
    // Before the definitions: the cluster empties a namespace kind by kind, and tries again only
    // minutes later when a kind has just gone.
    let stays = namespace(client, &removal.namespace, wait, tell).await?;
    for object in &definitions {
        delete(client, object, tell).await?;
    }
    if wait == Wait::True {
        gone(client, &definitions).await?;
    }
    Ok(stays)
}

async fn delete(client: &Client, object: &Value, tell: &dyn Fn(&Value) -> Result<()>) -> Result<()> {
    if server::delete(client, object, &DeleteParams::background()).await? {
        tell(object)?;
    }
    Ok(())
}

/// Waits until none of the objects is there any more.
async fn gone(client: &Client, objects: &[Value]) -> Result<()> {
    let progress = Progress::start();
    for object in objects {
        while server::get(client, object).await?.is_some() {
            progress.show(&format!(
                "waiting for {} to be gone",
                output::kind_and_name(object)
            ));
            tokio::time::sleep(INTERVAL).await;
        }
    }
    Ok(())
}

/// The names of the operator's pods. Who may not see them does not wait for them.
async fn operators_pods(client: &Client, namespace: &str) -> Vec<String> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    match api.get_opt(DEPLOYMENT).await {
        Ok(Some(deployment)) => {
            let found = pods(client, &deployment).await.unwrap_or_default();
            found.iter().map(kube::ResourceExt::name_any).collect()
        }
        _ => Vec::new(),
    }
}

/// Waits until the operator has ended, so that it gives back its Lease while it may.
async fn pods_gone(client: &Client, namespace: &str, names: &[String]) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let progress = Progress::start();
    for name in names {
        let action = format!("get pod `{name}`");
        while api
            .get_opt(name)
            .await
            .map_err(|error| Failure::api(&action, &error))?
            .is_some()
        {
            progress.show(&format!("waiting for pod/{name} to end"));
            tokio::time::sleep(INTERVAL).await;
        }
    }
    Ok(())
}

/// The operator's Lease is of no use any more. Those of branches stay: agents may still run, and
/// the next operator has to know.
async fn delete_leases(client: &Client, namespace: &str) -> Result<()> {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": super::LEASE, "namespace": namespace},
    });
    match server::delete(client, &lease, &DeleteParams::background()).await {
        Ok(_) => Ok(()),
        // Leases are made by the operator and not by who installs, who may lack the right.
        Err(failure) => {
            output::note(failure.render().trim_end());
            Ok(())
        }
    }
}

/// Removes the namespace if this program made it and nothing of others is in it; why it stays
/// otherwise.
async fn namespace(
    client: &Client,
    name: &str,
    wait: Wait,
    tell: &dyn Fn(&Value) -> Result<()>,
) -> Result<Option<String>> {
    let wanted = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let Some(present) = server::get(client, &wanted).await? else {
        return Ok(None);
    };
    if present["metadata"]["labels"][labels::INSTALLATION] != name {
        return Ok(None);
    }
    if let Some(what) = inhabitant(client, name).await? {
        return Ok(Some(format!(
            "namespace `{name}` stays: {what} is in it\nhint: `kubectl delete namespace {name}` removes it with all that is in it"
        )));
    }
    if !server::delete(client, &wanted, &DeleteParams::background()).await? {
        return Ok(None);
    }
    tell(&wanted)?;
    let progress = Progress::start();
    while wait == Wait::True && server::get(client, &wanted).await?.is_some() {
        progress.show(&format!("waiting for namespace/{name} to be gone"));
        tokio::time::sleep(INTERVAL).await;
    }
    Ok(None)
}

/// Something in the namespace that is not the installation's.
async fn inhabitant(client: &Client, namespace: &str) -> Result<Option<String>> {
    if let Some(found) = first::<Secret>(client, namespace, "secret").await? {
        return Ok(Some(found));
    }
    if let Some(found) = first::<PersistentVolumeClaim>(client, namespace, "persistentvolumeclaim").await? {
        return Ok(Some(found));
    }
    if let Some(found) = first::<Pod>(client, namespace, "pod").await? {
        return Ok(Some(found));
    }
    if let Some(found) = first::<ConfigMap>(client, namespace, "configmap").await? {
        return Ok(Some(found));
    }
    for definition in crd::all() {
        let kind = &definition.spec.names.kind;
        let like = json!({"apiVersion": format!("{}/{}", axon_api::GROUP, axon_api::VERSION), "kind": kind});
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), namespace, &server::resource(&like));
        match api.list_metadata(&ListParams::default().limit(1)).await {
            Ok(list) => {
                if let Some(object) = list.items.first() {
                    return Ok(Some(format!("{} `{}`", kind.to_lowercase(), object.name_any())));
                }
            }
            // The kind is gone, or going: so are its objects.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(Failure::api(&format!("list {kind}"), &error)),
        }
    }
    Ok(None)
}

async fn first<K>(client: &Client, namespace: &str, kind: &str) -> Result<Option<String>>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let list = Api::<K>::namespaced(client.clone(), namespace)
        .list_metadata(&ListParams::default())
        .await
        .map_err(|error| Failure::api(&format!("list {kind}s"), &error))?;
    let is_clusters = |name: &str| name == "kube-root-ca.crt" || name.starts_with("default-token-");
    let found = list
        .items
        .iter()
        .find(|object| !is_clusters(&object.name_any()) && object.metadata.deletion_timestamp.is_none());
    Ok(found.map(|object| format!("{kind} `{}`", object.name_any())))
}
