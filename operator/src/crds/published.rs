//! Whether the definitions on the server are as new as this operator, by the schemas that the server
//! publishes to everyone: no right to read definitions is needed.

use std::time::Duration;

use anyhow::Context as _;
use axon_api::{GROUP, VERSION};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use serde_json::{Map, Value};

/// How often the server is asked: a definition that has just been applied is published a little later.
const LOOKS: usize = 5;
/// How long to wait between two looks.
const BETWEEN: Duration = Duration::from_secs(3);
/// How many fields are named at most.
const MOST_NAMED: usize = 5;
/// What the server sets in every kind by itself.
const OF_ALL_KINDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Says in the log which fields the server does not know yet, and what to do.
///
/// Such a server drops these fields from what users send, and refuses them of `kubectl apply`, so this is
/// worth a warning and no reason not to work.
pub async fn warn_of_older_definitions(client: Client) {
    let ours = axon_api::crd::all();
    let mut unknown = Vec::new();
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(BETWEEN).await;
        }
        unknown = match published(&client).await {
            Ok(published) => unknown_fields(&ours, &published),
            Err(error) => {
                tracing::debug!(
                    error = format!("{error:#}"),
                    "the schemas of the server are not known"
                );
                continue;
            }
        };
        if unknown.is_empty() {
            return;
        }
    }
    if unknown.is_empty() {
        return;
    }
    let more = unknown.len().saturating_sub(MOST_NAMED);
    let and_more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    unknown.truncate(MOST_NAMED);
    tracing::warn!(
        "the definitions on the server are older than this operator: they lack {}{and_more}\nhint: upgrade the chart with crds.enabled=true, or: axon-operator crd | kubectl apply -f -",
        unknown.join(", ")
    );
}

async fn published(client: &Client) -> anyhow::Result<Value> {
    let request = axum::http::Request::get(format!("/openapi/v3/apis/{GROUP}/{VERSION}")).body(Vec::new())?;
    client.request(request).await.context("failed to get the schemas")
}

/// The fields of these definitions that a published document lacks, as in `Task.spec.prompt`. A kind that
/// is not published at all is not told of: the server does not serve it.
fn unknown_fields(definitions: &[CustomResourceDefinition], document: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    for definition in definitions {
        let kind = &definition.spec.names.kind;
        let Some(theirs) = document.pointer(&format!("/components/schemas/{}", component(kind))) else {
            continue;
        };
        let of_version = definition.spec.versions.first().and_then(|version| {
            let schema = version.schema.as_ref()?.open_api_v3_schema.as_ref()?;
            serde_json::to_value(schema).ok()
        });
        let Some(mut ours) = of_version else { continue };
        if let Some(properties) = ours.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|name, _| !OF_ALL_KINDS.contains(&name.as_str()));
        }
        compare(&ours, theirs, kind, &mut unknown);
    }
    unknown
}

/// The name of a kind's schema: the group backwards, version and kind.
fn component(kind: &str) -> String {
    let backwards: Vec<&str> = GROUP.rsplit('.').collect();
    format!("{}.{VERSION}.{kind}", backwards.join("."))
}

fn compare(ours: &Value, theirs: &Value, path: &str, unknown: &mut Vec<String>) {
    let none = Map::new();
    let properties = |schema: &'_ Value| schema.get("properties").and_then(Value::as_object).cloned();
    let of_theirs = properties(theirs).unwrap_or_default();
    for (name, schema) in properties(ours).as_ref().unwrap_or(&none) {
        let path = format!("{path}.{name}");
        match of_theirs.get(name) {
            Some(theirs) => compare(schema, theirs, &path, unknown),
            None => unknown.push(path),
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(ours) = ours.get(inner).filter(|schema| schema.is_object()) {
            compare(ours, theirs.get(inner).unwrap_or(&Value::Null), path, unknown);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a server publishes that has the definitions of this version, without what `change` takes.
    fn document(change: impl FnOnce(&mut Value)) -> Value {
        let schemas: Map<String, Value> = axon_api::crd::all()
            .iter()
            .map(|definition| {
                let schema = definition.spec.versions[0].schema.as_ref().expect("a schema");
                let schema = serde_json::to_value(schema.open_api_v3_schema.as_ref()).expect("JSON");
                (component(&definition.spec.names.kind), schema)
            })
            .collect();
        let mut document = json!({ "components": { "schemas": schemas } });
        change(&mut document);
        document
    }

    #[test]
    fn definitions_of_this_version_lack_nothing() {
        assert_eq!(unknown_fields(&axon_api::crd::all(), &document(|_| ())), [""; 0]);
    }

    #[test]
    fn a_field_that_an_older_definition_lacks_is_named_with_its_place() {
        let older = document(|document| {
            let task = "/components/schemas/io.axon.v1alpha1.Task/properties/spec/properties";
            let spec = document.pointer_mut(task).and_then(Value::as_object_mut);
            spec.expect("a spec").remove("dependsOn");
            let env = format!("{task}/podOverrides/properties/env/items/properties");
            let variable = document.pointer_mut(&env).and_then(Value::as_object_mut);
            variable.expect("a variable").remove("value");
        });
        assert_eq!(
            unknown_fields(&axon_api::crd::all(), &older),
            ["Task.spec.dependsOn", "Task.spec.podOverrides.env.value"]
        );
    }
}
